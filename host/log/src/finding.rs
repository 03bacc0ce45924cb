//! What verifying a log tells: the frames as they are found, and each structure that is not as it was written.
//!
//! Invariant: a finding names one structure of one segment by its offset, and says which frames it is about. It does not
//! know what a record means; whoever does decides what is lost with it.

use std::fmt;

use bytes::Bytes;

use crate::frame::FrameKind;

/// One thing that verifying met, in the order of the log.
#[derive(Debug)]
pub enum Seen {
    /// A segment is read now.
    Segment {
        /// Name of the file.
        name: String,
        /// The frame that it begins with, by its name.
        first_k: u64,
        /// Its length in bytes.
        bytes: u64,
    },
    /// A frame, whole or what is left of one.
    Frame(SeenFrame),
    /// Something is not as it was written.
    Finding(Finding),
}

/// How much a frame can be relied on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It counts: header and directory are as written, and so is every record that says so.
    Counts,
    /// Header or directory is damaged. What is given was pieced together; k and time may be wrong.
    Damaged,
    /// It is the torn tail behind the last frame: nobody was told of it, unless the state is beyond it.
    Torn,
}

/// A frame as verifying found it.
#[derive(Debug)]
pub struct SeenFrame {
    /// Name of its segment.
    pub segment: String,
    /// Where it begins, in bytes.
    pub offset: u64,
    /// Its number.
    pub k: u64,
    /// What it is for; absent where that cannot be read.
    pub kind: Option<FrameKind>,
    /// Milliseconds since 1970.
    pub time_ms: u64,
    /// How much it can be relied on.
    pub standing: Standing,
    /// Its records, as far as they can be told apart.
    pub records: Vec<SeenRecord>,
}

/// A record as verifying found it.
#[derive(Debug)]
pub struct SeenRecord {
    /// Its index in the frame.
    pub index: u32,
    /// The tenant it belongs to.
    pub tenant: u64,
    /// What the record is.
    pub kind: u16,
    /// The key that its bodies are sealed under, 0 = plain.
    pub key_id: u32,
    /// Its bytes as they stand there.
    pub body: Bytes,
    /// They are the bytes that were written.
    pub holds: bool,
    /// They are not, but with one bit put right they are: as written, then.
    pub mended: Option<Bytes>,
}

impl SeenRecord {
    /// The one bit that tells the body from what was written, if it is one: its byte, and which of the byte's bits.
    pub(crate) fn flipped(&self) -> Option<(usize, u8)> {
        let mended = self.mended.as_ref()?;
        let byte = self.body.iter().zip(mended).position(|(now, was)| now != was)?;
        let changed = self.body.get(byte)? ^ mended.get(byte)?;
        Some((byte, u8::try_from(changed.trailing_zeros()).ok()?))
    }
}

/// Something that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Name of the file.
    pub segment: String,
    /// Where the structure begins, or the first byte that is wrong where that is known.
    pub offset: u64,
    /// How many bytes it is about.
    pub bytes: u64,
    /// The first and last frame that it is about.
    pub frames: Option<(u64, u64)>,
    /// Which structure, and what is wrong with it.
    pub fault: Fault,
}

/// The structures of a log, as something that is wrong with them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The file is no part of a log.
    Stranger,
    /// The disk did not give these bytes.
    Unreadable {
        /// What the operating system said.
        problem: String,
    },
    /// The segment's header does not check out or says something else than its file.
    SegmentHeader,
    /// The zeros behind the segment's header are none.
    SegmentZeros,
    /// The file is not as long as its header says.
    SegmentLength {
        /// What the header says, in bytes.
        expected: u64,
    },
    /// The segment does not begin where the one before ended.
    SegmentOrder,
    /// A frame's header or directory does not check out.
    FrameFront,
    /// A record's body does not check out.
    RecordBody {
        /// The record's index in the frame.
        index: u32,
        /// One flipped bit explains it: its offset in the file in bytes, and which of the byte's bits.
        bit: Option<(u64, u8)>,
    },
    /// A frame's padding is not zero.
    FramePadding,
    /// A frame is whole but was written by nobody who owned the log then.
    FrameOwner,
    /// Frames are not there.
    FramesMissing,
    /// Bytes between two frames are no frame.
    Gap,
    /// Behind the last frame stands the rest of a write that never ended.
    TornTail,
    /// The zeros behind the last frame are none.
    Unused,
}

impl Fault {
    /// The structure's name.
    #[must_use]
    pub fn structure(&self) -> &'static str {
        match self {
            Self::Stranger => "file",
            Self::Unreadable { .. } => "disk",
            Self::SegmentHeader => "segment-header",
            Self::SegmentZeros => "segment-zeros",
            Self::SegmentLength { .. } => "segment-length",
            Self::SegmentOrder => "segment-order",
            Self::FrameFront => "frame-front",
            Self::RecordBody { .. } => "record-body",
            Self::FramePadding => "frame-padding",
            Self::FrameOwner => "frame-owner",
            Self::FramesMissing => "frames-missing",
            Self::Gap => "gap",
            Self::TornTail => "torn-tail",
            Self::Unused => "unused-space",
        }
    }

    /// True if no byte that means anything is concerned, so that a host starts and reads as if it were not there.
    #[must_use]
    pub fn is_harmless(&self) -> bool {
        matches!(self, Self::Stranger | Self::SegmentZeros | Self::FramePadding | Self::TornTail | Self::Unused)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stranger => f.write_str("this file is no part of a log"),
            Self::Unreadable { problem } => write!(f, "the disk does not give these bytes: {problem}"),
            Self::SegmentHeader => f.write_str("the segment's header is damaged"),
            Self::SegmentZeros => f.write_str("the zeros behind the segment's header were changed"),
            Self::SegmentLength { expected } => write!(f, "the file should have {expected} bytes"),
            Self::SegmentOrder => f.write_str("the segment does not follow the one before it"),
            Self::FrameFront => f.write_str("a frame's header or directory is damaged"),
            Self::RecordBody { index, bit: None } => write!(f, "the body of record {index} is damaged"),
            Self::RecordBody { index, bit: Some((offset, bit)) } => {
                write!(f, "the body of record {index} is damaged: bit {bit} of byte {offset} is flipped")
            }
            Self::FramePadding => f.write_str("a frame's padding was changed"),
            Self::FrameOwner => f.write_str("a frame was written by someone who did not own the log"),
            Self::FramesMissing => f.write_str("frames are missing"),
            Self::Gap => f.write_str("there are bytes between two frames"),
            Self::TornTail => f.write_str("the rest of a write that never ended; the next start cuts it"),
            Self::Unused => f.write_str("the zeros behind the last frame were changed"),
        }
    }
}

/// What was read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Verified {
    /// Segments.
    pub segments: u64,
    /// Their length, in bytes.
    pub bytes: u64,
    /// Frames that count.
    pub frames: u64,
    /// Records in them whose bodies are as written.
    pub records: u64,
    /// The first frame that counts; 0 if there is none.
    pub first_k: u64,
    /// The last one; 0 if there is none.
    pub last_k: u64,
    /// Time of the last one, in milliseconds since 1970.
    pub last_time_ms: u64,
    /// Length of the torn tail, in bytes, whole sectors.
    pub torn_bytes: u64,
}
