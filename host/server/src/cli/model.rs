//! `wharf model`: models of the tenant, their versions, and which of those answers.
//!
//! Invariant: the digest is that of the bytes that are sent. What a host refuses is told as it says it. A version that is written short is the only
//! one that begins so.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use clap::{Args, Subcommand};
use serde::Serialize;
use wharf_event::{Digest, ModelName};
use wharf_gateway::view::{
    CanaryDraft, ModelBatching, ModelCanaryView, ModelDetail, ModelPromotion, ModelRollBack, ModelShadowView,
    ModelVersionView, ModelView, RuleOrigin,
};
use wharf_infer::limits::MODEL_BYTES_MAX;

use super::{
    args::Global,
    error::{CommandError, Exit},
    input::unreadable,
    model_drift::{self, BaselineArgs},
    object,
    output::Output,
    session::Session,
    words::{good, strong},
};
use crate::{
    client::{ClientError, Resource},
    compile::read_bounded,
    config::{duration_text, parse_duration},
    progress::Progress,
};

/// How often the terminal shows how far it has come.
const SHOW_EVERY: Duration = Duration::from_millis(100);

/// What is told of a version that is asked and does not answer.
const IN_THE_SHADOW: &str = "in the shadow";

/// `wharf model`.
#[derive(Debug, Subcommand)]
pub enum ModelCommand {
    /// Send a file as a version of a model, which is made if there is none; it answers nothing until it is promoted
    #[command(
        after_help = "Example:\n  wharf model put fraud fraud.onnx -m 'trained on October'\n  wharf model put fraud fraud.onnx --promote"
    )]
    Put(PutArgs),
    /// List models, those of the configuration file among them
    #[command(visible_alias = "list", after_help = "Example:\n  wharf model ls")]
    Ls,
    /// Show a model: its versions, what they take and give, and what happened
    #[command(after_help = "Example:\n  wharf model show fraud")]
    Show {
        /// The model
        model: ModelName,
    },
    /// Have a version answer all questions, or those of a part of the deliveries; or be asked in the shadow
    #[command(
        after_help = "Example:\n  wharf model promote fraud\n  wharf model promote fraud 3f2a --canary 10%\n  wharf model promote fraud 3f2a --canary 10% --for 1h --abort-on 'error_rate>2%,p99>2x'\n  wharf model promote fraud 3f2a --shadow"
    )]
    Promote {
        /// The model
        model: ModelName,
        /// The version, or how its digest begins; else that on trial, else the newest (with --canary or --shadow always the newest)
        version: Option<String>,
        /// Only of this part of the deliveries, such as 10%
        #[arg(long, value_name = "SHARE")]
        canary: Option<String>,
        /// How long until it answers all questions by itself; else when somebody promotes it
        #[arg(long = "for", value_name = "DURATION", requires = "canary")]
        time: Option<String>,
        /// What ends the canary before, such as 'error_rate>2%,p99>2x'
        #[arg(long, value_name = "CONDITIONS", requires = "canary")]
        abort_on: Option<String>,
        /// Only ask it as well: its answers are held against those that are given, and nobody gets them
        #[arg(long, conflicts_with = "canary")]
        shadow: bool,
        /// Why, for the history
        #[arg(short, long)]
        message: Option<String>,
    },
    /// Go back to the version that answered before, or from a canary or a shadow
    #[command(after_help = "Example:\n  wharf model rollback fraud\n  wharf model rollback fraud --shadow")]
    Rollback {
        /// The model
        model: ModelName,
        /// The version, or how its digest begins; else the last other one that answered all questions
        version: Option<String>,
        /// Only have no version asked in the shadow any more
        #[arg(long, conflicts_with = "version")]
        shadow: bool,
        /// Why, for the history
        #[arg(short, long)]
        message: Option<String>,
    },
    /// Have questions to a model that wait at the same time answered by one run, or each by its own
    #[command(
        after_help = "Example:\n  wharf model batch fraud 64\n  wharf model batch fraud 64 --wait 2ms\n  wharf model batch fraud --none"
    )]
    Batch {
        /// The model
        model: ModelName,
        /// Rows of one run at most: 2 to 1024
        #[arg(required_unless_present = "none")]
        rows: Option<u32>,
        /// How long the first question waits for others, though a worker is free; not at all if it is left out
        #[arg(long, value_parser = parse_duration)]
        wait: Option<Duration>,
        /// Each question has a run of its own
        #[arg(long, conflicts_with_all = ["rows", "wait"])]
        none: bool,
    },
    /// Hold what a model is asked about against the rows that it was trained with
    #[command(
        after_help = "Example:\n  wharf model baseline fraud training.csv\n  wharf model baseline fraud training.csv --window 5000 --psi 0.25\n  wharf model baseline fraud --none"
    )]
    Baseline(BaselineArgs),
    /// Show how far what a model is asked about is from its baseline
    #[command(after_help = "Example:\n  wharf model drift fraud")]
    Drift {
        /// The model
        model: ModelName,
    },
    /// Remove a model with its versions: what asks it is denied from then on
    #[command(visible_alias = "remove", after_help = "Example:\n  wharf model rm fraud")]
    Rm {
        /// The model
        model: ModelName,
    },
}

