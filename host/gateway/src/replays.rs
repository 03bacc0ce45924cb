//! A tenant's replays: begun, cancelled, let go of, and read.
//!
//! Invariant: what begins a replay may be sent again, since the same wish under the same name is that replay; another wish is refused.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use wharf_event::{Code, ReplayName};

use crate::answer;
use crate::bodies::Sent;
use crate::gateway::Gateway;
use crate::object;
use crate::params::{Asked, PageQuery, Params, rows};
use crate::port::{Host, Put, ReplayRef};
use crate::problem::{Failure, Problem};
use crate::tenants::sent;

/// `GET /v1/tenants/{tenant}/replays`
pub(crate) async fn list<H: Host>(
    State(gateway): State<Gateway<H>>,
    params: Params,
    Asked(query): Asked<PageQuery<ReplayName>>,
) -> Result<Response, Failure> {
    let (tenant, limit) = (params.tenant()?, rows(query.limit)?);
    Ok(answer::json(&gateway.host.replays(&tenant, query.after, limit).await?))
}

/// `GET /v1/tenants/{tenant}/replays/{replay}`
pub(crate) async fn show<H: Host>(State(gateway): State<Gateway<H>>, params: Params) -> Result<Response, Failure> {
    Ok(answer::json(&gateway.host.replay(named(&params, Code::ReplayUnknown)?).await?))
}

/// `PUT /v1/tenants/{tenant}/replays/{replay}`
pub(crate) async fn begin<H: Host>(
    State(gateway): State<Gateway<H>>,
    params: Params,
    headers: HeaderMap,
    body: Sent,
) -> Result<Response, Failure> {
    let of = named(&params, Code::ReplayInvalid)?;
    let wish = sent(&headers, body, Code::ReplayInvalid, &gateway).await?;
    let wish = serde_json::from_slice(&wish)
        .map_err(|error| Problem::new(Code::ReplayInvalid, format!("the body is not understood: {error}")))?;
    let location = format!("/v1/tenants/{}/replays/{}", of.tenant, of.replay);
    let Put { now, created } = gateway.host.begin_replay(of, wish).await?;
    Ok(object::put(&now, None, created, location))
}

/// `POST /v1/tenants/{tenant}/replays/{replay}/cancel`
pub(crate) async fn cancel<H: Host>(State(gateway): State<Gateway<H>>, params: Params) -> Result<Response, Failure> {
    Ok(answer::json(&gateway.host.cancel_replay(named(&params, Code::ReplayUnknown)?).await?))
}

/// `DELETE /v1/tenants/{tenant}/replays/{replay}`
pub(crate) async fn remove<H: Host>(State(gateway): State<Gateway<H>>, params: Params) -> Result<Response, Failure> {
    gateway.host.remove_replay(named(&params, Code::ReplayUnknown)?).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// The replay that the path names; `unknown` is the code of a name that no replay can have.
fn named(params: &Params, unknown: Code) -> Result<ReplayRef, Problem> {
    Ok(ReplayRef { tenant: params.tenant()?, replay: params.replay(unknown)? })
}
