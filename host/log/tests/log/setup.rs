//! What the tests share: options with tiny segments, short ways to append, and where frames stand in a segment's bytes.
//!
//! Invariant: nothing here knows more of the format than the length field that lets one step from frame to frame.

use wharf_log::{Disk, Log, LogError, LogOptions, RecordIn, Recovery, SegmentSizes};

use wharf_faults::FaultyDisk;

pub const PARTITION: u32 = 7;
pub const SMALL: SegmentSizes = SegmentSizes { first_bytes: 4096, max_bytes: 16_384 };
pub const FIRST_SEGMENT: &str = "00000000000000000001.seg";

pub fn options(nonce: u8, sizes: SegmentSizes) -> LogOptions {
    LogOptions { partition: PARTITION, nonce: [nonce; 16], time_ms: 1_000, checkpoint_k: 0, sizes }
}

pub fn open(disk: &FaultyDisk, nonce: u8) -> Result<(Log<FaultyDisk>, Recovery), LogError> {
    Log::open(disk.clone(), options(nonce, SMALL))
}

pub fn open_large(disk: &FaultyDisk, nonce: u8) -> Result<(Log<FaultyDisk>, Recovery), LogError> {
    Log::open(disk.clone(), options(nonce, SegmentSizes { first_bytes: 1 << 16, max_bytes: 1 << 16 }))
}

pub fn record(tenant: u64, body: &[u8]) -> RecordIn<'_> {
    RecordIn { tenant, kind: 3, key_id: 0, body }
}

/// Appends one frame with a record for each body.
pub fn append<D: Disk>(log: &mut Log<D>, time_ms: u64, bodies: &[Vec<u8>]) -> Result<u64, LogError> {
    let records: Vec<_> = bodies.iter().map(|body| record(1, body)).collect();
    log.append(time_ms, &records)
}

/// A body of `bytes` that is not like that of another seed.
pub fn body(seed: u64, bytes: usize) -> Vec<u8> {
    (0..bytes as u64).map(|at| (seed.wrapping_mul(31) + at.wrapping_mul(7) + 1) as u8).collect()
}

/// Where the frames of a segment begin, and the length of each without padding.
pub fn frames_in(segment: &[u8]) -> Vec<(usize, usize)> {
    let mut frames = Vec::new();
    let mut at = 512;
    while segment.get(at..at + 8).is_some_and(|magic| magic == b"WHARFFRM") {
        let bytes = u32::from_le_bytes(segment[at + 12..at + 16].try_into().unwrap()) as usize;
        frames.push((at, bytes));
        at += bytes.next_multiple_of(512);
    }
    frames
}
