//! `wharf rules`: what can be asked of rules and of patterns.
//!
//! Invariant: `test` asks no host, all others ask one.

mod explain;
mod trial;

use std::path::PathBuf;

use clap::Subcommand;
use wharf_event::{BusName, RuleName};

use super::{
    args::Global,
    error::{CommandError, Exit},
    output::Output,
};

pub use explain::{ask, unmatched};

/// `wharf rules`.
#[derive(Debug, Subcommand)]
pub enum RulesCommand {
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
    /// Events are matched as they stand: for a CloudEvent in JSON that is as a bus has it, but for EventBridge's names
    /// (`detail-type`, `detail`, `resources`), which only an event on a bus has beside its own.
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

/// Asks rules.
pub async fn run(command: RulesCommand, global: &Global, out: &mut Output) -> Result<Exit, CommandError> {
    match command {
        RulesCommand::Explain { rule, event, bus } => explain::run(rule, &event, &bus, global, out).await,
        RulesCommand::Test { pattern, events } => trial::run(&pattern, &events, out),
    }
}
