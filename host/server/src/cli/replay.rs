//! `wharf replay`: events of the archive are owed again.
//!
//! Invariant: the host replays, also when this program ends: it only begins, looks, and cancels.

use std::time::Duration;

use clap::{Args, Subcommand};
use jiff::Timestamp;
use wharf_event::{BusName, ReplayName, RuleName, Target};
use wharf_gateway::view::{ReplayView, ReplayWishView};

use super::{
    args::Global,
    error::{CommandError, Exit, talk},
    input, object,
    output::Output,
    pages, said,
    session::Session,
    words::{bad, counted, good, printable},
};
use crate::client::{ClientError, Condition, Resource};

/// How often it is looked how far a replay has come.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// `wharf replay`.
#[derive(Debug, Subcommand)]
pub enum ReplayCommand {
    /// List replays, those that are over among them
    #[command(visible_alias = "list", after_help = "Example:\n  wharf replay ls")]
    Ls,
    /// Show a replay and how far it has come
    #[command(after_help = "Example:\n  wharf replay show again --wait")]
    Show(ShowArgs),
    /// Begin a replay of what the archive has now
    #[command(
        after_help = "Example:\n  wharf replay start again --type com.example.order. --start 2026-11-01T00:00:00Z --rate 500/s\n  \
        wharf replay start to-audit --bus orders --to-bus audit --pattern '{\"data\": {\"total\": [{\"numeric\": [\">\", 100]}]}}' --wait\n\n\
        Each event comes once, in the order in which it came in, with the attribute `wharfreplay`, to whom the bus's rules owe it now. The \
        same command again is the same replay.\n\n\
        Exit status: 5 there is a replay of that name that brings something else."
    )]
    Start(Box<StartArgs>),
    /// End a replay where it is
    #[command(after_help = "Example:\n  wharf replay cancel again")]
    Cancel(Named),
    /// Let go of a replay that is over; what it brought stays
    #[command(visible_alias = "remove", after_help = "Example:\n  wharf replay rm again")]
    Rm(Named),
}

/// Which replay.
#[derive(Clone, Debug, Args)]
pub struct Named {
    /// The replay
    pub replay: ReplayName,
}

/// `wharf replay show`.
#[derive(Clone, Debug, Args)]
pub struct ShowArgs {
    #[command(flatten)]
    named: Named,
    /// Wait until it is over
    #[arg(long)]
    wait: bool,
}

/// `wharf replay start`.
#[derive(Clone, Debug, Args)]
pub struct StartArgs {
    #[command(flatten)]
    named: Named,
    /// The bus, or topic/NAME, whose events are replayed [default: default]
    #[arg(long)]
    bus: Option<BusName>,
    /// The bus that they are replayed on [default: the same]
    #[arg(long, value_name = "BUS")]
    to_bus: Option<BusName>,
    /// Only this rule of that bus is owed them
    #[arg(long)]
    rule: Option<RuleName>,
    /// Only this target is owed them: a plugin, webhook/NAME, queue/NAME, bus/NAME, topic/NAME
    #[arg(long)]
    target: Option<Target>,
    /// Only events that came then or later; `2h` is as long ago, and another time with each command
    #[arg(long, value_name = "TIME", value_parser = said::when)]
    start: Option<Timestamp>,
    /// Only events that came before then
    #[arg(long, value_name = "TIME", value_parser = said::when)]
    end: Option<Timestamp>,
    /// Only events whose type begins so
    #[arg(long = "type", value_name = "PREFIX")]
    kind: Option<String>,
    /// Only events that this pattern matches: JSON, @FILE, or - for stdin
    #[arg(long, value_name = "JSON")]
    pattern: Option<String>,
    /// Events a second at most [default: 1000]
    #[arg(long, value_name = "N/s", value_parser = said::rate)]
    rate: Option<u32>,
    /// Wait until it is over
    #[arg(long)]
    wait: bool,
}

impl ReplayCommand {
    /// The replay that it is about, which the host may not know.
    pub fn named(&self) -> Option<&ReplayName> {
        match self {
            Self::Show(ShowArgs { named, .. }) | Self::Cancel(named) | Self::Rm(named) => Some(&named.replay),
            Self::Ls | Self::Start(_) => None,
        }
    }
}

/// Asks replays.
pub async fn run(command: ReplayCommand, global: &Global, out: &mut Output) -> Result<Exit, CommandError> {
    let session = Session::open(global).await?;
    match command {
        ReplayCommand::Ls => list(&session, out).await,
        ReplayCommand::Show(args) => {
            let at = replays(&session).at(&args.named.replay);
            let view = looked(&session, &at, session.client.get(&at).await?, args.wait).await?;
            told(&view, args.wait, out)
        }
        ReplayCommand::Start(args) => start(&args, &session, out).await,
        ReplayCommand::Cancel(named) => {
            let at = replays(&session).at(&named.replay).at("cancel");
            let view: ReplayView = session.client.post(&at, "application/json", Vec::new()).await?;
            told(&view, false, out)
        }
        ReplayCommand::Rm(named) => {
            object::remove(&session, &replays(&session).at(&named.replay), &named.replay, out).await
        }
    }
}

