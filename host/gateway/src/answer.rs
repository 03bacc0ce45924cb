//! The bodies that this gateway sends: JSON and plain text.
//!
//! Invariant: every answer names its media type and forbids guessing another. It does not decide what to say.

use axum::body::Body;
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

/// 200 with this value as JSON.
pub(crate) fn json<T: Serialize>(value: &T) -> Response {
    json_as(StatusCode::OK, "application/json", value)
}

/// This value as JSON under a status and a media type of choice.
pub(crate) fn json_as<T: Serialize>(status: StatusCode, media_type: &'static str, value: &T) -> Response {
    match serde_json::to_vec(value) {
        Ok(bytes) => content(status, media_type, bytes),
        Err(error) => {
            tracing::error!(%error, "an answer could not be written as JSON");
            content(StatusCode::INTERNAL_SERVER_ERROR, "text/plain; charset=utf-8", "internal")
        }
    }
}

/// These bytes under a status and a media type.
pub(crate) fn content(status: StatusCode, media_type: &'static str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
