//! Reads a request body within a bound of bytes and of time.
//!
//! Invariant: no more than the bound is ever held, nor more than there is room for ([`crate::bodies`]). A body that is too large is still read for a while and thrown away, since
//! a client that is cut while it writes sees a reset connection and not the answer. It does not look at what the body says.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, header};
use http_body_util::BodyExt;
use tokio::time::{Instant, timeout_at};
use wharf_event::Code;

use crate::bodies::{NoRoom, Sent};
use crate::limits::{BODY_FREE_BYTES, DRAIN_BYTES_MAX};
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
    /// Other bodies hold all the memory that there is for them.
    #[error(
        "other requests hold all the memory that this host has for their bodies; send it again, or less in one request"
    )]
    NoRoom,
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
pub(crate) async fn read(headers: &HeaderMap, sent: Sent, bound: Bound) -> Result<Bytes, BodyError> {
    let too_large = BodyError::TooLarge { code: bound.code, limit: bound.bytes };
    let announced = announced(headers);
    let excess = announced.is_some_and(|bytes| bytes > bound.bytes);
    if excess && headers.contains_key(header::EXPECT) {
        return Err(too_large);
    }
    collect(sent, bound, announced, excess.then_some(too_large)).await
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

/// The body, if it is not `refused` already and does not come to be; then it is read on until [`DRAIN_BYTES_MAX`].
async fn collect(
    mut sent: Sent,
    bound: Bound,
    announced: Option<usize>,
    mut refused: Option<BodyError>,
) -> Result<Bytes, BodyError> {
    let stalled = |_| BodyError::Stalled { within: bound.within };
    let (mut whole, mut seen, mut until) = (Vec::new(), 0_usize, Instant::now() + bound.within);
    while let Some(frame) = timeout_at(until, sent.body.frame()).await.map_err(stalled)? {
        let Ok(data) = frame.map_err(BodyError::Broken)?.into_data() else { continue };
        seen = seen.saturating_add(data.len());
        if seen > bound.bytes && refused.is_none() {
            refused = Some(BodyError::TooLarge { code: bound.code, limit: bound.bytes });
        }
        if refused.is_none() && whole.capacity() < seen {
            let (bytes, began) = (grown(whole.capacity(), seen, announced.unwrap_or(bound.bytes)), Instant::now());
            match sent.make_room(bytes).await {
                Ok(()) => whole.reserve_exact(bytes.saturating_sub(whole.len())),
                Err(NoRoom) => refused = Some(BodyError::NoRoom),
            }
            until += began.elapsed();
        }
        if refused.is_none() {
            whole.extend_from_slice(&data);
        } else if seen > DRAIN_BYTES_MAX {
            break;
        } else {
            whole = Vec::new();
            sent.let_go();
        }
    }
    refused.map_or_else(|| Ok(whole.into()), Err)
}

/// How much a body of which `seen` bytes have come is to have room for: twice of what it had, so that it is not moved with each piece.
fn grown(before: usize, seen: usize, most: usize) -> usize {
    before.saturating_mul(2).max(BODY_FREE_BYTES).min(most).max(seen)
}
