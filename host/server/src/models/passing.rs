//! The pieces of an answer, passed on to the guest while they come.
//!
//! Invariant: nothing is read of a provider while the guest has not taken what came before, and no more is passed on than the attempt may have.

use std::pin::Pin;

use bytes::Bytes;
use http::StatusCode;
use tokio::sync::mpsc::Sender;
use wharf_egress::Takes;
use wharf_llm::{Failed, Piece, Reads, Told, Usage};

/// Takes a provider's stream.
pub(super) struct Passing<'a> {
    reads: Box<dyn Reads>,
    pieces: &'a Sender<Piece>,
    has_begun: bool,
    has_passed: bool,
    bytes_max: usize,
    received: u64,
    failed: Option<Failed>,
}

impl<'a> Passing<'a> {
    pub(super) fn new(reads: Box<dyn Reads>, pieces: &'a Sender<Piece>, bytes_max: usize) -> Self {
        Self { reads, pieces, has_begun: false, has_passed: false, bytes_max, received: 0, failed: None }
    }

    /// Whether any of the answer came.
    pub(super) const fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// Whether the guest may have any of it.
    pub(super) const fn has_passed(&self) -> bool {
        self.has_passed
    }

    /// What was counted, if that was said.
    pub(super) fn usage(&self) -> Option<Usage> {
        self.reads.usage()
    }

    /// Bytes of the answer that came.
    pub(super) fn bytes(&self) -> usize {
        self.reads.bytes()
    }

    /// Bytes that came, of whatever it is written in.
    pub(super) const fn received(&self) -> u64 {
        self.received
    }

    /// The whole answer.
    pub(super) fn end(&mut self) -> Result<Told, Failed> {
        match self.failed.take() {
            Some(why) => Err(why),
            None => self.reads.end(),
        }
    }

    async fn pass(&mut self, bytes: &[u8]) -> Result<(), Failed> {
        let mut pieces = Vec::new();
        let read = self.reads.take(bytes, &mut pieces);
        if self.reads.bytes() > self.bytes_max {
            let why = format!("the answer has more than the {} bytes that the attempt may get", self.bytes_max);
            return Err(Failed::Limit(why));
        }
        for piece in pieces {
            self.has_passed = true;
            let gone = |_| Failed::Provider("nobody waits for the answer any more".to_owned());
            self.pieces.send(piece).await.map_err(gone)?;
        }
        read
    }
}

impl Takes for Passing<'_> {
    fn wants(&self, status: StatusCode) -> bool {
        status.is_success()
    }

    fn take(&mut self, bytes: Bytes) -> Pin<Box<dyn Future<Output = bool> + Send + '_>> {
        Box::pin(async move {
            self.has_begun = true;
            self.received += bytes.len() as u64;
            if self.failed.is_none() {
                self.failed = self.pass(&bytes).await.err();
            }
            self.failed.is_none()
        })
    }
}
