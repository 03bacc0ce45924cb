//! The limits of patterns, each with its unit. They bound what one match can cost: values of the pattern times leaves of
//! the event.

/// Objects within objects, the root being the first.
pub const PATTERN_DEPTH_MAX: usize = 32;

/// Values and operators in all lists of one pattern, those within `anything-but` included.
pub const PATTERN_VALUES_MAX: usize = 1_000;

/// Field names and strings of one pattern, in bytes.
pub const PATTERN_BYTES_MAX: usize = 32 * 1024;

/// How much of a value an explanation or an error repeats, in characters.
pub const SHOWN_CHARS_MAX: usize = 200;
