//! The limits of schemas, each with its unit. Those of one schema are checked when it is parsed; together they bound what one
//! event can cost, so that no tenant's schema stalls the host.

/// The text of one schema, in bytes.
pub const SCHEMA_BYTES_MAX: usize = 256 * 1024;

/// Schemas within each other in one document, the root being the first.
pub const SCHEMA_DEPTH_MAX: usize = 64;

/// Schemas in one document, the root included.
pub const SUBSCHEMAS_MAX: usize = 4_096;

/// Regular expressions in one schema.
pub const PATTERNS_MAX: usize = 128;

/// One regular expression as it was compiled, in bytes. What a byte of text can cost grows with it.
pub const PATTERN_COMPILED_BYTES_MAX: usize = 256 * 1024;

/// What is kept of one expression's states while it runs, in bytes.
pub const PATTERN_CACHE_BYTES_MAX: usize = 256 * 1024;

/// Bytes of a compiled expression that are one unit of work for each byte of text.
pub const PATTERN_BYTES_PER_WORK: usize = 256;

/// Schemas that apply to one value by way of each other (`$ref`, `allOf`, `anyOf`, `if`, …), one after the other. With the depth
/// of an event it bounds the stack.
pub const CHAIN_MAX: usize = 24;

/// Work for one value of an event: the schemas that may apply to it, counted as often as they may, and what they list.
pub const VALUE_WORK_MAX: u64 = 2_000;

/// Work of `uniqueItems` for each value of a list: it is sorted.
pub const SORTING_WORK: u64 = 16;

/// Work of `unevaluatedProperties` or `unevaluatedItems` for each value: all that applies is gone through again.
pub const UNEVALUATED_WORK: u64 = 64;

/// Work of a `format` or a `contentEncoding` for each byte of a text.
pub const READING_WORK: u64 = 1;

/// Work of a `contentMediaType` for each byte of a text: it is parsed.
pub const PARSING_WORK: u64 = 4;

/// Places of an event that are told apart when a schema's work is counted, and steps of that counting.
pub const COUNTING_STEPS_MAX: usize = 1_000_000;

/// Work for one event: its values times the work for a value, and the bytes of its text times that of the expressions, formats
/// and contents that one text meets. A unit was at most 15 ns where we looked for the dearest events, so this is under a second for 1 MiB.
pub const EVENT_WORK_MAX: u64 = 50_000_000;

/// Work up to which every failing place is looked for; beyond, it is only said that there is one.
pub const TELLING_WORK_MAX: u64 = 500_000;

/// Failing places that are told of one event.
pub const VIOLATIONS_MAX: usize = 100;

/// What is told of one event, in bytes.
pub const VIOLATIONS_BYTES_MAX: usize = 16 * 1024;

/// A pointer to a failing place, in characters. One that is longer is cut, and ends in `…`.
pub const POINTER_CHARS_MAX: usize = 1_000;

/// Failing places that fit one line of text.
pub const SHOWN_MAX: usize = 3;

/// Mistakes that are told of one schema.
pub const MISTAKES_MAX: usize = 20;

/// A message, in characters.
pub const MESSAGE_CHARS_MAX: usize = 300;

/// Steps of one comparison of two schemas. Beyond, it is not known whether they are compatible.
pub const COMPARISON_STEPS_MAX: usize = 200_000;

/// Listed values that are looked at in one of those steps.
pub const VALUES_PER_STEP: usize = 64;

/// Schemas within schemas of one comparison. References can make two small schemas differ in their depth only.
pub const COMPARISON_DEPTH_MAX: usize = 256;

/// Incompatibilities that are told of two schemas.
pub const INCOMPATIBILITIES_MAX: usize = 100;

/// Changes that are told of two schemas.
pub const CHANGES_MAX: usize = 1_000;

/// Names of an object that an inferred schema lists. An object with more is taken for a table of things under free names.
pub const INFERRED_PROPERTIES_MAX: usize = 100;

/// Objects and lists within each other that an inferred schema describes; deeper, anything may be.
pub const INFERRED_DEPTH_MAX: usize = 16;