pub fn replays(session: &Session) -> Resource {
    session.own().at("replays")
}

async fn list(session: &Session, out: &mut Output) -> Result<Exit, CommandError> {
    let all = pages::whole(&session.client, replays(session), |of: &ReplayView| of.replay.to_string()).await?;
    if out.is_json() {
        out.document(&all)?;
        return Ok(Exit::Success);
    }
    let row = |of: &ReplayView| {
        let bus = of.wish.bus.as_ref().map(ToString::to_string).unwrap_or_default();
        let onto = of.wish.to_bus.as_ref().map_or_else(String::new, |onto| format!(" to {onto}"));
        let begun = printable(&of.begun).into_owned();
        [of.replay.to_string(), phase(of), percent(of), of.replayed.to_string(), format!("{bus}{onto}"), begun]
    };
    out.table(["REPLAY", "PHASE", "LOOKED", "EVENTS", "BUS", "BEGUN"], all.iter().map(row).collect())?;
    Ok(Exit::Success)
}

async fn start(args: &StartArgs, session: &Session, out: &mut Output) -> Result<Exit, CommandError> {
    let pattern = args.pattern.as_deref().map(input::said).transpose()?;
    let pattern =
        pattern.map(|text| serde_json::from_slice(&text)).transpose().map_err(CommandError::PayloadNotJson)?;
    let wish = ReplayWishView {
        bus: args.bus.clone(),
        to_bus: args.to_bus.clone(),
        rule: args.rule.clone(),
        target: args.target.as_ref().map(ToString::to_string),
        start: args.start.map(|time| time.to_string()),
        end: args.end.map(|time| time.to_string()),
        type_prefix: args.kind.clone(),
        pattern,
        events_per_s: args.rate,
    };
    let wish = serde_json::to_vec(&wish).map_err(ClientError::NotUnderstood)?;
    let at = replays(session).at(&args.named.replay);
    let view = session.client.put(&at, wish, Condition::None).await?;
    let view = looked(session, &at, view, args.wait).await?;
    told(&view, args.wait, out)
}

/// The replay as it is, or, where that is asked for, as it is when it is over; how far it has come is told meanwhile.
pub async fn looked(
    session: &Session,
    at: &Resource,
    mut view: ReplayView,
    wait: bool,
) -> Result<ReplayView, CommandError> {
    while wait && view.phase == "running" {
        talk(&format!("{}  {}, {}", view.replay, percent(&view), counted_events(&view)));
        tokio::time::sleep(LOOK_EVERY).await;
        view = session.client.get(at).await?;
    }
    Ok(view)
}

/// Says how a replay stands. One that was waited for and did not come to its end is a failure.
pub fn told(view: &ReplayView, waited: bool, out: &mut Output) -> Result<Exit, CommandError> {
    if out.is_json() {
        out.document(view)?;
    } else {
        let reason = view.reason.as_ref().map_or_else(String::new, |reason| format!(": {}", printable(reason)));
        out.line(&format!("{}  {}, {}, {}{reason}", phase(view), view.replay, percent(view), counted_events(view)))?;
        if view.phase == "done" && view.replayed == 0 {
            talk(&owed_to_none(view));
        }
    }
    Ok(if waited && view.phase != "done" { Exit::Failure } else { Exit::Success })
}

/// Why nothing came of a replay: whose events were looked through, and who was not owed any.
fn owed_to_none(of: &ReplayView) -> String {
    let ReplayWishView { bus, to_bus, rule, target, .. } = &of.wish;
    let bus = bus.as_ref().map_or("default", BusName::as_str);
    let onto = to_bus.as_ref().map_or(bus, BusName::as_str);
    let whom = target.as_ref().map_or_else(|| "anybody".to_owned(), |target| format!("`{}`", printable(target)));
    let owe = match rule {
        Some(rule) => format!("the rule `{rule}` of bus `{onto}` owes none"),
        None => format!("the rules of bus `{onto}` owe none"),
    };
    format!("of the events of bus `{bus}` that it asks for, {owe} to {whom}: `wharf rules explain -e FILE` says why")
}

fn phase(of: &ReplayView) -> String {
    if of.phase == "failed" { bad(&of.phase) } else { good(&of.phase) }
}

fn percent(of: &ReplayView) -> String {
    format!("{:.0} %", of.progress * 100.0)
}

fn counted_events(of: &ReplayView) -> String {
    counted(usize::try_from(of.replayed).unwrap_or(usize::MAX), "event", "events")
}
