//! The keys that sign a tenant's releases.
//!
//! Invariant: what a key is, is not known here: its text is handed on.

use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use wharf_event::{Code, SigningKeyName};

use crate::answer;
use crate::bodies::Sent;
use crate::gateway::Gateway;
use crate::params::{Asked, PageQuery, Params, page};
use crate::port::{Host, Put, SigningKeyRef};
use crate::problem::{Failure, Problem};
use crate::registry::read;
use crate::tenants::sent;

/// `GET /v1/tenants/{tenant}/keys`
pub(crate) async fn list<H: Host>(
    State(gateway): State<Gateway<H>>,
    params: Params,
    Asked(query): Asked<PageQuery<SigningKeyName>>,
) -> Result<Response, Failure> {
    // A tenant has few of them, in one document.
    let all = gateway.host.keys(&params.tenant()?).await?;
    Ok(answer::json(&page(all, query, |row| &row.name)?))
}

/// `PUT /v1/tenants/{tenant}/keys/{signer}`
pub(crate) async fn put<H: Host>(
    State(gateway): State<Gateway<H>>,
    params: Params,
    headers: HeaderMap,
    body: Sent,
) -> Result<Response, Failure> {
    let of = named(&params, Code::SigningKeyInvalid)?;
    let draft = read(&sent(&headers, body, Code::SigningKeyInvalid, &gateway).await?)?;
    let Put { now, created } = gateway.host.add_key(of, draft).await?;
    Ok(answer::json_as(if created { StatusCode::CREATED } else { StatusCode::OK }, "application/json", &now))
}

/// `DELETE /v1/tenants/{tenant}/keys/{signer}`
pub(crate) async fn revoke<H: Host>(State(gateway): State<Gateway<H>>, params: Params) -> Result<Response, Failure> {
    Ok(answer::json(&gateway.host.revoke_key(named(&params, Code::SignerUnknown)?).await?))
}

fn named(params: &Params, unknown: Code) -> Result<SigningKeyRef, Problem> {
    Ok(SigningKeyRef { tenant: params.tenant()?, key: params.signing_key(unknown)? })
}
