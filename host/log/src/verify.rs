//! Verifying a log that no one writes: every byte of every segment, going on behind damage.
//!
//! Invariant: nothing is changed. Every byte of a segment lies in exactly one structure (header, its zeros, a frame's front, a
//! body, padding, the unused rest), each structure is checked, and what is wrong is told by name; so no flipped bit escapes.
//! Behind damage the walk finds the next frame by searching the sectors, and says which frames lie between. It reads one
//! segment at a time, whole, into memory. It does not judge what is lost with a record, and repairs nothing: the log is the
//! truth, there is nothing to repair it from.

use std::io;

use bytes::Bytes;

use crate::disk::{Disk, DiskFile, read_full};
use crate::error::{DiskOp, LogError};
use crate::finding::{Fault, Finding, Seen, SeenFrame, SeenRecord, Standing, Verified};
use crate::frame::{FrameHead, FrameKind, Owner};
use crate::limits::{SCAN_WINDOW_BYTES, SECTOR_BYTES};
use crate::loaded::{HEADER_BYTES, Loaded};
use crate::salvage::salvage;
use crate::segment::{HEADER_BLOCK_BYTES, SegmentHead, parse_name, segment_name};
use crate::spare::SPARE_NAME;

/// What the next frame has to follow.
#[derive(Default)]
struct Expected {
    /// Who owns the log; absent before the first frame and where it cannot be known.
    owner: Option<Owner>,
    next_k: u64,
}

/// Reads the whole log of `partition` in `disk` and tells `see` what is there.
///
/// # Errors
/// When the folder cannot be read, or a segment is of another version of the format, which this program cannot judge.
pub fn verify<D: Disk>(disk: &D, partition: u32, see: &mut dyn FnMut(Seen)) -> Result<Verified, LogError> {
    let mut names = disk.list().map_err(LogError::io(DiskOp::List, "."))?;
    names.sort_unstable();
    let firsts: Vec<u64> = names.iter().filter_map(|name| parse_name(name)).collect();
    let mut verifier = Verifier { see, expected: Expected::default(), verified: Verified::default() };
    for name in names.iter().filter(|name| parse_name(name).is_none() && *name != SPARE_NAME) {
        verifier.tell(name, (0, 0), None, Fault::Stranger);
    }
    for (at, &first_k) in firsts.iter().enumerate() {
        let segment = verifier.load(disk, first_k, partition)?;
        verifier.walk(&segment, firsts.get(at + 1).copied());
    }
    Ok(verifier.verified)
}

struct Verifier<'a> {
    see: &'a mut dyn FnMut(Seen),
    expected: Expected,
    verified: Verified,
}

