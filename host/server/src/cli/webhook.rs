//! `wharf webhook ls`, `show`, `put`, `rm`, `rotate`, `resend`, `enable` and `disable`: addresses outside that a tenant's events are sent to.
//!
//! Invariant: a secret is printed once, by the command that had it made.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};
use wharf_event::WebhookName;
use wharf_gateway::{
    limits::PLUGIN_BYTES_MAX,
    view::{SecretView, WebhookRotation, WebhookView},
};

use super::{
    args::Global,
    error::{CommandError, Exit, talk},
    input::unreadable,
    object,
    output::Output,
    pages, resend,
    session::Session,
    standing::breaker_lines,
    words::{bad, clipped, faint, good, printable},
};
use crate::{
    client::{ClientError, Condition, Resource},
    compile::read_bounded,
};

/// What is sent.
const JSON: &str = "application/json";

/// Commands about webhooks.
#[derive(Debug, Subcommand)]
pub enum WebhookCommand {
    /// List the webhooks of the tenant
    #[command(visible_alias = "list", after_help = "Example:\n  wharf webhook ls")]
    Ls,
    /// Show one webhook: where it leads, whether it is on, what it signs with
    #[command(after_help = "Example:\n  wharf webhook show orders")]
    Show {
        /// The webhook
        name: WebhookName,
    },
    /// Make a webhook, or change where it leads; a new one gets a secret, which is printed this once
    #[command(
        visible_alias = "create",
        after_help = "Example:\n  wharf webhook put orders https://example.com/hook\n  wharf webhook put orders https://example.com/hook --breaker '{\"failures\": 3, \"open\": \"30s\"}'\n  wharf rules add orders --pattern '{\"type\": [\"order.placed\"]}' --webhook orders"
    )]
    Put(PutArgs),
    /// Remove a webhook with its secrets
    #[command(after_help = "Example:\n  wharf webhook rm orders")]
    Rm {
        /// The webhook
        name: WebhookName,
    },
    /// Give a webhook another secret, which is printed this once; the one before signs on for a while
    #[command(after_help = "Example:\n  wharf webhook rotate orders --overlap 7d")]
    Rotate(RotateArgs),
    /// Send one event of the archive to a webhook once more, whatever came of it before
    #[command(after_help = "Example:\n  wharf webhook resend orders 4711-0")]
    Resend {
        /// The webhook
        name: WebhookName,
        /// The event's position, or its id (the newest event with this id)
        #[arg(value_name = "POSITION|ID")]
        event: String,
    },
    /// Enable a webhook: what waits for it is sent
    #[command(after_help = "Example:\n  wharf webhook enable orders")]
    Enable {
        /// The webhook
        name: WebhookName,
    },
    /// Disable a webhook: its deliveries wait
    #[command(after_help = "Example:\n  wharf webhook disable orders")]
    Disable {
        /// The webhook
        name: WebhookName,
    },
}

impl WebhookCommand {
    /// The webhook that it is about, which the host may not know.
    pub fn named(&self) -> Option<&WebhookName> {
        match self {
            Self::Ls | Self::Put(_) => None,
            Self::Rotate(RotateArgs { name, .. }) | Self::Resend { name, .. } => Some(name),
            Self::Show { name } | Self::Rm { name } | Self::Enable { name } | Self::Disable { name } => Some(name),
        }
    }
}

