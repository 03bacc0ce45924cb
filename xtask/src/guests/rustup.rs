//! The wasm target of the Rust toolchain that is in use, as rustup installs it.
//!
//! Invariant: a target counts as installed when its standard library is there, whoever put it there.
//!
//! It does not install rustup or a toolchain.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, bail};

use super::toolchain::TARGET;
use super::{cargo, process};

/// How long `rustup target add` may take.
const TARGET_ADD_S_MAX: Duration = Duration::from_secs(20);

/// Whether the toolchain in use can build for the target.
pub fn has_target() -> Result<bool> {
    let folder = process::output(cargo::rustc().args(["--print", "target-libdir", "--target", TARGET]))?;
    Ok(has_std(Path::new(folder.trim())))
}

/// Asks rustup for the target.
pub fn add_target() -> Result<()> {
    if process::find("rustup").is_none() {
        bail!("there is no rustup here");
    }
    process::run_within(Command::new("rustup").args(["target", "add", TARGET]), TARGET_ADD_S_MAX)
}

/// Whether `folder` has a standard library to link.
fn has_std(folder: &Path) -> bool {
    let Ok(files) = std::fs::read_dir(folder) else { return false };
    let names: Vec<String> = files.flatten().filter_map(|file| file.file_name().into_string().ok()).collect();
    ["libcore-", "libstd-"].iter().all(|library| names.iter().any(|name| is_rlib(name, library)))
}

fn is_rlib(name: &str, library: &str) -> bool {
    name.starts_with(library) && name.ends_with(".rlib")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_there_when_its_standard_library_is() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!has_std(&folder.path().join("not there")));
        std::fs::write(folder.path().join("libcore-1a2b.rlib"), "").unwrap();
        assert!(!has_std(folder.path()));
        std::fs::write(folder.path().join("libstd-1a2b.rlib"), "").unwrap();
        assert!(has_std(folder.path()));
    }
}
