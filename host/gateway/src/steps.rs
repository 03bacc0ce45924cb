//! A release on its way, told as server-sent events (the HTML standard's `text/event-stream`).
//!
//! Invariant: an event is one state, whole, on one line of JSON; the last one says how it ended. The stream ends with that, when
//! shutdown begins, or when its reader goes; it holds one permit for as long, as a feed does.

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures_util::StreamExt;
use http::{HeaderMap, HeaderValue, StatusCode, header};

use crate::answer;
use crate::gateway::{Gateway, begun};
use crate::port::{Host, ReleaseRef};
use crate::problem::Failure;
use crate::view::ReleaseView;

const MEDIA_TYPE: &str = "text/event-stream";

/// Whether somebody wants to be told of every state.
pub(crate) fn wanted(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|line| line.to_str().ok());
    accepted.flat_map(|line| line.split(',')).any(|range| range.split(';').next().map(str::trim) == Some(MEDIA_TYPE))
}

/// All states of a release from now on.
pub(crate) async fn follow<H: Host>(gateway: Gateway<H>, of: ReleaseRef) -> Result<Response, Failure> {
    let permit = gateway.traffic.feeds.follow(&of.of.tenant)?;
    let steps = gateway.host.follow(of).await?;
    let mut closing = gateway.closing.clone();
    let end = async move { begun(&mut closing).await };
    let events = steps.take_until(Box::pin(end)).map(move |release| {
        let _held = &permit;
        event(&release)
    });
    let mut response = answer::content(StatusCode::OK, MEDIA_TYPE, Body::from_stream(events));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// JSON has no line breaks but those that somebody writes between its tokens, and nobody does here.
fn event(release: &ReleaseView) -> Result<Bytes, serde_json::Error> {
    Ok(format!("event: release\ndata: {}\n\n", serde_json::to_string(release)?).into())
}
