//! The limits of patterns and of the events that they are matched with, each with its unit. They bound what one pattern can
//! cost in memory, and what one event can cost in time whatever the patterns are.

/// Objects within objects of a pattern, the root being the first. Those in `$or` count as well.
pub const PATTERN_DEPTH_MAX: usize = 32;

/// Values and operators in all lists of one pattern, those within `anything-but` included.
pub const PATTERN_VALUES_MAX: usize = 1_000;

/// Field names and strings of one pattern, in bytes.
pub const PATTERN_BYTES_MAX: usize = 32 * 1024;

/// The text of one pattern, in bytes: room for the above with every byte escaped.
pub const PATTERN_TEXT_BYTES_MAX: usize = 256 * 1024;

/// Fields that one way through a pattern's `$or` names. Event-ruler has the same limit.
pub const PATTERN_FIELDS_MAX: usize = 256;

/// The names on the way to a field, in bytes, with the dots between them.
pub const PATTERN_PATH_BYTES_MAX: usize = 1_024;

/// Ways through all `$or` of a pattern: the product of those that stand side by side. EventBridge has the same limit.
pub const PATTERN_WAYS_MAX: usize = 1_000;

/// Readings of one wildcard that a string can keep open at once: each `*` is one, and so is every piece of literal text after
/// a `*` that the string could be in the middle of. `*:*:*:*:*:x*` has 11, and EventBridge refuses it too.
pub const WILDCARD_COMPLEXITY_MAX: usize = 10;

/// Significant digits of a number that `numeric` or `anything-but` compares: more than a double tells apart is refused.
pub const NUMBER_DIGITS_MAX: usize = 17;

/// Rules in one matcher.
pub const RULES_MAX: usize = 1_000_000;

/// Ways through the `$or` of all rules in one matcher.
pub const WAYS_MAX: usize = 4_000_000;

/// Lists and objects within each other in an event.
pub const EVENT_DEPTH_MAX: usize = 127;

/// How much of a value an explanation or an error repeats, in characters.
pub const SHOWN_CHARS_MAX: usize = 200;

/// Mistakes that are told of one pattern.
pub const MISTAKES_MAX: usize = 20;
