//! An event, as CloudEvents 1.0.2 defines it. Invariant: an `Event` obeys the attribute rules and the limits, its extensions
//! are sorted by name and unique, and its payload is byte for byte what was received. An event is a value: it is never
//! changed in place, and it does not know where it stands in the log.

use std::sync::Arc;

use bytes::Bytes;

use crate::{
    attribute::{self, AttributeValue},
    error::EventError,
    json,
    limits::EVENT_BYTES_MAX,
};

/// A CloudEvent. Cloning is cheap: attributes and payload are shared.
///
/// The payload may be a slice of a larger buffer (a batch, a log frame), which lives as long as the event does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub(crate) attributes: Arc<Attributes>,
    pub(crate) data: Option<Data>,
}

/// All attributes but `specversion`, which is always 1.0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Attributes {
    pub(crate) id: String,
    pub(crate) source: String,
    pub(crate) kind: String,
    pub(crate) subject: Option<String>,
    pub(crate) time: Option<String>,
    pub(crate) datacontenttype: Option<String>,
    pub(crate) dataschema: Option<String>,
    pub(crate) extensions: Vec<(String, AttributeValue)>,
}

/// A payload, by how it is shown in JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    /// A JSON value, kept as it was written.
    Json(Bytes),
    /// Text of a media type that is not JSON: the string's content, in UTF-8.
    Text(Bytes),
    /// Anything else.
    Binary(Bytes),
}

impl Data {
    /// The payload's bytes, as a handler gets them.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        match self {
            Self::Json(bytes) | Self::Text(bytes) | Self::Binary(bytes) => bytes,
        }
    }
}

impl Event {
    /// The same event with a payload of its own, so that keeping it keeps no larger buffer alive.
    #[must_use]
    pub fn detached(&self) -> Self {
        let own = |bytes: &Bytes| Bytes::copy_from_slice(bytes);
        let data = self.data.as_ref().map(|data| match data {
            Data::Json(bytes) => Data::Json(own(bytes)),
            Data::Text(bytes) => Data::Text(own(bytes)),
            Data::Binary(bytes) => Data::Binary(own(bytes)),
        });
        Self { attributes: Arc::clone(&self.attributes), data }
    }

    /// The last step of every way to make an event: sorts the extensions and checks all rules.
    pub(crate) fn assemble(mut attributes: Attributes, data: Option<Data>) -> Result<Self, EventError> {
        attributes.extensions.sort_by(|(a, _), (b, _)| a.cmp(b));
        attribute::check(&attributes)?;
        for pair in attributes.extensions.windows(2) {
            if let [(a, _), (b, _)] = pair
                && a == b
            {
                return Err(EventError::Duplicate { name: a.clone() });
            }
        }
        let event = Self { attributes: Arc::new(attributes), data };
        let bytes = event.size();
        if bytes > EVENT_BYTES_MAX {
            return Err(EventError::TooLarge { what: "the event".to_owned(), bytes, max: EVENT_BYTES_MAX });
        }
        Ok(event)
    }

    /// For the codec: what was an event when it was encoded is one.
    pub(crate) fn trusted(attributes: Attributes, data: Option<Data>) -> Self {
        Self { attributes: Arc::new(attributes), data }
    }

    /// Unique among the events of its source.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.attributes.id
    }

    /// Where the event happened, a URI reference.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.attributes.source
    }

    /// The attribute `type`: what kind of occurrence this is.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.attributes.kind
    }

    /// What in the source the event is about.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.attributes.subject.as_deref()
    }

    /// When it happened, an RFC 3339 timestamp as it was sent.
    #[must_use]
    pub fn time(&self) -> Option<&str> {
        self.attributes.time.as_deref()
    }

    /// The media type of the payload.
    #[must_use]
    pub fn datacontenttype(&self) -> Option<&str> {
        self.attributes.datacontenttype.as_deref()
    }

    /// The schema that the payload adheres to, an absolute URI.
    #[must_use]
    pub fn dataschema(&self) -> Option<&str> {
        self.attributes.dataschema.as_deref()
    }

    /// The extension attributes, sorted by name.
    #[must_use]
    pub fn extensions(&self) -> &[(String, AttributeValue)] {
        &self.attributes.extensions
    }

    /// One extension attribute.
    #[must_use]
    pub fn extension(&self, name: &str) -> Option<&AttributeValue> {
        self.extensions().iter().find(|(other, _)| other == name).map(|(_, value)| value)
    }

    /// The payload.
    #[must_use]
    pub fn data(&self) -> Option<&Data> {
        self.data.as_ref()
    }

    /// What counts against the limit of 1 MiB, in bytes: names and values of the attributes, plus the payload.
    #[must_use]
    pub fn size(&self) -> usize {
        let own = self.own_attributes().map(|(name, value)| name.len() + value.len()).sum::<usize>();
        let extensions = self.extensions().iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
        own + extensions + self.data.as_ref().map_or(0, |data| data.bytes().len())
    }

    /// The event with an extension attribute added, or replaced if it has one of this name.
    ///
    /// # Errors
    /// When the name or the value breaks a rule, or the event gets too large.
    pub fn with_extension(self, name: &str, value: impl Into<AttributeValue>) -> Result<Self, EventError> {
        let mut attributes = Arc::unwrap_or_clone(self.attributes);
        attributes.extensions.retain(|(other, _)| other != name);
        attributes.extensions.push((name.to_owned(), value.into()));
        Self::assemble(attributes, self.data)
    }

    /// The event under another id.
    ///
    /// # Errors
    /// When the id breaks a rule, or the event gets too large.
    pub fn with_id(self, id: &str) -> Result<Self, EventError> {
        let mut attributes = Arc::unwrap_or_clone(self.attributes);
        id.clone_into(&mut attributes.id);
        Self::assemble(attributes, self.data)
    }

    /// The event with another payload, of this media type, or with none. What it said of the schema of the old one goes.
    ///
    /// # Errors
    /// When what is to be JSON is not, or the event gets too large.
    pub fn with_data(self, payload: Option<(&str, Data)>) -> Result<Self, EventError> {
        let mut attributes = Arc::unwrap_or_clone(self.attributes);
        attributes.dataschema = None;
        attributes.datacontenttype = payload.as_ref().map(|(media_type, _)| (*media_type).to_owned());
        if let Some((media_type, Data::Json(bytes))) = &payload {
            json::check_payload(bytes, Some(media_type))?;
        }
        Self::assemble(attributes, payload.map(|(_, data)| data))
    }

    /// The specification's own attributes that are there, in its order.
    pub(crate) fn own_attributes(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let all = [
            ("specversion", Some("1.0")),
            ("id", Some(self.id())),
            ("source", Some(self.source())),
            ("type", Some(self.kind())),
            ("subject", self.subject()),
            ("time", self.time()),
            ("datacontenttype", self.datacontenttype()),
            ("dataschema", self.dataschema()),
        ];
        all.into_iter().filter_map(|(name, value)| Some((name, value?)))
    }
}
