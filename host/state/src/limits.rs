//! The bounds of the state, each with its unit.

use std::time::Duration;

/// Bytes of changes in memory after which a checkpoint is due.
pub const OVERLAY_BYTES: usize = 32 << 20;

/// Bytes of a state file up to which every start checks all of it (about 1 ms a MiB). A larger one is trusted as it is found, and
/// examined by `wharf doctor`.
pub const CHECKED_AT_OPEN_BYTES_MAX: u64 = 64 << 20;

/// Bytes of redb's page cache.
pub const CACHE_BYTES: usize = 64 << 20;

/// Rows that a checkpoint writes between two rests.
pub const PACE_ROWS: usize = 256;

/// How long a rest of a checkpoint may be.
pub const PACE_REST_MAX: Duration = Duration::from_millis(20);

/// Removed rows that a scan steps over before it is worth knowing where the rows begin.
pub const STEPPED_OVER_MIN: usize = 8;

/// Prefixes of a table of which it is known where their rows begin.
pub const FRONTS_MAX: usize = 4096;
