//! `wharf promote` and `wharf rollback`.

use clap::Args;
use serde::Serialize;
use wharf_event::{PluginAt, PluginName};
use wharf_gateway::view::{CanaryDraft, PluginDetail, Promotion, RollBack};

use super::{
    super::{
        args::Global,
        error::{CommandError, Exit},
        output::Output,
        session::Session,
        words::good,
    },
    at, meant,
};
use crate::client::ClientError;

/// `wharf promote`.
#[derive(Debug, Args)]
pub struct PromoteArgs {
    /// The plugin, or a channel of it such as triage@next, which is made if there is none
    plugin: PluginAt,
    /// The release, or how its digest begins; the newest one that is ready if it is left out
    release: Option<String>,
    /// Only this part of the traffic, such as 10%
    #[arg(long, value_name = "SHARE")]
    canary: Option<String>,
    /// How long until the canary gets all traffic by itself; else when somebody promotes it
    #[arg(long = "for", value_name = "DURATION", requires = "canary")]
    time: Option<String>,
    /// What ends the canary before, such as 'error_rate>2%,p99>2x'
    #[arg(long, value_name = "CONDITIONS", requires = "canary")]
    abort_on: Option<String>,
    /// Why, for the history
    #[arg(short, long)]
    message: Option<String>,
}

impl PromoteArgs {
    /// The plugin, which the host may not know.
    pub fn named(&self) -> &PluginName {
        &self.plugin.plugin
    }
}

/// `wharf rollback`.
#[derive(Debug, Args)]
pub struct RollbackArgs {
    /// The plugin, or a channel of it
    plugin: PluginAt,
    /// The release, or how its digest begins; else the last one that had all traffic, or back from a canary
    release: Option<String>,
    /// Why, for the history
    #[arg(short, long)]
    message: Option<String>,
}

impl RollbackArgs {
    /// The plugin, which the host may not know.
    pub fn named(&self) -> &PluginName {
        &self.plugin.plugin
    }
}

/// Gives a release all traffic, or a part of it.
pub async fn promote(args: PromoteArgs, global: &Global, out: &mut Output) -> Result<Exit, CommandError> {
    let PromoteArgs { plugin: whole, release, canary, time, abort_on, message } = args;
    let PluginAt { plugin, channel } = &whole;
    let session = Session::open(global).await?;
    let release = meant(&session, plugin, release.as_deref()).await?;
    let canary = canary.map(|share| CanaryDraft { share, time, abort_on });
    let wish = Promotion { channel: channel.clone(), release, canary, reason: message };
    let word = if wish.canary.is_some() { "on trial" } else { "promoted" };
    let detail = change(&session, plugin, "promote", &wish).await?;
    tell(word, &whole, &release.to_string(), &detail, out)
}

/// Goes back.
pub async fn roll_back(args: RollbackArgs, global: &Global, out: &mut Output) -> Result<Exit, CommandError> {
    let RollbackArgs { plugin: whole, release, message } = args;
    let PluginAt { plugin, channel } = &whole;
    let session = Session::open(global).await?;
    let to = match release {
        None => None,
        Some(written) => Some(meant(&session, plugin, Some(&written)).await?),
    };
    let wish = RollBack { channel: channel.clone(), to, reason: message };
    let detail = change(&session, plugin, "rollback", &wish).await?;
    let own = channel.as_ref().and_then(|channel| detail.channels.get(channel.as_str()).copied());
    let now = own.or(detail.plugin.stable).map_or_else(String::new, |now| now.to_string());
    tell("rolled back", &whole, &now, &detail, out)
}

async fn change(
    session: &Session,
    plugin: &PluginName,
    what: &'static str,
    wish: &impl Serialize,
) -> Result<PluginDetail, CommandError> {
    let body = serde_json::to_vec(wish).map_err(ClientError::NotUnderstood)?;
    Ok(session.client.post(&at(session, plugin).at(what), "application/json", body).await?)
}

fn tell(
    word: &str,
    plugin: &PluginAt,
    release: &str,
    detail: &PluginDetail,
    out: &mut Output,
) -> Result<Exit, CommandError> {
    if out.is_json() {
        out.document(detail)?;
        return Ok(Exit::Success);
    }
    let canary = detail.plugin.canary.as_ref().filter(|_| plugin.channel.is_none());
    let share = canary.map_or_else(String::new, |canary| format!("  {}", canary.share));
    out.line(&format!("{}  {plugin} {release}{share}", good(word)))?;
    Ok(Exit::Success)
}
