//! `wharf plugin`, `wharf promote`, `wharf rollback`: plugins that are made while a host runs, their releases, and which of those
//! gets which traffic.
//!
//! Invariant: what a host refuses is told as it says it. A release that is written short is the only one that begins so.

mod bar;
mod channels;
mod grants;
mod push;
mod show;
mod upload;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use wharf_event::{Digest, PluginAt, PluginName};
use wharf_gateway::view::{PluginDetail, PluginView, ReleaseState, ReleaseView};

use super::{
    args::Global,
    error::{CommandError, Exit},
    input, object,
    output::Output,
    session::Session,
    words::good,
};
use crate::client::{Condition, Resource};

pub use channels::{PromoteArgs, RollbackArgs, promote, roll_back};
pub use grants::{GrantCommand, grant};
pub use push::{PushedView, push, tell as tell_pushed};
pub use upload::{UploadArgs, bring, signatures_beside};

/// `wharf plugin`.
#[derive(Debug, Subcommand)]
pub enum PluginCommand {
    /// List plugins, those of the configuration file among them
    #[command(visible_alias = "list", after_help = "Example:\n  wharf plugin ls")]
    Ls,
    /// Show a plugin: its settings and channels
    #[command(after_help = "Example:\n  wharf plugin show triage")]
    Show(Named),
    /// Show what happened to a plugin's channels
    #[command(after_help = "Example:\n  wharf plugin history triage")]
    History(Named),
    /// List the releases of a plugin
    #[command(after_help = "Example:\n  wharf plugin releases triage")]
    Releases(Named),
    /// Send a component as a release of a plugin, and wait until it is ready; it gets no traffic by that
    #[command(after_help = "Example:\n  wharf plugin upload triage target/triage.wasm -m 'fewer false alarms'\n\n\
        Exit status: 0 it is ready, or waits for a grant; 10 it is not fit to run.")]
    Upload(UploadArgs),
    /// Put a component into an OCI registry; no host is asked
    #[command(after_help = "Example:\n  wharf plugin push triage.wasm oci://registry.example.com/team/triage:1.4\n\n\
        Credentials are those of `docker login`. A registry of this machine is spoken with by plain HTTP.")]
    Push(push::PushArgs),
    /// Put the settings of a plugin: its configuration, grants and limits; its releases stay
    #[command(after_help = "Example:\n  wharf plugin set triage --file settings.json\n\n\
        The file has what the plugin's table in wharf.toml would have, as JSON, without `component`:\n  \
        {\"config\": {\"words\": \"crash\"}, \"grants\": {\"publish\": [\"triage.*\"], \"kv\": [\"triage\"]}, \"limits\": {\"wall_ms\": 1000}}")]
    Set(SetArgs),
    /// Let the quarantined releases of a plugin run again (`wharf explain release-quarantined`)
    #[command(after_help = "Example:\n  wharf plugin lift triage")]
    Lift(Named),
    /// Remove a plugin with its releases, or a channel of it; a rule must not name it any more
    #[command(
        visible_alias = "remove",
        after_help = "Example:\n  wharf plugin rm triage\n  wharf plugin rm triage@next"
    )]
    Rm(Removed),
}

impl PluginCommand {
    /// The plugin that it is about, which the host may not know.
    pub fn named(&self) -> Option<&PluginName> {
        match self {
            Self::Show(named) | Self::History(named) | Self::Releases(named) | Self::Lift(named) => Some(&named.plugin),
            Self::Rm(Removed { what }) => Some(&what.plugin),
            Self::Ls | Self::Upload(_) | Self::Push(_) | Self::Set(_) => None,
        }
    }
}

/// Which plugin.
#[derive(Clone, Debug, Args)]
pub struct Named {
    /// The plugin
    plugin: PluginName,
}

/// What goes.
#[derive(Debug, Args)]
pub struct Removed {
    /// The plugin, or a channel of it
    #[arg(value_name = "PLUGIN")]
    what: PluginAt,
}

/// `wharf plugin set`.
#[derive(Debug, Args)]
pub struct SetArgs {
    #[command(flatten)]
    named: Named,
    /// The settings in JSON; `-` reads stdin
    #[arg(short, long)]
    file: PathBuf,
}

