//! Piecing together a frame whose header or directory is damaged, so that it can be said what is lost.
//!
//! Invariant: a record says that it holds only if its body has the checksum that some entry gives it: that is proof, since
//! the two stand far apart. Everything else here is a guess and told as one. Nothing that this gives is ever replayed.

use bytes::Buf;

use crate::finding::{SeenFrame, SeenRecord, Standing};
use crate::frame::{ENTRY_BYTES, Entry, FrameKind, HEADER_BYTES, MAGIC, frame_bytes, padded};
use crate::limits::SECTOR_BYTES;
use crate::loaded::Loaded;

/// Records that a damaged directory is tried with when its count cannot be right.
const RECORDS_TRIED_MAX: usize = 4_096;
/// Bytes of the magic that have to be right for a sector to be taken for a frame's begin.
const MAGIC_BYTES_MIN: usize = 6;

/// A header as it stands there, unchecked.
struct LooseHead {
    bytes: usize,
    k: u64,
    kind: Option<FrameKind>,
    time_ms: u64,
    records: usize,
}

/// What can be told of the frames `ks.0` to `ks.1`, which lie in the bytes `at.0` to `at.1`.
pub(crate) fn salvage(segment: &Loaded, at: (usize, usize), ks: (u64, u64), standing: Standing) -> Vec<SeenFrame> {
    let (mut from, to) = at;
    let (mut k, last_k) = ks;
    let mut frames = Vec::new();
    while from < to && k <= last_k {
        let sector = SECTOR_BYTES as usize;
        let region = segment.bytes.get(from..to).unwrap_or_default();
        let Some(head) = loose_head(region).filter(|_| from == at.0 || looks_like_a_frame(region)) else {
            from += sector;
            continue;
        };
        if (k..=last_k).contains(&head.k) {
            k = head.k;
        }
        let records = records(segment, from, region, &head);
        let length = if head.bytes <= region.len() { padded(head.bytes as u64) as usize } else { sector };
        frames.push(SeenFrame {
            segment: segment.name.clone(),
            offset: from as u64,
            k,
            kind: head.kind,
            time_ms: head.time_ms,
            standing,
            records,
        });
        k += 1;
        from += length.max(sector);
    }
    frames
}

fn looks_like_a_frame(region: &[u8]) -> bool {
    region.iter().zip(MAGIC).filter(|(byte, magic)| **byte == *magic).count() >= MAGIC_BYTES_MIN
}

fn loose_head(mut region: &[u8]) -> Option<LooseHead> {
    region.get(..HEADER_BYTES)?.iter().any(|&byte| byte != 0).then_some(())?;
    region.advance(10);
    let kind = FrameKind::from_code(region.try_get_u16_le().ok()?);
    let bytes = region.try_get_u32_le().ok()? as usize;
    // Checksum, partition, epoch, nonce.
    region.advance(4 + 4 + 8 + 16);
    let (k, time_ms) = (region.try_get_u64_le().ok()?, region.try_get_u64_le().ok()?);
    let records = region.try_get_u32_le().ok()? as usize;
    Some(LooseHead { bytes, k, kind, time_ms, records })
}

/// The records of a frame, told apart by a directory that may be damaged.
fn records(segment: &Loaded, at: usize, region: &[u8], head: &LooseHead) -> Vec<SeenRecord> {
    let fits = region.len().saturating_sub(HEADER_BYTES) / ENTRY_BYTES;
    let stated = (head.records <= fits).then(|| read_as(segment, at, region, head.records, head.bytes));
    let held = |records: &Vec<SeenRecord>| records.iter().filter(|record| record.holds).count();
    match stated {
        Some(records) if head.records == 0 || held(&records) > 0 => records,
        stated => {
            // The count itself may be what was damaged: the one with which most bodies hold is it.
            let tried = (1..=fits.min(RECORDS_TRIED_MAX)).filter(|&count| first_holds(region, count));
            let best = tried.map(|count| read_as(segment, at, region, count, head.bytes)).max_by_key(held);
            best.or(stated).unwrap_or_default()
        }
    }
}

/// Whether, were there `count` entries, the first body would be where that says and hold.
fn first_holds(region: &[u8], count: usize) -> bool {
    let entry = Entry::read(region.get(HEADER_BYTES..).unwrap_or_default());
    let from = frame_bytes(count, 0) as usize;
    entry.is_some_and(|(entry, _)| {
        let body = region.get(from..from.saturating_add(entry.bytes as usize));
        entry.bytes > 0 && body.is_some_and(|body| entry.holds(body))
    })
}

/// Reads a frame as one of `count` records and `bytes` bytes in all.
fn read_as(segment: &Loaded, at: usize, region: &[u8], count: usize, bytes: usize) -> Vec<SeenRecord> {
    let mut directory = region.get(HEADER_BYTES..frame_bytes(count, 0) as usize).unwrap_or_default();
    let mut entries = Vec::with_capacity(count);
    while let Some((entry, _)) = Entry::read(directory) {
        entries.push(entry);
        directory.advance(ENTRY_BYTES);
    }
    let front = frame_bytes(entries.len(), 0) as usize;
    let total = entries.iter().map(|entry| entry.bytes as usize).fold(front, usize::saturating_add);
    let mut from = front;
    let mut mended = false;
    let mut records = Vec::with_capacity(entries.len());
    for (index, entry) in (0..).zip(&entries) {
        let stated = entry.bytes as usize;
        let holds = |length: usize| region.get(from..from.checked_add(length)?).map(|body| entry.holds(body));
        let mut length = stated;
        if holds(stated) != Some(true) && !mended {
            // If the lengths do not add up to the frame's, the first one that leads astray is the one that was damaged.
            length = (stated + bytes).checked_sub(total).unwrap_or(stated);
            mended = length != stated;
        }
        let to = from.saturating_add(length).min(region.len());
        let body = segment.bytes.slice(at + from.min(to)..at + to);
        let holds = entry.holds(&body) || (mended && entry.crc == crc32c::crc32c(&body));
        let Entry { tenant, kind, key_id, .. } = *entry;
        records.push(SeenRecord { index, tenant, kind, key_id, body, holds, mended: None });
        from = to;
    }
    records
}
