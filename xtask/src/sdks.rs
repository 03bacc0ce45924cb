//! The SDKs of other languages than Rust: their own tests, by the runners of their languages, and their packages.
//!
//! Invariant: a language whose tools cannot be had here is told in one line and left out; a test that fails is an error.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::guests::languages::Place;
use crate::guests::{cargo, js, process, python};
use crate::left_out;

/// The templates of `wharf new`, which pass their own tests as they are.
const TEMPLATES: [&str; 5] = ["event", "batch", "transform", "schedule", "http"];

/// The version of every SDK.
const VERSION: &str = "0.1.0";

fn place() -> Result<Place> {
    let repository = cargo::repository();
    Ok(Place { target: cargo::workspace(&repository)?.target, repository })
}

/// Options of `cargo xtask sdks`.
#[derive(clap::Args)]
pub struct Args {}

/// Runs the tests of the SDK for Python, and those of its templates; gives what was left out.
pub fn test_python() -> Result<Vec<String>> {
    let place = place()?;
    let tools = match there("python", python::tools(&place))? {
        Ok(tools) => tools,
        Err(left_out) => return Ok(vec![left_out]),
    };
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
    Ok(Vec::new())
}

/// Runs the tests of the SDK for TypeScript and JavaScript, and those of its templates; gives what was left out.
pub fn test_js() -> Result<Vec<String>> {
    let place = place()?;
    let tools = match there("js", js::tools(&place))? {
        Ok(tools) => tools,
        Err(left_out) => return Ok(vec![left_out]),
    };
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
        let sources = place.repository.join("sdk/js/template").join(template);
        for entry in std::fs::read_dir(&sources).with_context(|| format!("reading {}", sources.display()))? {
            let file = entry?.path();
            if let Some(name) = file.file_name().filter(|_| file.extension().is_some_and(|it| it == "ts")) {
                std::fs::copy(&file, folder.join(name))?;
            }
        }
        let bundler = tools.join("node_modules/rolldown/bin/cli.mjs").display().to_string();
        let bundle = [&bundler, "plugin.test.ts", "--format", "esm", "--platform", "node", "--file", "plugin.test.mjs"];
        node(&bundle, &folder)
            .and_then(|()| node(&["--test", "plugin.test.mjs"], &folder))
            .with_context(|| format!("the template {template}"))?;
    }
    Ok(Vec::new())
}

/// Tests these SDKs, makes the package of each language's ecosystem, and prints where they are: crates, a wheel, a package of npm, a module of Go as
/// its proxies have it, and C's sources with their header and pkg-config files.
pub fn run(_: &Args) -> Result<()> {
    // A package is left out with its tests, for the same reason.
    [test_python()?, test_js()?].concat().iter().for_each(|it| println!("left out: {it}"));
    packages()
}

fn packages() -> Result<()> {
    let place = place()?;
    let to = place.target.join("packages");
    std::fs::create_dir_all(&to)?;
    if let Ok(tools) = there("python", python::tools(&place))? {
        let mut wheel = Command::new(tools.join("python"));
        wheel.args(["-m", "flit_core.wheel", "--outdir"]).arg(&to).arg(place.repository.join("sdk/python"));
        process::output(&mut wheel)?;
    }
    if let Ok(tools) = there("js", js::tools(&place))? {
        let mut pack = Command::new("npm");
        pack.args(["pack", "--silent", "--pack-destination"])
            .arg(&to)
            .current_dir(js::package(&place, &tools, &tools)?);
        process::output(&mut pack)?;
    }
    crates(&place, &to)?;
    archived(&place, ("go", "zip", "wharf@"), &[], &to)?;
    archived(&place, ("c", "tar.gz", "wharf-c-"), &["README.md", "contract", "include", "pkgconfig", "src"], &to)?;
    for entry in std::fs::read_dir(&to)? {
        println!("{}", entry?.path().display());
    }
    Ok(())
}

/// The crates of Rust: what an author names, and its macros.
fn crates(place: &Place, to: &Path) -> Result<()> {
    let built = place.target.join("sdk-native");
    let mut package = cargo::cargo();
    package.args([
        "package",
        "--quiet",
        "--no-verify",
        "--allow-dirty",
        "--package",
        "wharf",
        "--package",
        "wharf-macros",
    ]);
    process::output(package.arg("--target-dir").arg(&built).current_dir(place.repository.join("sdk/rust")))?;
    for name in ["wharf", "wharf-macros"] {
        let file = format!("{name}-{VERSION}.crate");
        let made = built.join("package").join(&file);
        std::fs::copy(&made, to.join(&file)).with_context(|| format!("taking {}", made.display()))?;
    }
    Ok(())
}

/// What git has of an SDK, or these parts of it, as an archive in which all lies in one folder.
fn archived(place: &Place, (sdk, form, folder): (&str, &str, &str), parts: &[&str], to: &Path) -> Result<()> {
    let version = if form == "zip" { format!("v{VERSION}") } else { VERSION.to_owned() };
    let file = to.join(format!("{folder}{version}.{form}"));
    let mut archive = Command::new("git");
    archive.args(["archive", "--format", form, "--prefix", &format!("{folder}{version}/"), "--output"]).arg(file);
    archive.arg(format!("HEAD:sdk/{sdk}")).args(parts);
    process::output(archive.current_dir(&place.repository)).map(drop)
}

/// The tools, or that the language is left out since they cannot be had here.
fn there<T>(language: &str, tools: Result<T>) -> Result<Result<T, String>> {
    Ok(match tools {
        Ok(tools) => Ok(tools),
        Err(error) => Err(left_out::language(language, &format!("{error:#}"))?),
    })
}
