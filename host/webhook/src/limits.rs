//! The limits of webhooks, each with its unit.

/// A secret of HMAC, in bytes: the least that Standard Webhooks allows.
pub const SHARED_BYTES_MIN: usize = 24;

/// A secret of HMAC, in bytes: the most that Standard Webhooks allows.
pub const SHARED_BYTES_MAX: usize = 64;

/// A secret of HMAC that is made here, in bytes.
pub const SHARED_BYTES_MADE: usize = 32;

/// How long an answer can have the next attempt wait, in milliseconds: a day. What asks for more waits so long.
pub const RETRY_AFTER_MS_MAX: u64 = 24 * 3_600 * 1_000;
