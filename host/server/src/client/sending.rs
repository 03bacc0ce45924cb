//! The body of a request, handed over piece by piece, so that somebody can see how far it is.
//!
//! Invariant: what is counted was taken by the connection; whether the host has it is known by its answer only.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

/// Bytes that are handed over at once.
const PIECE_BYTES: usize = 64 << 10;

/// A body, and how much of it is gone.
#[derive(Debug, Default)]
pub struct Sending {
    left: Bytes,
    sent: Arc<AtomicU64>,
}

impl Sending {
    /// The body of these bytes; those that are gone are counted there.
    pub fn new(left: Bytes, sent: Arc<AtomicU64>) -> Self {
        Self { left, sent }
    }
}

impl Body for Sending {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.left.is_empty() {
            return Poll::Ready(None);
        }
        let bytes = self.left.len().min(PIECE_BYTES);
        let piece = self.left.split_to(bytes);
        self.sent.fetch_add(bytes as u64, Ordering::Relaxed);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left.len() as u64)
    }
}
