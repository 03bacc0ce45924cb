//! ARCHITECTURE.md names only what exists.
//!
//! What stands in backticks and has a slash between plain names is a path from the repository's root; so is the target of a
//! link, and a plain `….md`. Anything with a blank, a colon or a placeholder is not, nor is what begins with a slash.
//!
//! It does not look for what is missing on the map.

use std::path::Path;

use crate::assert_tidy;
use crate::sources::repository;

/// The map.
pub const MAP: &str = "ARCHITECTURE.md";

/// The paths that a page names, each with its line.
fn paths(page: &str) -> Vec<(usize, &str)> {
    let mut paths = Vec::new();
    for (number, line) in (1..).zip(page.lines()) {
        let quoted = line.split('`').skip(1).step_by(2);
        paths.extend(quoted.filter(|text| is_path(text)).map(|path| (number, path)));
        let links = line.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
        paths.extend(links.filter(|link| !link.is_empty() && !link.contains(':')).map(|link| (number, link)));
    }
    paths
}

fn is_path(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    let named = text.trim_end_matches('/').contains('/') || text.ends_with(".md");
    named && !text.starts_with('/') && text.chars().all(plain)
}

fn missing(page: &str, root: &Path) -> Vec<String> {
    let missing = paths(page).into_iter().filter(|(_, path)| !root.join(path).exists());
    missing.map(|(line, path)| format!("{MAP}:{line}: there is no {path}")).collect()
}

#[test]
fn the_map_names_only_what_exists() {
    let page = std::fs::read_to_string(repository().join(MAP)).unwrap();
    assert!(paths(&page).len() > 10, "the map names hardly a path");
    assert_tidy(&missing(&page, &repository()));
}

#[test]
fn the_map_is_not_longer_than_one_reads() {
    let page = std::fs::read_to_string(repository().join(MAP)).unwrap();
    assert!(page.lines().count() <= 400, "{MAP} is longer than 400 lines");
}

#[test]
fn a_path_that_is_not_there_is_found() {
    let page = "See `tests/tidy/map.rs`, [this](README-that-is-not.md#part) and [that](https://example.com).\n\
                `host/nowhere`, `GET /v1/x`, `/livez`, `wasi:http/proxy`, `host/<crate>/src`, `a.b`, `log/`, `NOWHERE.md`.";
    let wrong = missing(page, &repository());
    let wrong: Vec<&str> = wrong.iter().map(|sentence| sentence.rsplit(' ').next().unwrap()).collect();
    assert_eq!(wrong, ["README-that-is-not.md", "host/nowhere", "NOWHERE.md"]);
}
