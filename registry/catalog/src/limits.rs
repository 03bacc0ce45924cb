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

/// Quantiles of a column that a baseline has: one for each hundredth, and the least value.
pub const QUANTILES: usize = 101;

/// Columns of a baseline, those of all inputs together.
pub const BASELINE_COLUMNS_MAX: usize = 64;

/// Characters of the name of an input or a column of a baseline.
pub const BASELINE_NAME_CHARS_MAX: usize = 64;

/// Rows that a baseline is made of.
pub const BASELINE_ROWS_MIN: u64 = 100;

/// Numbers of a column below which nothing is said of it.
pub const SAMPLE_MIN: u32 = 100;

/// The smallest window that is held against a baseline, in rows.
pub const WINDOW_ROWS_MIN: u32 = 200;

/// The largest one.
pub const WINDOW_ROWS_MAX: u32 = 1_000_000;
