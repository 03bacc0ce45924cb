//! `wharf promote` and `wharf rollback`.

use clap::Args;
use serde::Serialize;
use wharf_event::PluginName;
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
    /// The plugin
    plugin: PluginName,
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

/// `wharf rollback`.
#[derive(Debug, Args)]
pub struct RollbackArgs {
    /// The plugin
    plugin: PluginName,
    /// The release, or how its digest begins; else the last one that had all traffic, or back from a canary
    release: Option<String>,
    /// Why, for the history
    #[arg(short, long)]
    message: Option<String>,
}

/// Gives a release all traffic, or a part of it.
pub async fn promote(args: PromoteArgs, global: &Global, out: &mut Output) -> Result<Exit, CommandError> {
    let PromoteArgs { plugin, release, canary, time, abort_on, message } = args;
    let session = Session::open(global).await?;
    let release = meant(&session, &plugin, release.as_deref()).await?;
    let canary = canary.map(|share| CanaryDraft { share, time, abort_on });
    let wish = Promotion { release, canary, reason: message };
    let word = if wish.canary.is_some() { "on trial" } else { "promoted" };
    let detail = change(&session, &plugin, "promote", &wish).await?;
    tell(word, &plugin, &release.to_string(), &detail, out)
}

/// Goes back.
pub async fn roll_back(args: RollbackArgs, global: &Global, out: &mut Output) -> Result<Exit, CommandError> {
    let RollbackArgs { plugin, release, message } = args;
    let session = Session::open(global).await?;
    let to = match release {
        None => None,
        Some(written) => Some(meant(&session, &plugin, Some(&written)).await?),
    };
    let detail = change(&session, &plugin, "rollback", &RollBack { to, reason: message }).await?;
    let stable = detail.plugin.stable.map_or_else(String::new, |stable| stable.to_string());
    tell("rolled back", &plugin, &stable, &detail, out)
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
    plugin: &PluginName,
    release: &str,
    detail: &PluginDetail,
    out: &mut Output,
) -> Result<Exit, CommandError> {
    if out.is_json() {
        out.document(detail)?;
        return Ok(Exit::Success);
    }
    let share = detail.plugin.canary.as_ref().map_or_else(String::new, |canary| format!("  {}", canary.share));
    out.line(&format!("{}  {plugin} {release}{share}", good(word)))?;
    Ok(Exit::Success)
}
