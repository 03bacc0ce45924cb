//! `wharf build`: the plugins of a `wharf.toml`, each by its own command, looked at when they are built.
//!
//! Invariant: what is called built is a component that this host runs. What the commands say goes to stderr as it comes. No host is
//! asked.

use anyhow::Result;
use clap::Args;
use serde::Serialize;
use wharf_event::{Code, Digest, PluginName};
use wharf_inspect::{Capability, describe, limits::COMPONENT_BYTES_MAX};

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
        let it = made(of)?;
        if !out.is_json() {
            let needs = if it.needs.is_empty() { "nothing".to_owned() } else { it.needs.join(", ") };
            out.line(&format!(
                "{}  {}  {} KiB  {}  needs {needs}  {}",
                good("built"),
                it.plugin,
                it.bytes.div_ceil(1 << 10),
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
fn made(of: Buildable) -> Result<Built> {
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
    let described = describe(&wasm).map_err(unfit)?;
    let needs = described.needs().into_iter().map(Capability::as_str).collect();
    Ok(Built {
        plugin: plugin.clone(),
        component: file.display().to_string(),
        bytes: described.bytes,
        digest: described.digest,
        world: described.world.map_err(unfit)?,
        needs,
        wall_us: u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
    })
}
