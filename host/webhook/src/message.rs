//! An event as the request that carries it, by the CloudEvents HTTP binding, with the headers of Standard Webhooks.
//!
//! Invariant: the body is UTF-8, since that is what signatures of Standard Webhooks are over: a payload that is not goes in the structured
//! mode, as Base64, whatever mode is asked for. The id is the delivery's, the same in every attempt; the time is the attempt's.

use bytes::Bytes;
use wharf_event::{Data, Event, WebhookMode as Mode};

use crate::{percent::encode, secret::Secret};

/// The media type of the structured mode.
const STRUCTURED: &str = "application/cloudevents+json";

/// A request to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Names and values of its fields, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Bytes,
}

/// A request that is not signed yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsigned {
    headers: Vec<(String, String)>,
    body: String,
}

impl Unsigned {
    /// The request of an event.
    #[must_use]
    pub fn of(event: &Event, mode: Mode) -> Self {
        match mode {
            Mode::Structured => Self::structured(event),
            Mode::Binary => Self::binary(event).unwrap_or_else(|| Self::structured(event)),
        }
    }

    fn structured(event: &Event) -> Self {
        let headers = vec![("content-type".to_owned(), STRUCTURED.to_owned())];
        // JSON is UTF-8: nothing is lost.
        Self { headers, body: String::from_utf8_lossy(&event.to_json()).into_owned() }
    }

    /// Absent where the payload is not UTF-8.
    fn binary(event: &Event) -> Option<Self> {
        let body = event.data().map(|data| str::from_utf8(data.bytes())).transpose().ok()?.unwrap_or_default();
        let own = [
            ("specversion", Some("1.0")),
            ("id", Some(event.id())),
            ("source", Some(event.source())),
            ("type", Some(event.kind())),
            ("subject", event.subject()),
            ("time", event.time()),
            ("dataschema", event.dataschema()),
        ];
        let of = |name: &str, value: &str| (format!("ce-{name}"), encode(value));
        let mut headers: Vec<_> = own.into_iter().filter_map(|(name, value)| Some(of(name, value?))).collect();
        headers.extend(event.extensions().iter().map(|(name, value)| of(name, &value.to_string())));
        let media_type = event.datacontenttype().or(match event.data() {
            Some(Data::Json(_)) => Some("application/json"),
            _ => None,
        });
        headers.extend(media_type.map(|it| ("content-type".to_owned(), it.to_owned())));
        Some(Self { headers, body: body.to_owned() })
    }

    /// What a receiver can check: an id that is the same in every attempt, the attempt's time in seconds since 1970, and a signature by each
    /// secret, so that a secret can be changed while both are in use.
    #[must_use]
    pub fn signed<'a>(self, id: &str, at_s: i64, secrets: impl IntoIterator<Item = &'a Secret>) -> Message {
        let signatures: Vec<_> = secrets.into_iter().map(|secret| secret.sign(id, at_s, &self.body)).collect();
        let Self { mut headers, body } = self;
        headers.push(("webhook-id".to_owned(), id.to_owned()));
        headers.push(("webhook-timestamp".to_owned(), at_s.to_string()));
        if !signatures.is_empty() {
            headers.push(("webhook-signature".to_owned(), signatures.join(" ")));
        }
        Message { headers, body: Bytes::from(body) }
    }
}
