//! Segments as files that can be copied: which there are in a log that somebody writes, and what a copy of one holds.
//!
//! Invariant: a copy counts by what is in it, not by how it was taken: its frames are walked as at an opening, every body checked. So a file
//! that its log trimmed and used again under the reader passes for no copy of anything, and a frame that was being written is in a copy whole or
//! not at all. A frame that its log had not synced yet may be in one, as it may be found after a crash. It writes nothing.

use crate::disk::{Disk, DiskFile, read_full};
use crate::error::{DiskOp, LogError};
use crate::frame::Owner;
use crate::recover::read_head;
use crate::scan::{Chain, Depth, Until, Window, torn_end, walk};
use crate::segment::{HEADER_BLOCK_BYTES, SegmentHead, parse_name, segment_name};

/// How often a log is listed again while its oldest segments go.
const LOOKS_MAX: usize = 10;

/// A segment, known by its header: no two that were ever made have the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    head: SegmentHead,
}

/// What a copy of a segment holds, from its first frame on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Copied {
    /// The segment's first frame.
    pub first_k: u64,
    /// The last frame that counts; the one before the first if none does.
    pub last_k: u64,
    /// The latest time of a frame, in milliseconds since 1970; 0 if no frame counts.
    pub last_time_ms: u64,
    /// Offset behind the last frame that counts: what is behind it in the segment is zeros.
    pub bytes: u64,
    owner: Owner,
}

/// The segments of the log in `disk`, the oldest first, which somebody may be writing: the last one is, and the oldest may go.
///
/// # Errors
/// When the folder or a header cannot be read, or a header is damaged.
pub fn segments<D: Disk>(disk: &D, partition: u32) -> Result<Vec<Segment>, LogError> {
    let mut looks = 0;
    loop {
        let mut firsts = names(disk)?;
        firsts.sort_unstable();
        let read = |first_k: &u64| read_head(disk, *first_k, partition).map(|head| Segment { head });
        let all: Result<Vec<_>, _> = firsts.iter().map(read).collect();
        looks += 1;
        match all {
            // One that went meanwhile is no fault.
            Err(_) if looks < LOOKS_MAX && names(disk)?.iter().min() > firsts.first() => {}
            all => return all,
        }
    }
}

fn names<D: Disk>(disk: &D) -> Result<Vec<u64>, LogError> {
    let names = disk.list().map_err(LogError::io(DiskOp::List, "."))?;
    Ok(names.iter().filter_map(|name| parse_name(name)).collect())
}

impl Segment {
    /// Reads the header from a copy of the segment that begins with `first_k`.
    ///
    /// # Errors
    /// When it cannot be read or is damaged.
    pub fn of_copy<F: DiskFile>(copy: &F, first_k: u64, partition: u32) -> Result<Self, LogError> {
        let mut block = [0; HEADER_BLOCK_BYTES as usize];
        let read = read_full(copy, 0, &mut block).map_err(LogError::io(DiskOp::Read, &segment_name(first_k)))?;
        let head = SegmentHead::decode(block.get(..read).unwrap_or_default(), first_k, partition)?;
        Ok(Self { head })
    }

    /// Its first frame.
    #[must_use]
    pub fn first_k(&self) -> u64 {
        self.head.first_k
    }

    /// The name of its file.
    #[must_use]
    pub fn name(&self) -> String {
        self.head.name()
    }

    /// The length of its file.
    #[must_use]
    pub fn file_bytes(&self) -> u64 {
        self.head.bytes
    }

    /// Walks the frames of a copy; of those up to `until_ms` (milliseconds since 1970) if that is given.
    ///
    /// # Errors
    /// When it cannot be read. That frames do not count is told by where the copy ends.
    pub fn walk<F: DiskFile>(&self, copy: &F, until_ms: Option<u64>) -> Result<Copied, LogError> {
        let until = until_ms.map_or(Until::End, Until::Time);
        let found = walk(&mut Window::new(copy, self.head), Chain::before(&self.head), Depth::Bodies, until)?;
        let Chain { owner, next_k, time_ms } = found.chain;
        let last_k = next_k.saturating_sub(1);
        Ok(Copied { first_k: self.head.first_k, last_k, last_time_ms: time_ms, bytes: found.end(), owner })
    }

    /// Looks behind the last frame that counts, in a copy of the segment that is being written: nothing later may stand there.
    ///
    /// # Errors
    /// When something does, so that a frame before it is damaged or was being written when it was copied; or it cannot be read.
    pub fn check_end<F: DiskFile>(&self, copy: &F, copied: &Copied) -> Result<(), LogError> {
        let chain = Chain { owner: copied.owner, next_k: copied.last_k + 1, time_ms: copied.last_time_ms };
        torn_end(&mut Window::new(copy, self.head), &chain, copied.bytes).map(drop)
    }

    /// Whether its first frame follows the last one of `before`.
    #[must_use]
    pub fn follows(&self, before: &Copied) -> bool {
        self.head.first_k == before.last_k + 1 && self.head.owner == before.owner
    }
}

impl Copied {
    /// Whether no frame counts.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.last_k < self.first_k
    }
}
