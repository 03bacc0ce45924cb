//! `wharf schedule`: what a tenant's schedules are and when they are due.
//!
//! Invariant: `next` asks no host: what an expression means stands in this program. Nothing is overwritten that was not seen: a schedule is made
//! where there is none unless `--replace` says otherwise, and one that is paused or resumed is else put back as it was read.

mod manage;
mod next;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use jiff::Timestamp;
use wharf_event::{BusName, CatchUp, PluginAt, QueueName, ScheduleName, TopicName, WebhookName};

use super::{
    args::Global,
    error::{CommandError, Exit},
    output::Output,
    session::Session,
};

pub use next::{NextArgs, next};

/// `wharf schedule`.
#[derive(Debug, Subcommand)]
pub enum ScheduleCommand {
    /// List schedules, those of the configuration file among them
    #[command(visible_alias = "list", after_help = "Example:\n  wharf schedule ls")]
    Ls(ListArgs),
    /// Show a schedule and when it is due next
    #[command(after_help = "Example:\n  wharf schedule show nightly")]
    Show(Named),
    /// Make a schedule: an event is published, or sent to targets, each time that it is due
    #[command(
        after_help = "Example:\n  wharf schedule put nightly 'cron(0 3 * * ? *)' --timezone Europe/Berlin --type com.example.nightly\n  \
        wharf schedule put reminder 'at(2026-12-01T09:00:00)' --type com.example.reminder -d '{\"order\": 7}' --after delete\n  \
        wharf schedule put weekly 'cron(0 6 ? * MON *)' --type com.example.weekly --to report\n\n\
        A file has what the schedule's table in wharf.toml would have, as JSON:\n  \
        {\"expression\": \"rate(5 minutes)\", \"type\": \"com.example.tick\", \"catch_up\": \"none\"}\n\n\
        Exit status: 5 there is a schedule of that name, or the configuration file has it."
    )]
    Put(Box<PutArgs>),
    /// Remove a schedule
    #[command(visible_alias = "remove", after_help = "Example:\n  wharf schedule rm nightly")]
    Rm(Named),
    /// Let a schedule rest
    #[command(after_help = "Example:\n  wharf schedule pause nightly")]
    Pause(Named),
    /// Let a schedule fire again; what was due meanwhile is not caught up
    #[command(after_help = "Example:\n  wharf schedule resume nightly")]
    Resume(Named),
    /// Say when an expression is due next; no host is asked
    #[command(after_help = "Example:\n  wharf schedule next 'cron(0 9 ? * MON-FRI *)' --timezone Europe/Berlin\n\n\
        An expression is at(2026-12-01T09:00:00), rate(5 minutes) or cron(minutes hours day-of-month month day-of-week year), as EventBridge \
        Scheduler has them. A local time that a change of the clocks passes over is due when they change; one that comes twice is due the first \
        time.")]
    Next(NextArgs),
}

/// Which schedule.
#[derive(Clone, Debug, Args)]
pub struct Named {
    /// The schedule
    pub schedule: ScheduleName,
}

/// `wharf schedule ls`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Only schedules behind this one
    #[arg(long, value_name = "SCHEDULE")]
    after: Option<ScheduleName>,
    /// Rows at most
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
}

