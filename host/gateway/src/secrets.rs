//! A tenant's secrets.
//!
//! Invariant: a value goes in and never comes out: no answer has one, a refusal neither.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use wharf_event::{Code, SecretName};

use crate::answer;
use crate::bodies::Sent;
use crate::gateway::Gateway;
use crate::params::{Asked, PageQuery, Params, page};
use crate::port::{Host, Put, SecretRef};
use crate::problem::{Failure, Problem};
use crate::tenants::sent;
use crate::view::SecretDraft;

/// `GET /v1/tenants/{tenant}/secrets`
pub(crate) async fn list<H: Host>(
    State(gateway): State<Gateway<H>>,
    params: Params,
    Asked(query): Asked<PageQuery<SecretName>>,
) -> Result<Response, Failure> {
    // A tenant has few of them, in one document.
    let all = gateway.host.secrets(&params.tenant()?).await?;
    Ok(answer::json(&page(all, query, |row| &row.secret)?))
}

/// `PUT /v1/tenants/{tenant}/secrets/{secret}`
pub(crate) async fn put<H: Host>(
    State(gateway): State<Gateway<H>>,
    params: Params,
    headers: HeaderMap,
    body: Sent,
) -> Result<Response, Failure> {
    let of = named(&params, Code::SecretInvalid)?;
    let body = sent(&headers, body, Code::SecretInvalid, &gateway).await?;
    // What a parser says of a body may repeat it.
    let draft: SecretDraft = serde_json::from_slice(&body)
        .map_err(|_| Problem::new(Code::SecretInvalid, "the body is not the JSON `{\"value\": \"…\"}`"))?;
    let Put { now, created } = gateway.host.put_secret(of, draft).await?;
    Ok(answer::json_as(if created { StatusCode::CREATED } else { StatusCode::OK }, "application/json", &now))
}

/// `DELETE /v1/tenants/{tenant}/secrets/{secret}`
pub(crate) async fn remove<H: Host>(State(gateway): State<Gateway<H>>, params: Params) -> Result<Response, Failure> {
    gateway.host.remove_secret(named(&params, Code::SecretUnknown)?).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn named(params: &Params, unknown: Code) -> Result<SecretRef, Problem> {
    Ok(SecretRef { tenant: params.tenant()?, secret: params.secret(unknown)? })
}
