//! The bytes of a frame: header, directory, bodies (docs/design/log-format.md, "Frame").
//!
//! Invariant: every byte of a frame is under a checksum: header and directory under the frame's, each body under its own,
//! which stands in the directory. Decoding never trusts a length before it is bounded. This file does no I/O and does not
//! know which frame is expected: it says what a frame says.

use bytes::{Buf, BufMut, Bytes};
use crc32c::{crc32c, crc32c_append};

use crate::limits::{FRAME_BYTES_MAX, SECTOR_BYTES};

/// Version of segment and frame format that this build writes and reads.
pub(crate) const FORMAT_VERSION: u16 = 1;
/// Length of a frame's header.
pub(crate) const HEADER_BYTES: usize = 72;
/// Length of one entry of the directory.
pub(crate) const ENTRY_BYTES: usize = 24;
/// Where the checksum stands in the header; these four bytes are the only ones it does not cover.
const CRC_AT: usize = 16;
const CRC_END: usize = CRC_AT + 4;
pub(crate) const MAGIC: [u8; 8] = *b"WHARFFRM";
/// A record that is whole in its frame; other values are reserved for records that span frames.
const FRAGMENT_WHOLE: u16 = 0;

/// What a frame is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameKind {
    /// Carries records.
    Records,
    /// First frame of an owner: from here on frames carry its epoch and nonce.
    Epoch,
    /// Carries nothing: makes the frame before it not the last one.
    Mark,
}

impl FrameKind {
    fn code(self) -> u16 {
        match self {
            Self::Records => 1,
            Self::Epoch => 2,
            Self::Mark => 3,
        }
    }

    pub(crate) fn from_code(code: u16) -> Option<Self> {
        match code {
            1 => Some(Self::Records),
            2 => Some(Self::Epoch),
            3 => Some(Self::Mark),
            _ => None,
        }
    }
}

/// A record to append.
#[derive(Debug, Clone, Copy)]
pub struct RecordIn<'a> {
    /// The tenant it belongs to.
    pub tenant: u64,
    /// What the record is; the log does not look at it.
    pub kind: u16,
    /// The key that its bodies are sealed under, 0 = plain.
    pub key_id: u32,
    /// Its bytes.
    pub body: &'a [u8],
}

/// A record as read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordOut {
    /// The tenant it belongs to.
    pub tenant: u64,
    /// What the record is.
    pub kind: u16,
    /// The key that its bodies are sealed under, 0 = plain.
    pub key_id: u32,
    /// Time of its frame, in milliseconds since 1970.
    pub time_ms: u64,
    /// Its bytes.
    pub body: Bytes,
}

/// A frame as read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Its number; 1 is the log's first.
    pub k: u64,
    /// Milliseconds since 1970; never less than that of the frame before.
    pub time_ms: u64,
    /// The owner's epoch.
    pub epoch: u64,
    /// What it is for.
    pub kind: FrameKind,
    /// Its records, in the order in which they were appended.
    pub records: Vec<RecordOut>,
}

/// Who writes: rises with every open. The nonce is secret and random, so two writers of one epoch are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) epoch: u64,
    pub(crate) nonce: [u8; 16],
}

/// The header of a frame, without its checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FrameHead {
    pub(crate) kind: FrameKind,
    pub(crate) bytes: u32,
    pub(crate) partition: u32,
    pub(crate) owner: Owner,
    pub(crate) k: u64,
    pub(crate) time_ms: u64,
    pub(crate) records: u32,
}

/// One entry of the directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) tenant: u64,
    pub(crate) kind: u16,
    pub(crate) key_id: u32,
    pub(crate) bytes: u32,
    pub(crate) crc: u32,
}

/// Bytes that a frame of so many records with so many body bytes in all takes, before padding: what a group commit adds up
/// to stay within [`FRAME_BYTES_MAX`].
#[must_use]
pub const fn frame_bytes(records: usize, body_bytes: u64) -> u64 {
    HEADER_BYTES as u64 + (records as u64).saturating_mul(ENTRY_BYTES as u64).saturating_add(body_bytes)
}

/// `bytes` rounded up to whole sectors.
pub(crate) const fn padded(bytes: u64) -> u64 {
    bytes.next_multiple_of(SECTOR_BYTES)
}

impl FrameHead {
    /// Reads a header, bounded but not yet checked: the checksum needs the directory.
    pub(crate) fn parse(mut header: &[u8]) -> Option<Self> {
        let mut magic = [0; 8];
        header.try_copy_to_slice(&mut magic).ok()?;
        let version = header.try_get_u16_le().ok()?;
        let kind = FrameKind::from_code(header.try_get_u16_le().ok()?)?;
        let bytes = header.try_get_u32_le().ok()?;
        let _crc = header.try_get_u32_le().ok()?;
        let partition = header.try_get_u32_le().ok()?;
        let mut owner = Owner { epoch: header.try_get_u64_le().ok()?, nonce: [0; 16] };
        header.try_copy_to_slice(&mut owner.nonce).ok()?;
        let k = header.try_get_u64_le().ok()?;
        let time_ms = header.try_get_u64_le().ok()?;
        let records = header.try_get_u32_le().ok()?;
        let reserved = header.try_get_u32_le().ok()?;
        let head = Self { kind, bytes, partition, owner, k, time_ms, records };
        let bounded = bytes <= FRAME_BYTES_MAX && head.front_bytes() <= u64::from(bytes);
        (magic == MAGIC && version == FORMAT_VERSION && reserved == 0 && bounded).then_some(head)
    }

