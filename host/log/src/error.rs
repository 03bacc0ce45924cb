//! What can go wrong in the log, as one typed enum.
//!
//! Invariant: an error never hides its cause, and can be cloned, since one failed frame is the answer to every request that
//! was gathered into it. It does not decide what to do: the caller turns not-ready on [`LogError::is_fatal`].

use std::fmt;
use std::io;
use std::sync::Arc;

use thiserror::Error;

/// The disk operation that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskOp {
    /// Opening an existing file.
    Open,
    /// Creating a file.
    Create,
    /// Listing the folder.
    List,
    /// Reading.
    Read,
    /// Writing.
    Write,
    /// Setting a file's length.
    Resize,
    /// Making a file's data durable.
    Sync,
    /// Renaming a file.
    Rename,
    /// Removing a file.
    Remove,
    /// Making the folder's entries durable.
    SyncDir,
}

impl fmt::Display for DiskOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "open",
            Self::Create => "create",
            Self::List => "list",
            Self::Read => "read",
            Self::Write => "write",
            Self::Resize => "resize",
            Self::Sync => "sync",
            Self::Rename => "rename",
            Self::Remove => "remove",
            Self::SyncDir => "sync the folder after",
        })
    }
}

/// Why a log could not be opened, written or read.
#[derive(Debug, Clone, Error)]
pub enum LogError {
    /// The disk refused.
    #[error("cannot {op} {name}")]
    Io {
        /// What was tried.
        op: DiskOp,
        /// The file, or `.` for the folder.
        name: String,
        /// What the operating system said.
        #[source]
        source: Arc<io::Error>,
    },
    /// The disk has no room for the next segment. Nothing was written and the log is still good: try again when there is room.
    #[error("there is no room on the disk for the next segment")]
    NoRoom {
        /// What the operating system said.
        #[source]
        source: Arc<io::Error>,
    },
    /// An earlier write failed. What is on disk is not known until the log is opened again; nothing is retried.
    #[error("the log takes no more writes since one failed")]
    Poisoned {
        /// The first failure.
        #[source]
        cause: Arc<LogError>,
    },
    /// Bytes that were durable are not what was written. The log refuses rather than lose what comes after.
    #[error("segment {segment} is damaged at byte {offset}, where frame {k} belongs")]
    Damaged {
        /// Name of the segment file.
        segment: String,
        /// Offset in the file, in bytes.
        offset: u64,
        /// The frame that is expected there.
        k: u64,
    },
    /// The log ends before the position that the state was already brought to.
    #[error("the log ends at frame {last_k}, but the state was checkpointed at frame {checkpoint_k}")]
    BelowCheckpoint {
        /// Last whole frame of the log, 0 if there is none.
        last_k: u64,
        /// What the caller has applied durably.
        checkpoint_k: u64,
    },
    /// The segment was written by another version of the format.
    #[error("segment {segment} has format version {found}, this build reads version {supported}")]
    Version {
        /// Name of the segment file.
        segment: String,
        /// Version in its header.
        found: u16,
        /// Version that this build reads and writes.
        supported: u16,
    },
    /// The segment belongs to another partition.
    #[error("segment {segment} belongs to partition {found}, not to partition {expected}")]
    Partition {
        /// Name of the segment file.
        segment: String,
        /// Partition in its header.
        found: u32,
        /// Partition that was asked for.
        expected: u32,
    },
    /// The records do not fit into one frame. Nothing was written and the log is still good.
    #[error("a frame of {bytes} bytes is over the limit of {max} bytes")]
    FrameTooLarge {
        /// What the frame would take.
        bytes: u64,
        /// [`crate::limits::FRAME_BYTES_MAX`].
        max: u64,
    },
}

impl LogError {
    /// True if this log takes no more writes: stop acknowledging and turn not-ready.
    #[must_use]
    pub fn is_fatal(&self) -> bool {
        !matches!(self, Self::FrameTooLarge { .. } | Self::NoRoom { .. })
    }

    /// What is left of an error that came of preparing a segment. A full disk is no fault: no frame was in it. That a sync says
    /// so is one, since what it should have made durable is gone.
    pub(crate) fn of_preparing(self) -> Self {
        match self {
            Self::Io { op: DiskOp::Create | DiskOp::Write | DiskOp::Resize, source, .. } if is_full_disk(&source) => {
                Self::NoRoom { source }
            }
            other => other,
        }
    }

    /// Gives an I/O error its operation and file.
    pub(crate) fn io(op: DiskOp, name: &str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { op, name: name.to_owned(), source: Arc::new(source) }
    }
}

/// Whether the operating system says that there is no room left, on the disk or for this user.
#[must_use]
pub fn is_full_disk(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
