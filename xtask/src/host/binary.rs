//! Building binaries of the workspace, `wharf` first of all.
//!
//! Invariant: the binary that is run is the one that cargo says it made.
//!
//! It does not build guests.

use std::path::{self, Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::guests::cargo;

/// How the binary is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// As tests use it.
    Dev,
    /// As users run it.
    Release,
}

/// The binary that was asked for; where none was, one that is built first.
pub fn given_or_built(given: Option<&Path>, profile: Profile) -> Result<PathBuf> {
    given.map_or_else(|| build(profile), |binary| Ok(path::absolute(binary)?))
}

/// Builds the host, with cargo's own progress on stderr, and gives its path.
pub fn build(profile: Profile) -> Result<PathBuf> {
    build_of("wharf", profile)
}

/// Builds the binary `name` of the workspace in the same way.
pub fn build_of(name: &str, profile: Profile) -> Result<PathBuf> {
    build_with(name, &[], profile)
}

/// Builds the binary `name` with features of the workspace's packages.
///
/// Dependencies get the features that the whole workspace asks for, as in `cargo test --workspace`, so that each is built once
/// for all binaries and tests. What users run, and what is measured, is without those that only the simulation wants.
pub fn build_with(name: &str, features: &[&str], profile: Profile) -> Result<PathBuf> {
    let mut command = cargo::cargo();
    command.args(["build", "--workspace", "--bin", name, "--message-format=json-render-diagnostics"]);
    if profile == Profile::Release {
        command.args(["--release", "--exclude", "wharf-sim"]);
    }
    for feature in features {
        command.args(["--features", feature]);
    }
    command.current_dir(cargo::repository()).stdin(Stdio::null()).stderr(Stdio::inherit());
    let done = command.output().with_context(|| format!("starting {command:?}"))?;
    if !done.status.success() {
        bail!("building {name}: {}", done.status);
    }
    executable(&String::from_utf8_lossy(&done.stdout), name).with_context(|| format!("cargo named no binary `{name}`"))
}

fn executable(messages: &str, binary: &str) -> Option<PathBuf> {
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut binaries = messages.filter_map(|message| {
        let name = message.pointer("/target/name")?.as_str()?;
        let path = message.get("executable")?.as_str()?;
        (name == binary).then(|| path.into())
    });
    binaries.next_back()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_binary_is_the_one_that_cargo_names() {
        let messages = r#"{"reason":"compiler-artifact","target":{"name":"wharf_event"},"executable":null}
{"reason":"compiler-artifact","target":{"name":"wharf"},"executable":"/t/debug/wharf"}
{"reason":"build-finished","success":true}"#;
        assert_eq!(executable(messages, "wharf"), Some("/t/debug/wharf".into()));
        assert_eq!(executable("", "wharf"), None);
    }
}
