//! The event that a handler or a transform gets: the attributes of CloudEvents 1.0 and a payload of the author's own type.
//!
//! Invariant: attributes are as the host sent them; only the payload is decoded.
//!
//! It does not make events: a handler publishes with [`Draft`](crate::Draft), and a transform changes the event that it got.

use crate::bindings::wharf::plugin::types;
use crate::payload::{Payload, PayloadError};

/// A received event (CloudEvents 1.0) whose payload is a `T`.
///
/// `T` is any type that serde can deserialize from JSON, [`serde_json::Value`] for whatever JSON comes, or `Vec<u8>` for the
/// payload's bytes as they were received; see [`Payload`]. An event whose payload is not a `T` is rejected before the handler
/// is called.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Event<T = serde_json::Value> {
    /// Unique among the events of its source.
    pub id: String,
    /// A URI reference that names where the event happened.
    pub source: String,
    /// What kind of occurrence this is, such as `order.created`: the attribute `type`.
    pub kind: String,
    /// What in the source the event is about.
    pub subject: Option<String>,
    /// When it happened, RFC 3339.
    pub time: Option<String>,
    /// The media type of the payload.
    pub datacontenttype: Option<String>,
    /// The schema that the payload adheres to.
    pub dataschema: Option<String>,
    /// The extension attributes, in the canonical string form of CloudEvents.
    pub extensions: Vec<(String, String)>,
    /// The payload.
    pub data: T,
}

impl<T> Event<T> {
    /// The extension attribute of that name, if the event has it: `correlationid`, for one.
    pub fn extension(&self, name: &str) -> Option<&str> {
        self.extensions.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The same event with this extension attribute: a name of lower-case letters and digits, at most 20 of them, and a value
    /// in its canonical string form.
    #[must_use]
    pub fn with_extension(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let name = name.into();
        self.extensions.retain(|(known, _)| *known != name);
        self.extensions.push((name, value.into()));
        self
    }

    /// The same event with another payload.
    #[must_use]
    pub fn with_data<U>(self, data: U) -> Event<U> {
        let Self { id, source, kind, subject, time, datacontenttype, dataschema, extensions, data: _ } = self;
        Event { id, source, kind, subject, time, datacontenttype, dataschema, extensions, data }
    }
}

impl<T: Payload> Event<T> {
    /// Decodes what the host handed over.
    pub(crate) fn from_contract(event: types::Event) -> Result<Self, PayloadError> {
        Ok(Self {
            data: T::decode(event.data)?,
            id: event.id,
            source: event.source,
            kind: event.type_,
            subject: event.subject,
            time: event.time,
            datacontenttype: event.datacontenttype,
            dataschema: event.dataschema,
            extensions: event.extensions.into_iter().map(|extension| (extension.name, extension.value)).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(data: &str) -> types::Event {
        types::Event {
            id: "7".to_owned(),
            source: "shop/berlin".to_owned(),
            type_: "order.created".to_owned(),
            subject: Some("order/7".to_owned()),
            time: Some("2026-11-22T10:00:00Z".to_owned()),
            datacontenttype: Some("application/json".to_owned()),
            dataschema: None,
            extensions: vec![types::Attribute { name: "correlationid".to_owned(), value: "c-1".to_owned() }],
            data: Some(data.as_bytes().to_vec()),
        }
    }

    #[test]
    fn attributes_arrive_as_they_were_sent() {
        let event: Event<u32> = Event::from_contract(received("12")).unwrap();
        assert_eq!(
            (event.id.as_str(), event.source.as_str(), event.kind.as_str()),
            ("7", "shop/berlin", "order.created")
        );
        assert_eq!((event.subject.as_deref(), event.time.as_deref()), (Some("order/7"), Some("2026-11-22T10:00:00Z")));
        assert_eq!((event.datacontenttype.as_deref(), event.dataschema.as_deref()), (Some("application/json"), None));
        assert_eq!(event.data, 12);
    }

    #[test]
    fn an_extension_is_found_by_its_name() {
        let event: Event = Event::from_contract(received("null")).unwrap();
        assert_eq!(event.extension("correlationid"), Some("c-1"));
        assert_eq!(event.extension("causationid"), None);
        let event = event.with_extension("size", "s").with_extension("size", "m");
        assert_eq!(event.extensions.len(), 2);
        assert_eq!(event.extension("size"), Some("m"));
    }
}
