//! Regular expressions of schemas. Invariant: none backtracks, so a text takes time in proportion to its length; what each byte
//! can take grows with the size of the compiled expression, and is counted. ECMA's look-around and back-references are refused.

use jsonschema::{PatternOptions, Regex};
use serde_json::json;

use crate::limits::{PATTERN_BYTES_PER_WORK, PATTERN_CACHE_BYTES_MAX, PATTERN_COMPILED_BYTES_MAX};

/// How expressions are compiled: by automata, to at most so many bytes.
pub(crate) fn options(bytes_max: usize) -> PatternOptions<Regex> {
    PatternOptions::regex().size_limit(bytes_max).dfa_size_limit(PATTERN_CACHE_BYTES_MAX)
}

/// Units of work for each byte of text; `None` where the expression cannot be used. The compiled size is not told, but whether
/// it is under a limit is, so four are tried.
pub(crate) fn work(pattern: &str) -> Option<u64> {
    let compiles = |bytes_max: &usize| {
        let options = jsonschema::options().offline().with_pattern_options(options(*bytes_max));
        options.build(&json!({ "pattern": pattern })).is_ok()
    };
    let limits = [64, 16, 4, 1].map(|part| PATTERN_COMPILED_BYTES_MAX / part);
    limits.into_iter().find(compiles).map(|bytes| (bytes / PATTERN_BYTES_PER_WORK) as u64)
}
