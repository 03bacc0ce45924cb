//! A tenant's rules, asked.
//!
//! Invariant: a question reaches the host byte for byte, so that a number counts as it is spelled. Asking changes nothing, so
//! its media type is not looked at.

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use wharf_event::Code;

use crate::answer;
use crate::body::{self, Bound};
use crate::gateway::Gateway;
use crate::limits::QUESTION_BYTES_MAX;
use crate::params::Params;
use crate::port::Host;
use crate::problem::Failure;

/// `POST /v1/tenants/{tenant}/rules:test`
pub(crate) async fn test<H: Host>(
    State(gateway): State<Gateway<H>>,
    params: Params,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    let tenant = params.tenant()?;
    let bound = Bound { bytes: QUESTION_BYTES_MAX, code: Code::EventTooLarge, within: gateway.body_timeout };
    let question = body::read(&headers, body, bound).await?;
    Ok(answer::json(&gateway.host.test(&tenant, question).await?))
}
