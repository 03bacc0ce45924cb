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
    /// The id that receivers know it again by.
    id: String,
    /// The attempt's time, in seconds since 1970.
    at_s: i64,
    /// Names and values of its fields, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Bytes,
}

impl Message {
    /// The request of an event, with what a receiver tells attempts apart by: an id that is the same in every attempt, and the attempt's time
    /// in seconds since 1970. It is not signed yet.
    #[must_use]
    pub fn of(event: &Event, mode: Mode, id: String, at_s: i64) -> Self {
        let Payload { mut headers, body } = match mode {
            Mode::Structured => Payload::structured(event),
            Mode::Binary => Payload::binary(event).unwrap_or_else(|| Payload::structured(event)),
        };
        headers.push(("webhook-id".to_owned(), id.clone()));
        headers.push(("webhook-timestamp".to_owned(), at_s.to_string()));
        Self { id, at_s, headers, body: Bytes::from(body) }
    }

    /// Signs it by each secret, so that a secret can be changed while both are in use.
    pub fn sign<'a>(&mut self, secrets: impl IntoIterator<Item = &'a Secret>) {
        let body = String::from_utf8_lossy(&self.body);
        let signatures: Vec<_> = secrets.into_iter().map(|secret| secret.sign(&self.id, self.at_s, &body)).collect();
        if !signatures.is_empty() {
            self.headers.push(("webhook-signature".to_owned(), signatures.join(" ")));
        }
    }
}

/// What a request says of its event.
struct Payload {
    headers: Vec<(String, String)>,
    body: String,
}

impl Payload {
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
}
