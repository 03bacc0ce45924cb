//! What is told of events on the command line: those that are sent, followed and looked at, and the values that their handlers keep.
//!
//! Invariant: names and positions are validated here. Nothing here does anything.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Subcommand, ValueEnum};
use wharf_event::{BucketName, BusName, Position, TopicName};

use crate::config::parse_duration;

/// An event, or a file of them.
#[derive(Debug, Args)]
pub struct EventArgs {
    /// The event's type; `-` reads a whole CloudEvent in JSON from stdin
    #[arg(value_name = "TYPE", required_unless_present = "batch", conflicts_with = "batch")]
    pub kind: Option<String>,
    /// Where it happened, a URI reference [default: cli]
    #[arg(long, conflicts_with = "batch")]
    pub source: Option<String>,
    /// The payload: JSON, @FILE, or - for stdin
    #[arg(short, long, value_name = "JSON", conflicts_with = "batch", allow_negative_numbers = true)]
    pub data: Option<String>,
    /// What in the source it is about
    #[arg(long, conflicts_with = "batch")]
    pub subject: Option<String>,
    /// Its id; a new one if left out
    #[arg(long, conflicts_with = "batch")]
    pub id: Option<String>,
    /// An extension attribute; may be repeated
    #[arg(short = 's', long = "set", value_name = "NAME=VALUE", value_parser = pair, conflicts_with = "batch")]
    pub extensions: Vec<(String, String)>,
    /// Send a file of CloudEvents, one JSON object a line; `-` reads stdin. Nothing is followed
    #[arg(long, value_name = "FILE")]
    pub batch: Option<PathBuf>,
}

/// `wharf send`.
#[derive(Debug, Args)]
pub struct SendArgs {
    /// What is sent.
    #[command(flatten)]
    pub event: EventArgs,
    /// The bus that it goes to
    #[arg(long, default_value = "default")]
    pub bus: BusName,
    /// The topic that it is published to, in place of a bus
    #[arg(long, conflicts_with = "bus")]
    pub topic: Option<TopicName>,
    /// Stop once the event is durable
    #[arg(long, conflicts_with = "batch")]
    pub no_wait: bool,
    /// How long to follow it
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = parse_duration, conflicts_with = "batch")]
    pub timeout: Duration,
}

/// `wharf tail`.
#[derive(Debug, Args)]
pub struct TailArgs {
    /// Only events whose type begins so, and their attempts
    #[arg(long = "type", value_name = "PREFIX")]
    pub kind: Option<String>,
    /// Only attempts that ended so
    #[arg(long)]
    pub outcome: Option<OutcomeKind>,
    /// From here on; from now if left out
    #[arg(long, value_name = "POSITION")]
    pub from: Option<Position>,
    /// Lines a second at most; further ones that pass the filters are counted, and the count is told
    #[arg(long, value_name = "LINES", value_parser = clap::value_parser!(u32).range(1..))]
    pub rate: Option<u32>,
}

/// `wharf top`.
#[derive(Debug, Args)]
pub struct TopArgs {
    /// How long one look takes
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = parse_interval)]
    pub interval: Duration,
    /// Looks after which to stop; until Ctrl-C if left out
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub times: Option<u32>,
}

/// How an attempt ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OutcomeKind {
    /// The handler is done with the event.
    Ack,
    /// It is tried again.
    Retry,
    /// It was given up.
    DeadLetter,
    /// A transform of the rule left the event out.
    Filtered,
}

/// `wharf events`.
#[derive(Debug, Subcommand)]
pub enum EventsCommand {
    /// List events, newest first
    #[command(visible_alias = "list", after_help = "Example:\n  wharf events ls --type com.example. --limit 10")]
    Ls {
        /// Rows at most
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
        /// Only events whose type begins so
        #[arg(long = "type", value_name = "PREFIX")]
        kind: Option<String>,
        /// Only events before this one
        #[arg(long, value_name = "POSITION")]
        before: Option<Position>,
    },
    /// Show one event with everything that became of it
    #[command(after_help = "Example:\n  wharf events show 1042-256\n  wharf events show 1042-256 --attempt 1 --calls")]
    Show {
        /// Its position, or its id (the newest event with this id)
        #[arg(value_name = "POSITION|ID")]
        event: String,
        /// Print it as a fixture for `wharf test` instead
        #[arg(long)]
        fixture: bool,
        /// Show what an attempt asked the outside and was told instead, where that is recorded
        #[arg(long, conflicts_with = "fixture")]
        calls: bool,
        /// Which attempt; the newest without it
        #[arg(long, value_name = "N", requires = "calls", value_parser = clap::value_parser!(u32).range(1..))]
        attempt: Option<u32>,
        /// Which delivery, by its number; needed where the event has several
        #[arg(long, value_name = "N", requires = "calls")]
        delivery: Option<u16>,
    },
}

/// `wharf kv`.
#[derive(Debug, Subcommand)]
pub enum KvCommand {
    /// List buckets, or the keys of one
    #[command(visible_alias = "list", after_help = "Example:\n  wharf kv ls event-stats --after type/com.github.push")]
    Ls {
        /// The bucket
        bucket: Option<BucketName>,
        /// Only keys after this one
        #[arg(long, value_name = "KEY", requires = "bucket")]
        after: Option<String>,
        /// Rows at most
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1000), requires = "bucket")]
        limit: u32,
    },
    /// Write the value of a key to stdout, byte for byte
    #[command(after_help = "Example:\n  wharf kv get event-stats type/com.github.push")]
    Get {
        /// The bucket
        bucket: BucketName,
        /// The key
        key: String,
    },
}

/// `NAME=VALUE`.
pub fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write it as name=value".to_owned()),
    }
}

fn parse_interval(text: &str) -> Result<Duration, String> {
    match parse_duration(text) {
        Ok(interval) if interval.is_zero() => Err("an interval is longer than nothing".to_owned()),
        parsed => parsed,
    }
}
