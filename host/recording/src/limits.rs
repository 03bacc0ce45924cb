//! The bounds of recordings, each with its unit.

use std::time::Duration;

/// Bytes of the calls of one attempt that are held until it ends: beyond that only their digests are, and then only their number.
pub const TAPE_BYTES_MAX: usize = 256 << 10;

/// What a call takes on a tape beside its fields, in bytes.
pub const CALL_BYTES: usize = size_of::<crate::Call>();

/// What a field takes on a tape beside its name and value, in bytes.
pub const FIELD_BYTES: usize = size_of::<crate::Field>();

/// Values that are shorter are kept whole even where a tape is nearly full: a digest is no shorter.
pub const WHOLE_BYTES: usize = 64;

/// Bytes of the events that are kept with a recording, in all; of those behind it, and of a larger one, the digest is, and the log has them.
pub const EVENT_BYTES_MAX: usize = 256 << 10;

/// Recordings that wait to be written. Where as many do, further ones are left out.
pub const WAITING_MAX: usize = 64;

/// How long whoever looks for a recording waits until those that were handed over before are written.
pub const WAIT_MAX: Duration = Duration::from_secs(5);

/// Parts of what recordings may take on the disk in which they are deleted.
pub const SEGMENTS: u64 = 8;

/// Bytes of a segment at least.
pub const SEGMENT_BYTES_MIN: u64 = 64 << 10;

/// Bytes of a segment at most.
pub const SEGMENT_BYTES_MAX: u64 = 32 << 20;

/// How often the bounds are looked at where nothing is written, in seconds.
pub const LOOK_EVERY_S: u64 = 60;

/// Bytes that all recordings may take on the disk, unless the configuration says another number.
pub const BYTES: u64 = 256 << 20;

/// How long they are kept, unless the configuration says another time, in milliseconds.
pub const AGE_MS: u64 = 7 * 24 * 3_600_000;

/// Attempts that succeed and are recorded, an hour and a plugin, unless the configuration says another number.
pub const HOURLY: u32 = 10;

/// So many an hour at most, but for "all".
pub const HOURLY_MAX: u32 = 1_000_000;
