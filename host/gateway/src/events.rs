//! What happened, read back: the archive, the feed, what rules say to an event, and the totals.
//!
//! Invariant: a line of the feed is one JSON object and nothing but, whatever line breaks a payload has. The feed ends when
//! shutdown begins or its reader goes; it holds one permit for as long.

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use futures_util::StreamExt;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Deserialize;
use wharf_event::{Code, Event, Position};

use crate::answer;
use crate::bodies::Sent;
use crate::gateway::{Gateway, begun};
use crate::incoming::{ExplainQuery, Incoming, Parcel};
use crate::limits::{TRACED_EVENTS_DEFAULT, TRACED_EVENTS_MAX};
use crate::params::{Asked, Params, rows};
use crate::port::{AttemptQuery, DeliveriesQuery, EventQuery, EventRef, Host};
use crate::problem::{Failure, Problem};
use crate::view::{FeedItem, TraceCursor};

/// The query of a page of events.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PageQuery {
    limit: Option<u32>,
    before: Option<Position>,
    type_prefix: Option<String>,
}

/// The query of one event.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DetailQuery {
    limit: Option<u32>,
    after: Option<u16>,
    delivery: Option<u16>,
    attempts_before: Option<Position>,
}

/// The query of what an attempt asked and was told.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CallsQuery {
    delivery: Option<u16>,
    attempt: Option<u32>,
}

/// The query of a trace.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TraceQuery {
    limit: Option<u32>,
    after: Option<TraceCursor>,
}

/// The query of the feed.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FeedQuery {
    from: Option<Position>,
}

/// `GET /v1/tenants/{tenant}/events`
pub(crate) async fn list<H: Host>(
    State(gateway): State<Gateway<H>>,
    params: Params,
    Asked(query): Asked<PageQuery>,
) -> Result<Response, Failure> {
    let PageQuery { limit, before, type_prefix } = query;
    let query = EventQuery { limit: rows(limit)?, before, kind_prefix: type_prefix };
    Ok(answer::json(&gateway.host.events(&params.tenant()?, query).await?))
}

/// `GET /v1/tenants/{tenant}/events/{event}`
pub(crate) async fn show<H: Host>(
    State(gateway): State<Gateway<H>>,
    params: Params,
    Asked(query): Asked<DetailQuery>,
) -> Result<Response, Failure> {
    let DetailQuery { limit, after, delivery, attempts_before } = query;
    let query = DeliveriesQuery { limit: rows(limit)?, after, only: delivery, attempts_before };
    Ok(answer::json(&gateway.host.event(&params.tenant()?, named(&params), query).await?))
}

fn named(params: &Params) -> EventRef {
    let name = params.text("event");
    name.parse().map_or_else(|_| EventRef::Id(name.to_owned()), EventRef::Position)
}

/// `GET /v1/tenants/{tenant}/events/{event}/calls`
pub(crate) async fn calls<H: Host>(
    State(gateway): State<Gateway<H>>,
    params: Params,
    Asked(CallsQuery { delivery, attempt }): Asked<CallsQuery>,
) -> Result<Response, Failure> {
    let query = AttemptQuery { delivery, attempt };
    Ok(answer::json(&gateway.host.calls(&params.tenant()?, named(&params), query).await?))
}

/// `GET /v1/tenants/{tenant}/events/{event}/trace`
pub(crate) async fn trace<H: Host>(
    State(gateway): State<Gateway<H>>,
    params: Params,
    Asked(query): Asked<TraceQuery>,
) -> Result<Response, Failure> {
    let limit = match query.limit.unwrap_or(TRACED_EVENTS_DEFAULT) {
        limit @ 1..=TRACED_EVENTS_MAX => limit,
        limit => {
            let detail = format!("limit is {limit}; it must be between 1 and {TRACED_EVENTS_MAX}");
            return Err(Problem::new(Code::QueryInvalid, detail).into());
        }
    };
    Ok(answer::json(&gateway.host.trace(&params.tenant()?, named(&params), limit, query.after).await?))
}

/// `GET /v1/tenants/{tenant}/feed`
pub(crate) async fn feed<H: Host>(
    State(gateway): State<Gateway<H>>,
    params: Params,
    Asked(query): Asked<FeedQuery>,
) -> Result<Response, Failure> {
    let tenant = params.tenant()?;
    let permit = gateway.traffic.feeds.follow(&tenant)?;
    let items = gateway.host.feed(&tenant, query.from).await?;
    let mut closing = gateway.closing.clone();
    let end = async move { begun(&mut closing).await };
    let lines = items.take_until(Box::pin(end)).map(move |item| {
        let _held = &permit;
        line(&item)
    });
    let mut response = answer::content(StatusCode::OK, "application/x-ndjson", Body::from_stream(lines));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// One item as one line. A payload keeps its bytes, so it may bring line breaks; in valid JSON they stand between tokens
/// only (a string must escape them), where a space means the same.
fn line(item: &FeedItem) -> Result<Bytes, serde_json::Error> {
    let mut line = serde_json::to_vec(item)?;
    line.iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')).for_each(|byte| *byte = b' ');
    line.push(b'\n');
    Ok(line.into())
}

/// `POST /v1/tenants/{tenant}/buses/{bus}/explain`
pub(crate) async fn explain<H: Host>(
    State(gateway): State<Gateway<H>>,
    params: Params,
    Asked(query): Asked<ExplainQuery>,
    headers: HeaderMap,
    body: Sent,
) -> Result<Response, Failure> {
    let (page, query) = query.parted();
    let (tenant, bus, limit) = (params.tenant()?, params.bus()?, rows(page.limit)?);
    let event = one(&gateway, Parcel { headers, query, body }).await?;
    Ok(answer::json(&gateway.host.explain(&tenant, &bus, event, (page.after, limit)).await?))
}

/// The one event that is asked about.
pub(crate) async fn one<H: Host>(gateway: &Gateway<H>, parcel: Parcel) -> Result<Event, Failure> {
    match parcel.open(gateway.body_timeout, || gateway.host.plain_identity()).await? {
        Incoming::One(event) => Ok(event),
        Incoming::Many(_) => {
            Err(Problem::new(Code::ContentTypeUnsupported, "explain takes one event, not a batch of them").into())
        }
    }
}

/// `GET /v1/tenants/{tenant}/stats`
pub(crate) async fn stats<H: Host>(State(gateway): State<Gateway<H>>, params: Params) -> Result<Response, Failure> {
    Ok(answer::json(&gateway.host.stats(&params.tenant()?).await?))
}
