//! `wharf grant`: what plugins may use.

use clap::{ArgGroup, Args, Subcommand};
use serde::Serialize;
use wharf_event::{
    BucketAccess, EventTypes, Grants, HttpAccess, ModelName, PluginName, RouteName, SecretName, SecretUse,
};
use wharf_gateway::view::{Approval, GrantsDetail, WaitingView};

use super::{
    super::{
        args::Global,
        error::{CommandError, Exit},
        output::Output,
        session::Session,
        words::strong,
    },
    Named, at, meant,
};
use crate::client::{ClientError, Resource};

/// `wharf grant`.
#[derive(Debug, Subcommand)]
pub enum GrantCommand {
    /// Show what a plugin is granted, and which of its releases wait for more
    #[command(visible_alias = "list", after_help = "Example:\n  wharf grant ls triage")]
    Ls(Named),
    /// Grant what the newest release asks for that waits, or what is named
    #[command(after_help = "Example:\n  wharf grant approve triage\n  \
        wharf grant approve triage --publish 'triage.*' --kv triage --kv prices:read \
        --http 'POST https://api.example.com/v1/*'")]
    Approve(ApproveArgs),
    /// Take grants back; it holds for every attempt that begins from then on
    #[command(after_help = "Example:\n  wharf grant revoke triage --kv prices")]
    Revoke(RevokeArgs),
}

impl GrantCommand {
    /// The plugin that it is about, which the host may not know.
    pub fn named(&self) -> &PluginName {
        match self {
            Self::Ls(named) => &named.plugin,
            Self::Approve(args) => &args.plugin,
            Self::Revoke(args) => &args.plugin,
        }
    }
}

/// `wharf grant approve`.
#[derive(Debug, Args)]
pub struct ApproveArgs {
    /// The plugin
    plugin: PluginName,
    /// What this release asks for; it may be written as its digest begins
    release: Option<String>,
    /// Event types that it may publish; a `*` at the end stands for anything
    #[arg(long, value_name = "TYPES")]
    publish: Vec<EventTypes>,
    /// A bucket that it may open; with `:read` behind its name it is only read
    #[arg(long, value_name = "BUCKET")]
    kv: Vec<BucketAccess>,
    /// Requests that it may send, such as 'POST https://api.example.com/v1/*'
    #[arg(long, value_name = "REQUESTS")]
    http: Vec<HttpAccess>,
    /// A field of requests that the host puts a secret into, such as 'https://api.example.com authorization: Bearer {secret:NAME}', or a pair of their query, 'https://api.example.com ?key={secret:NAME}'
    #[arg(long = "secret", value_name = "FIELD")]
    secrets: Vec<SecretUse>,
    /// A route by which it may ask models
    #[arg(long, value_name = "ROUTE")]
    llm: Vec<RouteName>,
    /// A model of the tenant that it may ask
    #[arg(long, value_name = "MODEL")]
    infer: Vec<ModelName>,
    /// A secret whose value it may have in its own memory
    #[arg(long, value_name = "SECRET")]
    hold: Vec<SecretName>,
}

/// `wharf grant revoke`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("less").required(true).multiple(true).args(["publish", "kv", "http", "secrets", "llm", "infer", "hold"]))]
pub struct RevokeArgs {
    /// The plugin
    plugin: PluginName,
    /// Event types: every grant goes that is within
    #[arg(long, value_name = "TYPES")]
    publish: Vec<EventTypes>,
    /// A bucket
    #[arg(long, value_name = "BUCKET")]
    kv: Vec<BucketAccess>,
    /// Requests: every grant goes that is within
    #[arg(long, value_name = "REQUESTS")]
    http: Vec<HttpAccess>,
    /// Fields with a secret
    #[arg(long = "secret", value_name = "FIELD")]
    secrets: Vec<SecretUse>,
    /// A route to a model
    #[arg(long, value_name = "ROUTE")]
    llm: Vec<RouteName>,
    /// A model of the tenant
    #[arg(long, value_name = "MODEL")]
    infer: Vec<ModelName>,
    /// A secret
    #[arg(long, value_name = "SECRET")]
    hold: Vec<SecretName>,
}

/// Does what was said of grants.
pub async fn grant(command: GrantCommand, global: &Global, out: &mut Output) -> Result<Exit, CommandError> {
    let session = Session::open(global).await?;
    let detail: GrantsDetail = match command {
        GrantCommand::Ls(Named { plugin }) => session.client.get(&of(&session, &plugin)).await?,
        GrantCommand::Approve(ApproveArgs { plugin, release, publish, kv, http, secrets, llm, infer, hold }) => {
            let named = Grants { publish, kv, http, secrets, llm, infer, hold };
            let release = match release {
                Some(written) => Some(meant(&session, &plugin, Some(&written)).await?),
                None if !named.is_empty() => None,
                // The one that waits now: what comes while this is asked for is nothing that anybody looked at.
                None => {
                    let held: GrantsDetail = session.client.get(&of(&session, &plugin)).await?;
                    held.waiting.first().map(|waiting| waiting.release)
                }
            };
            let Grants { publish, kv, http, secrets, llm, infer, hold } = named;
            let wish = Approval { release, publish, kv, http, secrets, llm, infer, hold };
            say(&session, of(&session, &plugin).at("approve"), &wish).await?
        }
        GrantCommand::Revoke(RevokeArgs { plugin, publish, kv, http, secrets, llm, infer, hold }) => {
            say(&session, of(&session, &plugin).at("revoke"), &Grants { publish, kv, http, secrets, llm, infer, hold })
                .await?
        }
    };
    show(&detail, out)
}

fn of(session: &Session, plugin: &PluginName) -> Resource {
    at(session, plugin).at("grants")
}

async fn say(session: &Session, resource: Resource, wish: &impl Serialize) -> Result<GrantsDetail, ClientError> {
    let body = serde_json::to_vec(wish).map_err(ClientError::NotUnderstood)?;
    session.client.post(&resource, "application/json", body).await
}

fn show(detail: &GrantsDetail, out: &mut Output) -> Result<Exit, CommandError> {
    if out.is_json() {
        out.document(detail)?;
        return Ok(Exit::Success);
    }
    let GrantsDetail { plugin, granted, ceiling, waiting, .. } = detail;
    let told = granted.told();
    let held = if told.is_empty() { "nothing".to_owned() } else { told.join(", ") };
    out.line(&format!("{}  granted: {held}", strong(plugin.as_str())))?;
    if !ceiling.is_open() {
        let most = ceiling.said().told();
        let most = if most.is_empty() { "nothing".to_owned() } else { most.join(", ") };
        out.line(&format!("at most   {most}"))?;
    }
    for WaitingView { release, version, missing, new, .. } in waiting {
        let version = version.as_deref().map_or_else(String::new, |version| format!(" {version}"));
        out.line(&format!("waiting   {}{version}  for {}", release.short(), missing.join(", ")))?;
        if !new.is_empty() && new != missing {
            out.line(&format!("          new: {}", new.join(", ")))?;
        }
    }
    Ok(Exit::Success)
}
