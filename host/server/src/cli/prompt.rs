//! `wharf prompt ls`, `show`, `put`, `promote`, `rollback` and `rm`: what models are asked, kept outside of plugins, in versions.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use wharf_event::{PromptName, RouteName};
use wharf_gateway::view::{
    PromptCanaryView, PromptDraft, PromptPromotion, PromptRollBack, PromptVersionView, PromptView, ShareDraft,
};

use super::{
    args::Global,
    error::{CommandError, Exit},
    input, object,
    output::Output,
    pages,
    session::Session,
    words::{self, clipped, faint, good},
};
use crate::client::{ClientError, Condition, Resource};

/// Commands about prompts.
#[derive(Debug, Subcommand)]
pub enum PromptCommand {
    /// List the prompts of the tenant
    #[command(visible_alias = "list", after_help = "Example:\n  wharf prompt ls")]
    Ls,
    /// Show a prompt: its versions, and which of them is given to whom
    #[command(after_help = "Example:\n  wharf prompt show classify\n  wharf prompt show classify 3")]
    Show {
        /// The prompt
        name: PromptName,
        /// What this version says
        version: Option<u32>,
    },
    /// Make a prompt, or add a version, which nobody gets until it is promoted
    #[command(
        after_help = "Example:\n  wharf prompt put classify --route triage --user user.txt --system system.txt\n\n\
        The files are templates of minijinja, filled with what the plugin gives: `{{ ticket.text }}`. The first version is given to all at once."
    )]
    Put(PutArgs),
    /// Give a version to all deliveries, or to some
    #[command(
        after_help = "Example:\n  wharf prompt promote classify --canary 10%\n  wharf prompt promote classify\n\n\
        With no version it is that of the canary, else the newest."
    )]
    Promote {
        /// The prompt
        name: PromptName,
        /// The version
        version: Option<u32>,
        /// To this share of the deliveries only, such as 10%
        #[arg(long, value_name = "SHARE")]
        canary: Option<String>,
    },
    /// End a canary, or go back to a version that was given to all before
    #[command(after_help = "Example:\n  wharf prompt rollback classify")]
    Rollback {
        /// The prompt
        name: PromptName,
        /// The version; else back from a canary, else to the one that was stable before
        version: Option<u32>,
    },
    /// Remove a prompt with its versions
    #[command(after_help = "Example:\n  wharf prompt rm classify")]
    Rm {
        /// The prompt
        name: PromptName,
    },
}

/// What a version is to say.
#[derive(Debug, Args)]
pub struct PutArgs {
    /// The prompt
    name: PromptName,
    /// The route by which models are asked with it
    #[arg(long)]
    route: RouteName,
    /// A file with the template of what the user says; `-` is stdin
    #[arg(long, value_name = "FILE")]
    user: PathBuf,
    /// A file with the template of what holds for all of a conversation
    #[arg(long, value_name = "FILE")]
    system: Option<PathBuf>,
}

/// Does what was said of prompts.
///
/// # Errors
/// When the host refuses, or a file cannot be read.
pub async fn run(command: PromptCommand, global: &Global, out: &mut Output) -> Result<Exit, CommandError> {
    let session = Session::open(global).await?;
    let all = session.own().at("prompts");
    match command {
        PromptCommand::Ls => list(&session, &all, out).await,
        PromptCommand::Show { name, version } => {
            let prompt: PromptView = session.client.get(&all.at(&name)).await?;
            let kept: Vec<_> = prompt.versions.iter().map(|it| it.version).collect();
            if let Some(version) = version.filter(|version| !kept.contains(version)) {
                return Err(CommandError::VersionUnknown { prompt: name, version, kept });
            }
            show(&prompt, version, out)
        }
        PromptCommand::Put(PutArgs { name, route, user, system }) => {
            let draft = PromptDraft { route, system: system.as_deref().map(text).transpose()?, user: text(&user)? };
            let now: PromptView = session.client.put(&all.at(&name), body(&draft)?, Condition::None).await?;
            changed("kept", &now, out)
        }
        PromptCommand::Promote { name, version, canary } => {
            let word = if canary.is_some() { "on trial" } else { "promoted" };
            let wish = PromptPromotion { version, canary: canary.map(|share| ShareDraft { share }) };
            let now: PromptView =
                session.client.post(&all.at(&name).at("promote"), "application/json", body(&wish)?).await?;
            changed(word, &now, out)
        }
        PromptCommand::Rollback { name, version } => {
            let (wish, at) = (PromptRollBack { version }, all.at(&name).at("rollback"));
            let now: PromptView = session.client.post(&at, "application/json", body(&wish)?).await?;
            changed("back", &now, out)
        }
        PromptCommand::Rm { name } => object::remove(&session, &all.at(&name), &name, out).await,
    }
}

