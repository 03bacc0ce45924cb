//! Guests in Python: by the package in `sdk/python`, and by componentize-py alone.
//!
//! Invariant: the tools are of the versions named here and lie in the target folder; nothing of the machine's Python is changed.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use super::build::Guest;
use super::languages::{Built, Place};
use super::steps::Steps;
use super::{cached, cargo, process, spared};

/// What is installed: the first makes components, the others are for the tests of the SDK and its package.
const PACKAGES: [&str; 4] = ["componentize-py==0.25.1", "pytest==9.2.0", "mypy==2.4.1", "flit_core==4.2.0"];

/// The three probes, each with the world that it is for.
const PROBES: [(&str, &str); 3] =
    [("handler", "event-handler"), ("batch", "event-batch-handler"), ("transform", "event-transform")];

/// Two interfaces of the contract are called `store`; these are the names of their modules.
const MODULES: [&str; 2] = ["wazi:keyvalue/store@0.2.0-draft=keyvalue", "wazi:config/store@0.2.0-rc.1=config"];

/// Builds both rows.
pub fn build(place: &Place) -> Result<Built> {
    let tools = match tools(place) {
        Ok(tools) => tools,
        Err(error) => return Ok(Built::Missing(format!("{error:#}"))),
    };
    let (sdk, wit) = (place.repository.join("sdk/python/src"), place.repository.join("wit"));
    let sources = |row: &str| place.repository.join("tests/languages").join(row);
    let version = format!("{} --stub-wasi", PACKAGES.join(" "));
    let spared = spared::contract(place)?;
    let mut guests = Vec::new();
    for (probe, world) in PROBES {
        let module = sources("python").join(format!("{probe}.py"));
        guests.push(cached::guest(
            place,
            &format!("languages-python-{probe}"),
            &[module.clone(), sdk.clone()],
            &version,
            |to| {
                let mut command = Command::new(tools.join("python"));
                command.args(["-m", "wharf.build"]).arg(&module).arg("-o").arg(to).env("PYTHONPATH", &sdk);
                process::output(command.env("PYTHONDONTWRITEBYTECODE", "1")).map(drop)
            },
        )?);
        let bare = sources("python-bare");
        let spared = &spared;
        let inputs = [bare.clone(), wit.clone()];
        guests.push(cached::guest(place, &format!("languages-python-bare-{probe}"), &inputs, &version, |to| {
            let mut command = Command::new(tools.join("componentize-py"));
            command.arg("-q").arg("-d").arg(spared).args(["-w", world]);
            if probe != "transform" {
                command.args(MODULES.iter().flat_map(|name| ["--import-interface-name", name]));
            }
            command.args(["componentize", "--stub-wasi", probe]).arg("-p").arg(&bare).arg("-o").arg(to);
            process::output(&mut command)?;
            spared::rename_back(to)
        })?);
    }
    guests.push(web(place, &tools, &sources("python-bare"))?);
    Ok(Built::Guests(guests))
}

/// A component of `wasi:http/proxy`, made for any host with the ordinary tool.
fn web(place: &Place, tools: &Path, sources: &Path) -> Result<Guest> {
    let (wit, wasi) = cargo::wit_of_wasi(&place.repository)?;
    let world = format!("wasi:http/proxy@{wasi}");
    let version = format!("{} {world}", PACKAGES.join(" "));
    cached::guest(place, "languages-python-bare-web", &[sources.join("web.py")], &version, |to| {
        let mut command = Command::new(tools.join("componentize-py"));
        command.arg("-q").arg("-d").arg(&wit).args(["-w", &world, "componentize", "web", "-p"]).arg(sources);
        process::output(command.arg("-o").arg(to)).map(drop)
    })
}

/// The folder of the tools' programs; they are installed where they are not.
pub fn tools(place: &Place) -> Result<PathBuf> {
    let folder = place.target.join("python-tools");
    std::fs::create_dir_all(&folder)?;
    let venv = folder.join("venv");
    Steps::new(&folder, &PACKAGES.join(" ")).step("installed", "installing tools for Python", || install(&venv))?;
    Ok(venv.join("bin"))
}

fn install(venv: &Path) -> Result<()> {
    process::output(Command::new("python3").args(["-m", "venv", "--clear"]).arg(venv))?;
    let mut pip = Command::new(venv.join("bin/python"));
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]).args(PACKAGES);
    process::output(&mut pip).map(drop)
}
