//! An event to be published, and why one is not taken.
//!
//! Invariant: a draft has only what a handler may choose; `id`, `time`, `correlationid`, `causationid` and the hop count are the
//! host's.
//!
//! It does not check the rules of CloudEvents or the plugin's grants: the host does, at [`Context::publish`](crate::Context::publish).

use serde::Serialize;

use crate::bindings::wharf::plugin::publisher;

/// An event to be published on the bus of the handled event.
///
/// ```
/// use wharf::Draft;
///
/// # fn main() -> Result<(), serde_json::Error> {
/// let draft = Draft::new("order.paid").subject("order/7").extension("priority", "high").json(&serde_json::json!({"cents": 990}))?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a draft is published by `cx.publish(draft)`"]
pub struct Draft {
    kind: String,
    source: Option<String>,
    subject: Option<String>,
    datacontenttype: Option<String>,
    extensions: Vec<(String, String)>,
    data: Option<Vec<u8>>,
}

impl Draft {
    /// An event of that type, without a payload.
    pub fn new(kind: impl Into<String>) -> Self {
        Self {
            kind: kind.into(),
            source: None,
            subject: None,
            datacontenttype: None,
            extensions: Vec::new(),
            data: None,
        }
    }

    /// Where it happened. Without it, the host writes `plugin/<name of the plugin>`.
    pub fn source(mut self, source: impl Into<String>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What in the source the event is about.
    pub fn subject(mut self, subject: impl Into<String>) -> Self {
        self.subject = Some(subject.into());
        self
    }

    /// A further attribute: lower-case letters and digits, at most 20 of them, and a value in its canonical string form.
    pub fn extension(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.extensions.push((name.into(), value.into()));
        self
    }

    /// The payload, as JSON.
    ///
    /// # Errors
    ///
    /// When `payload` has no JSON form, as a map whose keys are no strings.
    pub fn json(self, payload: &(impl Serialize + ?Sized)) -> Result<Self, serde_json::Error> {
        Ok(self.data("application/json", serde_json::to_vec(payload)?))
    }

    /// The payload, as text.
    pub fn text(self, payload: impl Into<String>) -> Self {
        self.data("text/plain; charset=utf-8", payload.into())
    }

    /// The payload, as bytes of that media type.
    pub fn data(mut self, datacontenttype: impl Into<String>, payload: impl Into<Vec<u8>>) -> Self {
        self.datacontenttype = Some(datacontenttype.into());
        self.data = Some(payload.into());
        self
    }

    /// The draft as the contract has it.
    pub(crate) fn into_contract(self) -> publisher::Draft {
        publisher::Draft {
            type_: self.kind,
            source: self.source,
            subject: self.subject,
            datacontenttype: self.datacontenttype,
            extensions: self.extensions.into_iter().map(|(name, value)| publisher::Attribute { name, value }).collect(),
            data: self.data,
        }
    }
}

/// Why an event was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// No grant of this plugin covers the event's type.
    #[error("publishing this event is not granted: {0}")]
    Denied(String),
    /// The draft breaks a rule of CloudEvents.
    #[error("this event is against the rules of CloudEvents: {0}")]
    Invalid(String),
}

impl From<publisher::PublishError> for PublishError {
    fn from(error: publisher::PublishError) -> Self {
        match error {
            publisher::PublishError::Denied(said) => Self::Denied(said),
            publisher::PublishError::Invalid(said) => Self::Invalid(said),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draft_reaches_the_host_as_it_was_written() {
        let draft = Draft::new("order.paid")
            .source("shop")
            .subject("order/7")
            .extension("priority", "high")
            .json(&[1, 2])
            .unwrap();
        let sent = draft.into_contract();
        assert_eq!(
            (sent.type_.as_str(), sent.source.as_deref(), sent.subject.as_deref()),
            ("order.paid", Some("shop"), Some("order/7"))
        );
        assert_eq!(sent.datacontenttype.as_deref(), Some("application/json"));
        assert_eq!(sent.data.as_deref(), Some(b"[1,2]".as_slice()));
        assert_eq!(
            sent.extensions.iter().map(|e| (e.name.as_str(), e.value.as_str())).collect::<Vec<_>>(),
            [("priority", "high")]
        );
    }

    #[test]
    fn a_draft_without_payload_names_no_media_type() {
        let sent = Draft::new("order.paid").into_contract();
        assert_eq!((sent.data, sent.datacontenttype), (None, None));
    }

    #[test]
    fn text_and_bytes_keep_their_media_type() {
        assert_eq!(
            Draft::new("a").text("hi").into_contract().datacontenttype.as_deref(),
            Some("text/plain; charset=utf-8")
        );
        assert_eq!(Draft::new("a").data("image/png", [1]).into_contract().data, Some(vec![1]));
    }
}
