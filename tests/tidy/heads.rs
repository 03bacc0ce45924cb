//! Every file opens with `//!`: what it is.
//!
//! It does not read what the head says.

use crate::assert_tidy;
use crate::sources::{self, Source};

fn headless(sources: &[Source]) -> Vec<String> {
    let headless = sources.iter().filter(|source| !source.text.starts_with("//! "));
    headless.map(|source| format!("{}: the first line does not begin with `//! `", source.path)).collect()
}

#[test]
fn every_file_opens_with_what_it_is() {
    assert_tidy(&headless(&sources::rust().unwrap()));
}

#[test]
fn a_file_without_a_head_is_found() {
    let source = |text: &str| Source { path: "a.rs".to_owned(), text: text.to_owned() };
    assert_eq!(headless(&[source("//! What it is.\n")]).len(), 0);
    assert_eq!(headless(&[source("// What it is.\n"), source(""), source("use std::fs;\n//! x\n")]).len(), 3);
}
