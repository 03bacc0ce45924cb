//! Where a recording of an attempt stands, which its settlement names.
//!
//! Invariant: a recording is none of the log's, and nothing is decided by it. The digest tells whether what is at its place is what was put there, so a
//! place may outlive what it names.

use wharf_event::Digest;

use crate::codec::{DecodeError, Reader, Writer};

/// A place in the segments of recordings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordingAt {
    /// Which segment.
    pub segment: u64,
    /// Where in it, in bytes.
    pub offset: u64,
    /// How many bytes it has.
    pub bytes: u32,
    /// SHA-256 of them.
    pub digest: Digest,
}

impl RecordingAt {
    pub(crate) fn put(&self, w: &mut Writer) {
        w.u64(self.segment).u64(self.offset).u32(self.bytes).digest(&self.digest);
    }

    pub(crate) fn take(r: &mut Reader) -> Result<Self, DecodeError> {
        let (segment, offset, bytes) = (r.u64("segment")?, r.u64("offset")?, r.u32("length")?);
        Ok(Self { segment, offset, bytes, digest: r.digest("recording")? })
    }
}
