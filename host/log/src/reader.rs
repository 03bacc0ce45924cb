//! Reading: frames and single records by position, from any thread, while the writer appends.
//!
//! Invariant: a reader sees durable frames only, and hands out no byte whose checksum it has not checked. It never writes
//! and never judges a torn tail; bytes that do not check out are damage, named by segment and offset.

use std::sync::Arc;

use bytes::Bytes;

use crate::catalog::{Place, Shared};
use crate::disk::{Disk, DiskFile, read_full};
use crate::error::{DiskOp, LogError};
use crate::frame::{Entry, Frame, FrameHead, FrameKind, RecordOut, decode, decode_front};
use crate::limits::RECORD_READ_BYTES;
use crate::segment::{HEADER_BLOCK_BYTES, SegmentHead, SegmentInfo};

/// Reads one log; clones share its index.
pub struct LogReader<D: Disk> {
    shared: Arc<Shared<D>>,
}

impl<D: Disk> Clone for LogReader<D> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<D: Disk> LogReader<D> {
    pub(crate) fn new(shared: Arc<Shared<D>>) -> Self {
        Self { shared }
    }

    /// The oldest frame that is kept.
    #[must_use]
    pub fn first_k(&self) -> u64 {
        self.shared.first_k()
    }

    /// The last durable frame.
    #[must_use]
    pub fn last_k(&self) -> u64 {
        self.shared.last_k()
    }

    /// All segments, the oldest first; the last one is still being written.
    #[must_use]
    pub fn segments(&self) -> Vec<SegmentInfo> {
        self.shared.segments()
    }

    /// Frame `k`, checked in full; `None` if it is not there yet or was trimmed. Its records share one buffer: a body that is
    /// kept for long should be copied.
    pub fn read_frame(&self, k: u64) -> Result<Option<Frame>, LogError> {
        self.unless_trimmed(k, self.frame(k))
    }

    /// Frame `k`, if it is held in memory, as the last ones are while others are appended: nothing is waited for.
    #[must_use]
    pub fn held_frame(&self, k: u64) -> Option<Frame> {
        let held = self.shared.held(k)?;
        decode(&held.bytes, held.salt).map(|(_, frame)| frame)
    }

    /// Record `index` of frame `k`, if that is held in memory: the other bodies are not looked at.
    #[must_use]
    pub fn held_record(&self, k: u64, index: u32) -> Option<RecordOut> {
        let held = self.shared.held(k)?;
        let (head, entries) = decode_front(&held.bytes, held.salt)?;
        let before = entries.iter().take(index as usize).map(|entry| u64::from(entry.bytes)).sum::<u64>();
        let (from, entry) = (head.front_bytes() + before, entries.into_iter().nth(index as usize)?);
        let body = Bytes::copy_from_slice(span(&held.bytes, from, from + u64::from(entry.bytes))?);
        entry.record(head.time_ms, body)
    }

    /// Bytes of frame `k`, if it is held in memory.
    #[must_use]
    pub fn held_bytes(&self, k: u64) -> Option<usize> {
        self.shared.held(k).map(|held| held.bytes.len())
    }

    fn frame(&self, k: u64) -> Result<Option<Frame>, LogError> {
        let Some(place) = self.shared.locate(k)? else { return Ok(None) };
        let bytes = Bytes::from(place.read(0, place.bytes)?);
        let found = decode(&bytes, place.head.salt).filter(|(head, _)| place.holds(head, k));
        let (_, frame) = found.ok_or_else(|| place.damaged(k))?;
        Ok(Some(frame))
    }

    /// Record `index` of frame `k`; `None` if there is no such record. Reads the frame's header, its directory and that one
    /// body; the other bodies are not looked at.
    pub fn read_record(&self, k: u64, index: u32) -> Result<Option<RecordOut>, LogError> {
        self.unless_trimmed(k, self.record(k, index))
    }

    /// What was read, unless its segment was trimmed while it was: its file may be another segment's by now.
    fn unless_trimmed<T>(&self, k: u64, read: Result<Option<T>, LogError>) -> Result<Option<T>, LogError> {
        if read.is_err() && k < self.first_k() { Ok(None) } else { read }
    }

    fn record(&self, k: u64, index: u32) -> Result<Option<RecordOut>, LogError> {
        let Some(place) = self.shared.locate(k)? else { return Ok(None) };
        let (bytes, head, entries) = place.read_front(k)?;
        let mut from = head.front_bytes();
        for (at, entry) in (0..).zip(entries) {
            let to = from + u64::from(entry.bytes);
            if at == index {
                let body = match span(&bytes, from, to) {
                    Some(body) => Bytes::copy_from_slice(body),
                    None => Bytes::from(place.read(from, to - from)?),
                };
                let record = entry.record(head.time_ms, body);
                return record.map(Some).ok_or_else(|| place.damaged(k));
            }
            from = to;
        }
        Ok(None)
    }

    /// The frames from `from_k` (or the oldest, if that was trimmed) to the last one at the time of this call.
    #[must_use]
    pub fn frames(&self, from_k: u64) -> Frames<D> {
        Frames { next_k: from_k, last_k: self.last_k(), records_only: false, reader: self.clone() }
    }

