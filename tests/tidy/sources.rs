//! The files of the repository that people wrote.
//!
//! Invariant: what is built, fetched or hidden is not among them, and neither is what a generator wrote.
//!
//! It does not ask git: a file counts before it is committed.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// Folders with Rust in them.
const ROOTS: [&str; 6] = ["host", "plugins", "registry", "sdk", "tests", "xtask"];

/// What a generator wrote.
const GENERATED: [&str; 7] = [
    "sdk/rust/src/bindings.rs",
    "sdk/rust/src/batch_bindings.rs",
    "sdk/rust/src/infer_bindings.rs",
    "sdk/rust/src/llm_bindings.rs",
    "sdk/rust/src/receiver_bindings.rs",
    "sdk/rust/src/secrets_bindings.rs",
    "sdk/rust/src/transform_bindings.rs",
];

/// A source file.
pub struct Source {
    /// Its path in the repository.
    pub path: String,
    /// What it says.
    pub text: String,
}

/// The repository's folder.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Every Rust file.
pub fn rust() -> Result<Vec<Source>> {
    let repository = repository();
    let mut paths = Vec::new();
    for root in ROOTS {
        let folder = repository.join(root);
        if folder.is_dir() {
            walk(&folder, &mut paths)?;
        }
    }
    let mut sources = Vec::new();
    for path in paths {
        let name = path.strip_prefix(&repository)?.to_str().context("a path that is not UTF-8")?.to_owned();
        if name.ends_with(".rs") && !GENERATED.contains(&name.as_str()) {
            let text = std::fs::read_to_string(&path).with_context(|| format!("reading {name}"))?;
            sources.push(Source { path: name, text });
        }
    }
    Ok(sources)
}

fn walk(folder: &Path, paths: &mut Vec<PathBuf>) -> Result<()> {
    for entry in std::fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let entry = entry?;
        let name = entry.file_name();
        if name == "target" || name.to_string_lossy().starts_with('.') {
            continue;
        }
        if entry.file_type()?.is_dir() {
            walk(&entry.path(), paths)?;
        } else {
            paths.push(entry.path());
        }
    }
    Ok(())
}

#[test]
fn the_sources_are_found_and_generated_ones_are_not_among_them() {
    let sources = rust().unwrap();
    let has = |path: &str| sources.iter().any(|source| source.path == path);
    assert!(has("tests/tidy/sources.rs") && has("sdk/rust/src/lib.rs") && has("plugins/flaky/src/lib.rs"));
    assert!(GENERATED.iter().all(|path| !has(path) && repository().join(path).is_file()));
}
