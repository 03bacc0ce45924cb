//! From an HTTP request to events: binary, structured, batched, and plain JSON.
//!
//! Invariant: what comes out obeys the rules of CloudEvents, for `wharf-event` parsed it; an event of a batch that does not
//! stays at its place as an error. This file chooses the mode and bounds the body, and accepts nothing.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, header};
use serde::Deserialize;
use tokio::task::yield_now;
use wharf_event::limits::{BATCH_BYTES_MAX, EVENT_BYTES_MAX, EVENTS_PER_TURN};
use wharf_event::{Code, Event, EventError, Mode, RuleName, batch_elements};

use crate::bodies::Sent;
use crate::body::{self, Bound};
use crate::limits::ENVELOPE_BYTES_MAX;
use crate::params::PageQuery;
use crate::port::PlainIdentity;
use crate::problem::{Failure, Problem};

/// What a request that brings events may ask.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PlainQuery {
    /// The `type` of an event posted as plain JSON.
    #[serde(rename = "type")]
    kind: Option<String>,
    /// Its `source`.
    source: Option<String>,
}

/// What a request that explains an event may ask.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExplainQuery {
    /// The `type` of an event posted as plain JSON.
    #[serde(rename = "type")]
    kind: Option<String>,
    /// Its `source`.
    source: Option<String>,
    /// Only rules behind this one.
    after: Option<RuleName>,
    /// Rules at most.
    limit: Option<u32>,
}

impl ExplainQuery {
    /// The page, and what is known of the event.
    pub(crate) fn parted(self) -> (PageQuery<RuleName>, PlainQuery) {
        let Self { kind, source, after, limit } = self;
        (PageQuery { after, limit }, PlainQuery { kind, source })
    }
}

/// What a request that brings messages of a queue may ask.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MessageQuery {
    /// The `type` of an event posted as plain JSON.
    #[serde(rename = "type")]
    kind: Option<String>,
    /// Its `source`.
    source: Option<String>,
    /// How long they wait until they can be received.
    delay: Option<String>,
}

impl MessageQuery {
    /// The delay, and what is asked of events.
    pub(crate) fn parted(self) -> (Option<String>, PlainQuery) {
        let Self { kind, source, delay } = self;
        (delay, PlainQuery { kind, source })
    }
}

/// What a request brought.
#[derive(Debug)]
pub(crate) enum Incoming {
    /// One event.
    One(Event),
    /// A batch, in its order.
    Many(Vec<Result<Event, EventError>>),
}

/// A request whose body is still to be read.
#[derive(Debug)]
pub(crate) struct Parcel {
    pub(crate) headers: HeaderMap,
    pub(crate) query: PlainQuery,
    pub(crate) body: Sent,
}

impl Parcel {
    /// Reads the body and parses it. `identity` is asked for events posted as plain JSON only.
    pub(crate) async fn open(
        self,
        within: Duration,
        identity: impl FnOnce() -> PlainIdentity,
    ) -> Result<Incoming, Failure> {
        let Self { headers, query, body } = self;
        let content_type = content_type(&headers)?;
        let mode = Mode::of(content_type, headers.keys().any(|name| name.as_str().starts_with("ce-")))?;
        let single = Bound { bytes: EVENT_BYTES_MAX + ENVELOPE_BYTES_MAX, code: Code::EventTooLarge, within };
        let batch = Bound { bytes: BATCH_BYTES_MAX, code: Code::BatchTooLarge, within };
        if mode != Mode::Plain {
            query.must_be_empty()?;
        }
        match mode {
            Mode::Structured => Ok(Incoming::One(Event::from_json(&body::read(&headers, body, single).await?)?)),
            Mode::Batched => many(&body::read(&headers, body, batch).await?).await,
            Mode::Binary => {
                let body = body::read(&headers, body, single).await?;
                let lines = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
                Ok(Incoming::One(Event::from_binary_mode(lines, body)?))
            }
            Mode::Plain => {
                let (kind, source) = query.of_plain_json()?;
                let body = body::read(&headers, body, single).await?;
                let PlainIdentity { id, time } = identity();
                Ok(Incoming::One(Event::plain(&id, &time, &kind, &source, content_type, body)?))
            }
        }
    }
}

/// Reads the events of a batch, a few in a turn.
async fn many(bytes: &Bytes) -> Result<Incoming, Failure> {
    let elements = batch_elements(bytes)?;
    let mut events = Vec::with_capacity(elements.len());
    for some in elements.chunks(EVENTS_PER_TURN) {
        events.extend(some.iter().map(Event::from_json));
        yield_now().await;
    }
    Ok(Incoming::Many(events))
}

impl PlainQuery {
    fn must_be_empty(&self) -> Result<(), Problem> {
        if self.kind.is_none() && self.source.is_none() {
            return Ok(());
        }
        Err(Problem::new(
            Code::QueryInvalid,
            "`type` and `source` in the query are for plain JSON; this request is a CloudEvent, which brings its own",
        ))
    }

    fn of_plain_json(self) -> Result<(String, String), Problem> {
        match (self.kind, self.source) {
            (Some(kind), Some(source)) => Ok((kind, source)),
            (kind, _) => {
                let missing = if kind.is_none() { "type" } else { "source" };
                let detail = format!(
                    "plain JSON needs `?type=…&source=…` and `{missing}` is missing; or send a CloudEvent with ce- headers \
                     or as application/cloudevents+json"
                );
                Err(Problem::new(Code::QueryInvalid, detail))
            }
        }
    }
}

fn content_type(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let mut lines = headers.get_all(header::CONTENT_TYPE).iter();
    let first = lines.next();
    if lines.next().is_some() {
        return Err(Problem::new(Code::EventHeader, "there is more than one Content-Type header; send one"));
    }
    let text = first.map(|value| value.to_str()).transpose();
    text.map_err(|_| Problem::new(Code::EventHeader, "the Content-Type header is not ASCII text"))
}
