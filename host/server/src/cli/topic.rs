//! `wharf topic …`: topics, who subscribes to them, and what is published to them.
//!
//! Invariant: what is published is as durable as the answer says, and followed by `wharf trace`; nothing is waited for here.

mod manage;
mod subscriptions;

use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand};
use wharf_event::{BusName, PluginAt, PluginName, QueueName, SubscriptionName, TopicName, WebhookName};

use super::{
    args::{EventArgs, Global},
    error::{CommandError, Exit},
    output::Output,
    session::Session,
};

/// How to say who gets what is published.
const WHOM: [&str; 6] = ["targets", "webhooks", "queues", "buses", "topics", "file"];

/// Commands about topics.
#[derive(Debug, Subcommand)]
pub enum TopicCommand {
    /// Make a topic
    #[command(
        after_help = "Example:\n  wharf topic create orders\n  wharf topic subscribe orders billing --queue invoices\n  wharf topic publish orders order.placed -d '{\"total\": 12}'"
    )]
    Create(CreateArgs),
    /// List the topics of the tenant
    #[command(visible_alias = "list", after_help = "Example:\n  wharf topic ls")]
    Ls,
    /// Show one topic
    #[command(after_help = "Example:\n  wharf topic show orders")]
    Show(Named),
    /// Remove a topic that nothing publishes to, with its subscriptions
    #[command(after_help = "Example:\n  wharf topic rm orders")]
    Rm(Named),
    /// Publish an event, or a file of them
    #[command(
        after_help = "Example:\n  wharf topic publish orders order.placed -d '{\"total\": 12}'\n  wharf topic publish orders --batch orders.ndjson"
    )]
    Publish(PublishArgs),
    /// Let somebody have what is published from now on
    #[command(
        after_help = "Example:\n  wharf topic subscribe orders billing --queue invoices --pattern '{\"data\": {\"total\": [{\"numeric\": [\">\", 0]}]}}'\n  wharf topic subscribe orders audit --to-bus audit --envelope\n\n\
        A file has what the subscription's table in wharf.toml would have, as JSON:\n  \
        {\"raw\": false, \"targets\": [{\"webhook\": \"crm\", \"retry\": {\"attempts\": 3}}]}"
    )]
    Subscribe(SubscribeArgs),
    /// Remove a subscription; its deliveries that have not ended go to their dead-letter queues, and messages stay in their queues
    #[command(after_help = "Example:\n  wharf topic unsubscribe orders billing")]
    Unsubscribe(Subscribed),
    /// Say whether a subscription matches an event and by which values, or the first field that failed
    #[command(after_help = "Example:\n  wharf topic explain orders billing -e event.json")]
    Explain(ExplainArgs),
    /// List the subscriptions of a topic
    #[command(after_help = "Example:\n  wharf topic subscriptions orders --limit 10")]
    Subscriptions(ListArgs),
}

/// A topic.
#[derive(Debug, Args)]
pub struct Named {
    /// The topic
    topic: TopicName,
}

/// A subscription.
#[derive(Debug, Args)]
pub struct Subscribed {
    #[command(flatten)]
    named: Named,
    /// The subscription
    subscription: SubscriptionName,
}

/// What a topic is to be.
#[derive(Debug, Args)]
pub struct CreateArgs {
    #[command(flatten)]
    named: Named,
    /// Events older than this may go, such as 30d; 7d if it is not said
    #[arg(long, value_name = "DURATION")]
    age: Option<String>,
    /// Events with more bytes than this after them may go, such as 50GiB; 10GiB if it is not said
    #[arg(long, value_name = "SIZE")]
    size: Option<String>,
    /// Change the topic of that name, if there is one; its subscriptions stay
    #[arg(long)]
    replace: bool,
}

/// What is published.
#[derive(Debug, Args)]
pub struct PublishArgs {
    #[command(flatten)]
    named: Named,
    #[command(flatten)]
    event: EventArgs,
}

