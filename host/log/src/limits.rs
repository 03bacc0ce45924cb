//! Every bound of this crate, by name and with its unit.
//!
//! Invariant: nothing in the log grows with its input beyond what stands here. Retention is not a limit of the log: whoever
//! calls `trim` decides it.

/// The unit that a disk writes whole. Frames begin and end on it, so that no write of one frame touches a sector of another.
pub const SECTOR_BYTES: u64 = 512;

/// Largest frame, header and directory included, in bytes. The caller's group commit gathers up to this.
pub const FRAME_BYTES_MAX: u32 = 16 << 20;

/// Size of the first segment file, in bytes. Each next one doubles up to [`SEGMENT_BYTES_MAX`].
pub const SEGMENT_BYTES_FIRST: u64 = 4 << 20;

/// Size at which segment files stop growing, in bytes.
pub const SEGMENT_BYTES_MAX: u64 = 64 << 20;

/// Zeros written (and synced) by one step of preparing a segment, in bytes: what an append may have to wait behind.
pub const FILL_STEP_BYTES: usize = 1 << 20;

/// Bytes that a scan reads at a time.
pub const SCAN_WINDOW_BYTES: usize = 1 << 20;

/// First read for a single record, in bytes: a small frame comes whole with it.
pub const RECORD_READ_BYTES: u64 = 4096;

/// Bytes of the frames that were appended last and are held in memory.
pub const TAIL_BYTES_MAX: usize = 8 << 20;

/// Sealed segments whose file and frame index are kept open for readers; the least recently used goes first.
pub const SEGMENTS_OPEN_MAX: usize = 16;
