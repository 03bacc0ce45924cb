//! The bounds of schedules, each with its unit.

/// Bytes of an expression.
pub const EXPRESSION_BYTES_MAX: usize = 256;

/// The shortest period of a rate, in milliseconds.
pub const PERIOD_MS_MIN: u64 = 1_000;

/// The longest period of a rate, in milliseconds: ten years.
pub const PERIOD_MS_MAX: u64 = 10 * 365 * 24 * 60 * 60 * 1_000;

/// Nothing is due from the year 2200 on, in milliseconds since 1970.
pub const DUE_MS_END: u64 = 7_258_118_400_000;

/// The longest flexible window, in milliseconds: a day.
pub const WINDOW_MS_MAX: u64 = 24 * 60 * 60 * 1_000;

/// A due time that is so late, in milliseconds, was missed: the catch-up policy says what becomes of it.
pub const LATE_MS: u64 = 60_000;

/// What is missed is fired for so long, in milliseconds, where all of it is wanted: a day.
pub const CATCH_UP_MS_MAX: u64 = 24 * 60 * 60 * 1_000;

/// And so many due times of one schedule at most: one a minute of that day.
pub const CATCH_UP_TIMES_MAX: u64 = 24 * 60;
