//! A tenant's schedules: read and changed.
//!
//! Invariant: a document reaches the host byte for byte, so that a payload is published as it is spelled. An answer that shows a schedule has its
//! version for an ETag, if it has one: what stands in the configuration file has none. The tag is of what was put: it stays when it fires.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use wharf_event::{Code, ScheduleName};

use crate::answer;
use crate::bodies::Sent;
use crate::body::{self, Bound};
use crate::condition;
use crate::gateway::Gateway;
use crate::limits::SCHEDULE_BYTES_MAX;
use crate::object;
use crate::params::{Asked, PageQuery, Params, rows};
use crate::port::{Host, Put, ScheduleRef};
use crate::problem::{Failure, Problem};

/// `GET /v1/tenants/{tenant}/schedules`
pub(crate) async fn list<H: Host>(
    State(gateway): State<Gateway<H>>,
    params: Params,
    Asked(query): Asked<PageQuery<ScheduleName>>,
) -> Result<Response, Failure> {
    let (tenant, limit) = (params.tenant()?, rows(query.limit)?);
    Ok(answer::json(&gateway.host.schedules(&tenant, query.after, limit).await?))
}

/// `GET /v1/tenants/{tenant}/schedules/{schedule}`
pub(crate) async fn show<H: Host>(State(gateway): State<Gateway<H>>, params: Params) -> Result<Response, Failure> {
    let schedule = gateway.host.schedule(named(&params, Code::ScheduleUnknown)?).await?;
    Ok(object::shown(&schedule, schedule.version))
}

/// `PUT /v1/tenants/{tenant}/schedules/{schedule}`
pub(crate) async fn put<H: Host>(
    State(gateway): State<Gateway<H>>,
    params: Params,
    headers: HeaderMap,
    body: Sent,
) -> Result<Response, Failure> {
    // Of a name that no schedule can have the document cannot be put.
    let of = named(&params, Code::ScheduleInvalid)?;
    body::must_be_json(&headers)?;
    let expected = condition::of_change(&headers)?;
    let bound = Bound { bytes: SCHEDULE_BYTES_MAX, code: Code::ScheduleInvalid, within: gateway.body_timeout };
    let document = body::read(&headers, body, bound).await?;
    let location = format!("/v1/tenants/{}/schedules/{}", of.tenant, of.schedule);
    let Put { now, created } = gateway.host.put_schedule(of, document, expected).await?;
    Ok(object::put(&now, now.version, created, location))
}

/// `DELETE /v1/tenants/{tenant}/schedules/{schedule}`
pub(crate) async fn remove<H: Host>(
    State(gateway): State<Gateway<H>>,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let of = named(&params, Code::ScheduleUnknown)?;
    gateway.host.remove_schedule(of, condition::of_change(&headers)?).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// The schedule that the path names; `unknown` is the code of a name that no schedule can have.
fn named(params: &Params, unknown: Code) -> Result<ScheduleRef, Problem> {
    Ok(ScheduleRef { tenant: params.tenant()?, schedule: params.schedule(unknown)? })
}
