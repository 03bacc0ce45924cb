//! A segment that is read as a whole, for verifying: where its frames are, and what its bytes say when parts are damaged.
//!
//! Invariant: nothing here trusts a length that no checksum covers. It does no I/O and tells nobody: it answers.

use bytes::{Buf, Bytes};
use crc32c::crc32c;

use crate::finding::SeenRecord;
use crate::frame::{Entry, FrameHead, decode_front, padded};
use crate::limits::{FRAME_BYTES_MAX, SECTOR_BYTES};
use crate::segment::{COVERED_BYTES, HEADER_BLOCK_BYTES};

/// The part of a header block that is not zeros.
pub(crate) const HEADER_BYTES: usize = COVERED_BYTES + 4;

/// A segment in memory.
pub(crate) struct Loaded {
    pub(crate) name: String,
    pub(crate) bytes: Bytes,
    pub(crate) salt: u32,
    pub(crate) partition: u32,
}

impl Loaded {
    /// Header and directory of the frame that begins at `at`, if one does.
    pub(crate) fn front(&self, at: usize) -> Option<(FrameHead, Vec<Entry>)> {
        let (head, entries) = decode_front(self.bytes.get(at..)?, self.salt)?;
        let fits = at as u64 + head.padded_bytes() <= self.bytes.len() as u64;
        (fits && head.partition == self.partition).then_some((head, entries))
    }

    /// The first frame from the sector at `at` on that is numbered `k` or later.
    pub(crate) fn next_front(&self, at: usize, k: u64) -> Option<(usize, FrameHead)> {
        let sectors = (at..self.bytes.len()).step_by(SECTOR_BYTES as usize);
        let front = |at| self.front(at).filter(|(head, _)| head.k >= k).map(|(head, _)| (at, head));
        sectors.into_iter().find_map(front)
    }

    /// The bytes from `from` to `to` that are not zero: where the first one stands, and behind the last one.
    pub(crate) fn dirty(&self, from: usize, to: usize) -> Option<(usize, usize)> {
        let part = self.bytes.get(from..to)?;
        let first = part.iter().position(|&byte| byte != 0)?;
        let last = part.iter().rposition(|&byte| byte != 0)?;
        Some((from + first, from + last + 1))
    }

    /// Whether bytes behind the last frame cannot be what a torn write left: more than a frame, or one single bit.
    pub(crate) fn is_stray(&self, at: usize, end: usize) -> bool {
        let bits = self.bytes.get(at..end).map_or(0, |bytes| bytes.iter().map(|byte| byte.count_ones()).sum());
        (end - at) as u64 > padded(u64::from(FRAME_BYTES_MAX)) || bits == 1
    }

    /// The records of a frame whose header and directory check out.
    pub(crate) fn records(&self, at: usize, head: &FrameHead, entries: &[Entry]) -> Vec<SeenRecord> {
        let mut from = at + head.front_bytes() as usize;
        let record = |(index, entry): (u32, &Entry)| {
            let to = from + entry.bytes as usize;
            let body = self.bytes.slice(from..to);
            from = to;
            let Entry { tenant, kind, key_id, .. } = *entry;
            let holds = entry.holds(&body);
            let mended = if holds { None } else { mended(&body, entry.crc) };
            SeenRecord { index, tenant, kind, key_id, body, holds, mended }
        };
        (0..).zip(entries).map(record).collect()
    }

    /// The salt of a segment whose header is damaged: the checksum that stands there, or the one of the fields, whichever the
    /// frames were written with.
    pub(crate) fn salt_of_damaged(&self) -> u32 {
        let written = self.bytes.get(COVERED_BYTES..HEADER_BYTES).and_then(|mut crc| crc.try_get_u32_le().ok());
        let computed = self.bytes.get(..COVERED_BYTES).map(crc32c);
        let salts = [written, computed].into_iter().flatten();
        let fits = |salt: &u32| {
            let tried = Loaded { name: String::new(), bytes: self.bytes.clone(), salt: *salt, ..*self };
            tried.next_front(HEADER_BLOCK_BYTES as usize, 0).is_some()
        };
        salts.clone().find(fits).or(written).unwrap_or_default()
    }
}

/// A body as it was written, if one flipped bit tells it from what stands there. For bodies as long as a frame may be, no two
/// bits have the same effect on the checksum, so it is the one.
fn mended(body: &Bytes, crc: u32) -> Option<Bytes> {
    let (byte, bit) = flipped_bit(body.len(), crc32c(body) ^ crc)?;
    let mut mended = body.to_vec();
    *mended.get_mut(byte)? ^= 1 << bit;
    Some(mended.into())
}

/// The bit of a body of `bytes` bytes that changes the checksum by `effect`: its byte, and which of the byte's bits.
fn flipped_bit(bytes: usize, effect: u32) -> Option<(usize, u8)> {
    /// The polynomial of CRC-32C, reflected: what flipping the last bit does.
    const LAST: u32 = 0x82F6_3B78;
    let mut of_bit = LAST;
    for byte in (0..bytes).rev() {
        for bit in (0..8).rev() {
            if of_bit == effect {
                return Some((byte, bit));
            }
            of_bit = (of_bit >> 1) ^ if of_bit & 1 == 1 { LAST } else { 0 };
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_flipped_bit_is_put_right_and_two_are_not() {
        let body: Vec<u8> = (0..200u32).map(|n| (n * n % 251) as u8).collect();
        let crc = crc32c(&body);
        for bit in 0..body.len() * 8 {
            let mut flipped = body.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(mended(&flipped.clone().into(), crc), Some(body.clone().into()), "bit {bit}");
            let next = (bit + 1) % (body.len() * 8);
            flipped[next / 8] ^= 1 << (next % 8);
            assert_eq!(mended(&flipped.into(), crc), None, "bits {bit} and {next}");
        }
        assert_eq!(flipped_bit(0, 1), None);
    }
}
