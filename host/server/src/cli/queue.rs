//! `wharf queue …`: queues that clients receive messages of, made and changed, and their messages.
//!
//! Invariant: what is received is printed before it is acked, so that a message that nobody saw comes again.

mod manage;
mod messages;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use wharf_event::{PluginName, QueueName};

use super::{
    args::{EventArgs, Global},
    error::{CommandError, Exit},
    output::Output,
    session::Session,
};

/// Commands about queues.
#[derive(Debug, Subcommand)]
pub enum QueueCommand {
    /// Make a queue
    #[command(
        after_help = "Example:\n  wharf queue create jobs --visibility 1m --max-receives 5\n  wharf rules add jobs --pattern '{\"type\": [\"order.placed\"]}' --queue jobs"
    )]
    Create(CreateArgs),
    /// List the queues of the tenant, with what is in them
    #[command(visible_alias = "list", after_help = "Example:\n  wharf queue ls")]
    Ls,
    /// Show one queue: what holds for its messages, and what is in it
    #[command(after_help = "Example:\n  wharf queue show jobs")]
    Show(Named),
    /// Remove a queue; what is in it goes to the dead letters
    #[command(after_help = "Example:\n  wharf queue rm jobs")]
    Rm(Named),
    /// Let nobody receive anything; messages come in as before
    #[command(after_help = "Example:\n  wharf queue pause jobs")]
    Pause(Named),
    /// Let messages be received again
    #[command(after_help = "Example:\n  wharf queue resume jobs")]
    Resume(Named),
    /// Send a message, or a file of them, straight to a queue
    #[command(
        after_help = "Example:\n  wharf queue send jobs thumbnail.wanted -d '{\"image\": 7}'\n  wharf queue send jobs --batch jobs.ndjson --delay 1m"
    )]
    Send(SendArgs),
    /// Receive messages: they are yours for a while
    #[command(
        after_help = "Example:\n  wharf queue receive jobs --wait 20s\n  wharf queue receive jobs --follow --ack -o json\n\n\
        What is not ended in time, with `wharf queue ack` or --ack, comes again."
    )]
    Receive(ReceiveArgs),
    /// End messages: they are done, and gone
    #[command(after_help = "Example:\n  wharf queue ack jobs 1042-256.0@1050-0")]
    Ack(Receipts),
    /// Give messages back, to be received again
    #[command(visible_alias = "nack", after_help = "Example:\n  wharf queue release jobs 1042-256.0@1050-0 --delay 1m")]
    Release(ReleaseArgs),
    /// Keep messages longer
    #[command(after_help = "Example:\n  wharf queue extend jobs 1042-256.0@1050-0 --visibility 5m")]
    Extend(ExtendArgs),
    /// List messages without receiving them
    #[command(after_help = "Example:\n  wharf queue peek jobs --limit 5")]
    Peek(PeekArgs),
    /// Empty a queue of all that is in it now, whoever has it
    #[command(after_help = "Example:\n  wharf queue purge jobs")]
    Purge(Named),
}

/// A queue.
#[derive(Debug, Args)]
pub struct Named {
    /// The queue
    queue: QueueName,
}

/// What a queue is to be.
#[derive(Debug, Args)]
pub struct CreateArgs {
    #[command(flatten)]
    named: Named,
    /// How long who received a message has it, where nothing else is said [default: 30s]
    #[arg(long, value_name = "DURATION", conflicts_with = "file")]
    visibility: Option<String>,
    /// How long a message waits until it can be received first [default: 0s]
    #[arg(long, value_name = "DURATION", conflicts_with = "file")]
    delay: Option<String>,
    /// How old a message may become; then it is gone [default: 4d]
    #[arg(long, value_name = "DURATION", conflicts_with = "file")]
    retention: Option<String>,
    /// How often a message may be received until it goes to the dead letters
    #[arg(long, value_name = "N", conflicts_with = "file")]
    max_receives: Option<u32>,
    /// Messages that may wait; one more is refused [default: as many as the tenant's backlog lets]
    #[arg(long, value_name = "N", conflicts_with = "file")]
    backlog: Option<u32>,
    /// The queue of dead letters that it goes to [default: named like the queue]
    #[arg(long, value_name = "QUEUE", conflicts_with = "file")]
    dead_letter: Option<QueueName>,
    /// Know what is sent again by what it says, and not by its id
    #[arg(long, conflicts_with = "file")]
    content_deduplication: bool,
    /// Let messages with one `partitionkey` come one after the other
    #[arg(long, conflicts_with = "file")]
    ordered: bool,
    /// The plugin that consumes it, many messages in one call
    #[arg(long, value_name = "PLUGIN", conflicts_with = "file")]
    consumer: Option<PluginName>,
    /// Messages of one call of the consumer at most [default: 100]
    #[arg(long, value_name = "N", requires = "consumer")]
    batch: Option<u32>,
    /// How long such a call waits for more messages after the first [default: 500ms]
    #[arg(long, value_name = "DURATION", requires = "consumer")]
    window: Option<String>,
    /// Calls of the consumer at a time, at most [default: 1]
    #[arg(long, value_name = "N", requires = "consumer")]
    concurrency: Option<u32>,
    /// A file with all of that as JSON; `-` reads stdin
    #[arg(short, long)]
    file: Option<PathBuf>,
    /// Put it in the place of the queue of that name, if there is one; its messages stay
    #[arg(long)]
    replace: bool,
}

