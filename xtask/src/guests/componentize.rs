//! `wharf-componentize`, which gives the contract as C and Go, and compilers that come as Python packages.
//!
//! Invariant: a tool is of the version named in this repository, and lies in the target folder; nothing of the machine is changed.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use super::languages::Place;
use super::steps::{self, Steps};
use super::{cargo, process};

/// The generator whose package carries the Go module that its bindings use.
const GO_GENERATOR: &str = "wit-bindgen-go";

/// The program, built if it is not.
pub fn tool(place: &Place) -> Result<PathBuf> {
    let built = place.target.join("componentize");
    let mut command = cargo::cargo();
    command.args(["build", "--quiet", "--locked", "--target-dir"]).arg(&built);
    process::output(command.current_dir(folder(place))).context("building wharf-componentize")?;
    Ok(built.join("debug/wharf-componentize"))
}

/// What a guest is made of when bindings are written for it and a component is made of its module: what decides what those steps write, the
/// contract with it.
pub fn sources(place: &Place) -> [PathBuf; 4] {
    let encode = place.repository.join("registry/encode");
    [folder(place).join("src"), folder(place).join("Cargo.lock"), encode, place.repository.join("wit")]
}

/// The Go module that generated bindings use, as the generator's package has it.
pub fn go_module(place: &Place) -> Result<PathBuf> {
    let mut command = cargo::cargo();
    command.args(["metadata", "--format-version=1", "--locked", "--offline"]).current_dir(folder(place));
    let metadata: Value = serde_json::from_str(&process::output(&mut command)?)?;
    let packages = metadata.get("packages").and_then(Value::as_array).context("no packages")?;
    let generator = packages.iter().find(|package| package.get("name").is_some_and(|name| name == GO_GENERATOR));
    let manifest = generator.and_then(|package| package.get("manifest_path")?.as_str()).context("no generator")?;
    Ok(Path::new(manifest).with_file_name("src").join("pkg"))
}

/// The folder of one Python package, installed where it is not.
pub fn python_package(place: &Place, name: &str, version: &str) -> Result<PathBuf> {
    let folder = place.target.join(format!("{name}-tools"));
    std::fs::create_dir_all(&folder)?;
    let installed = folder.join("installed");
    Steps::new(&folder, version).step("installed", &format!("installing {name} {version}"), || {
        steps::remove(&installed)?;
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--target"]);
        process::output(pip.arg(&installed).arg(format!("{name}=={version}"))).map(drop)
    })?;
    Ok(installed)
}

fn folder(place: &Place) -> PathBuf {
    place.repository.join("sdk/componentize")
}
