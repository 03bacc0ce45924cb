//! The bounds of one attempt on the host's side, each with its unit.

/// Bytes of events that one attempt may publish.
pub const PUBLISHED_BYTES_MAX: usize = 4 << 20;

/// Key-value changes of one attempt.
pub const WRITES_MAX: usize = 1_000;

/// Bytes of key-value changes of one attempt.
pub const WRITTEN_BYTES_MAX: usize = 4 << 20;

/// Keys that one attempt may read, pages of listings included.
pub const READS_MAX: usize = 10_000;

/// Bytes of the keys that one attempt may read.
pub const READ_BYTES_MAX: usize = 1 << 20;

/// Bytes of a key.
pub const KEY_BYTES_MAX: usize = 1_024;

/// Bytes of a value.
pub const VALUE_BYTES_MAX: usize = 1 << 20;

/// Keys in one page of a listing.
pub const LIST_PAGE: usize = 1_000;

/// Lines that one attempt may log.
pub const LOG_LINES_MAX: usize = 1_000;

/// Bytes that one attempt may log.
pub const LOG_BYTES_MAX: usize = 256 << 10;

/// Bytes of one line of the log; the rest of a longer one is dropped.
pub const LOG_LINE_BYTES_MAX: usize = 8 << 10;

/// Bytes that one call for random bytes may give.
pub const RANDOM_BYTES_MAX: u64 = 1 << 20;

/// Host resources (buckets, streams) that one attempt may hold.
pub const RESOURCES_MAX: usize = 1_024;

/// Tables of one attempt.
pub const TABLES_MAX: usize = 32;

/// Elements of one table.
pub const TABLE_ELEMENTS_MAX: usize = 20_000;

/// Core instances of one attempt.
pub const INSTANCES_MAX: usize = 64;

/// Linear memories of one attempt.
pub const MEMORIES_MAX: usize = 8;
