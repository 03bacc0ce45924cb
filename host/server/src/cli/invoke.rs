//! `wharf invoke`: a component is called once, as a host would call it, and what it did is told. No host is asked, nothing is kept.
//!
//! Invariant: the exit status is the outcome. All limits of a plugin are on, those of `wharf.toml` where nothing else is said.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use clap::Args;
use wharf_delivery::LimitsDocument;
use wharf_dispatch::{Clock as _, SystemClock};
use wharf_event::{BucketAccess, Code, Event, EventTypes, Grants, PluginName, batch_from_json};
use wharf_inspect::limits::COMPONENT_BYTES_MAX;

use super::{
    args::pair,
    error::{Exit, talk},
    input,
    output::Output,
    said,
    words::printable,
};
use crate::{
    author::{Call, Ended, Secrets, Seed, Stage, View, Word, lines, plugin_name},
    compile::read_bounded,
    config::parse_duration,
    failure::Failure,
};

/// `wharf invoke`.
#[derive(Debug, Args)]
pub struct InvokeArgs {
    /// The component
    #[arg(value_name = "FILE.wasm")]
    file: PathBuf,
    /// The event, a CloudEvent in JSON; for a batch handler also an array of them; `-` reads stdin
    #[arg(short, long, value_name = "FILE")]
    event: PathBuf,
    /// The key-value state that it meets, {"BUCKET": {"KEY": VALUE}}; `default` is its own bucket
    #[arg(long, value_name = "FILE")]
    kv: Option<PathBuf>,
    /// The secrets that it may hold, {"NAME": "VALUE"}
    #[arg(long, value_name = "FILE")]
    secrets: Option<PathBuf>,
    /// A value of its config table; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    config: Vec<(String, String)>,
    /// Event types that it may publish beside those that it says it needs
    #[arg(long, value_name = "TYPES")]
    publish: Vec<EventTypes>,
    /// A bucket that it may open beside those that it says it needs; with `:read` behind its name it is only read
    #[arg(long, value_name = "BUCKET")]
    bucket: Vec<BucketAccess>,
    /// Which plugin it is; the file's name if left out
    #[arg(long)]
    name: Option<PluginName>,
    /// Which attempt it is
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    attempt: u32,
    /// How many attempts there may be
    #[arg(long, value_name = "N", default_value_t = 185, value_parser = clap::value_parser!(u32).range(1..))]
    attempts: u32,
    /// Wall time that it may take
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = parse_duration)]
    deadline: Duration,
    /// CPU time that it may take
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = parse_duration)]
    cpu: Duration,
    /// Memory that it may take, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..))]
    memory: u32,
    /// The time at which its clock stands still
    #[arg(long, value_name = "TIME", value_parser = said::when)]
    now: Option<jiff::Timestamp>,
    /// Show too what it read, and what the host did for it
    #[arg(long)]
    trace: bool,
}

/// Calls a component.
///
/// # Errors
/// When a file cannot be read, or is not what it should be.
pub fn run(args: InvokeArgs, out: &mut Output) -> Result<Exit> {
    let trace = args.trace;
    let ended = called(args)?;
    if out.is_json() {
        out.document(&View::of(&ended)?)?;
    } else {
        for line in lines(&ended, trace)? {
            out.line(&line)?;
        }
    }
    if let Some(code) = ended.outcomes.iter().find_map(|it| it.code)
        && !matches!(ended.worst(), Word::Retry | Word::Reject)
    {
        talk(&format!("`wharf explain {}` says what to do", printable(code.as_str())));
    }
    Ok(exit(ended.worst()))
}

fn called(args: InvokeArgs) -> Result<Ended> {
    let plugin = match args.name {
        Some(name) => name,
        None => plugin_name(&args.file).context("the file's name is no plugin's; say one with --name")?,
    };
    let events = events(&args.event)?;
    let seed = match &args.kv {
        Some(file) => Seed::from_json(&input::whole(file)?, &plugin).with_context(|| file.display().to_string())?,
        None => Seed::default(),
    };
    let secrets = match &args.secrets {
        Some(file) => Secrets::from_json(&input::whole(file)?).with_context(|| file.display().to_string())?,
        None => Secrets::default(),
    };
    let more = Grants {
        publish: args.publish,
        kv: args.bucket,
        hold: secrets.names().cloned().collect(),
        ..Grants::default()
    };
    let ms = |time: Duration| u32::try_from(time.as_millis()).unwrap_or(u32::MAX);
    let limits = LimitsDocument {
        wall_ms: ms(args.deadline),
        cpu_ms: ms(args.cpu),
        memory_mib: args.memory,
        ..LimitsDocument::default()
    };
    let now = args.now.map(|now| u64::try_from(now.as_millisecond()).unwrap_or_default());
    let stage = stage(&args.file, plugin)?;
    let call = Call {
        events,
        seed: Arc::new(seed),
        stubs: Arc::default(),
        secrets,
        config: args.config.into_iter().collect::<BTreeMap<_, _>>(),
        grants: stage.asked().with(&more),
        limits,
        attempt: args.attempt,
        max_attempts: args.attempts,
        now_ms: now.unwrap_or_else(|| SystemClock::default().wall_ms()),
        stands_still: now.is_some(),
    };
    Ok(stage.call(call).map_err(|error| Failure::of(error.code(), &error))?)
}

/// The component of a file.
///
/// # Errors
/// When it is none that a host runs.
pub fn stage(file: &Path, plugin: PluginName) -> Result<Stage> {
    let wasm = read_bounded(file, COMPONENT_BYTES_MAX as u64 + 1).map_err(|error| {
        let help = "build it, or correct the path";
        Failure::new(Code::ComponentMissing, format!("{}: {error}", file.display()), help)
    })?;
    Ok(Stage::new(&wasm, plugin).map_err(|error| Failure::of(error.code(), &error))?)
}

/// One event, or those of an array.
fn events(file: &Path) -> Result<Vec<Event>> {
    let bytes: Bytes = input::whole(file)?.into();
    let is_array = bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
    let read = if is_array {
        batch_from_json(&bytes).and_then(|events| events.into_iter().collect())
    } else {
        Event::from_json(&bytes).map(|event| vec![event])
    };
    let name = if input::is_stdin(file) { "stdin".to_owned() } else { file.display().to_string() };
    let refused = |error: wharf_event::EventError| {
        Failure::new(
            error.code(),
            format!("{name}: {error}"),
            format!("`wharf explain {}` says what an event is", error.code()),
        )
    };
    Ok(read.map_err(refused)?)
}

/// The exit status of an outcome.
fn exit(word: Word) -> Exit {
    match word {
        Word::Ok | Word::Filtered => Exit::Success,
        Word::Retry => Exit::Retry,
        Word::Reject => Exit::DeadLetter,
        Word::Trap | Word::Limit | Word::Failed => Exit::Failure,
    }
}