/// `wharf model put`.
#[derive(Debug, Args)]
pub struct PutArgs {
    /// The model
    model: ModelName,
    /// Its file, in the format ONNX
    file: PathBuf,
    /// What it is called, for people
    #[arg(long)]
    version: Option<String>,
    /// What is to be said about it, for people
    #[arg(short, long)]
    message: Option<String>,
    /// Have it answer all questions from then on
    #[arg(long)]
    promote: bool,
}

/// What `put` tells.
#[derive(Serialize)]
struct Sent<'a> {
    #[serde(flatten)]
    version: &'a ModelVersionView,
    promoted: bool,
}

/// Does what was said of models.
///
/// # Errors
/// When the host refuses, or the file cannot be read.
pub async fn run(command: ModelCommand, global: &Global, out: &mut Output) -> Result<Exit, CommandError> {
    let session = Session::open(global).await?;
    match command {
        ModelCommand::Put(args) => put(args, &session, out).await,
        ModelCommand::Ls => list(&session, out).await,
        ModelCommand::Show { model } => show(&session.client.get(&at(&session, &model)).await?, out),
        ModelCommand::Promote { model, version, canary, time, abort_on, shadow, message } => {
            let version = meant(&session, &model, version.as_deref()).await?;
            let word = match (&canary, shadow) {
                (Some(_), _) => "on trial",
                (None, true) => IN_THE_SHADOW,
                (None, false) => "promoted",
            };
            let canary = canary.map(|share| CanaryDraft { share, time, abort_on });
            let wish = ModelPromotion { version, canary, shadow, reason: message };
            told(&changed(&session, &model, "promote", &wish).await?, word, out)
        }
        ModelCommand::Rollback { model, version, shadow, message } => {
            let version = meant(&session, &model, version.as_deref()).await?;
            let wish = ModelRollBack { version, shadow, reason: message };
            told(&changed(&session, &model, "rollback", &wish).await?, "rolled back", out)
        }
        ModelCommand::Batch { model, rows, wait, none: _ } => {
            let batch_wait_ms = wait.map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
            let wish = ModelBatching { batch: rows, batch_wait_ms };
            batched(&changed(&session, &model, "batch", &wish).await?, out)
        }
        ModelCommand::Baseline(args) => model_drift::baseline(args, &session, out).await,
        ModelCommand::Drift { model } => model_drift::drift(&model, &session, out).await,
        ModelCommand::Rm { model } => object::remove(&session, &at(&session, &model), &model, out).await,
    }
}

pub(super) fn at(session: &Session, model: &ModelName) -> Resource {
    session.own().at("models").at(model)
}

