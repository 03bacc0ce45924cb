//! A frame between its write and its sync. Invariant: the log takes note of a frame only from a [`Synced`], and only a sync makes
//! one. A sync blocks and needs nothing but the file, so any thread may do it while the writer gathers the next frame.

use std::sync::Arc;

use bytes::Bytes;

use crate::disk::DiskFile;
use crate::error::{DiskOp, LogError};
use crate::frame::Owner;

/// What is to be known of a written frame once it is durable.
pub(crate) struct Written {
    pub(crate) k: u64,
    pub(crate) time_ms: u64,
    pub(crate) owner: Owner,
    /// Where it begins in its segment.
    pub(crate) start: u64,
    /// It is the first of a new segment.
    pub(crate) rolled: bool,
    pub(crate) bytes: Bytes,
}

/// The sync that a written frame still needs.
#[must_use = "a frame that is not synced is not durable"]
pub struct Unsynced<F> {
    file: Arc<F>,
    segment: String,
}

/// How the sync of a frame ended, for [`Log::finish`](crate::Log::finish).
#[must_use = "nobody sees a frame before the log knows that it is durable"]
pub struct Synced(Result<(), LogError>);

impl<F: DiskFile> Unsynced<F> {
    pub(crate) fn new(file: Arc<F>, segment: String) -> Self {
        Self { file, segment }
    }

    /// Makes the frame durable. It blocks.
    pub fn sync(self) -> Synced {
        Synced(self.file.sync_data().map_err(LogError::io(DiskOp::Sync, &self.segment)))
    }
}

impl Synced {
    pub(crate) fn into_result(self) -> Result<(), LogError> {
        self.0
    }
}
