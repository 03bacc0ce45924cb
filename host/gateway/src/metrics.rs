//! `GET /metrics`: what the host and this gateway measure, for Prometheus.
//!
//! Invariant: it answers also when the host takes no events: that is when somebody looks. What the host cannot tell then is left
//! out by it.

use axum::extract::State;
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};

use crate::answer;
use crate::gateway::Gateway;
use crate::measure;
use crate::port::Host;

/// `GET /metrics`
pub(crate) async fn page<H: Host>(State(gateway): State<Gateway<H>>) -> Response {
    let mut families = gateway.host.measures().await;
    families.extend(gateway.traffic.families());
    families.extend(gateway.bodies.families());
    let mut response = answer::content(StatusCode::OK, measure::MEDIA_TYPE, measure::write(families));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
