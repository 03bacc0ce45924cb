//! `cargo xtask templates`: what `wharf new` writes is built and tested as its author would do it first.
//!
//! Invariant: each template passes `wharf build`, `wharf test`, `wharf check` and the tests of its language, unchanged. All of one language
//! share a folder of outputs, so what they have in common is built once.
//!
//! Languages whose toolchains are not here yet are not tried.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::guests::{cargo, process, toolchain};
use crate::host::binary::{self, Profile};

/// The templates of Rust.
const RUST: [&str; 4] = ["event", "transform", "batch", "schedule"];

/// Options of `cargo xtask templates`.
#[derive(clap::Args)]
pub struct Args {}

/// Builds the host and tries all templates.
pub fn run(_: &Args) -> Result<()> {
    let target = cargo::workspace(&cargo::repository())?.target;
    let made = tried(&binary::build(Profile::Dev)?, &target)?;
    println!("{made} templates build and pass their tests");
    Ok(())
}

/// Tries all templates with this binary, and gives how many there are.
pub fn tried(wharf: &Path, target: &Path) -> Result<usize> {
    let toolchain = toolchain::ensure()?;
    let outputs = target.join("templates");
    std::fs::create_dir_all(&outputs).with_context(|| format!("making {}", outputs.display()))?;
    let site = tempfile::tempdir().context("making a folder")?;
    for template in RUST {
        let folder = written(wharf, site.path(), template)?;
        symlink(&outputs, folder.join("target")).context("sharing the outputs")?;
        let mut steps: Vec<Command> = Vec::new();
        for command in ["build", "test", "check"] {
            let mut step = Command::new(wharf);
            step.arg(command);
            steps.push(step);
        }
        let mut native = cargo::cargo();
        native.arg("test");
        steps.push(native);
        for step in &mut steps {
            step.current_dir(&folder).env_remove("CARGO_TARGET_DIR").env_remove("RUSTFLAGS");
            if let Some(rustc) = toolchain.rustc.as_ref().filter(|_| step.get_args().any(|it| it == "build")) {
                step.env("RUSTC", rustc);
            }
            process::run(step).with_context(|| format!("the template {template}"))?;
        }
    }
    Ok(RUST.len())
}

fn written(wharf: &Path, site: &Path, template: &str) -> Result<PathBuf> {
    let name = format!("my-{template}");
    let mut new = Command::new(wharf);
    new.args(["new", &name, "--lang", "rust", "--template", template]).current_dir(site);
    process::run(&mut new)?;
    Ok(site.join(name))
}