/// `wharf schedule put`.
#[derive(Debug, Args)]
pub struct PutArgs {
    #[command(flatten)]
    named: Named,
    /// When it is due: at(…), rate(…) or cron(…)
    #[arg(required_unless_present = "file", requires = "kind")]
    expression: Option<String>,
    /// The type of its events
    #[arg(long = "type", value_name = "TYPE", requires = "expression")]
    kind: Option<String>,
    /// The payload: JSON, @FILE, or - for stdin
    #[arg(short, long, value_name = "JSON", requires = "expression", allow_negative_numbers = true)]
    data: Option<String>,
    /// Where its events happen, a URI reference [default: the schedule]
    #[arg(long, requires = "expression")]
    source: Option<String>,
    /// What they are about
    #[arg(long, requires = "expression")]
    subject: Option<String>,
    /// The bus that they are published to [default: default]
    #[arg(long, requires = "expression")]
    bus: Option<BusName>,
    /// A plugin that gets its events straight away, in place of a bus; may be repeated
    #[arg(
        long = "to",
        visible_alias = "target",
        value_name = "PLUGIN",
        requires = "expression",
        conflicts_with = "bus"
    )]
    targets: Vec<PluginAt>,
    /// A webhook that sends them; may be repeated
    #[arg(
        long = "to-webhook",
        visible_alias = "webhook",
        value_name = "WEBHOOK",
        requires = "expression",
        conflicts_with = "bus"
    )]
    webhooks: Vec<WebhookName>,
    /// A queue that keeps them for clients; may be repeated
    #[arg(
        long = "to-queue",
        visible_alias = "queue",
        value_name = "QUEUE",
        requires = "expression",
        conflicts_with = "bus"
    )]
    queues: Vec<QueueName>,
    /// A bus that they are published to beside other targets; may be repeated
    #[arg(long = "to-bus", value_name = "BUS", requires = "expression", conflicts_with = "bus")]
    buses: Vec<BusName>,
    /// A topic that they are published to; may be repeated
    #[arg(
        long = "to-topic",
        visible_alias = "topic",
        value_name = "TOPIC",
        requires = "expression",
        conflicts_with = "bus"
    )]
    topics: Vec<TopicName>,
    /// The time zone whose local times the expression names [default: UTC]
    #[arg(long, value_name = "ZONE", requires = "expression")]
    timezone: Option<String>,
    /// Nothing is due before then; a rate counts from there
    #[arg(long, value_name = "TIME", requires = "expression")]
    start: Option<Timestamp>,
    /// Nothing is due after then
    #[arg(long, value_name = "TIME", requires = "expression")]
    end: Option<Timestamp>,
    /// How long after its time it may fire, as in 15m
    #[arg(long, value_name = "DURATION", requires = "expression")]
    flexible_window: Option<String>,
    /// What fires of due times that were missed: none, last or all [default: last]
    #[arg(long, value_name = "WHAT", requires = "expression")]
    catch_up: Option<CatchUp>,
    /// What becomes of it when nothing is due any more: keep or delete [default: keep]
    #[arg(long, value_name = "WHAT", requires = "expression")]
    after: Option<String>,
    /// Make it, but let it rest
    #[arg(long, requires = "expression")]
    paused: bool,
    /// All of it as JSON; `-` reads stdin
    #[arg(short, long, conflicts_with = "expression")]
    file: Option<PathBuf>,
    /// Put it in the place of the schedule of that name, if there is one
    #[arg(long)]
    replace: bool,
}

impl ScheduleCommand {
    /// The schedule that it is about, which the host may not know.
    pub fn named(&self) -> Option<&ScheduleName> {
        match self {
            Self::Show(named) | Self::Rm(named) | Self::Pause(named) | Self::Resume(named) => Some(&named.schedule),
            Self::Ls(_) | Self::Put(_) | Self::Next(_) => None,
        }
    }
}

/// Asks schedules.
pub async fn run(command: ScheduleCommand, global: &Global, out: &mut Output) -> Result<Exit, CommandError> {
    match command {
        ScheduleCommand::Next(args) => next(&args, out),
        ScheduleCommand::Ls(args) => manage::list(args, &Session::open(global).await?, out).await,
        ScheduleCommand::Show(named) => manage::show(&named, &Session::open(global).await?, out).await,
        ScheduleCommand::Put(args) => manage::put(&args, &Session::open(global).await?, out).await,
        ScheduleCommand::Rm(named) => manage::remove(&named, &Session::open(global).await?, out).await,
        ScheduleCommand::Pause(named) => manage::switch(&named, false, &Session::open(global).await?, out).await,
        ScheduleCommand::Resume(named) => manage::switch(&named, true, &Session::open(global).await?, out).await,
    }
}