impl Verifier<'_> {
    fn tell(&mut self, segment: &str, at: (usize, usize), frames: Option<(u64, u64)>, fault: Fault) {
        let (from, to) = at;
        let (offset, bytes) = (from as u64, to.saturating_sub(from) as u64);
        (self.see)(Seen::Finding(Finding { segment: segment.to_owned(), offset, bytes, frames, fault }));
    }

    /// Reads a segment, checks its header block and how it follows the one before.
    fn load<D: Disk>(&mut self, disk: &D, first_k: u64, partition: u32) -> Result<Loaded, LogError> {
        let name = segment_name(first_k);
        let file = disk.open(&name).map_err(LogError::io(DiskOp::Open, &name))?;
        let bytes = self.read(&file, &name)?;
        self.verified.segments += 1;
        self.verified.bytes += bytes.len() as u64;
        (self.see)(Seen::Segment { name: name.clone(), first_k, bytes: bytes.len() as u64 });
        let block = bytes.get(..HEADER_BLOCK_BYTES as usize).unwrap_or(&bytes);
        let head = SegmentHead::decode(block, first_k, partition);
        if let Err(LogError::Version { .. }) = head {
            return head.map(|_| Loaded { name, bytes, salt: 0, partition });
        }
        let head = head.ok().filter(|head| head.encode().get(..HEADER_BYTES) == block.get(..HEADER_BYTES));
        let mut segment = Loaded { name, bytes, salt: 0, partition };
        match head {
            Some(head) => {
                segment.salt = head.salt;
                self.follow(&segment, &head);
            }
            None => {
                self.tell(&segment.name, (0, HEADER_BYTES), None, Fault::SegmentHeader);
                segment.salt = segment.salt_of_damaged();
                // What the header says of who owned the log is not to be had; the frames say it themselves.
                self.begin(&segment, first_k);
            }
        }
        if let Some(at) = segment.dirty(HEADER_BYTES, HEADER_BLOCK_BYTES as usize) {
            self.tell(&segment.name, at, None, Fault::SegmentZeros);
        }
        Ok(segment)
    }

    /// Reads a file to its end; what the disk does not give is told and taken for zeros.
    fn read<F: DiskFile>(&mut self, file: &F, name: &str) -> Result<Bytes, LogError> {
        let size = file.size().map_err(LogError::io(DiskOp::Read, name))?;
        let mut bytes = vec![0; usize::try_from(size).unwrap_or(usize::MAX)];
        let mut at = 0;
        for window in bytes.chunks_mut(SCAN_WINDOW_BYTES) {
            if read_whole(file, at, window).is_err() {
                for sector in window.chunks_mut(SECTOR_BYTES as usize) {
                    if let Err(error) = read_whole(file, at, sector) {
                        sector.fill(0);
                        let (from, to) = (at as usize, at as usize + sector.len());
                        self.tell(name, (from, to), None, Fault::Unreadable { problem: error.to_string() });
                    }
                    at += sector.len() as u64;
                }
            } else {
                at += window.len() as u64;
            }
        }
        Ok(bytes.into())
    }

    /// Checks that a segment with this header follows what was read before it.
    fn follow(&mut self, segment: &Loaded, head: &SegmentHead) {
        let length = segment.bytes.len();
        if length as u64 != head.bytes {
            let fault = Fault::SegmentLength { expected: head.bytes };
            self.tell(&segment.name, (length.min(head.bytes as usize), length), None, fault);
        }
        self.begin(segment, head.first_k);
        match self.expected.owner {
            Some(owner) if owner != head.owner => {
                let frames = Some((head.first_k, head.first_k));
                self.tell(&segment.name, (16, 40), frames, Fault::SegmentOrder);
            }
            _ => {}
        }
        self.expected.owner = Some(head.owner);
    }

    /// Takes up the walk at the first frame of a segment. Frames that are missing before it were told when the segment before
    /// ended, but for those that it has twice.
    fn begin(&mut self, segment: &Loaded, first_k: u64) {
        if self.expected.next_k > first_k {
            let frames = Some((first_k, self.expected.next_k - 1));
            self.tell(&segment.name, (40, 48), frames, Fault::SegmentOrder);
        }
        self.expected.next_k = first_k;
    }

    /// Walks the frames of a segment; `next_first_k` is where the one behind it begins.
    fn walk(&mut self, segment: &Loaded, next_first_k: Option<u64>) {
        let mut at = HEADER_BLOCK_BYTES as usize;
        while at < segment.bytes.len() {
            let found = segment.front(at).filter(|(head, _)| head.k >= self.expected.next_k);
            let later = |at: usize, k: u64| segment.next_front(at, k);
            match found {
                Some((head, entries)) => {
                    let end = at + head.padded_bytes() as usize;
                    let records = segment.records(at, &head, &entries);
                    let holds = records.iter().all(|record| record.holds);
                    if !holds && next_first_k.is_none() && later(end, head.k + 1).is_none() {
                        break;
                    }
                    self.count(segment, at, &head, records);
                    at = end;
                }
                None => match later(at + SECTOR_BYTES as usize, self.expected.next_k) {
                    Some((next, head)) => {
                        self.lose(segment, at, next, head.k);
                        at = next;
                    }
                    None => break,
                },
            }
        }
        self.finish(segment, at, next_first_k);
    }

    /// A frame that counts.
    fn count(&mut self, segment: &Loaded, at: usize, head: &FrameHead, records: Vec<SeenRecord>) {
        let (k, name) = (head.k, segment.name.as_str());
        if k > self.expected.next_k {
            self.tell(name, (at, at), Some((self.expected.next_k, k - 1)), Fault::FramesMissing);
        }
        let owned = self.expected.owner.is_none_or(|owner| match head.kind {
            FrameKind::Epoch => head.owner.epoch == owner.epoch + 1,
            FrameKind::Records | FrameKind::Mark => head.owner == owner,
        });
        // Where frames are missing an epoch may be among them.
        if !owned && k == self.expected.next_k {
            self.tell(name, (at + 24, at + 48), Some((k, k)), Fault::FrameOwner);
        }
        let mut from = at + head.front_bytes() as usize;
        for record in &records {
            let to = from + record.body.len();
            if !record.holds {
                let bit = record.flipped().map(|(byte, bit)| ((from + byte) as u64, bit));
                self.tell(name, (from, to), Some((k, k)), Fault::RecordBody { index: record.index, bit });
            }
            from = to;
        }
        if let Some(dirty) = segment.dirty(at + head.bytes as usize, at + head.padded_bytes() as usize) {
            self.tell(name, dirty, Some((k, k)), Fault::FramePadding);
        }
        self.expected = Expected { owner: Some(head.owner), next_k: k + 1 };
        let verified = &mut self.verified;
        verified.frames += 1;
        verified.records += records.iter().filter(|record| record.holds).count() as u64;
        verified.first_k = if verified.first_k == 0 { k } else { verified.first_k };
        verified.last_k = k;
        verified.last_time_ms = verified.last_time_ms.max(head.time_ms);
        (self.see)(Seen::Frame(SeenFrame {
            segment: name.to_owned(),
            offset: at as u64,
            k,
            kind: Some(head.kind),
            time_ms: head.time_ms,
            standing: Standing::Counts,
            records,
        }));
    }

    /// Bytes from `at` to `next` where frames up to `next_k` should be and no frame is to be read.
    fn lose(&mut self, segment: &Loaded, at: usize, next: usize, next_k: u64) {
        let first_k = self.expected.next_k;
        if first_k >= next_k {
            self.tell(&segment.name, (at, next), None, Fault::Gap);
            return;
        }
        let frames = (first_k, next_k - 1);
        let fault = if segment.dirty(at, next).is_some() { Fault::FrameFront } else { Fault::FramesMissing };
        self.tell(&segment.name, (at, next), Some(frames), fault);
        for frame in salvage(segment, (at, next), frames, Standing::Damaged) {
            (self.see)(Seen::Frame(frame));
        }
        self.expected = Expected { owner: None, next_k };
    }

    /// Judges what stands behind the last frame that counts.
    fn finish(&mut self, segment: &Loaded, at: usize, next_first_k: Option<u64>) {
        let end = segment.bytes.len();
        let dirty = segment.dirty(at, end);
        if let Some(next_k) = next_first_k {
            if next_k > self.expected.next_k {
                self.lose(segment, at, end, next_k);
            } else if let Some(dirty) = dirty {
                self.tell(&segment.name, dirty, None, Fault::Unused);
            }
            return;
        }
        let Some((_, dirty_end)) = dirty else { return };
        let torn_end = dirty_end.next_multiple_of(SECTOR_BYTES as usize);
        if segment.is_stray(at, dirty_end) {
            self.tell(&segment.name, dirty.unwrap_or_default(), None, Fault::Unused);
            return;
        }
        let k = self.expected.next_k;
        self.verified.torn_bytes = (torn_end - at) as u64;
        self.tell(&segment.name, (at, torn_end), Some((k, k)), Fault::TornTail);
        for frame in salvage(segment, (at, torn_end), (k, k), Standing::Torn) {
            (self.see)(Seen::Frame(frame));
        }
    }
}

fn read_whole<F: DiskFile>(file: &F, offset: u64, into: &mut [u8]) -> io::Result<()> {
    let wanted = into.len();
    match read_full(file, offset, into)? {
        bytes if bytes == wanted => Ok(()),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}
