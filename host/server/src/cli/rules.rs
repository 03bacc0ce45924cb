//! `wharf rules`: what can be said of rules and asked of them.
//!
//! Invariant: `test` asks no host, all others ask one.

mod explain;
mod manage;
mod trial;

use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand};
use wharf_event::{BusName, PluginAt, PluginName, QueueName, RuleName, TopicName, WebhookName};

use super::{
    args::Global,
    error::{CommandError, Exit},
    output::Output,
    session::Session,
};

pub use explain::{ask, tell, unmatched};
pub use manage::Target;

/// `wharf rules`.
#[derive(Debug, Subcommand)]
pub enum RulesCommand {
    /// List the rules of a bus, those of the configuration file among them
    #[command(visible_alias = "list", after_help = "Example:\n  wharf rules ls --bus audit")]
    Ls(ListArgs),
    /// Show one rule: its pattern, and who gets what it matches
    #[command(after_help = "Example:\n  wharf rules show orders")]
    Show(Named),
    /// Make a rule while events flow; it holds for every event that is accepted from then on
    #[command(
        after_help = "Example:\n  wharf rules add orders --pattern '{\"type\": [\"order.created\"]}' --target triage\n\n\
        A file has what the rule's table in wharf.toml would have, as JSON:\n  \
        {\"pattern\": {\"type\": [\"order.created\"]}, \"targets\": [{\"plugin\": \"triage\", \"retry\": {\"attempts\": 3}}]}\n\n\
        Exit status: 5 there is a rule of that name, or the configuration file has it."
    )]
    Add(AddArgs),
    /// Remove a rule; its deliveries that have not ended go to their dead-letter queues
    #[command(visible_alias = "remove", after_help = "Example:\n  wharf rules rm orders")]
    Rm(Named),
    /// Let a rule match again
    #[command(after_help = "Example:\n  wharf rules enable orders")]
    Enable(Named),
    /// Let a rule match nothing; its deliveries go on
    #[command(after_help = "Example:\n  wharf rules disable orders")]
    Disable(Named),
    /// Say which rules match an event and by which values, and for the others the first field that failed
    #[command(after_help = "Example:\n  wharf rules explain issues-opened -e event.json")]
    Explain {
        /// Only this rule
        rule: Option<RuleName>,
        /// A CloudEvent in JSON; `-` reads stdin
        #[arg(short, long, value_name = "FILE")]
        event: PathBuf,
        /// The bus whose rules are asked
        #[arg(long, default_value = "default")]
        bus: BusName,
    },
    /// Say how many events of a file match a pattern, and how fast; no host is asked
    ///
    /// A CloudEvent is matched as on a bus, where it answers to EventBridge's names too (`detail-type`, `detail`, `resources`);
    /// any other object as it stands.
    #[command(
        after_help = "Example:\n  wharf rules test '{\"type\": [{\"prefix\": \"order.\"}]}' --events events.ndjson\n\n\
        Exit status: 0 every line is an event, 1 some are not; how many match does not matter."
    )]
    Test {
        /// The pattern: JSON, @FILE, or - for stdin
        pattern: String,
        /// Events in JSON, one a line; `-` reads stdin
        #[arg(short, long, value_name = "FILE")]
        events: PathBuf,
    },
}

/// Which rule.
#[derive(Clone, Debug, Args)]
pub struct Named {
    /// The rule
    pub rule: RuleName,
    /// The bus that it listens on
    #[arg(long, default_value = "default")]
    pub bus: BusName,
}

/// `wharf rules ls`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// The bus whose rules are listed
    #[arg(long, default_value = "default")]
    bus: BusName,
    /// Only rules behind this one
    #[arg(long, value_name = "RULE")]
    after: Option<RuleName>,
    /// Rows at most
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
}

/// `wharf rules add`.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("to").multiple(true)))]
pub struct AddArgs {
    #[command(flatten)]
    named: Named,
    /// Which events it is for: JSON, @FILE, or - for stdin
    #[arg(long, value_name = "JSON", required_unless_present = "file", requires = "to")]
    pattern: Option<String>,
    /// A plugin that gets the events; may be repeated
    #[arg(long = "target", value_name = "PLUGIN", requires = "pattern", group = "to")]
    targets: Vec<PluginAt>,
    /// A webhook that sends the events; may be repeated
    #[arg(long = "webhook", value_name = "WEBHOOK", requires = "pattern", group = "to")]
    webhooks: Vec<WebhookName>,
    /// A queue that keeps the events for clients; may be repeated
    #[arg(long = "queue", value_name = "QUEUE", requires = "pattern", group = "to")]
    queues: Vec<QueueName>,
    /// Another bus that the events are published to; may be repeated
    #[arg(long = "to-bus", value_name = "BUS", requires = "pattern", group = "to")]
    buses: Vec<BusName>,
    /// A topic that the events are published to; may be repeated
    #[arg(long = "to-topic", value_name = "TOPIC", requires = "pattern", group = "to")]
    topics: Vec<TopicName>,
    /// A plugin that changes or drops an event on its way to the targets; may be repeated
    #[arg(long = "transform", value_name = "PLUGIN", requires = "pattern")]
    transforms: Vec<PluginName>,
    /// Make it, but let it match nothing yet
    #[arg(long, requires = "pattern")]
    disabled: bool,
    /// All of it as JSON; `-` reads stdin
    #[arg(short, long, conflicts_with = "pattern")]
    file: Option<PathBuf>,
    /// Put it in the place of the rule of that name, if there is one
    #[arg(long)]
    replace: bool,
}

impl RulesCommand {
    /// The rule that it is about, which the host may not know.
    pub fn named(&self) -> Option<&Named> {
        match self {
            Self::Show(named) | Self::Rm(named) | Self::Enable(named) | Self::Disable(named) => Some(named),
            _ => None,
        }
    }
}

/// Asks rules.
pub async fn run(command: RulesCommand, global: &Global, out: &mut Output) -> Result<Exit, CommandError> {
    match command {
        RulesCommand::Explain { rule, event, bus } => explain::run(rule, &event, &bus, global, out).await,
        RulesCommand::Test { pattern, events } => trial::run(&pattern, &events, out),
        RulesCommand::Ls(args) => manage::list(args, &Session::open(global).await?, out).await,
        RulesCommand::Show(named) => manage::show(&named, &Session::open(global).await?, out).await,
        RulesCommand::Add(args) => manage::add(&args, &Session::open(global).await?, out).await,
        RulesCommand::Rm(named) => manage::remove(&named, &Session::open(global).await?, out).await,
        RulesCommand::Enable(named) => manage::switch(&named, true, &Session::open(global).await?, out).await,
        RulesCommand::Disable(named) => manage::switch(&named, false, &Session::open(global).await?, out).await,
    }
}
