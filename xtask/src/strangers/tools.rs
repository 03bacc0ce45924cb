//! The tools of the strangers, and of a benchmark, fetched where they are not there yet.
//!
//! Invariant: a tool's folder is of the versions that are named here, or it is made again. It names no host: the machine's own
//! settings of pip, npm and apt are used.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::guests::{apt, cargo, process};

/// What is taken from PyPI.
const PYTHON: [&str; 2] = ["schemathesis==4.32.5", "cloudevents==2.2.0"];

/// What verifies webhooks.
const WEBHOOKS_PYTHON: [&str; 2] = ["standardwebhooks==1.1.0", "cryptography==50.0.2"];
const WEBHOOKS_NPM: [&str; 1] = ["standardwebhooks@1.1.1"];

/// What talks to providers of models.
const MODELS_PYTHON: [&str; 2] = ["openai==3.57.0", "boto3==1.44.8"];

/// What makes the model of the plugin `fraud-score`, as its predictions say.
const FRAUD_PYTHON: [&str; 2] = ["scikit-learn==1.9.1", "skl2onnx==1.20.0"];

/// What makes components of Python.
const COMPONENTIZE_PY: [&str; 1] = ["componentize-py==0.25.1"];

/// What is taken from npm.
const NPM: [&str; 2] = ["cloudevents@10.0.0", "@asyncapi/parser@3.6.6"];

/// What is taken from crates, compiled here: as much of a tool as a client of registries needs.
const WKG: [&str; 1] = ["wkg@0.16.1"];

/// Where tools are.
pub struct Tools {
    folder: PathBuf,
}

impl Tools {
    /// Tools in the build folder.
    pub fn new(target: &Path) -> Self {
        Self { folder: target.join("strangers") }
    }

    /// The folder of the programs of a Python environment with [`PYTHON`] in it.
    pub fn python(&self) -> Result<PathBuf> {
        self.environment("python", &PYTHON)
    }

    /// Makes a component of a handler in Python, `app.py` of the folder `from`: about 18 MB, since Python itself is in it.
    pub fn componentize_py(&self, wit: &Path, from: &Path, to: &Path) -> Result<()> {
        let program = self.environment("componentize-py", &COMPONENTIZE_PY)?.join("componentize-py");
        let mut command = Command::new(program);
        command.arg("--wit-path").arg(wit).args([
            "--world",
            "event-handler",
            "componentize",
            "--stub-wasi",
            "--python-path",
        ]);
        command.arg(from).arg("app").arg("--output").arg(to);
        process::run(&mut command)
    }

    /// The folder of the programs of a Python environment of that name with these packages in it.
    fn environment(&self, name: &str, packages: &[&str]) -> Result<PathBuf> {
        let folder = self.made(name, packages, |folder| {
            process::run(Command::new("python3").args(["-m", "venv"]).arg(folder))?;
            process::run(Command::new(folder.join("bin/pip")).args(["install", "--quiet"]).args(packages))
        })?;
        Ok(folder.join("bin"))
    }

    /// The folder of the npm package of that name, one of [`NPM`].
    pub fn npm(&self, package: &str) -> Result<PathBuf> {
        Ok(self.packages("npm", &NPM)?.join(package))
    }

    /// The folder of the modules of these packages of npm.
    fn packages(&self, name: &str, packages: &[&str]) -> Result<PathBuf> {
        let folder = self.made(name, packages, |folder| {
            fs::write(folder.join("package.json"), "{\"private\": true}")?;
            let mut install = Command::new("npm");
            process::run(install.args(["install", "--no-audit", "--no-fund"]).args(packages).current_dir(folder))
        })?;
        Ok(folder.join("node_modules"))
    }

    /// The folder of the programs of a Python environment that verifies webhooks.
    pub fn webhooks_python(&self) -> Result<PathBuf> {
        self.environment("webhooks-python", &WEBHOOKS_PYTHON)
    }

    /// The folder of the programs of a Python environment that talks to providers of models.
    pub fn models_python(&self) -> Result<PathBuf> {
        self.environment("models-python", &MODELS_PYTHON)
    }

    /// The folder of the programs of a Python environment that makes the model of the plugin `fraud-score`.
    pub fn fraud_python(&self) -> Result<PathBuf> {
        self.environment("fraud-python", &FRAUD_PYTHON)
    }

    /// The folder of the npm package that verifies webhooks.
    pub fn webhooks_npm(&self) -> Result<PathBuf> {
        Ok(self.packages("webhooks-npm", &WEBHOOKS_NPM)?.join("standardwebhooks"))
    }

    /// A program of a package of Debian.
    pub fn debian(&self, package: &str, program: &str) -> Result<PathBuf> {
        Ok(apt::unpacked(package, &self.folder.join(package))?.join("usr/bin").join(program))
    }

    /// The program `wkg`. That it is compiled takes some minutes, once.
    pub fn wkg(&self) -> Result<PathBuf> {
        let build = self.folder.join("wkg-build");
        let folder = self.made("wkg", &WKG, |folder| {
            let mut install = cargo::cargo();
            install.args(["install", "--quiet", "--locked", "--no-default-features", "--debug", "--root"]).arg(folder);
            install.arg("--target-dir").arg(&build).args(WKG).env("CARGO_PROFILE_DEV_DEBUG", "0");
            process::run(&mut install)?;
            fs::remove_dir_all(&build).with_context(|| format!("removing {}", build.display()))
        })?;
        Ok(folder.join("bin/wkg"))
    }

    /// A folder that `make` has filled for these versions.
    fn made(&self, name: &str, versions: &[&str], make: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
        let (folder, versions) = (self.folder.join(name), versions.join("\n"));
        let stamp = folder.join("stamp");
        if fs::read_to_string(&stamp).is_ok_and(|done| done == versions) {
            return Ok(folder);
        }
        eprintln!("strangers: fetching {} ...", versions.replace('\n', ", "));
        if folder.exists() {
            fs::remove_dir_all(&folder).with_context(|| format!("removing {}", folder.display()))?;
        }
        fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
        make(&folder).with_context(|| format!("fetching {versions}"))?;
        fs::write(&stamp, versions).with_context(|| format!("writing {}", stamp.display()))?;
        Ok(folder)
    }
}

#[cfg(test)]
mod tests {
    use anyhow::bail;

    use super::*;

    #[test]
    fn a_folder_is_made_once_for_its_versions_and_again_for_others_or_after_a_failure() {
        let target = tempfile::tempdir().unwrap();
        let tools = Tools::new(target.path());
        let mut made = Vec::new();
        for versions in [["a=1"], ["a=1"], ["a=2"], ["a=2"]] {
            let make = |folder: &Path| Ok(fs::write(folder.join("made"), made.len().to_string())?);
            let folder = tools.made("x", &versions, make).unwrap();
            made.push(fs::read_to_string(folder.join("made")).unwrap());
        }
        assert_eq!(made, ["0", "0", "2", "2"]);
        assert!(tools.made("x", &["a=3"], |_| bail!("no network")).is_err());
        let mut again = false;
        let make = |_: &Path| {
            again = true;
            Ok(())
        };
        tools.made("x", &["a=3"], make).unwrap();
        assert!(again);
    }
}
