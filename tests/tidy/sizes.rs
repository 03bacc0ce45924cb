//! Files stay small: beyond 400 lines without tests they are named, beyond 600 that is a failure.
//!
//! It does not count the lines of functions: clippy's `too_many_lines` does.

use crate::assert_tidy;
use crate::sources::{self, Source};

/// Lines above which a file is named.
const LINES_WARN: usize = 400;

/// Lines above which a file is a failure.
const LINES_MAX: usize = 600;

/// Files that are allowed to be larger. This list may only shrink.
const EXCEPTIONS: [&str; 0] = [];

/// The lines before the tests of a file; a file of tests has none.
fn lines(source: &Source) -> usize {
    let is_tests =
        source.path.starts_with("tests/") || source.path.contains("/tests/") || source.path.ends_with("/tests.rs");
    if is_tests { 0 } else { source.text.lines().take_while(|line| *line != "#[cfg(test)]").count() }
}

fn larger_than(sources: &[Source], lines_max: usize) -> Vec<String> {
    let counted = sources.iter().map(|source| (source, lines(source)));
    let large = counted.filter(|(source, lines)| *lines > lines_max && !EXCEPTIONS.contains(&source.path.as_str()));
    large.map(|(source, lines)| format!("{}: {lines} lines, at most {lines_max} is good", source.path)).collect()
}

#[test]
fn no_file_is_larger_than_it_may_be() {
    let sources = sources::rust().unwrap();
    for warning in larger_than(&sources, LINES_WARN) {
        eprintln!("warning: {warning}");
    }
    assert_tidy(&larger_than(&sources, LINES_MAX));
}

#[test]
fn tests_do_not_count() {
    let source = |path: &str, text: String| Source { path: path.to_owned(), text };
    let long = "line\n".repeat(LINES_MAX + 1);
    assert_eq!(larger_than(&[source("host/a/src/b.rs", long.clone())], LINES_MAX).len(), 1);
    for source in [
        source("host/a/src/b.rs", format!("#[cfg(test)]\n{long}")),
        source("host/a/src/b/tests.rs", long.clone()),
        source("host/a/tests/a/main.rs", long.clone()),
        source("tests/e2e/main.rs", long),
    ] {
        assert_eq!(lines(&source), 0, "{}", source.path);
    }
}
