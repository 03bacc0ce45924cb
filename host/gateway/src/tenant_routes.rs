//! A tenant's routes: which plugins answer which paths; read and changed. The requests themselves are those of [`crate::endpoints`].
//!
//! Invariant: an answer that shows a route has its version for an ETag, if it has one: what stands in the configuration file has none.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use wharf_event::{Code, RoutePath};

use crate::answer;
use crate::bodies::Sent;
use crate::body::{self, Bound};
use crate::condition;
use crate::gateway::Gateway;
use crate::limits::PLUGIN_BYTES_MAX;
use crate::object;
use crate::params::{Asked, PageQuery, Params, rows};
use crate::port::{Host, Put, RouteRef};
use crate::problem::{Failure, Problem};

/// `GET /v1/tenants/{tenant}/routes`
pub(crate) async fn list<H: Host>(
    State(gateway): State<Gateway<H>>,
    params: Params,
    Asked(query): Asked<PageQuery<RoutePath>>,
) -> Result<Response, Failure> {
    let (tenant, limit) = (params.tenant()?, rows(query.limit)?);
    Ok(answer::json(&gateway.host.tenant_routes(&tenant, query.after, limit).await?))
}

/// `GET /v1/tenants/{tenant}/routes/{route}`
pub(crate) async fn show<H: Host>(State(gateway): State<Gateway<H>>, params: Params) -> Result<Response, Failure> {
    let route = gateway.host.tenant_route(named(&params, Code::RouteUnknown)?).await?;
    Ok(object::shown(&route, route.version))
}

/// `PUT /v1/tenants/{tenant}/routes/{route}`
pub(crate) async fn put<H: Host>(
    State(gateway): State<Gateway<H>>,
    params: Params,
    headers: HeaderMap,
    body: Sent,
) -> Result<Response, Failure> {
    // Of a path that no route can have the document cannot be put.
    let of = named(&params, Code::RouteInvalid)?;
    body::must_be_json(&headers)?;
    let expected = condition::of_change(&headers)?;
    let bound = Bound { bytes: PLUGIN_BYTES_MAX, code: Code::RouteInvalid, within: gateway.body_timeout };
    let document = body::read(&headers, body, bound).await?;
    let location = format!("/v1/tenants/{}/routes/{}", of.tenant, of.route.as_str().replace('/', "%2F"));
    let Put { now, created } = gateway.host.put_tenant_route(of, document, expected).await?;
    Ok(object::put(&now, now.version, created, location))
}

/// `DELETE /v1/tenants/{tenant}/routes/{route}`
pub(crate) async fn remove<H: Host>(
    State(gateway): State<Gateway<H>>,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let of = named(&params, Code::RouteUnknown)?;
    gateway.host.remove_tenant_route(of, condition::of_change(&headers)?).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// The route that the path names; `unknown` is the code of a path that no route can have.
fn named(params: &Params, unknown: Code) -> Result<RouteRef, Problem> {
    Ok(RouteRef { tenant: params.tenant()?, route: params.route(unknown)? })
}
