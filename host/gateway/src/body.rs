//! Reads a request body within a bound of bytes and of time.
//!
//! Invariant: no more than the bound is ever held. A body that is too large is still read for a while and thrown away, since
//! a client that is cut while it writes sees a reset connection and not the answer. It does not look at what the body says.

use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, header};
use http_body_util::BodyExt;
use wharf_event::Code;

use crate::limits::DRAIN_BYTES_MAX;
use crate::problem::Problem;

/// Why there is no body.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    /// It is larger than allowed.
    #[error("the body is larger than {limit} bytes; send less in one request")]
    TooLarge {
        /// What the caller is told.
        code: Code,
        /// Bytes that were allowed.
        limit: usize,
    },
    /// Its sender was too slow.
    #[error("the body did not arrive within {within:?}")]
    Stalled {
        /// How long it was waited for.
        within: Duration,
    },
    /// The connection ended, or what arrived is not a body of HTTP.
    #[error("the body could not be read")]
    Broken(#[source] axum::Error),
}

/// What a body may cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bound {
    /// Bytes at most.
    pub(crate) bytes: usize,
    /// The code of a body above that.
    pub(crate) code: Code,
    /// From first byte to last.
    pub(crate) within: Duration,
}

/// The whole body.
pub(crate) async fn read(headers: &HeaderMap, body: Body, bound: Bound) -> Result<Bytes, BodyError> {
    let too_large = BodyError::TooLarge { code: bound.code, limit: bound.bytes };
    let announced = announced(headers);
    let excess = announced.is_some_and(|bytes| bytes > bound.bytes);
    if excess && headers.contains_key(header::EXPECT) {
        return Err(too_large);
    }
    let room = if excess { 0 } else { bound.bytes };
    match tokio::time::timeout(bound.within, collect(body, room, announced.unwrap_or(0))).await {
        Ok(Ok(Some(whole))) if !excess => Ok(whole),
        Ok(Ok(_)) => Err(too_large),
        Ok(Err(error)) => Err(BodyError::Broken(error)),
        Err(_) => Err(BodyError::Stalled { within: bound.within }),
    }
}

/// Refuses a body that says that it is something else than JSON, or says nothing.
pub(crate) fn must_be_json(headers: &HeaderMap) -> Result<(), Problem> {
    let media_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    Err(Problem::new(Code::ContentTypeUnsupported, "this is sent as application/json"))
}

fn announced(headers: &HeaderMap) -> Option<usize> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// The body if it has at most `room` bytes; else it is read on until [`DRAIN_BYTES_MAX`].
async fn collect(mut body: Body, room: usize, announced: usize) -> Result<Option<Bytes>, axum::Error> {
    let mut whole = BytesMut::with_capacity(announced.min(room));
    let mut seen = 0_usize;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        seen = seen.saturating_add(data.len());
        if seen <= room {
            whole.extend_from_slice(&data);
        } else if seen > DRAIN_BYTES_MAX {
            break;
        } else {
            whole = BytesMut::new();
        }
    }
    Ok((seen <= room).then(|| whole.freeze()))
}