/// What a webhook is to be.
#[derive(Debug, Args)]
pub struct PutArgs {
    /// The webhook
    name: WebhookName,
    /// The address that events are sent to
    #[arg(value_name = "ADDRESS", required_unless_present = "file", conflicts_with = "file")]
    to: Option<String>,
    /// `structured` sends all of an event as JSON, `binary` its payload with its attributes as headers
    #[arg(long, conflicts_with = "file")]
    mode: Option<String>,
    /// A further header, as in `--header x-key=secret`; may be said several times
    #[arg(long = "header", value_name = "NAME=VALUE", conflicts_with = "file")]
    headers: Vec<String>,
    /// How long an attempt may take
    #[arg(long, value_name = "DURATION", conflicts_with = "file")]
    timeout: Option<String>,
    /// Attempts at a time
    #[arg(long, conflicts_with = "file")]
    concurrency: Option<u32>,
    /// Attempts that may begin in a second
    #[arg(long, conflicts_with = "file")]
    attempts_per_s: Option<u32>,
    /// Deliveries to it that may wait; an event more is refused [default: as many as the tenant's backlog lets]
    #[arg(long, value_name = "N", conflicts_with = "file")]
    backlog: Option<u32>,
    /// A network that it may reach though it is not public; may be said several times
    #[arg(long = "network", value_name = "NETWORK", conflicts_with = "file")]
    networks: Vec<String>,
    /// How long nothing but failures may come until it is disabled
    #[arg(long, value_name = "DURATION", conflicts_with = "file")]
    disable_after: Option<String>,
    /// Its circuit breaker as JSON with the keys of the file, as in `{"failures": 3, "open": "30s"}`, or `{"enabled": false}`
    #[arg(long, value_name = "JSON", value_parser = object_of, conflicts_with = "file")]
    breaker: Option<Map<String, Value>>,
    /// A file with all of that as JSON
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

/// A JSON object that was written out.
fn object_of(text: &str) -> Result<Map<String, Value>, String> {
    serde_json::from_str(text).map_err(|error| format!("no JSON object: {error}"))
}

/// What the other secret is to be.
#[derive(Debug, Args)]
pub struct RotateArgs {
    /// The webhook
    name: WebhookName,
    /// How it signs: `v1` (HMAC-SHA256, the default) or `v1a` (Ed25519)
    #[arg(long, conflicts_with = "secret_file")]
    scheme: Option<String>,
    /// A file with the secret, in place of one that the host makes
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// How long the one before signs on
    #[arg(long, value_name = "DURATION")]
    overlap: Option<String>,
}

/// Does what was said of webhooks.
///
/// # Errors
/// When the host refuses, or a file cannot be read.
pub async fn run(command: WebhookCommand, global: &Global, out: &mut Output) -> Result<Exit, CommandError> {
    let session = Session::open(global).await?;
    let all = session.own().at("webhooks");
    match command {
        WebhookCommand::Ls => list(&session, &all, out).await,
        WebhookCommand::Show { name } => show(&session.client.get(&all.at(&name)).await?, out),
        WebhookCommand::Put(args) => {
            let body = args.body()?;
            let webhook: WebhookView = session.client.put(&all.at(&args.name), body, Condition::None).await?;
            if webhook.disabled.is_none() {
                return tell("in force", &webhook, out);
            }
            let told = tell("kept, and disabled as before", &webhook, out)?;
            talk(&format!("`wharf webhook enable {}` enables it", webhook.webhook));
            Ok(told)
        }
        WebhookCommand::Rm { name } => object::remove(&session, &all.at(&name), &name, out).await,
        WebhookCommand::Rotate(args) => {
            let at = all.at(&args.name).at("rotate");
            let webhook = session.client.post(&at, JSON, args.body()?).await?;
            let told = tell("rotated", &webhook, out)?;
            if !out.is_json() {
                say_signers(&webhook, out)?;
            }
            Ok(told)
        }
        WebhookCommand::Resend { name, event } => resend::run(&session, &name, &event, out).await,
        WebhookCommand::Enable { name } => {
            tell("enabled", &session.client.post(&all.at(&name).at("enable"), JSON, "{}").await?, out)
        }
        WebhookCommand::Disable { name } => {
            tell("disabled", &session.client.post(&all.at(&name).at("disable"), JSON, "{}").await?, out)
        }
    }
}

impl PutArgs {
    fn body(&self) -> Result<Vec<u8>, CommandError> {
        if let Some(file) = &self.file {
            return read_bounded(file, PLUGIN_BYTES_MAX as u64).map_err(|source| unreadable(file, source));
        }
        let mut body = Map::new();
        let headers: Map<String, Value> = self
            .headers
            .iter()
            .map(|header| {
                let (name, value) = header.split_once('=').unwrap_or((header, ""));
                (name.to_owned(), Value::from(value))
            })
            .collect();
        for (name, value) in [
            ("url", self.to.as_ref().map(|it| json!(it))),
            ("mode", self.mode.as_ref().map(|it| json!(it))),
            ("headers", (!headers.is_empty()).then(|| headers.into())),
            ("timeout", self.timeout.as_ref().map(|it| json!(it))),
            ("concurrency", self.concurrency.map(|it| json!(it))),
            ("attempts_per_s", self.attempts_per_s.map(|it| json!(it))),
            ("backlog", self.backlog.map(|it| json!(it))),
            ("networks", (!self.networks.is_empty()).then(|| json!(self.networks))),
            ("disable_after", self.disable_after.as_ref().map(|it| json!(it))),
            ("breaker", self.breaker.as_ref().map(|it| json!(it))),
        ] {
            body.extend(value.map(|value| (name.to_owned(), value)));
        }
        Ok(Value::from(body).to_string().into_bytes())
    }
}

impl RotateArgs {
    fn body(&self) -> Result<Vec<u8>, CommandError> {
        let secret = self.secret_file.as_ref().map(|file| {
            let bytes = read_bounded(file, PLUGIN_BYTES_MAX as u64).map_err(|source| unreadable(file, source))?;
            Ok::<_, CommandError>(String::from_utf8_lossy(&bytes).trim().to_owned())
        });
        let rotation =
            WebhookRotation { scheme: self.scheme.clone(), secret: secret.transpose()?, overlap: self.overlap.clone() };
        Ok(serde_json::to_vec(&rotation).map_err(ClientError::NotUnderstood)?)
    }
}

async fn list(session: &Session, all: &Resource, out: &mut Output) -> Result<Exit, CommandError> {
    let all = pages::whole(&session.client, all.clone(), |it: &WebhookView| it.webhook.to_string()).await?;
    if out.is_json() {
        out.document(&all)?;
        return Ok(Exit::Success);
    }
    let row = |webhook: &WebhookView| [webhook.webhook.to_string(), state(webhook), clipped(&webhook.url)];
    out.table(["WEBHOOK", "STATE", "URL"], all.iter().map(row).collect())?;
    Ok(Exit::Success)
}

fn state(webhook: &WebhookView) -> String {
    match (&webhook.disabled, &webhook.failing_since) {
        (Some(_), _) => bad("disabled"),
        (None, Some(_)) => bad("failing"),
        (None, None) => good("enabled"),
    }
}

fn show(webhook: &WebhookView, out: &mut Output) -> Result<Exit, CommandError> {
    if out.is_json() {
        out.document(webhook)?;
        return Ok(Exit::Success);
    }
    let line = |name: &str, value: &str| format!("{}  {value}", faint(&format!("{name:<13}")));
    out.line(&line("webhook", webhook.webhook.as_str()))?;
    out.line(&line("state", &state(webhook)))?;
    if let Some(off) = &webhook.disabled {
        out.line(&line("since", &format!("{}: {}", clipped(&off.since), clipped(&off.reason))))?;
    } else if let Some(since) = &webhook.failing_since {
        out.line(&line("fails since", &clipped(since)))?;
    }
    out.line(&line("url", &clipped(&webhook.url)))?;
    out.line(&line("mode", &clipped(&webhook.mode)))?;
    if !webhook.headers.is_empty() {
        out.line(&line("headers", &clipped(&webhook.headers.join(", "))))?;
    }
    out.line(&line("timeout", &clipped(&webhook.timeout)))?;
    let rate = webhook.attempts_per_s.map(|rate| format!(", {rate} a second")).unwrap_or_default();
    out.line(&line("at a time", &format!("{}{rate}", webhook.concurrency)))?;
    if !webhook.networks.is_empty() {
        out.line(&line("networks", &clipped(&webhook.networks.join(", "))))?;
    }
    out.line(&line("disabled after", &clipped(&webhook.disable_after)))?;
    for (n, said) in webhook.breaker_state.iter().flat_map(breaker_lines).enumerate() {
        out.line(&line(if n == 0 { "breaker" } else { "" }, &said))?;
    }
    for SecretView { scheme, since, until, public } in &webhook.secrets {
        let until = until.as_ref().map(|until| format!(" until {until}")).unwrap_or_default();
        out.line(&line("secret", &clipped(&format!("{scheme} since {since}{until}"))))?;
        if let Some(public) = public {
            // It is to be copied, so it is whole.
            out.line(&line("public key", &printable(public)))?;
        }
    }
    Ok(Exit::Success)
}

fn tell(word: &str, webhook: &WebhookView, out: &mut Output) -> Result<Exit, CommandError> {
    if out.is_json() {
        out.document(webhook)?;
        return Ok(Exit::Success);
    }
    out.line(&format!("{}  {} {}", good(word), webhook.webhook, clipped(&webhook.url)))?;
    if let Some(secret) = &webhook.secret {
        out.line(&format!("secret    {secret}"))?;
        out.line(&faint("it is not told again: give it to the receiver now"))?;
    }
    Ok(Exit::Success)
}

/// With what a webhook signs since its secret was changed.
fn say_signers(webhook: &WebhookView, out: &mut Output) -> Result<(), CommandError> {
    let [newest, rest @ ..] = webhook.secrets.as_slice() else { return Ok(()) };
    if let Some(public) = &newest.public {
        out.line(&format!("public    {}", printable(public)))?;
        out.line(&faint("give the public key to the receiver; nobody else has the secret one"))?;
    }
    if let Some(SecretView { until: Some(until), .. }) = rest.first() {
        out.line(&faint(&format!("the one before signs until {}, and any older one no more", clipped(until))))?;
    }
    Ok(())
}