/// What is sent.
#[derive(Debug, Args)]
pub struct SendArgs {
    #[command(flatten)]
    named: Named,
    #[command(flatten)]
    event: EventArgs,
    /// How long it waits until it can be received, in place of the queue's own delay
    #[arg(long, value_name = "DURATION")]
    delay: Option<String>,
}

/// How messages are received.
#[derive(Debug, Args)]
pub struct ReceiveArgs {
    #[command(flatten)]
    named: Named,
    /// Messages at most
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1000))]
    max: u32,
    /// How long to wait where there is none
    #[arg(long, value_name = "DURATION", conflicts_with = "follow")]
    wait: Option<String>,
    /// How long they are yours; as the queue says if left out
    #[arg(long, value_name = "DURATION")]
    visibility: Option<String>,
    /// End them once they are printed
    #[arg(long)]
    ack: bool,
    /// Go on until Ctrl-C
    #[arg(long)]
    follow: bool,
}

/// Messages that somebody has.
#[derive(Debug, Args)]
pub struct Receipts {
    #[command(flatten)]
    named: Named,
    /// Their receipts, as they were received
    #[arg(value_name = "RECEIPT", required = true)]
    receipts: Vec<String>,
}

/// What is given back.
#[derive(Debug, Args)]
pub struct ReleaseArgs {
    #[command(flatten)]
    of: Receipts,
    /// When they can be received again; at once if left out
    #[arg(long, value_name = "DURATION")]
    delay: Option<String>,
}

/// What is kept.
#[derive(Debug, Args)]
pub struct ExtendArgs {
    #[command(flatten)]
    of: Receipts,
    /// For how long, from now; as the queue says if left out
    #[arg(long, value_name = "DURATION")]
    visibility: Option<String>,
}

/// What is looked at.
#[derive(Debug, Args)]
pub struct PeekArgs {
    #[command(flatten)]
    named: Named,
    /// Only messages of an ordered queue with this `partitionkey`, those behind others too; '' for those without one
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// Only messages behind the one of this id
    #[arg(long, value_name = "ID")]
    after: Option<String>,
    /// Rows at most
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
}

impl QueueCommand {
    /// The queue that it is about, which the host may not know.
    pub fn named(&self) -> Option<&QueueName> {
        Some(match self {
            Self::Ls | Self::Create(_) => return None,
            Self::Show(named) | Self::Rm(named) | Self::Pause(named) | Self::Resume(named) | Self::Purge(named) => {
                &named.queue
            }
            Self::Send(args) => &args.named.queue,
            Self::Receive(args) => &args.named.queue,
            Self::Ack(of) => &of.named.queue,
            Self::Release(args) => &args.of.named.queue,
            Self::Extend(args) => &args.of.named.queue,
            Self::Peek(args) => &args.named.queue,
        })
    }
}

/// Does what was said of queues.
///
/// # Errors
/// When the host refuses, a receipt is not good, or a file cannot be read.
pub async fn run(command: QueueCommand, global: &Global, out: &mut Output) -> Result<Exit, CommandError> {
    let session = Session::open(global).await?;
    match command {
        QueueCommand::Create(args) => manage::create(&args, &session, out).await,
        QueueCommand::Ls => manage::list(&session, out).await,
        QueueCommand::Show(Named { queue }) => manage::show(&queue, &session, out).await,
        QueueCommand::Rm(Named { queue }) => manage::remove(&queue, &session, out).await,
        QueueCommand::Pause(Named { queue }) => manage::turn(&queue, true, &session, out).await,
        QueueCommand::Resume(Named { queue }) => manage::turn(&queue, false, &session, out).await,
        QueueCommand::Send(args) => messages::send(&args, &session, out).await,
        QueueCommand::Receive(args) => messages::receive(&args, &session, out).await,
        QueueCommand::Ack(of) => messages::ack(&of, &session, out).await,
        QueueCommand::Release(args) => messages::release(&args, &session, out).await,
        QueueCommand::Extend(args) => messages::extend(&args, &session, out).await,
        QueueCommand::Peek(args) => messages::peek(args, &session, out).await,
        QueueCommand::Purge(Named { queue }) => messages::purge(&queue, &session, out).await,
    }
}
