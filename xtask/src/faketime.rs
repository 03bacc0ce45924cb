//! Debian's libfaketime, under which a test lets the host's wall clock jump.
//!
//! Invariant: nothing is installed; the library is unpacked beside what is built.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::guests::apt;

/// The library, fetched where it is not there yet.
pub fn library(target: &Path) -> Result<PathBuf> {
    let libraries = apt::unpacked("libfaketime", &target.join("faketime"))?.join("usr/lib");
    let found = fs::read_dir(&libraries).with_context(|| format!("reading {}", libraries.display()))?;
    let library = found.filter_map(Result::ok).map(|folder| folder.path().join("faketime/libfaketime.so.1"));
    let mut there = library.filter(|library| library.exists());
    there.next().with_context(|| format!("no libfaketime.so.1 below {}", libraries.display()))
}
