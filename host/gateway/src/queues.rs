//! A tenant's queues and their messages: read, changed; sent, received, ended.
//!
//! Invariant: a receipt that is not good is told at its place, and stops no other. What a client does not say of itself, such as that it
//! went away while it waited, nobody guesses: what it was to receive comes back by its time.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};
use serde::{Deserialize, de::DeserializeOwned};
use tracing::Instrument as _;
use wharf_event::{Code, QueueName};

use crate::answer;
use crate::bodies::Sent;
use crate::body::{self, Bound};
use crate::condition;
use crate::gateway::Gateway;
use crate::incoming::{MessageQuery, Parcel};
use crate::limits::{RECEIPTS_MAX, REDRIVE_BYTES_MAX};
use crate::object;
use crate::params::{Asked, PageQuery, Params, rows};
use crate::port::{Ending, Host, Put, QueueRef};
use crate::problem::{Failure, Problem};
use crate::receive::take;
use crate::registry::read;
use crate::tenants::sent;
use crate::view::ReceiptsWish;

/// `GET /v1/tenants/{tenant}/queues`
pub(crate) async fn list<H: Host>(
    State(gateway): State<Gateway<H>>,
    params: Params,
    Asked(query): Asked<PageQuery<QueueName>>,
) -> Result<Response, Failure> {
    let (tenant, limit) = (params.tenant()?, rows(query.limit)?);
    Ok(answer::json(&gateway.host.message_queues(&tenant, query.after, limit).await?))
}

/// `GET /v1/tenants/{tenant}/queues/{queue}`
pub(crate) async fn show<H: Host>(State(gateway): State<Gateway<H>>, params: Params) -> Result<Response, Failure> {
    let queue = gateway.host.message_queue(named(&params)?).await?;
    Ok(object::shown(&queue, queue.version))
}

/// `PUT /v1/tenants/{tenant}/queues/{queue}`
pub(crate) async fn put<H: Host>(
    State(gateway): State<Gateway<H>>,
    params: Params,
    headers: HeaderMap,
    body: Sent,
) -> Result<Response, Failure> {
    let of = QueueRef { tenant: params.tenant()?, queue: params.queue_to_make()? };
    let expected = condition::of_change(&headers)?;
    let document = sent(&headers, body, Code::QueueInvalid, &gateway).await?;
    let location = format!("/v1/tenants/{}/queues/{}", of.tenant, of.queue);
    let Put { now, created } = gateway.host.put_queue(of, document, expected).await?;
    Ok(object::put(&now, now.version, created, location))
}

/// `DELETE /v1/tenants/{tenant}/queues/{queue}`
pub(crate) async fn remove<H: Host>(
    State(gateway): State<Gateway<H>>,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    gateway.host.remove_queue(named(&params)?, condition::of_change(&headers)?).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `POST /v1/tenants/{tenant}/queues/{queue}/messages`
pub(crate) async fn send<H: Host>(
    State(gateway): State<Gateway<H>>,
    params: Params,
    Asked(query): Asked<MessageQuery>,
    headers: HeaderMap,
    body: Sent,
) -> Result<Response, Failure> {
    let of = named(&params)?;
    let (delay, query) = query.parted();
    let span = tracing::debug_span!("receive", tenant = %of.tenant, queue = %of.queue);
    async move {
        let parcel = Parcel { headers, query, body };
        let incoming = parcel.open(gateway.body_timeout, || gateway.host.plain_identity()).await?;
        take(&of.tenant, incoming, |events| gateway.host.send_messages(&of, events, delay)).await
    }
    .instrument(span)
    .await
}

/// The query of a page of messages.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PeekQuery {
    /// Only those with this ordering key.
    key: Option<String>,
    /// Only those behind this one.
    after: Option<String>,
    /// Rows at most.
    limit: Option<u32>,
}

/// `GET /v1/tenants/{tenant}/queues/{queue}/messages`
pub(crate) async fn peek<H: Host>(
    State(gateway): State<Gateway<H>>,
    params: Params,
    Asked(PeekQuery { key, after, limit }): Asked<PeekQuery>,
) -> Result<Response, Failure> {
    let (of, limit) = (named(&params)?, rows(limit)?);
    Ok(answer::json(&gateway.host.peek(of, key, after, limit).await?))
}