async fn put(args: PutArgs, session: &Session, out: &mut Output) -> Result<Exit, CommandError> {
    let PutArgs { model, file, version, message, promote } = args;
    let bytes = read_bounded(&file, MODEL_BYTES_MAX as u64 + 1).map_err(|source| unreadable(&file, source))?;
    let (digest, size, sent) = (Digest::of(&bytes), bytes.len() as u64, Arc::new(AtomicU64::new(0)));
    let resource = at(session, &model).at("versions").at(digest.hex());
    let resource = resource.ask_some("version", version).ask_some("message", message.clone());
    let sending = session.client.upload(&resource, bytes, &[], &sent);
    let progress = Progress::on_terminal();
    tokio::pin!(sending);
    let put: ModelVersionView = loop {
        match tokio::time::timeout(SHOW_EVERY, &mut sending).await {
            Ok(done) => break done?,
            Err(_) => progress.show(&format!("{} of {size} bytes sent", sent.load(Ordering::Relaxed))),
        }
    };
    progress.clear();
    if promote {
        let wish = ModelPromotion { version: Some(digest), reason: message, ..ModelPromotion::default() };
        let _: ModelDetail = changed(session, &model, "promote", &wish).await?;
    }
    if out.is_json() {
        out.document(&Sent { version: &put, promoted: promote })?;
    } else {
        let word = if promote { "promoted" } else { "ready" };
        out.line(&format!("{}  {model} {digest}", good(word)))?;
        ports(&put, out)?;
    }
    Ok(Exit::Success)
}

async fn list(session: &Session, out: &mut Output) -> Result<Exit, CommandError> {
    let mut all: Vec<ModelView> = Vec::new();
    loop {
        let after = all.last().map(|view| view.model.to_string());
        let resource = session.own().at("models").ask("limit", 1_000).ask_some("after", after);
        let page: Vec<ModelView> = session.client.get(&resource).await?;
        if page.is_empty() {
            break;
        }
        all.extend(page);
    }
    if out.is_json() {
        out.document(&all)?;
        return Ok(Exit::Success);
    }
    let row = |view: &ModelView| {
        let short = |digest: &Digest| digest.short();
        let canary = view.canary.as_ref().map(|canary| format!("{} {}", short(&canary.version), canary.share));
        let stable = view.stable.as_ref().map_or_else(|| "none".to_owned(), short);
        let origin = if view.origin == RuleOrigin::File { "file" } else { "api" };
        [view.model.to_string(), stable, canary.unwrap_or_default(), origin.to_owned()]
    };
    out.table(["MODEL", "VERSION", "CANARY", "ORIGIN"], all.iter().map(row).collect())?;
    Ok(Exit::Success)
}

fn show(detail: &ModelDetail, out: &mut Output) -> Result<Exit, CommandError> {
    if out.is_json() {
        out.document(detail)?;
        return Ok(Exit::Success);
    }
    let ModelView { model, stable, canary, shadow, .. } = &detail.model;
    let answers =
        stable.as_ref().map_or_else(|| "no version answers".to_owned(), |stable| format!("{} answers", stable.short()));
    out.line(&format!("{}  {answers}", strong(model.as_str())))?;
    if let Some(canary) = canary {
        let until = canary.until.as_deref().map_or_else(String::new, |until| format!(" until {until}"));
        out.line(&format!("canary    {} {}{until}", canary.version.short(), canary.share))?;
        let ModelCanaryView { questions, failures, stable_questions, stable_failures, abort_on, .. } = canary;
        out.line(&format!(
            "          {failures} of {questions} questions failed; stable: {stable_failures} of {stable_questions}"
        ))?;
        if !abort_on.is_empty() {
            out.line(&format!("          ends at {}", abort_on.join(", ")))?;
        }
    }
    if let Some(ModelShadowView { version, same, differing, failed, left_out }) = shadow {
        let came = format!("{same} the same, {differing} differing, {failed} failed, {left_out} left out");
        out.line(&format!("shadow    {} {came}", version.short()))?;
    }
    if let Some(batch) = told_batch(&detail.model) {
        out.line(&format!("batch     {batch}"))?;
    }
    for version in &detail.versions {
        let named = version.version.as_deref().map_or_else(String::new, |named| format!(" {named}"));
        let at = version.at.as_deref().map_or_else(String::new, |at| format!("  {at}"));
        let message = version.message.as_deref().map_or_else(String::new, |message| format!("  {message}"));
        out.line(&format!("{}{named}  {} bytes{at}{message}", version.digest, version.bytes))?;
        ports(version, out)?;
    }
    for entry in &detail.history {
        out.line(&format!("{}  {} {}  {}", entry.at, entry.action, entry.release.short(), entry.reason))?;
    }
    Ok(Exit::Success)
}