/// Does what was said of plugins.
pub async fn run(command: PluginCommand, global: &Global, out: &mut Output) -> Result<Exit, CommandError> {
    if let PluginCommand::Push(args) = &command {
        return push::run(args, out).await;
    }
    let session = Session::open(global).await?;
    match command {
        PluginCommand::Push(_) => Ok(Exit::Success),
        PluginCommand::Ls => list(&session, out).await,
        PluginCommand::Show(named) => show::settings(&detail(&session, &named.plugin).await?, out),
        PluginCommand::History(named) => show::history(&detail(&session, &named.plugin).await?, out),
        PluginCommand::Releases(named) => show::releases(&releases(&session, &named.plugin).await?, out),
        PluginCommand::Upload(args) => upload::run(args, &session, out).await,
        PluginCommand::Set(SetArgs { named: Named { plugin }, file }) => {
            let settings = input::whole(&file)?;
            let put = session.client.put(&at(&session, &plugin), settings, Condition::None).await?;
            show::settings(&put, out)
        }
        PluginCommand::Lift(Named { plugin }) => lift(&session, &plugin, out).await,
        PluginCommand::Rm(Removed { what }) => {
            let whole = at(&session, &what.plugin);
            let gone = what.channel.as_ref().map_or(whole.clone(), |channel| whole.at("channels").at(channel));
            session.client.delete(&gone).await?;
            if out.is_json() {
                out.document(&serde_json::json!({ "removed": what }))?;
            } else {
                object::gone(&what, out)?;
            }
            Ok(Exit::Success)
        }
    }
}

async fn lift(session: &Session, plugin: &PluginName, out: &mut Output) -> Result<Exit, CommandError> {
    let resource = at(session, plugin).at("lift");
    let answer: serde_json::Value = session.client.post(&resource, "application/json", b"{}".to_vec()).await?;
    if out.is_json() {
        out.document(&answer)?;
    } else {
        let lifted = answer.get("lifted").and_then(serde_json::Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let lifted: Vec<_> = lifted.iter().filter_map(serde_json::Value::as_str).collect();
        let what = if lifted.is_empty() { "nothing was quarantined".to_owned() } else { lifted.join(" ") };
        out.line(&format!("{}  {plugin}  {what}", good("lifted")))?;
    }
    Ok(Exit::Success)
}

fn at(session: &Session, plugin: &PluginName) -> Resource {
    session.own().at("plugins").at(plugin)
}

async fn detail(session: &Session, plugin: &PluginName) -> Result<PluginDetail, CommandError> {
    Ok(session.client.get(&at(session, plugin)).await?)
}

async fn releases(session: &Session, plugin: &PluginName) -> Result<Vec<ReleaseView>, CommandError> {
    Ok(session.client.get(&at(session, plugin).at("releases")).await?)
}

/// The release that somebody means: the newest that is fit to run, or the only one whose digest begins so.
async fn meant(session: &Session, plugin: &PluginName, written: Option<&str>) -> Result<Digest, CommandError> {
    if let Some(whole) = written.and_then(|text| text.parse().or_else(|_| format!("sha256:{text}").parse()).ok()) {
        return Ok(whole);
    }
    let all = releases(session, plugin).await?;
    let is_fit = |release: &&ReleaseView| matches!(release.state, ReleaseState::Ready | ReleaseState::NeedsGrant);
    let ready = all.iter().filter(is_fit).map(|release| release.release);
    let mut found: Vec<Digest> = match written {
        None => ready.take(1).collect(),
        Some(text) => {
            let text = text.strip_prefix("sha256:").unwrap_or(text);
            ready.filter(|release| release.hex().starts_with(text)).collect()
        }
    };
    match (found.pop(), found.len()) {
        (Some(one), 0) => Ok(one),
        (found, _) => Err(CommandError::ReleaseMeant {
            plugin: plugin.clone(),
            written: written.unwrap_or_default().to_owned(),
            several: found.is_some(),
        }),
    }
}

async fn list(session: &Session, out: &mut Output) -> Result<Exit, CommandError> {
    let mut all: Vec<PluginView> = Vec::new();
    loop {
        let after = all.last().map(|view| view.plugin.to_string());
        let resource = session.own().at("plugins").ask("limit", 1_000).ask_some("after", after);
        let page: Vec<PluginView> = session.client.get(&resource).await?;
        if page.is_empty() {
            return show::list(&all, out);
        }
        all.extend(page);
    }
}
