//! How the host itself makes events: what a plugin publishes, what a test needs, plain JSON that was posted. Invariant:
//! `build` checks everything, the setters nothing, so a builder can be filled from any source.

use bytes::Bytes;

use crate::{
    attribute::AttributeValue,
    error::EventError,
    event::{Attributes, Data, Event},
    json, media,
};

/// Makes an event from its parts.
#[derive(Clone, Debug)]
pub struct EventBuilder {
    attributes: Attributes,
    data: Option<Bytes>,
}

impl EventBuilder {
    /// Begins with the three attributes that every event has.
    #[must_use]
    pub fn new(id: impl Into<String>, source: impl Into<String>, kind: impl Into<String>) -> Self {
        let attributes =
            Attributes { id: id.into(), source: source.into(), kind: kind.into(), ..Attributes::default() };
        Self { attributes, data: None }
    }

    /// What in the source the event is about.
    #[must_use]
    pub fn subject(mut self, subject: impl Into<String>) -> Self {
        self.attributes.subject = Some(subject.into());
        self
    }

    /// When it happened, an RFC 3339 timestamp.
    #[must_use]
    pub fn time(mut self, time: impl Into<String>) -> Self {
        self.attributes.time = Some(time.into());
        self
    }

    /// The media type of the payload.
    #[must_use]
    pub fn datacontenttype(mut self, media_type: impl Into<String>) -> Self {
        self.attributes.datacontenttype = Some(media_type.into());
        self
    }

    /// The schema that the payload adheres to, an absolute URI.
    #[must_use]
    pub fn dataschema(mut self, uri: impl Into<String>) -> Self {
        self.attributes.dataschema = Some(uri.into());
        self
    }

    /// Adds an extension attribute, or replaces the one of this name.
    #[must_use]
    pub fn extension(mut self, name: impl Into<String>, value: impl Into<AttributeValue>) -> Self {
        let name = name.into();
        self.attributes.extensions.retain(|(other, _)| *other != name);
        self.attributes.extensions.push((name, value.into()));
        self
    }

    /// The payload. It is JSON if the media type says so or there is none, and then it must parse.
    #[must_use]
    pub fn data(mut self, data: impl Into<Bytes>) -> Self {
        self.data = Some(data.into());
        self
    }

    /// Checks all rules.
    ///
    /// # Errors
    /// The first rule or limit that does not hold.
    pub fn build(self) -> Result<Event, EventError> {
        let media_type = self.attributes.datacontenttype.as_deref();
        let data = match self.data {
            Some(bytes) if media_type.is_none_or(media::is_json) => {
                json::check_payload(&bytes, media_type)?;
                Some(Data::Json(bytes))
            }
            Some(bytes) => Some(Data::Binary(bytes)),
            None => None,
        };
        Event::assemble(self.attributes, data)
    }
}

impl Event {
    /// A plain JSON document as an event: what is posted without any CloudEvents attribute. An empty body is no payload.
    ///
    /// # Errors
    /// When the body is not JSON, its content type is another, or an attribute breaks a rule.
    pub fn plain(
        id: &str,
        time: &str,
        kind: &str,
        source: &str,
        content_type: Option<&str>,
        body: Bytes,
    ) -> Result<Self, EventError> {
        if let Some(found) = content_type.filter(|it| !media::is_json(it)) {
            return Err(EventError::ContentType { found: Some(found.to_owned()) });
        }
        let media_type = content_type.unwrap_or("application/json");
        let builder = EventBuilder::new(id, source, kind).time(time).datacontenttype(media_type);
        if body.is_empty() { builder.build() } else { builder.data(body).build() }
    }
}
