//! An object as an answer: what it is now, its version for an ETag, and its place where it was made just now.
//!
//! Invariant: what has a version has an ETag in every answer that shows it; what stands in the configuration file has neither.

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Serialize;
use wharf_event::Position;

use crate::{answer, condition};

/// 200 with an object.
pub(crate) fn shown<T: Serialize>(now: &T, version: Option<Position>) -> Response {
    tagged(answer::json(now), version)
}

/// The same, or 304 where whoever asks has this version.
pub(crate) fn shown_to<T: Serialize>(headers: &HeaderMap, now: &T, version: Option<Position>) -> Response {
    if condition::is_known(headers, version) {
        return tagged(StatusCode::NOT_MODIFIED.into_response(), version);
    }
    shown(now, version)
}

/// An object that was put: 201 with its path where there was none before, else 200.
pub(crate) fn put<T: Serialize>(now: &T, version: Option<Position>, created: bool, path: String) -> Response {
    if !created {
        return shown(now, version);
    }
    let mut response = answer::json_as(StatusCode::CREATED, "application/json", now);
    response.headers_mut().extend(HeaderValue::try_from(path).ok().map(|path| (header::LOCATION, path)));
    tagged(response, version)
}

/// An answer with the version of the object that it is about.
fn tagged(mut response: Response, version: Option<Position>) -> Response {
    response.headers_mut().extend(version.and_then(condition::tag).map(|tag| (header::ETAG, tag)));
    response
}
