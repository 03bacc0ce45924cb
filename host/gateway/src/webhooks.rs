//! A tenant's webhooks: read, changed, given other secrets, enabled and disabled.
//!
//! Invariant: an answer with a secret in it is kept by nobody on the way.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use wharf_event::{Code, WebhookName};

use crate::answer;
use crate::bodies::Sent;
use crate::condition;
use crate::gateway::Gateway;
use crate::object;
use crate::params::{Asked, PageQuery, Params, rows};
use crate::port::{Host, Put, WebhookRef};
use crate::problem::{Failure, Problem};
use crate::registry::read;
use crate::tenants::sent;
use crate::view::WebhookView;

/// `GET /v1/tenants/{tenant}/webhooks`
pub(crate) async fn list<H: Host>(
    State(gateway): State<Gateway<H>>,
    params: Params,
    Asked(query): Asked<PageQuery<WebhookName>>,
) -> Result<Response, Failure> {
    let (tenant, limit) = (params.tenant()?, rows(query.limit)?);
    Ok(answer::json(&gateway.host.webhooks(&tenant, query.after, limit).await?))
}

/// `GET /v1/tenants/{tenant}/webhooks/{webhook}`
pub(crate) async fn show<H: Host>(State(gateway): State<Gateway<H>>, params: Params) -> Result<Response, Failure> {
    Ok(shown(&gateway.host.webhook(named(&params, Code::WebhookUnknown)?).await?))
}

/// `PUT /v1/tenants/{tenant}/webhooks/{webhook}`
pub(crate) async fn put<H: Host>(
    State(gateway): State<Gateway<H>>,
    params: Params,
    headers: HeaderMap,
    body: Sent,
) -> Result<Response, Failure> {
    let of = named(&params, Code::WebhookInvalid)?;
    let expected = condition::of_change(&headers)?;
    let document = sent(&headers, body, Code::WebhookInvalid, &gateway).await?;
    let location = format!("/v1/tenants/{}/webhooks/{}", of.tenant, of.webhook);
    let Put { now, created } = gateway.host.put_webhook(of, document, expected).await?;
    Ok(guarded(object::put(&now, now.version, created, location), &now))
}

/// `DELETE /v1/tenants/{tenant}/webhooks/{webhook}`
pub(crate) async fn remove<H: Host>(
    State(gateway): State<Gateway<H>>,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let of = named(&params, Code::WebhookUnknown)?;
    gateway.host.remove_webhook(of, condition::of_change(&headers)?).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `POST /v1/tenants/{tenant}/webhooks/{webhook}/rotate`
pub(crate) async fn rotate<H: Host>(
    State(gateway): State<Gateway<H>>,
    params: Params,
    headers: HeaderMap,
    body: Sent,
) -> Result<Response, Failure> {
    let of = named(&params, Code::WebhookUnknown)?;
    let rotation = read(&sent(&headers, body, Code::WebhookInvalid, &gateway).await?)?;
    Ok(shown(&gateway.host.rotate_webhook(of, rotation).await?))
}

/// `POST /v1/tenants/{tenant}/webhooks/{webhook}/enable`
pub(crate) async fn enable<H: Host>(State(gateway): State<Gateway<H>>, params: Params) -> Result<Response, Failure> {
    Ok(shown(&gateway.host.turn_webhook(named(&params, Code::WebhookUnknown)?, true).await?))
}

/// `POST /v1/tenants/{tenant}/webhooks/{webhook}/disable`
pub(crate) async fn disable<H: Host>(State(gateway): State<Gateway<H>>, params: Params) -> Result<Response, Failure> {
    Ok(shown(&gateway.host.turn_webhook(named(&params, Code::WebhookUnknown)?, false).await?))
}

/// The webhook that the path names; `unknown` is the code of a name that no webhook can have.
fn named(params: &Params, unknown: Code) -> Result<WebhookRef, Problem> {
    Ok(WebhookRef { tenant: params.tenant()?, webhook: params.webhook(unknown)? })
}

fn shown(webhook: &WebhookView) -> Response {
    guarded(object::shown(webhook, webhook.version), webhook)
}

fn guarded(mut response: Response, webhook: &WebhookView) -> Response {
    if webhook.secret.is_some() {
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}