/// What a subscription is to be.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("to").multiple(true)))]
#[command(group(ArgGroup::new("whom").multiple(true).required(true).args(WHOM)))]
pub struct SubscribeArgs {
    #[command(flatten)]
    of: Subscribed,
    /// Which events it is for: JSON, @FILE, or - for stdin; all of them if it is left out
    #[arg(long, value_name = "JSON", requires = "to")]
    pattern: Option<String>,
    /// A plugin that gets the events; may be repeated
    #[arg(long = "target", value_name = "PLUGIN", group = "to")]
    targets: Vec<PluginAt>,
    /// A webhook that sends the events; may be repeated
    #[arg(long = "webhook", value_name = "WEBHOOK", group = "to")]
    webhooks: Vec<WebhookName>,
    /// A queue that keeps the events for clients; may be repeated
    #[arg(long = "queue", value_name = "QUEUE", group = "to")]
    queues: Vec<QueueName>,
    /// A bus that the events are published to; may be repeated
    #[arg(long = "to-bus", value_name = "BUS", group = "to")]
    buses: Vec<BusName>,
    /// Another topic that the events are published to; may be repeated
    #[arg(long = "to-topic", value_name = "TOPIC", group = "to")]
    topics: Vec<TopicName>,
    /// A plugin that changes or drops an event on its way to the targets; may be repeated
    #[arg(long = "transform", value_name = "PLUGIN", requires = "to")]
    transforms: Vec<PluginName>,
    /// Give the targets an envelope in place of the payload: the event, the topic and the subscription
    #[arg(long, requires = "to")]
    envelope: bool,
    /// Make it, but let it match nothing yet
    #[arg(long, requires = "to")]
    disabled: bool,
    /// All of it as JSON; `-` reads stdin
    #[arg(short, long, conflicts_with = "to")]
    file: Option<PathBuf>,
    /// Put it in the place of the subscription of that name, if there is one
    #[arg(long)]
    replace: bool,
}

/// What is asked of a subscription.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    #[command(flatten)]
    of: Subscribed,
    /// A CloudEvent in JSON; `-` reads stdin
    #[arg(short, long, value_name = "FILE")]
    event: PathBuf,
}

/// What is listed.
#[derive(Debug, Args)]
pub struct ListArgs {
    #[command(flatten)]
    named: Named,
    /// Only subscriptions behind this one
    #[arg(long, value_name = "SUBSCRIPTION")]
    after: Option<SubscriptionName>,
    /// Rows at most
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
}

impl TopicCommand {
    /// The topic that it is about, which the host may not know.
    pub fn named(&self) -> Option<&TopicName> {
        Some(match self {
            Self::Ls | Self::Create(_) => return None,
            Self::Show(named) | Self::Rm(named) => &named.topic,
            Self::Publish(args) => &args.named.topic,
            Self::Subscribe(args) => &args.of.named.topic,
            Self::Unsubscribe(of) => &of.named.topic,
            Self::Explain(args) => &args.of.named.topic,
            Self::Subscriptions(args) => &args.named.topic,
        })
    }
}

/// Does what was said of topics.
///
/// # Errors
/// When the host refuses, or a file cannot be read.
pub async fn run(command: TopicCommand, global: &Global, out: &mut Output) -> Result<Exit, CommandError> {
    let session = Session::open(global).await?;
    match command {
        TopicCommand::Create(args) => manage::create(args, &session, out).await,
        TopicCommand::Ls => manage::list(&session, out).await,
        TopicCommand::Show(Named { topic }) => manage::show(&topic, &session, out).await,
        TopicCommand::Rm(Named { topic }) => manage::remove(&topic, &session, out).await,
        TopicCommand::Publish(args) => manage::publish(&args, &session, out).await,
        TopicCommand::Subscribe(args) => subscriptions::put(&args, &session, out).await,
        TopicCommand::Explain(args) => subscriptions::explain(&args, &session, out).await,
        TopicCommand::Unsubscribe(of) => subscriptions::remove(&of, &session, out).await,
        TopicCommand::Subscriptions(args) => subscriptions::list(args, &session, out).await,
    }
}
