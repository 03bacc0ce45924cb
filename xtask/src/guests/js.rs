//! Guests in TypeScript and JavaScript: by the package in `sdk/js`, and by componentize-qjs alone.
//!
//! Invariant: the tools are of the versions named here and lie in the target folder, and so does the package as it is built.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::build::Guest;
use super::languages::{Built, Place};
use super::process;
use super::steps::{Steps, fresh_folder};
use super::{cached, cargo};

/// What is installed: the engine, what joins modules, and the compiler for the SDK itself.
const PACKAGES: [&str; 3] = ["componentize-qjs@0.4.5", "rolldown@1.3.2", "typescript@7.0.2"];

/// What makes components with the other engine, SpiderMonkey; only its measurement takes it.
const OTHER: &str = "@bytecodealliance/componentize-js@0.23.0";

/// The row of the probe that is made by it.
pub const OTHER_ENGINE: &str = "js-spidermonkey";

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
    let package = package(place, &tools, &tools)?;
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

/// The probe's handler by the other engine that `wharf-js` has, to be measured beside the first.
pub fn by_other_engine(place: &Place) -> Result<Built> {
    let (tools, other) = match tools(place).and_then(|tools| Ok((tools, other_tools(place)?))) {
        Ok(both) => both,
        Err(error) => return Ok(Built::Missing(format!("{error:#}"))),
    };
    let sdk = place.repository.join("sdk/js");
    let package = package(place, &tools, &other)?;
    let module = place.repository.join("tests/languages/js/handler.ts");
    let inputs = [module.clone(), sdk.join("bin"), sdk.join("src"), sdk.join("wit")];
    let version = format!("{} {OTHER}", PACKAGES.join(" "));
    let guest = cached::guest(place, &format!("languages-{OTHER_ENGINE}-handler"), &inputs, &version, |to| {
        let mut command = Command::new("node");
        command.arg(package.join("bin/wharf-js.mjs")).arg(&module).arg("-o").arg(to).args(["--engine", "spidermonkey"]);
        process::output(&mut command).map(drop)
    })?;
    Ok(Built::Guests(vec![guest, fetching(place, &other)?]))
}

/// Makes a component of `wasi:http/proxy` of a script that answers fetch events, by the engine's own program. Its arguments are the script, the folder
/// of `wasi:http`, the world and the output.
const COMPONENTIZE: &str = "
import { componentize } from '@bytecodealliance/componentize-js';
import { writeFileSync } from 'node:fs';
const [sourcePath, witPath, worldName, output] = process.argv.slice(2);
writeFileSync(output, (await componentize({ sourcePath, witPath, worldName })).component);
";

/// A component as authors for other hosts make it, with nothing of Wharf's.
fn fetching(place: &Place, tools: &Path) -> Result<Guest> {
    let (wit, wasi) = cargo::wit_of_wasi(&place.repository)?;
    let (script, world) =
        (place.repository.join("tests/languages/js-bare/fetch.js"), format!("wasi:http/proxy@{wasi}"));
    let version = format!("{OTHER} {world} {COMPONENTIZE}");
    cached::guest(place, "languages-js-fetch", std::slice::from_ref(&script), &version, |to| {
        let program = tools.join("fetching.mjs");
        std::fs::write(&program, COMPONENTIZE).with_context(|| format!("writing {}", program.display()))?;
        let mut command = Command::new("node");
        process::output(command.arg(&program).arg(&script).arg(&wit).arg(&world).arg(to)).map(drop)
    })
}

fn other_tools(place: &Place) -> Result<PathBuf> {
    let folder = place.target.join("js-tools-spidermonkey");
    let packages = [PACKAGES[1], OTHER];
    installed(&folder, &packages, "installing SpiderMonkey's tools")?;
    Ok(folder)
}

/// The folder that the tools are installed in, which is done where it is not.
pub fn tools(place: &Place) -> Result<PathBuf> {
    let folder = place.target.join("js-tools");
    installed(&folder, &PACKAGES, "installing tools for JavaScript")?;
    Ok(folder)
}

fn installed(folder: &Path, packages: &[&str], said: &str) -> Result<()> {
    std::fs::create_dir_all(folder)?;
    Steps::new(folder, &packages.join(" ")).step("installed", said, || {
        std::fs::write(folder.join("package.json"), "{\"private\": true}\n")?;
        let mut npm = Command::new("npm");
        npm.args(["install", "--no-audit", "--no-fund", "--no-update-notifier", "--save-exact"]).args(packages);
        process::output(npm.current_dir(folder)).map(drop)
    })
}

/// The package as authors get it, made of `sdk/js` by the compiler of the tools, beside those that it is to find as it would in an author's project.
pub fn package(place: &Place, tools: &Path, beside: &Path) -> Result<PathBuf> {
    let (sdk, to) = (place.repository.join("sdk/js"), beside.join("wharf"));
    fresh_folder(&to)?;
    let mut compiler = Command::new("node");
    compiler.arg(tools.join("node_modules/typescript/bin/tsc")).arg("-p").arg(sdk.join("tsconfig.json"));
    process::output(compiler.arg("--outDir").arg(to.join("dist"))).context("compiling sdk/js")?;
    let mut copy = Command::new("cp");
    copy.arg("-r").args(["package.json", "README.md", "bin", "wit", "test"].map(|name| sdk.join(name))).arg(&to);
    process::output(&mut copy)?;
    Ok(to)
}