    /// The first frame that is not earlier than `time_ms`; the one after the last if all are earlier.
    pub fn first_k_at_or_after(&self, time_ms: u64) -> Result<u64, LogError> {
        let heads = self.shared.heads();
        let last_k = self.last_k();
        // First by segments, whose first frames are read without an index, then within one segment.
        let later = first_where(0, heads.len() as u64, |at| match heads.get(at as usize) {
            Some(head) => Ok(self.first_time_ms(head)?.is_some_and(|first_ms| first_ms >= time_ms)),
            None => Ok(true),
        })?;
        let bound = |at: u64| heads.get(at as usize).map_or(last_k + 1, |head| head.first_k);
        let Some(before) = later.checked_sub(1) else { return Ok(bound(0)) };
        first_where(bound(before), bound(later), |k| {
            let Some(place) = self.shared.locate(k)? else { return Ok(k > last_k) };
            let front = self.unless_trimmed(k, place.read_front(k).map(|(_, head, _)| Some(head.time_ms)))?;
            Ok(front.is_some_and(|at_ms| at_ms >= time_ms))
        })
    }

    /// Time of a segment's first frame; `None` if the segment was trimmed meanwhile.
    fn first_time_ms(&self, head: &SegmentHead) -> Result<Option<u64>, LogError> {
        let Some(file) = self.shared.open_segment(head)? else { return Ok(None) };
        let bytes = head.bytes - HEADER_BLOCK_BYTES;
        let place = Place { head: *head, file: Arc::new(file), offset: HEADER_BLOCK_BYTES, bytes };
        let front = place.read_front(head.first_k).map(|(_, frame, _)| Some(frame.time_ms));
        self.unless_trimmed(head.first_k, front)
    }
}

/// The frames of a range of k, read one by one. Ends after the first error.
pub struct Frames<D: Disk> {
    reader: LogReader<D>,
    next_k: u64,
    last_k: u64,
    records_only: bool,
}

impl<D: Disk> Frames<D> {
    /// Leaves out epoch and mark frames.
    #[must_use]
    pub fn records_only(mut self) -> Self {
        self.records_only = true;
        self
    }
}

impl<D: Disk> Iterator for Frames<D> {
    type Item = Result<Frame, LogError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            self.next_k = self.next_k.max(self.reader.first_k());
            if self.next_k > self.last_k {
                return None;
            }
            match self.reader.read_frame(self.next_k) {
                Ok(Some(frame)) => {
                    self.next_k += 1;
                    if frame.kind == FrameKind::Records || !self.records_only {
                        return Some(Ok(frame));
                    }
                }
                // Trimmed between the two calls: the next round begins at what is left.
                Ok(None) if self.reader.first_k() > self.next_k => {}
                Ok(None) => return None,
                Err(error) => {
                    self.last_k = 0;
                    return Some(Err(error));
                }
            }
        }
    }
}

impl<F: DiskFile> Place<F> {
    /// Bytes of the frame, from an offset in it.
    fn read(&self, from: u64, bytes: u64) -> Result<Vec<u8>, LogError> {
        let mut buffer = vec![0; usize::try_from(bytes).unwrap_or(usize::MAX)];
        let read = read_full(self.file.as_ref(), self.offset + from, &mut buffer);
        let read = read.map_err(LogError::io(DiskOp::Read, &self.head.name()))?;
        buffer.truncate(read);
        Ok(buffer)
    }

    /// Header and directory, checked, and the bytes that came with them.
    fn read_front(&self, k: u64) -> Result<(Vec<u8>, FrameHead, Vec<Entry>), LogError> {
        let mut bytes = self.read(0, self.bytes.min(RECORD_READ_BYTES))?;
        let front = FrameHead::parse(&bytes).ok_or_else(|| self.damaged(k))?.front_bytes();
        if front > self.bytes {
            return Err(self.damaged(k));
        }
        if front > bytes.len() as u64 {
            bytes = self.read(0, front)?;
        }
        let found = decode_front(&bytes, self.head.salt).filter(|(head, _)| self.holds(head, k));
        let (head, entries) = found.ok_or_else(|| self.damaged(k))?;
        Ok((bytes, head, entries))
    }

    /// True if this header is that of frame `k` and its frame ends within its place.
    fn holds(&self, head: &FrameHead, k: u64) -> bool {
        head.k == k && head.partition == self.head.partition && head.padded_bytes() <= self.bytes
    }

    fn damaged(&self, k: u64) -> LogError {
        LogError::Damaged { segment: self.head.name(), offset: self.offset, k }
    }
}

/// The bytes from `from` to `to` if all of them are there.
fn span(bytes: &[u8], from: u64, to: u64) -> Option<&[u8]> {
    bytes.get(usize::try_from(from).ok()?..usize::try_from(to).ok()?)
}

/// The first of `low..high` for which `holds`, given that it holds for all after the first; `high` if for none.
fn first_where(
    mut low: u64,
    mut high: u64,
    mut holds: impl FnMut(u64) -> Result<bool, LogError>,
) -> Result<u64, LogError> {
    while low < high {
        let middle = low + (high - low) / 2;
        if holds(middle)? {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    Ok(low)
}
