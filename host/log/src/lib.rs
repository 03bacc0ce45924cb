//! The segment log: durable, ordered frames of records in files that are zero-filled ahead.
//!
//! **Invariant:** when [`Log::append`] has returned `k`, frame `k` is read back with the same bytes after any crash, frames
//! are numbered without a gap, and no `k` that was returned ever names other bytes. Outside this crate a position is
//! `(k, index)`, never a file offset. The bytes are described in `docs/design/log-format.md`.
//!
//! It has no clock, no randomness, no thread and no async: time and the owner nonce are arguments. It does not know what a
//! record means, does not gather frames (the caller's group commit does), and does not decide what may be trimmed.

mod catalog;
mod copied;
mod disk;
mod error;
mod finding;
mod folder;
mod frame;
pub mod limits;
mod loaded;
mod reader;
mod recover;
mod salvage;
mod scan;
mod segment;
mod spare;
mod tail;
mod unsynced;
mod verify;
mod writer;

pub use copied::{Copied, Segment, segments};
pub use disk::{AnyDisk, AnyFile, Disk, DiskFile, any_disk};
pub use error::{DiskOp, LogError, is_full_disk};
pub use finding::{Fault, Finding, Seen, SeenFrame, SeenRecord, Standing, Verified};
pub use folder::FolderDisk;
pub use frame::{Frame, FrameKind, RecordIn, RecordOut, frame_bytes};
pub use reader::{Frames, LogReader};
pub use segment::{SegmentInfo, SegmentSizes};
pub use unsynced::{Synced, Unsynced};
pub use verify::verify;
pub use writer::{Log, LogOptions, Recovery};
