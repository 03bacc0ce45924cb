//! The bounds of the state, each with its unit.

/// Bytes of changes in memory after which a checkpoint is due.
pub const OVERLAY_BYTES: usize = 32 << 20;

/// Bytes of redb's page cache.
pub const CACHE_BYTES: usize = 64 << 20;