fn ports(version: &ModelVersionView, out: &mut Output) -> Result<(), CommandError> {
    out.line(&format!("          takes {}", version.inputs.join(", ")))?;
    out.line(&format!("          gives {}", version.outputs.join(", ")))?;
    match &version.alone {
        Some(why) => out.line(&format!("          asked one question at a time: {why}")),
        None => Ok(()),
    }
}

/// How questions are asked together, if they are.
fn told_batch(ModelView { batch, batch_wait_ms, .. }: &ModelView) -> Option<String> {
    let rows = (*batch)?;
    Some(match batch_wait_ms.unwrap_or(0) {
        0 => format!("{rows} rows at most"),
        wait => format!("{rows} rows at most, the first waits {}", duration_text(wait)),
    })
}

/// Tells how questions are asked from now on.
fn batched(detail: &ModelDetail, out: &mut Output) -> Result<Exit, CommandError> {
    if out.is_json() {
        out.document(detail)?;
        return Ok(Exit::Success);
    }
    let how = told_batch(&detail.model).unwrap_or_else(|| "each question has a run of its own".to_owned());
    out.line(&format!("{}  {}  {how}", good("kept"), detail.model.model))?;
    for version in &detail.versions {
        if let (Some(_), Some(why)) = (detail.model.batch, &version.alone) {
            out.line(&format!("          {} is asked one question at a time: {why}", version.digest.short()))?;
        }
    }
    Ok(Exit::Success)
}

async fn changed(
    session: &Session,
    model: &ModelName,
    what: &'static str,
    wish: &impl Serialize,
) -> Result<ModelDetail, CommandError> {
    let body = serde_json::to_vec(wish).map_err(ClientError::NotUnderstood)?;
    Ok(session.client.post(&at(session, model).at(what), "application/json", body).await?)
}

/// Tells what answers from now on.
fn told(detail: &ModelDetail, word: &str, out: &mut Output) -> Result<Exit, CommandError> {
    if out.is_json() {
        out.document(detail)?;
        return Ok(Exit::Success);
    }
    let ModelView { model, stable, canary, shadow, .. } = &detail.model;
    let newest = if word == IN_THE_SHADOW { shadow.as_ref().map(|shadow| shadow.version) } else { None };
    let now = newest
        .or(canary.as_ref().map(|canary| canary.version))
        .or(*stable)
        .map_or_else(String::new, |now| now.to_string());
    let share = canary.as_ref().map_or_else(String::new, |canary| format!("  {}", canary.share));
    out.line(&format!("{}  {model} {now}{share}", good(word)))?;
    Ok(Exit::Success)
}

/// The version that somebody means, where one is written: the only one whose digest begins so.
async fn meant(session: &Session, model: &ModelName, written: Option<&str>) -> Result<Option<Digest>, CommandError> {
    let Some(written) = written else { return Ok(None) };
    if let Ok(whole) = written.parse().or_else(|_| format!("sha256:{written}").parse()) {
        return Ok(Some(whole));
    }
    let detail: ModelDetail = session.client.get(&at(session, model)).await?;
    let begins = written.strip_prefix("sha256:").unwrap_or(written);
    let mut found = detail.versions.iter().filter(|version| version.digest.hex().starts_with(begins));
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(Some(one.digest)),
        (found, _) => Err(CommandError::VersionMeant {
            model: model.clone(),
            written: written.to_owned(),
            several: found.is_some(),
        }),
    }
}
