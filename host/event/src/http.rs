//! The HTTP protocol binding (CloudEvents 1.0.2), without an HTTP library: which mode a request is in, and an event of the
//! binary mode from its headers. Invariant: nothing is guessed. A header that cannot be read refuses the event; a media
//! type that no mode has refuses the request. Structured and batched bodies are `json.rs`.

use bytes::Bytes;

use crate::{
    error::{EventError, HeaderReason},
    event::{Attributes, Data, Event},
    json,
    limits::ERROR_VALUE_CHARS_MAX,
    media::{self, MediaType},
    percent,
};

/// How a request carries events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// One event as a JSON object.
    Structured,
    /// A JSON array of events.
    Batched,
    /// Attributes in `ce-` headers, the payload as the body.
    Binary,
    /// A JSON document that is no CloudEvent: the payload of an event that the host makes.
    Plain,
}

impl Mode {
    /// The mode of a request. The content type decides; `ce-` headers matter only if it is none of the CloudEvents formats.
    ///
    /// # Errors
    /// When no events are read from such a request.
    pub fn of(content_type: Option<&str>, has_ce_headers: bool) -> Result<Self, EventError> {
        let refused = || {
            let found = content_type.map(|it| it.chars().take(ERROR_VALUE_CHARS_MAX).collect());
            Err(EventError::ContentType { found })
        };
        match content_type.and_then(MediaType::parse) {
            Some(format) if format.is_cloudevents() => {
                if !format.is_utf8() {
                    refused()
                } else if format.is("application", "cloudevents+json") {
                    Ok(Self::Structured)
                } else if format.is("application", "cloudevents-batch+json") {
                    Ok(Self::Batched)
                } else {
                    refused()
                }
            }
            _ if has_ce_headers => Ok(Self::Binary),
            Some(format) if format.is_json() => Ok(Self::Plain),
            None if content_type.is_none() => Ok(Self::Plain),
            _ => refused(),
        }
    }
}

impl Event {
    /// An event of the binary mode. Headers that are not the event's are passed over; names are compared without case. An
    /// empty body is no payload. A body without a content type is JSON if it parses.
    ///
    /// # Errors
    /// When a header cannot be read or is there twice, a required one is missing, or the event breaks a rule or limit.
    pub fn from_binary_mode<'a>(
        headers: impl Iterator<Item = (&'a str, &'a [u8])>,
        body: Bytes,
    ) -> Result<Self, EventError> {
        let attributes = read_headers(headers)?;
        let data = match attributes.datacontenttype.as_deref() {
            _ if body.is_empty() => None,
            Some(media_type) if media::is_json(media_type) => {
                json::check_payload(&body, Some(media_type))?;
                Some(Data::Json(body))
            }
            None if json::check_payload(&body, None).is_ok() => Some(Data::Json(body)),
            _ => Some(Data::Binary(body)),
        };
        Self::assemble(attributes, data)
    }
}

fn read_headers<'a>(headers: impl Iterator<Item = (&'a str, &'a [u8])>) -> Result<Attributes, EventError> {
    let mut attributes = Attributes::default();
    let (mut specversion, mut id, mut source, mut kind) = (None, None, None, None);
    for (header, value) in headers {
        let header = header.to_ascii_lowercase();
        let refused =
            |reason| EventError::Header { name: header.chars().take(ERROR_VALUE_CHARS_MAX).collect(), reason };
        if header == "content-type" {
            // It is an ordinary header: neither quoted as a whole nor percent-encoded.
            let text = str::from_utf8(value).map_err(|_| refused(HeaderReason::NotUtf8))?;
            set(&mut attributes.datacontenttype, text.trim().to_owned()).map_err(refused)?;
            continue;
        }
        let Some(name) = header.strip_prefix("ce-") else { continue };
        let value = percent::decode(value).map_err(refused)?;
        match name {
            "specversion" => set(&mut specversion, value),
            "id" => set(&mut id, value),
            "source" => set(&mut source, value),
            "type" => set(&mut kind, value),
            "subject" => set(&mut attributes.subject, value),
            "time" => set(&mut attributes.time, value),
            "dataschema" => set(&mut attributes.dataschema, value),
            "datacontenttype" => Err(HeaderReason::NotAllowed),
            _ if attributes.extensions.iter().any(|(other, _)| other == name) => Err(HeaderReason::Repeated),
            _ => {
                attributes.extensions.push((name.to_owned(), value.into()));
                Ok(())
            }
        }
        .map_err(refused)?;
    }
    if specversion.as_deref() != Some("1.0") {
        let found = specversion.map(|it| it.chars().take(ERROR_VALUE_CHARS_MAX).collect());
        return Err(EventError::Specversion { found });
    }
    attributes.id = id.ok_or(EventError::Missing { name: "id" })?;
    attributes.source = source.ok_or(EventError::Missing { name: "source" })?;
    attributes.kind = kind.ok_or(EventError::Missing { name: "type" })?;
    Ok(attributes)
}

/// Sets what was not set: a header that is there twice has no one value.
fn set(slot: &mut Option<String>, value: String) -> Result<(), HeaderReason> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(HeaderReason::Repeated),
    }
}
