//! The SDKs of other languages than Rust: their own tests, by the runners of their languages, and their packages.
//!
//! Invariant: a language whose tools cannot be had here is told in one line and left out; a test that fails is an error.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::guests::languages::Place;
use crate::guests::{cargo, js, process, python};

/// The templates of `wharf new`, which pass their own tests as they are.
const TEMPLATES: [&str; 4] = ["event", "batch", "transform", "schedule"];

fn place() -> Result<Place> {
    let repository = cargo::repository();
    Ok(Place { target: cargo::workspace(&repository)?.target, repository })
}

/// Options of `cargo xtask sdks`.
#[derive(clap::Args)]
pub struct Args {}

/// Runs the tests of the SDK for Python, and those of its templates.
pub fn test_python() -> Result<()> {
    let place = place()?;
    let Some(tools) = there("python", python::tools(&place)) else { return Ok(()) };
    let sdk = place.repository.join("sdk/python");
    let run = |program: &str, arguments: &[&str], folder: &Path| {
        let mut command = Command::new(tools.join(program));
        command.args(arguments).current_dir(folder).env("PYTHONDONTWRITEBYTECODE", "1");
        process::output(command.env("PYTHONPATH", sdk.join("src"))).map(drop)
    };
    run("mypy", &["--cache-dir", "/dev/null"], &sdk)?;
    run("python", &["-m", "pytest", "--quiet", "-p", "no:cacheprovider"], &sdk)?;
    for template in TEMPLATES {
        let folder = sdk.join("template").join(template);
        run("python", &["-m", "pytest", "--quiet", "-p", "no:cacheprovider"], &folder)
            .with_context(|| format!("the template {template}"))?;
    }
    Ok(())
}

/// Runs the tests of the SDK for TypeScript and JavaScript, and those of its templates.
pub fn test_js() -> Result<()> {
    let place = place()?;
    let Some(tools) = there("js", js::tools(&place)) else { return Ok(()) };
    let package = js::package(&place, &tools, &tools)?;
    let node = |arguments: &[&str], folder: &Path| {
        let mut command = Command::new("node");
        command.args(arguments).current_dir(folder).env("WHARF_WIT", place.repository.join("wit"));
        process::output(&mut command).map(drop)
    };
    node(&["--test", "test/"], &package)?;
    // Where a project's `node_modules` would be there are the tools' own, with the package among them.
    let installed = tools.join("node_modules/wharf");
    if !installed.exists() {
        std::os::unix::fs::symlink(&package, &installed).context("putting the package among the tools")?;
    }
    for template in TEMPLATES {
        let folder = tools.join("template").join(template);
        std::fs::create_dir_all(&folder)?;
        for file in ["plugin.ts", "plugin.test.ts"] {
            std::fs::copy(place.repository.join("sdk/js/template").join(template).join(file), folder.join(file))?;
        }
        let bundler = tools.join("node_modules/rolldown/bin/cli.mjs").display().to_string();
        let bundle = [&bundler, "plugin.test.ts", "--format", "esm", "--platform", "node", "--file", "plugin.test.mjs"];
        node(&bundle, &folder)
            .and_then(|()| node(&["--test", "plugin.test.mjs"], &folder))
            .with_context(|| format!("the template {template}"))?;
    }
    Ok(())
}

/// Tests the SDKs, makes the wheel and the npm package, and prints where they are.
pub fn run(_: &Args) -> Result<()> {
    test_python()?;
    test_js()?;
    packages()
}

fn packages() -> Result<()> {
    let place = place()?;
    let to = place.target.join("packages");
    std::fs::create_dir_all(&to)?;
    if let Some(tools) = there("python", python::tools(&place)) {
        let mut wheel = Command::new(tools.join("python"));
        wheel.args(["-m", "flit_core.wheel", "--outdir"]).arg(&to).arg(place.repository.join("sdk/python"));
        process::output(&mut wheel)?;
    }
    if let Some(tools) = there("js", js::tools(&place)) {
        let mut pack = Command::new("npm");
        pack.args(["pack", "--silent", "--pack-destination"])
            .arg(&to)
            .current_dir(js::package(&place, &tools, &tools)?);
        process::output(&mut pack)?;
    }
    for entry in std::fs::read_dir(&to)? {
        println!("{}", entry?.path().display());
    }
    Ok(())
}

/// The tools, if they can be had here.
fn there<T>(language: &str, tools: Result<T>) -> Option<T> {
    tools.inspect_err(|error| println!("{language}: left out: {error:#}")).ok()
}
