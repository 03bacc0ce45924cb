//! Guests in TypeScript and JavaScript: by the package in `sdk/js`, and by componentize-qjs alone.
//!
//! Invariant: the tools are of the versions named here and lie in the target folder, and so does the package as it is built.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::cached;
use super::languages::{Built, Place};
use super::process;
use super::steps::{Steps, fresh_folder};

/// What is installed: the engine, what joins modules, and the compiler for the SDK itself.
const PACKAGES: [&str; 3] = ["componentize-qjs@0.4.5", "rolldown@1.3.2", "typescript@7.0.2"];

/// The three probes, each with the world that it is for.
const PROBES: [(&str, &str); 3] =
    [("handler", "event-handler"), ("batch", "event-batch-handler"), ("transform", "event-transform")];

/// Builds both rows.
pub fn build(place: &Place) -> Result<Built> {
    let tools = match tools(place) {
        Ok(tools) => tools,
        Err(error) => return Ok(Built::Missing(format!("{error:#}"))),
    };
    let (sdk, wit) = (place.repository.join("sdk/js"), place.repository.join("wit"));
    let package = package(place, &tools)?;
    let sources = |row: &str, file: String| place.repository.join("tests/languages").join(row).join(file);
    let version = PACKAGES.join(" ");
    let mut guests = Vec::new();
    for (probe, world) in PROBES {
        let module = sources("js", format!("{probe}.ts"));
        let inputs = [module.clone(), sdk.join("bin"), sdk.join("src"), sdk.join("wit")];
        guests.push(cached::guest(place, &format!("languages-js-{probe}"), &inputs, &version, |to| {
            let mut command = Command::new("node");
            command.arg(package.join("bin/wharf-js.mjs")).arg(&module).arg("-o").arg(to);
            process::output(&mut command).map(drop)
        })?);
        let bare = sources("js-bare", format!("{probe}.js"));
        let inputs = [bare.clone(), wit.clone()];
        guests.push(cached::guest(place, &format!("languages-js-bare-{probe}"), &inputs, &version, |to| {
            let mut command = Command::new(tools.join("node_modules/.bin/componentize-qjs"));
            command.args(["--sync", "--opt-size", "--world", world, "--wit"]).arg(&wit);
            command.arg("--js").arg(&bare).arg("--output").arg(to);
            if world == "event-transform" {
                // A transform is pure: it may import nothing of WASI.
                command.arg("--stub-wasi");
            }
            process::output(&mut command).map(drop)
        })?);
    }
    Ok(Built::Guests(guests))
}

/// The folder that the tools are installed in, which is done where it is not.
pub fn tools(place: &Place) -> Result<PathBuf> {
    let folder = place.target.join("js-tools");
    std::fs::create_dir_all(&folder)?;
    Steps::new(&folder, &PACKAGES.join(" ")).step("installed", "installing tools for JavaScript", || {
        std::fs::write(folder.join("package.json"), "{\"private\": true}\n")?;
        let mut npm = Command::new("npm");
        npm.args(["install", "--no-audit", "--no-fund", "--no-update-notifier", "--save-exact"]).args(PACKAGES);
        process::output(npm.current_dir(&folder)).map(drop)
    })?;
    Ok(folder)
}

/// The package as authors get it, made of `sdk/js` beside the tools, so that it finds them as it would in an author's project.
pub fn package(place: &Place, tools: &Path) -> Result<PathBuf> {
    let (sdk, to) = (place.repository.join("sdk/js"), tools.join("wharf"));
    fresh_folder(&to)?;
    let mut compiler = Command::new("node");
    compiler.arg(tools.join("node_modules/typescript/bin/tsc")).arg("-p").arg(sdk.join("tsconfig.json"));
    process::output(compiler.arg("--outDir").arg(to.join("dist"))).context("compiling sdk/js")?;
    let mut copy = Command::new("cp");
    copy.arg("-r").args(["package.json", "README.md", "bin", "wit", "test"].map(|name| sdk.join(name))).arg(&to);
    process::output(&mut copy)?;
    Ok(to)
}
