//! What a transform gives back, and its way from the author's type to the payload's bytes.
//!
//! Invariant: `Vec<u8>` is the bytes themselves (none = no payload, as on the way in) and [`Unchanged`] the bytes that came; every
//! other type is written as JSON, and then the event's media type says so.
//!
//! It does not check the rules of CloudEvents: the host does, and fails the attempt where one is broken.

use std::any::Any;

use serde::Serialize;

use crate::bindings::wharf::plugin::types;
use crate::{Event, Failure};

/// What a transform returns: the event that goes on, `None` for an event that is left out, or why there is neither.
pub type Transformed<T = serde_json::Value> = Result<Option<Event<T>>, Failure>;

/// In the place of a payload: byte for byte the one that the transform got.
///
/// A payload that is read as a type of one's own and written again loses what that type does not have. A transform that only
/// looks at the payload, to leave events out or to set an attribute, says `Unchanged` and loses nothing:
///
/// ```
/// use wharf::{Event, Transformed, Unchanged};
///
/// #[derive(serde::Deserialize)]
/// struct Order {
///     cents: u64,
/// }
///
/// fn mark(event: Event<Order>) -> Transformed<Unchanged> {
///     let size = if event.data.cents > 10_000 { "large" } else { "small" };
///     Ok(Some(event.with_extension("size", size).with_data(Unchanged)))
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unchanged;

/// What the payload of a transform's event can be: every type that owns its data and implements `Serialize`, and [`Unchanged`].
pub trait IntoPayload: Sized {
    /// Whether the payload that came is needed.
    #[doc(hidden)]
    const KEEPS: bool = false;

    /// The payload's bytes. `received` are those that came, where they are needed.
    #[doc(hidden)]
    fn encode(self, received: Option<Vec<u8>>) -> Result<Encoded, serde_json::Error>;
}

/// A payload as bytes.
#[doc(hidden)]
pub enum Encoded {
    /// Of whatever media type the event names.
    Bytes(Option<Vec<u8>>),
    /// JSON that was written here.
    Json(Vec<u8>),
}

impl<T: Serialize + 'static> IntoPayload for T {
    fn encode(self, _: Option<Vec<u8>>) -> Result<Encoded, serde_json::Error> {
        // As for `Payload`: `Vec<u8>` has a `Serialize` of its own, and for each `T` the compiler keeps one of the branches.
        let mut payload = self;
        if let Some(bytes) = (&mut payload as &mut dyn Any).downcast_mut::<Vec<u8>>() {
            let bytes = std::mem::take(bytes);
            return Ok(Encoded::Bytes((!bytes.is_empty()).then_some(bytes)));
        }
        serde_json::to_vec(&payload).map(Encoded::Json)
    }
}

impl IntoPayload for Unchanged {
    const KEEPS: bool = true;

    fn encode(self, received: Option<Vec<u8>>) -> Result<Encoded, serde_json::Error> {
        Ok(Encoded::Bytes(received))
    }
}

/// The event as the contract has it.
pub(crate) fn to_contract<T: IntoPayload>(
    event: Event<T>,
    received: Option<Vec<u8>>,
) -> Result<types::Event, serde_json::Error> {
    let (data, datacontenttype) = match event.data.encode(received)? {
        Encoded::Bytes(bytes) => (bytes, event.datacontenttype),
        Encoded::Json(json) => (Some(json), event.datacontenttype.filter(|it| is_json(it)).or_else(json_type)),
    };
    Ok(types::Event {
        id: event.id,
        source: event.source,
        type_: event.kind,
        subject: event.subject,
        time: event.time,
        datacontenttype,
        dataschema: event.dataschema,
        extensions: event.extensions.into_iter().map(|(name, value)| types::Attribute { name, value }).collect(),
        data,
    })
}

fn json_type() -> Option<String> {
    Some("application/json".to_owned())
}

/// Whether a media type says that a payload is JSON, as the host reads it.
fn is_json(media_type: &str) -> bool {
    let essence = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence.ends_with("/json") || essence.ends_with("+json")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent<T: IntoPayload>(
        datacontenttype: Option<&str>,
        data: T,
        received: &[u8],
    ) -> (Option<String>, Option<Vec<u8>>) {
        let event = types::Event {
            id: "7".to_owned(),
            source: "shop".to_owned(),
            type_: "order".to_owned(),
            subject: None,
            time: None,
            datacontenttype: datacontenttype.map(str::to_owned),
            dataschema: None,
            extensions: Vec::new(),
            data: None,
        };
        let event = Event::<()>::from_contract(event).unwrap().with_data(data);
        let sent = to_contract(event, Some(received.to_vec())).unwrap();
        (sent.datacontenttype, sent.data)
    }

    #[test]
    fn a_payload_is_written_as_json_and_the_media_type_says_so() {
        let json = |media_type: &str| (Some(media_type.to_owned()), Some(b"[1,2]".to_vec()));
        for (before, after) in [
            (None, "application/json"),
            (Some("text/plain"), "application/json"),
            (Some("application/json; charset=utf-8"), "application/json; charset=utf-8"),
            (Some("application/vnd.shop+JSON"), "application/vnd.shop+JSON"),
        ] {
            assert_eq!(sent(before, [1, 2], b"old"), json(after), "{before:?}");
        }
    }

    #[test]
    fn bytes_and_an_unchanged_payload_keep_their_media_type() {
        let plain = |bytes: &[u8]| (Some("text/plain".to_owned()), Some(bytes.to_vec()));
        assert_eq!(sent(Some("text/plain"), b"new".to_vec(), b"old"), plain(b"new"));
        assert_eq!(sent(Some("text/plain"), Unchanged, b"old"), plain(b"old"));
        assert_eq!(sent(None, Vec::<u8>::new(), b"old"), (None, None), "no bytes are no payload, as on the way in");
    }
}
