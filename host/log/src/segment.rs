//! A segment file: its name, its header block and its size (docs/design/log-format.md, "Segment").
//!
//! Invariant: the header block is durable before the file gets its final name, so a segment file with a bad header was
//! damaged, never interrupted. It does not know what frames are in it.

use bytes::{Buf, BufMut};
use crc32c::crc32c;

use crate::error::LogError;
use crate::frame::{FORMAT_VERSION, Owner, padded};
use crate::limits::{SECTOR_BYTES, SEGMENT_BYTES_FIRST, SEGMENT_BYTES_MAX};

/// Length of the header block; the first frame begins behind it.
pub(crate) const HEADER_BLOCK_BYTES: u64 = SECTOR_BYTES;
/// The part of the block that the checksum covers; it stands right behind, and the rest is zeros.
pub(crate) const COVERED_BYTES: usize = 56;
const MAGIC: [u8; 8] = *b"WHARFSEG";
const SUFFIX: &str = ".seg";
const NAME_DIGITS: usize = 20;

/// A segment, as operators and retention see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentInfo {
    /// Its first frame.
    pub first_k: u64,
    /// Its last frame so far.
    pub last_k: u64,
    /// Size of its file, in bytes.
    pub bytes: u64,
}

/// How large segment files are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentSizes {
    /// The first one, in bytes.
    pub first_bytes: u64,
    /// Where doubling stops, in bytes.
    pub max_bytes: u64,
}

impl Default for SegmentSizes {
    fn default() -> Self {
        Self { first_bytes: SEGMENT_BYTES_FIRST, max_bytes: SEGMENT_BYTES_MAX }
    }
}

impl SegmentSizes {
    /// The size of the segment that follows one of `before` bytes and must hold a frame of `frame` bytes.
    pub(crate) fn next(self, before: Option<u64>, frame: u64) -> u64 {
        let wanted = before.map_or(self.first_bytes, |bytes| bytes.saturating_mul(2).min(self.max_bytes));
        padded(wanted.max(HEADER_BLOCK_BYTES + padded(frame)))
    }
}

/// The header of a segment. Its checksum, `salt`, starts the checksum of every frame in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentHead {
    pub(crate) partition: u32,
    /// Epoch and nonce in force before the first frame, which goes on with them or is the next epoch frame.
    pub(crate) owner: Owner,
    pub(crate) first_k: u64,
    pub(crate) bytes: u64,
    pub(crate) salt: u32,
}

impl SegmentHead {
    /// A header for a new segment, with its checksum.
    pub(crate) fn new(partition: u32, owner: Owner, first_k: u64, bytes: u64) -> Self {
        let mut head = Self { partition, owner, first_k, bytes, salt: 0 };
        head.salt = crc32c(&head.covered());
        head
    }

    /// The file's name: sorted by name is sorted by first k.
    pub(crate) fn name(&self) -> String {
        segment_name(self.first_k)
    }

    /// The header block.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut block = self.covered();
        block.put_u32_le(self.salt);
        block.resize(HEADER_BLOCK_BYTES as usize, 0);
        block
    }

    /// Reads the header block of the segment that is named by `first_k`.
    pub(crate) fn decode(mut block: &[u8], first_k: u64, partition: u32) -> Result<Self, LogError> {
        let crc = block.get(..COVERED_BYTES).map(crc32c);
        match Self::parse(&mut block) {
            Some((version, head)) if crc == Some(head.salt) => {
                let segment = segment_name(first_k);
                if version != FORMAT_VERSION {
                    return Err(LogError::Version { segment, found: version, supported: FORMAT_VERSION });
                }
                if head.partition != partition {
                    return Err(LogError::Partition { segment, found: head.partition, expected: partition });
                }
                if head.first_k != first_k {
                    return Err(LogError::Damaged { segment, offset: 0, k: first_k });
                }
                Ok(head)
            }
            _ => Err(LogError::Damaged { segment: segment_name(first_k), offset: 0, k: first_k }),
        }
    }

    fn parse(block: &mut &[u8]) -> Option<(u16, Self)> {
        let mut magic = [0; 8];
        block.try_copy_to_slice(&mut magic).ok()?;
        let version = block.try_get_u16_le().ok()?;
        let _reserved = block.try_get_u16_le().ok()?;
        let partition = block.try_get_u32_le().ok()?;
        let mut owner = Owner { epoch: block.try_get_u64_le().ok()?, nonce: [0; 16] };
        block.try_copy_to_slice(&mut owner.nonce).ok()?;
        let first_k = block.try_get_u64_le().ok()?;
        let bytes = block.try_get_u64_le().ok()?;
        let salt = block.try_get_u32_le().ok()?;
        (magic == MAGIC).then_some((version, Self { partition, owner, first_k, bytes, salt }))
    }

    fn covered(&self) -> Vec<u8> {
        let mut block = Vec::with_capacity(HEADER_BLOCK_BYTES as usize);
        block.put_slice(&MAGIC);
        block.put_u16_le(FORMAT_VERSION);
        block.put_u16_le(0);
        block.put_u32_le(self.partition);
        block.put_u64_le(self.owner.epoch);
        block.put_slice(&self.owner.nonce);
        block.put_u64_le(self.first_k);
        block.put_u64_le(self.bytes);
        block
    }
}

/// The name of the segment whose first frame is `first_k`.
pub(crate) fn segment_name(first_k: u64) -> String {
    format!("{first_k:0NAME_DIGITS$}{SUFFIX}")
}

/// The first frame of the segment with this name, if it is a segment's name.
pub(crate) fn parse_name(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(SUFFIX)?;
    let canonical = digits.len() == NAME_DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit());
    canonical.then(|| digits.parse().ok()).flatten()
}