    /// Length of header and directory.
    pub(crate) fn front_bytes(&self) -> u64 {
        frame_bytes(self.records as usize, 0)
    }

    /// Length on disk.
    pub(crate) fn padded_bytes(&self) -> u64 {
        padded(u64::from(self.bytes))
    }
}

/// Reads header and directory from a slice that begins with them; `None` if it is too short or anything is not as written.
/// `salt` is the checksum of the segment's header.
pub(crate) fn decode_front(frame: &[u8], salt: u32) -> Option<(FrameHead, Vec<Entry>)> {
    let head = FrameHead::parse(frame)?;
    let front = frame.get(..usize::try_from(head.front_bytes()).ok()?)?;
    let written = front.get(CRC_AT..CRC_END)?.try_get_u32_le().ok()?;
    if written != front_crc(front, salt)? {
        return None;
    }
    let mut directory = front.get(HEADER_BYTES..)?;
    let mut entries = Vec::with_capacity(head.records as usize);
    let mut bytes = head.front_bytes();
    while directory.has_remaining() {
        let (entry, fragment) = Entry::read(directory)?;
        if fragment != FRAGMENT_WHOLE {
            return None;
        }
        directory.advance(ENTRY_BYTES);
        bytes += u64::from(entry.bytes);
        entries.push(entry);
    }
    (bytes == u64::from(head.bytes)).then_some((head, entries))
}

impl Entry {
    /// Reads the entry that `directory` begins with, and its fragment flags.
    pub(crate) fn read(mut directory: &[u8]) -> Option<(Self, u16)> {
        let tenant = directory.try_get_u64_le().ok()?;
        let kind = directory.try_get_u16_le().ok()?;
        let fragment = directory.try_get_u16_le().ok()?;
        let key_id = directory.try_get_u32_le().ok()?;
        let (bytes, crc) = (directory.try_get_u32_le().ok()?, directory.try_get_u32_le().ok()?);
        Some((Self { tenant, kind, key_id, bytes, crc }, fragment))
    }

    /// True if `body` is what was written.
    pub(crate) fn holds(&self, body: &[u8]) -> bool {
        body.len() as u64 == u64::from(self.bytes) && crc32c(body) == self.crc
    }

    /// The record with this body, if the body is what was written.
    pub(crate) fn record(&self, time_ms: u64, body: Bytes) -> Option<RecordOut> {
        let Self { tenant, kind, key_id, .. } = *self;
        self.holds(&body).then_some(RecordOut { tenant, kind, key_id, time_ms, body })
    }
}

/// Reads a whole frame; bodies share its memory. `None` if any byte is not as written.
pub(crate) fn decode(bytes: &Bytes, salt: u32) -> Option<(FrameHead, Frame)> {
    let (head, entries) = decode_front(bytes, salt)?;
    // `decode_front` has seen that many bytes, and bodies that end where the frame does.
    let mut bodies = bytes.clone();
    bodies.advance(usize::try_from(head.front_bytes()).ok()?);
    let mut records = Vec::with_capacity(entries.len());
    for entry in entries {
        let length = usize::try_from(entry.bytes).ok()?;
        if bodies.len() < length {
            return None;
        }
        records.push(entry.record(head.time_ms, bodies.split_to(length))?);
    }
    let frame = Frame { k: head.k, time_ms: head.time_ms, epoch: head.owner.epoch, kind: head.kind, records };
    Some((head, frame))
}

/// The bytes of a frame with its padding. `head.bytes` and `head.records` are those of `records`.
pub(crate) fn encode(head: &FrameHead, records: &[RecordIn<'_>], salt: u32) -> Vec<u8> {
    let mut out = Vec::with_capacity(usize::try_from(head.padded_bytes()).unwrap_or_default());
    out.put_slice(&MAGIC);
    out.put_u16_le(FORMAT_VERSION);
    out.put_u16_le(head.kind.code());
    out.put_u32_le(head.bytes);
    out.put_u32_le(0);
    out.put_u32_le(head.partition);
    out.put_u64_le(head.owner.epoch);
    out.put_slice(&head.owner.nonce);
    out.put_u64_le(head.k);
    out.put_u64_le(head.time_ms);
    out.put_u32_le(head.records);
    out.put_u32_le(0);
    for record in records {
        out.put_u64_le(record.tenant);
        out.put_u16_le(record.kind);
        out.put_u16_le(FRAGMENT_WHOLE);
        out.put_u32_le(record.key_id);
        // The whole frame was bounded by FRAME_BYTES_MAX, so a body's length fits.
        out.put_u32_le(record.body.len() as u32);
        out.put_u32_le(crc32c(record.body));
    }
    let crc = front_crc(&out, salt).unwrap_or_default();
    if let Some(slot) = out.get_mut(CRC_AT..CRC_END) {
        slot.copy_from_slice(&crc.to_le_bytes());
    }
    for record in records {
        out.put_slice(record.body);
    }
    // Padding to whole sectors: a write that is torn spoils sectors of its own frame only, never the end of an earlier one
    // that was acknowledged. (The kernel writes pages of several sectors; those of earlier frames get the bytes they have.)
    out.resize(out.len().next_multiple_of(SECTOR_BYTES as usize), 0);
    out
}

/// The checksum of header and directory, without the four bytes where it stands. It starts from the segment header's
/// checksum: that ties a frame to its segment, and since that header holds a secret nonce, bytes that someone sends as a
/// payload cannot pass for a frame when a torn tail is searched.
fn front_crc(front: &[u8], salt: u32) -> Option<u32> {
    let before = crc32c_append(salt, front.get(..CRC_AT)?);
    Some(crc32c_append(before, front.get(CRC_END..)?))
}