/// `POST /v1/tenants/{tenant}/queues/{queue}/receive`
pub(crate) async fn receive<H: Host>(
    State(gateway): State<Gateway<H>>,
    params: Params,
    headers: HeaderMap,
    body: Sent,
) -> Result<Response, Failure> {
    let of = named(&params)?;
    let bound = Bound { bytes: REDRIVE_BYTES_MAX, code: Code::BatchTooLarge, within: gateway.body_timeout };
    if headers.contains_key(header::CONTENT_TYPE) {
        body::must_be_json(&headers)?;
    }
    let body = body::read(&headers, body, bound).await?;
    // Nothing has to be said, so nothing is as good as an empty object.
    let wish = if body.is_empty() { read(b"{}")? } else { body::must_be_json(&headers).and_then(|()| read(&body))? };
    Ok(answer::json(&gateway.host.receive(of, wish).await?))
}

/// `POST /v1/tenants/{tenant}/queues/{queue}/ack`
pub(crate) async fn ack<H: Host>(
    State(gateway): State<Gateway<H>>,
    params: Params,
    headers: HeaderMap,
    body: Sent,
) -> Result<Response, Failure> {
    end(gateway, &params, &headers, body, Ending::Ack).await
}

/// `POST /v1/tenants/{tenant}/queues/{queue}/release`
pub(crate) async fn release<H: Host>(
    State(gateway): State<Gateway<H>>,
    params: Params,
    headers: HeaderMap,
    body: Sent,
) -> Result<Response, Failure> {
    end(gateway, &params, &headers, body, Ending::Release).await
}

/// `POST /v1/tenants/{tenant}/queues/{queue}/extend`
pub(crate) async fn extend<H: Host>(
    State(gateway): State<Gateway<H>>,
    params: Params,
    headers: HeaderMap,
    body: Sent,
) -> Result<Response, Failure> {
    end(gateway, &params, &headers, body, Ending::Extend).await
}

/// `POST /v1/tenants/{tenant}/queues/{queue}/purge`
pub(crate) async fn purge<H: Host>(State(gateway): State<Gateway<H>>, params: Params) -> Result<Response, Failure> {
    Ok(answer::json(&gateway.host.purge(named(&params)?).await?))
}

async fn end<H: Host>(
    gateway: Gateway<H>,
    params: &Params,
    headers: &HeaderMap,
    body: Sent,
    ending: Ending,
) -> Result<Response, Failure> {
    let of = named(params)?;
    let wish: ReceiptsWish = asked(&gateway, headers, body).await?;
    let invalid = |detail: String| Problem::new(Code::QueryInvalid, detail);
    if !(1..=RECEIPTS_MAX).contains(&wish.receipts.len()) {
        let receipts = wish.receipts.len();
        return Err(invalid(format!("there are {receipts} receipts; show between 1 and {RECEIPTS_MAX}")).into());
    }
    if wish.delay.is_some() && ending != Ending::Release {
        return Err(invalid("`delay` is for messages that are given back".to_owned()).into());
    }
    if wish.visibility.is_some() && ending != Ending::Extend {
        return Err(invalid("`visibility` is for messages that are kept longer".to_owned()).into());
    }
    Ok(answer::json(&gateway.host.end(of, ending, wish).await?))
}

/// What is asked in a body.
async fn asked<H: Host, T: DeserializeOwned>(
    gateway: &Gateway<H>,
    headers: &HeaderMap,
    body: Sent,
) -> Result<T, Failure> {
    body::must_be_json(headers)?;
    let bound = Bound { bytes: REDRIVE_BYTES_MAX, code: Code::BatchTooLarge, within: gateway.body_timeout };
    Ok(read(&body::read(headers, body, bound).await?)?)
}

fn named(params: &Params) -> Result<QueueRef, Problem> {
    Ok(QueueRef { tenant: params.tenant()?, queue: params.queue()? })
}
