//! What a tenant's plugins are granted.
//!
//! Invariant: a grant is understood before the host is asked.

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;

use crate::bodies::Sent;
use crate::gateway::Gateway;
use crate::object;
use crate::params::Params;
use crate::port::Host;
use crate::problem::Failure;
use crate::registry::{named, read, sent};
use crate::view::GrantsDetail;

/// `GET /v1/tenants/{tenant}/plugins/{plugin}/grants`
pub(crate) async fn show<H: Host>(State(gateway): State<Gateway<H>>, params: Params) -> Result<Response, Failure> {
    Ok(shown(&gateway.host.grants(named(&params)?).await?))
}

/// `POST /v1/tenants/{tenant}/plugins/{plugin}/grants/approve`
pub(crate) async fn approve<H: Host>(
    State(gateway): State<Gateway<H>>,
    params: Params,
    headers: HeaderMap,
    body: Sent,
) -> Result<Response, Failure> {
    let wish = read(&sent(&headers, body, &gateway).await?)?;
    Ok(shown(&gateway.host.approve(named(&params)?, wish).await?))
}

/// `POST /v1/tenants/{tenant}/plugins/{plugin}/grants/revoke`
pub(crate) async fn revoke<H: Host>(
    State(gateway): State<Gateway<H>>,
    params: Params,
    headers: HeaderMap,
    body: Sent,
) -> Result<Response, Failure> {
    let less = read(&sent(&headers, body, &gateway).await?)?;
    Ok(shown(&gateway.host.revoke(named(&params)?, less).await?))
}

fn shown(grants: &GrantsDetail) -> Response {
    object::shown(grants, grants.version)
}
