//! Walking the frames of one segment from its start, and judging what stands behind the last good one.
//!
//! Invariant: a frame counts only if it follows the one before: the next k, and the epoch and nonce in force or an epoch
//! frame that succeeds them. It only reads; cutting a torn tail is recovery's.

use crate::disk::{DiskFile, read_full};
use crate::error::{DiskOp, LogError};
use crate::frame::{Entry, FrameHead, FrameKind, HEADER_BYTES, Owner, decode_front};
use crate::limits::{SCAN_WINDOW_BYTES, SECTOR_BYTES};
use crate::segment::{HEADER_BLOCK_BYTES, SegmentHead};

/// What the next frame has to follow.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Chain {
    pub(crate) owner: Owner,
    pub(crate) next_k: u64,
    pub(crate) time_ms: u64,
}

impl Chain {
    /// What the first frame of a segment has to follow.
    pub(crate) fn before(head: &SegmentHead) -> Self {
        Self { owner: head.owner, next_k: head.first_k, time_ms: 0 }
    }

    fn accepts(&self, frame: &FrameHead) -> bool {
        let owned = match frame.kind {
            FrameKind::Epoch => frame.owner.epoch == self.owner.epoch + 1,
            FrameKind::Records | FrameKind::Mark => frame.owner == self.owner,
        };
        owned && frame.k == self.next_k
    }

    fn advance(&mut self, frame: &FrameHead) {
        self.owner = frame.owner;
        self.next_k = frame.k + 1;
        self.time_ms = self.time_ms.max(frame.time_ms);
    }
}

/// How much of a frame a walk checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Depth {
    /// Header and directory: enough to index a segment that was whole when it was sealed.
    Fronts,
    /// Every body too.
    Bodies,
}

/// Where a walk ended.
pub(crate) struct Walk {
    /// What the next frame would have to follow.
    pub(crate) chain: Chain,
    /// The sector at which each frame begins, and behind them the first sector after the last one.
    pub(crate) sectors: Vec<u32>,
}

impl Walk {
    /// Offset behind the last good frame, in bytes.
    pub(crate) fn end(&self) -> u64 {
        self.sectors.last().map_or(HEADER_BLOCK_BYTES, |&sector| u64::from(sector) * SECTOR_BYTES)
    }
}

/// The sector of an offset. Segments are far below the 2 TiB that this can count.
pub(crate) fn sector_of(offset: u64) -> u32 {
    u32::try_from(offset / SECTOR_BYTES).unwrap_or(u32::MAX)
}

/// A sliding view of a segment file, so that small frames do not cost a read each.
pub(crate) struct Window<'a, F> {
    file: &'a F,
    head: SegmentHead,
    start: u64,
    buffer: Vec<u8>,
}

impl<'a, F: DiskFile> Window<'a, F> {
    pub(crate) fn new(file: &'a F, head: SegmentHead) -> Self {
        Self { file, head, start: 0, buffer: Vec::new() }
    }

    /// The bytes at `offset`, fewer than asked for only at the end of the file.
    pub(crate) fn at(&mut self, offset: u64, bytes: usize) -> Result<&[u8], LogError> {
        let end = offset + bytes as u64;
        if offset < self.start || end > self.start + self.buffer.len() as u64 {
            let rest = usize::try_from(self.head.bytes.saturating_sub(offset)).unwrap_or(usize::MAX);
            self.buffer.resize(bytes.max(SCAN_WINDOW_BYTES.min(rest)), 0);
            let read = read_full(self.file, offset, &mut self.buffer)
                .map_err(LogError::io(DiskOp::Read, &self.head.name()))?;
            self.buffer.truncate(read);
            self.start = offset;
        }
        let from = usize::try_from(offset - self.start).unwrap_or(usize::MAX);
        let to = from.saturating_add(bytes).min(self.buffer.len());
        Ok(self.buffer.get(from..to).unwrap_or_default())
    }

    /// Header and directory at `offset`, if a frame of this segment begins there and fits into it.
    fn front(&mut self, offset: u64) -> Result<Option<(FrameHead, Vec<Entry>)>, LogError> {
        let head = self.head;
        let Some(frame) = FrameHead::parse(self.at(offset, HEADER_BYTES)?) else { return Ok(None) };
        if offset + frame.padded_bytes() > head.bytes || frame.partition != head.partition {
            return Ok(None);
        }
        // A frame's length is bounded, so its front fits into memory.
        Ok(decode_front(self.at(offset, frame.front_bytes() as usize)?, head.salt))
    }

    fn bodies_hold(&mut self, offset: u64, frame: &FrameHead, entries: &[Entry]) -> Result<bool, LogError> {
        let mut from = frame.front_bytes() as usize;
        let bytes = self.at(offset, frame.bytes as usize)?;
        Ok(entries.iter().all(|entry| {
            let to = from + entry.bytes as usize;
            let holds = bytes.get(from..to).is_some_and(|body| entry.holds(body));
            from = to;
            holds
        }))
    }
}

/// Where a walk ends if all frames up to there are good.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Until {
    /// Behind the last one.
    End,
    /// Behind this frame.
    Frame(u64),
    /// Before the first that is later: milliseconds since 1970.
    Time(u64),
}

/// Walks from the segment's start to the last good frame, or as far as it is to.
pub(crate) fn walk<F: DiskFile>(
    window: &mut Window<'_, F>,
    mut chain: Chain,
    depth: Depth,
    until: Until,
) -> Result<Walk, LogError> {
    let mut offset = HEADER_BLOCK_BYTES;
    let mut sectors = vec![sector_of(offset)];
    while !matches!(until, Until::Frame(last_k) if chain.next_k > last_k) {
        let Some((frame, entries)) = window.front(offset)? else { break };
        if matches!(until, Until::Time(time_ms) if frame.time_ms > time_ms) {
            break;
        }
        if !chain.accepts(&frame) || (depth == Depth::Bodies && !window.bodies_hold(offset, &frame, &entries)?) {
            break;
        }
        chain.advance(&frame);
        offset += frame.padded_bytes();
        sectors.push(sector_of(offset));
    }
    Ok(Walk { chain, sectors })
}

/// Judges what stands behind the last good frame of the last segment, from `offset` to the segment's end. If nothing written
/// later is there, what is there is a torn tail: returns where its last byte that is not zero ends (`offset` if there is
/// none). If a later frame is there, the one at `offset` was durable once and is damaged.
///
/// Reads to the end of the segment: at most one frame is ever unsynced, so anything valid behind a bad frame is proof, and
/// not looking everywhere could cut what was acknowledged.
pub(crate) fn torn_end<F: DiskFile>(window: &mut Window<'_, F>, chain: &Chain, offset: u64) -> Result<u64, LogError> {
    let SegmentHead { bytes, .. } = window.head;
    let mut end = offset;
    let mut at = offset;
    while at < bytes {
        if window.at(at, SECTOR_BYTES as usize)?.iter().any(|&byte| byte != 0) {
            end = at + SECTOR_BYTES;
            if let Some((frame, _)) = window.front(at)? {
                // The torn frame itself may have kept its header; its bodies did not hold, or the walk had taken it.
                let torn = at == offset && chain.accepts(&frame);
                if frame.k >= chain.next_k && !torn {
                    return Err(LogError::Damaged { segment: window.head.name(), offset, k: chain.next_k });
                }
            }
        }
        at += SECTOR_BYTES;
    }
    Ok(end)
}
