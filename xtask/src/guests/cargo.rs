//! The cargo and rustc that this command itself was started with, and what cargo knows about a workspace.
//!
//! Invariant: the target folder is the one that cargo itself would use from here, whatever configures it.
//!
//! It does not build.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use super::process;

/// What is read of `cargo metadata`.
#[derive(Debug, PartialEq, Eq)]
pub struct Workspace {
    /// Where cargo builds.
    pub target: PathBuf,
    /// The packages that give a dynamic library, which is what a plugin is: package name and library name.
    pub plugins: Vec<(String, String)>,
}

/// This repository's folder.
pub fn repository() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// A call of cargo.
pub fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// A call of rustc.
pub fn rustc() -> Command {
    Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
}

/// Asks cargo about the workspace whose manifest is in `folder`.
pub fn workspace(folder: &Path) -> Result<Workspace> {
    let mut command = cargo();
    command.args(["metadata", "--format-version=1", "--no-deps", "--manifest-path"]).arg(folder.join("Cargo.toml"));
    let text = process::output(&mut command)?;
    read(&text).with_context(|| format!("reading what cargo says about {}", folder.display()))
}

/// The interfaces of WASI as they are published, and their version: those of the crate that Rust plugins are made with.
pub fn wit_of_wasi(repository: &Path) -> Result<(PathBuf, String)> {
    let mut command = cargo();
    command.args(["metadata", "--format-version=1", "--manifest-path"]).arg(repository.join("plugins/Cargo.toml"));
    wit_in(&process::output(&mut command)?).context("reading what cargo says about the plugins")
}

fn wit_in(metadata: &str) -> Result<(PathBuf, String)> {
    let metadata: Value = serde_json::from_str(metadata)?;
    let packages = metadata.get("packages").and_then(Value::as_array).context("no packages")?;
    let text = |package: &Value, key: &str| package.get(key).and_then(Value::as_str).map(str::to_owned);
    let wasip2 = packages.iter().find(|package| text(package, "name").as_deref() == Some("wasip2"));
    let wasip2 = wasip2.context("no plugin is made with wasip2")?;
    let version = text(wasip2, "version").context("a package without version")?;
    let (_, wasi) = version.split_once("+wasi-").context("a version of wasip2 that names none of WASI")?;
    let manifest = PathBuf::from(text(wasip2, "manifest_path").context("a package without manifest")?);
    Ok((manifest.with_file_name("wit"), wasi.to_owned()))
}

fn read(metadata: &str) -> Result<Workspace> {
    let metadata: Value = serde_json::from_str(metadata)?;
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    let list = |value: Option<&Value>| value.and_then(Value::as_array).cloned().unwrap_or_default();
    let target = text(metadata.get("target_directory")).context("no target_directory")?;
    let mut plugins = Vec::new();
    for package in list(metadata.get("packages")) {
        let libraries = list(package.get("targets"));
        let library = libraries.iter().find(|target| list(target.get("kind")).iter().any(|kind| kind == "cdylib"));
        if let Some(library) = library {
            let name = text(package.get("name")).context("a package without name")?;
            plugins.push((name, text(library.get("name")).context("a target without name")?));
        }
    }
    plugins.sort();
    Ok(Workspace { target: target.into(), plugins })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plugins_are_the_packages_that_give_a_dynamic_library() {
        let metadata = r#"{"target_directory": "/t", "packages": [
            {"name": "label-stats", "targets": [{"kind": ["cdylib"], "name": "label_stats"}, {"kind": ["test"], "name": "x"}]},
            {"name": "words", "targets": [{"kind": ["lib"], "name": "words"}]},
            {"name": "flaky", "targets": [{"kind": ["cdylib", "rlib"], "name": "flaky"}]}]}"#;
        let plugins = [("flaky", "flaky"), ("label-stats", "label_stats")];
        let plugins = plugins.map(|(name, library)| (name.to_owned(), library.to_owned())).to_vec();
        assert_eq!(read(metadata).unwrap(), Workspace { target: "/t".into(), plugins });
        assert!(read("{}").unwrap_err().to_string().contains("target_directory"));
    }

    #[test]
    fn the_interfaces_of_wasi_lie_beside_the_manifest_of_their_crate() {
        let metadata = |version: &str| {
            format!(
                r#"{{"packages": [{{"name": "wasip2", "version": "{version}", "manifest_path": "/r/wasip2/Cargo.toml"}}]}}"#
            )
        };
        let found = wit_in(&metadata("1.0.4+wasi-0.2.12")).unwrap();
        assert_eq!(found, ("/r/wasip2/wit".into(), "0.2.12".to_owned()));
        assert!(wit_in(&metadata("1.0.4")).is_err());
    }
}
