//! Guests in Python: by the package in `sdk/python`, and by componentize-py alone.
//!
//! Invariant: the tools are of the versions named here and lie in the target folder; nothing of the machine's Python is changed.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use super::languages::{Built, Place};
use super::steps::Steps;
use super::{cached, process};

/// What is installed: the first makes components, the others are for the tests of the SDK and its package.
const PACKAGES: [&str; 4] = ["componentize-py==0.25.1", "pytest==9.2.0", "mypy==2.4.1", "flit_core==4.2.0"];

/// The three probes, each with the world that it is for.
const PROBES: [(&str, &str); 3] =
    [("handler", "event-handler"), ("batch", "event-batch-handler"), ("transform", "event-transform")];

/// Builds both rows.
pub fn build(place: &Place) -> Result<Built> {
    let tools = match tools(place) {
        Ok(tools) => tools,
        Err(error) => return Ok(Built::Missing(format!("{error:#}"))),
    };
    let (sdk, wit) = (place.repository.join("sdk/python/src"), place.repository.join("wit"));
    let sources = |row: &str| place.repository.join("tests/languages").join(row);
    let version = format!("{} --stub-wasi", PACKAGES.join(" "));
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
        let inputs = [bare.clone(), wit.clone()];
        guests.push(cached::guest(place, &format!("languages-python-bare-{probe}"), &inputs, &version, |to| {
            let mut command = Command::new(tools.join("componentize-py"));
            command.arg("-q").arg("-d").arg(&wit).args(["-w", world, "componentize", "--stub-wasi", probe]);
            command.arg("-p").arg(&bare).arg("-o").arg(to);
            process::output(&mut command).map(drop)
        })?);
    }
    Ok(Built::Guests(guests))
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
