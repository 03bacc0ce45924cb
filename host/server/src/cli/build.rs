//! `wharf build`: the plugins of a `wharf.toml`, each by its own command, looked at when they are built.
//!
//! Invariant: what is called built is a component that this host runs. Names and debug information are taken out of it, and nothing that runs;
//! a file that had none is not written again. What the commands say goes to stderr as it comes. No host is asked.

use std::{fs, io, path::Path};

use anyhow::Result;
use clap::Args;
use serde::Serialize;
use wharf_event::{Code, Digest, PluginName};
use wharf_inspect::{Capability, Names, describe, limits::COMPONENT_BYTES_MAX, strip};

use super::{
    args::FileArgs,
    error::{Exit, talk},
    output::Output,
    words::{faint, good, lasted},
};
use crate::{
    building::{Buildable, buildable},
    compile::read_bounded,
    failure::Failure,
};

/// `wharf build`.
#[derive(Debug, Args)]
pub struct BuildArgs {
    /// The plugin; all that say how they are built if left out
    plugin: Option<PluginName>,
    /// Leave the names of functions in it, which a trap is told with
    #[arg(long)]
    names: bool,
    /// Which configuration
    #[command(flatten)]
    file: FileArgs,
}

/// A plugin that was built.
#[derive(Serialize)]
struct Built {
    plugin: PluginName,
    component: String,
    bytes: usize,
    /// Of names and debug information, which it had in addition.
    stripped_bytes: usize,
    digest: Digest,
    world: &'static str,
    needs: Vec<&'static str>,
    wall_us: u64,
}

/// Builds.
///
/// # Errors
/// When a command fails, or gives no component that a host runs.
pub fn run(args: &BuildArgs, out: &mut Output) -> Result<Exit> {
    let mut built = Vec::new();
    for of in plugins(args)? {
        let it = made(of, if args.names { Names::Kept } else { Names::Dropped })?;
        if !out.is_json() {
            let needs = if it.needs.is_empty() { "nothing".to_owned() } else { it.needs.join(", ") };
            let kib = |bytes: usize| bytes.div_ceil(1 << 10);
            let stripped = match it.stripped_bytes {
                0 => String::new(),
                bytes => faint(&format!(" ({} KiB of names and debug information less)", kib(bytes))),
            };
            out.line(&format!(
                "{}  {}  {} KiB{stripped}  {}  needs {needs}  {}",
                good("built"),
                it.plugin,
                kib(it.bytes),
                it.world,
                faint(&lasted(it.wall_us)),
            ))?;
        }
        built.push(it);
    }
    if out.is_json() {
        out.document(&built)?;
    }
    Ok(Exit::Success)
}

/// Those that are meant.
fn plugins(args: &BuildArgs) -> Result<Vec<Buildable>> {
    let path = &args.file.config;
    let wanted = |it: &Buildable| args.plugin.as_ref().is_none_or(|wanted| *wanted == it.plugin);
    let plugins: Vec<_> = buildable(path)?.into_iter().filter(wanted).collect();
    if plugins.is_empty() {
        let whose = args.plugin.as_ref().map_or_else(|| "no plugin".to_owned(), |name| format!("no plugin `{name}`"));
        let message = format!("{}: {whose} here says how it is built", path.display());
        return Err(Failure::new(Code::BuildFailed, message, "say it beside `component`: build = \"COMMAND\"").into());
    }
    Ok(plugins)
}

/// Builds one plugin and looks at what came.
fn made(of: Buildable, names: Names) -> Result<Built> {
    let Buildable { plugin, component: file, command, .. } = &of;
    talk(&faint(&format!("{plugin}: {command}")));
    let took = of.build()?;
    let wasm = read_bounded(file, COMPONENT_BYTES_MAX as u64 + 1).map_err(|error| {
        let help = "does the command write it where `component` says?";
        Failure::new(Code::ComponentMissing, format!("{plugin} was built, but {}: {error}", file.display()), help)
    })?;
    let unfit = |error: wharf_inspect::ComponentError| {
        Failure::new(
            error.code(),
            format!("{plugin}: {error}"),
            format!("`wharf explain {}` says what to do", error.code()),
        )
    };
    let lean = strip(&wasm, names);
    let described = describe(&lean).map_err(unfit)?;
    if lean.len() < wasm.len() {
        replace(file, &lean).map_err(|error| {
            let message = format!("{plugin} was built, but {} cannot be written: {error}", file.display());
            Failure::new(Code::BuildFailed, message, "is there room, and may it be written?")
        })?;
    }
    let needs = described.needs().into_iter().map(Capability::as_str).collect();
    Ok(Built {
        plugin: plugin.clone(),
        component: file.display().to_string(),
        bytes: described.bytes,
        stripped_bytes: wasm.len() - lean.len(),
        digest: described.digest,
        world: described.world.map_err(unfit)?,
        needs,
        wall_us: u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
    })
}

/// A file's new content, whole or not at all. The command may have linked the file to one of its own, which stays as it is.
fn replace(file: &Path, content: &[u8]) -> io::Result<()> {
    let mut half = file.as_os_str().to_owned();
    half.push(".half");
    fs::write(&half, content)?;
    fs::rename(&half, file)
}
