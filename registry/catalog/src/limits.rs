//! The bounds of channels and canaries, each with its unit.

/// Entries of a plugin's history that are kept: the newest.
pub const HISTORY_MAX: usize = 100;

/// Conditions of one canary.
pub const CONDITIONS_MAX: usize = 8;

/// The longest canary, in milliseconds: 30 days.
pub const CANARY_MS_MAX: u64 = 30 * 86_400_000;

/// First attempts that a canary needs before it can become stable by itself: fewer say nothing.
pub const ATTEMPTS_MIN: u64 = 20;

/// First attempts that a quantile of latency needs before it ends a canary ahead of its time.
pub const QUANTILE_ATTEMPTS_MIN: u64 = 200;

/// Characters of a reason or a message that are kept.
pub const REASON_CHARS_MAX: usize = 500;

/// Channels of a plugin beside `stable`.
pub const CHANNELS_MAX: usize = 32;

/// Versions of a prompt that are kept.
pub const PROMPT_VERSIONS_MAX: usize = 10;

/// Versions of a model that are kept, each a file of up to 64 MiB.
pub const MODEL_VERSIONS_MAX: usize = 20;