fn body(wish: &impl serde::Serialize) -> Result<Vec<u8>, CommandError> {
    Ok(serde_json::to_vec(wish).map_err(ClientError::NotUnderstood)?)
}

/// What a file says, but for the line break at its end.
fn text(file: &Path) -> Result<String, CommandError> {
    let text = String::from_utf8(input::whole(file)?).map_err(|error| {
        input::unreadable(file, std::io::Error::new(std::io::ErrorKind::InvalidData, error.utf8_error()))
    })?;
    Ok(text.strip_suffix('\n').map(str::to_owned).unwrap_or(text))
}

/// Which version is given to whom.
fn channels(prompt: &PromptView) -> String {
    let canary = prompt.canary.as_ref().map_or_else(String::new, |it| format!(", canary {}", on_trial(it)));
    format!("stable {}{canary}, newest {}", prompt.stable, prompt.newest)
}

fn on_trial(canary: &PromptCanaryView) -> String {
    format!("{} ({})", canary.version, words::printable(&canary.share))
}

fn changed(word: &str, now: &PromptView, out: &mut Output) -> Result<Exit, CommandError> {
    if out.is_json() {
        out.document(now)?;
    } else {
        out.line(&format!("{}  {}: {}", good(word), now.prompt, channels(now)))?;
    }
    Ok(Exit::Success)
}

async fn list(session: &Session, all: &Resource, out: &mut Output) -> Result<Exit, CommandError> {
    let all = pages::whole(&session.client, all.clone(), |it: &PromptView| it.prompt.to_string()).await?;
    if out.is_json() {
        out.document(&all)?;
        return Ok(Exit::Success);
    }
    let row = |it: &PromptView| {
        let canary = it.canary.as_ref().map_or_else(String::new, on_trial);
        [
            it.prompt.to_string(),
            it.route.to_string(),
            object::origin(it.origin).to_owned(),
            it.stable.to_string(),
            canary,
            it.newest.to_string(),
        ]
    };
    out.table(["PROMPT", "ROUTE", "ORIGIN", "STABLE", "CANARY", "NEWEST"], all.iter().map(row).collect())?;
    Ok(Exit::Success)
}

fn show(prompt: &PromptView, version: Option<u32>, out: &mut Output) -> Result<Exit, CommandError> {
    if out.is_json() {
        out.document(prompt)?;
        return Ok(Exit::Success);
    }
    out.line(&format!("{}  {}: {}", prompt.prompt, prompt.route, channels(prompt)))?;
    let asked = version.unwrap_or(prompt.stable);
    for it in &prompt.versions {
        let PromptVersionView { version, at, route, system, user } = it;
        let at = at.as_deref().unwrap_or("of the file");
        out.line(&format!("{version:>4}  {}  {}", faint(at), clipped(route.as_str())))?;
        if *version == asked {
            let parts = [("system", system.as_deref()), ("user", Some(user.as_str()))];
            for (part, text) in parts.into_iter().filter_map(|(part, text)| Some((part, text?))) {
                for line in text.lines() {
                    out.line(&format!("      {}  {}", faint(part), words::printable(line)))?;
                }
            }
        }
    }
    Ok(Exit::Success)
}
