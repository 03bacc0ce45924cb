//! What describes the host itself: liveness, readiness, and the pages of the error codes.
//!
//! Invariant: liveness asks nothing of anyone; readiness is the host's own word. Neither changes anything.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::StatusCode;
use serde::Serialize;
use wharf_event::Code;

use crate::answer;
use crate::gateway::Gateway;
use crate::pages;
use crate::params::Params;
use crate::port::Host;
use crate::problem::{Failure, Problem};

#[derive(Serialize)]
struct Status {
    status: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

/// `GET /livez`
pub(crate) async fn live() -> Response {
    answer::json(&Status { status: "live", warnings: Vec::new() })
}

/// `GET /readyz`
pub(crate) async fn ready<H: Host>(State(gateway): State<Gateway<H>>) -> Result<Response, Failure> {
    if gateway.is_closing() {
        return Err(Problem::new(Code::ShuttingDown, "the host finishes what it has and takes nothing new").into());
    }
    gateway.host.ready()?;
    Ok(answer::json(&Status { status: "ready", warnings: gateway.host.warnings() }))
}

/// The layer of routes by which something new is put: a host that takes no events, be it for want of room on its disk, takes none of it.
pub(crate) async fn must_be_ready<H: Host>(
    State(gateway): State<Gateway<H>>,
    request: Request,
    next: Next,
) -> Result<Response, Failure> {
    gateway.host.ready()?;
    Ok(next.run(request).await)
}

/// `GET /errors/{code}`: as plain text, since browsers save Markdown instead of showing it.
pub(crate) async fn error_page(params: Params) -> Result<Response, Failure> {
    let code: Code = params
        .text("code")
        .parse()
        .map_err(|_| Problem::new(Code::RouteUnknown, "no error of this host has that code"))?;
    Ok(answer::content(StatusCode::OK, "text/plain; charset=utf-8", pages::page(code)))
}
