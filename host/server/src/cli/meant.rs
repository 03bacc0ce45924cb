//! Which name was probably meant where the host knows none of that name.
//!
//! Invariant: it is asked for only after a refusal, and says nothing when the host does not list its names.

use std::fmt::Display;

use serde_json::Value;
use wharf_event::Code;

use super::{
    args::{Command, Global, KvCommand},
    dlq::DlqCommand,
    error::CommandError,
    limits::NAMES_COMPARED_MAX,
    rules::Named,
    session::Session,
    tenant::BusCommand,
};
use crate::{
    client::{Client, ClientError, Resource},
    nearest::nearest,
};

/// The names of a command line that the host may not know.
pub struct Written(Vec<Name>);

/// A name of a command line.
struct Name {
    /// What the host answers when it does not know it.
    unknown: Code,
    /// Where it lists those that it knows, beneath the tenant.
    list: Vec<String>,
    /// What has the name in a row of that list.
    member: &'static str,
    text: String,
}

impl Name {
    fn new(unknown: Code, list: &str, member: &'static str, text: &impl Display) -> Self {
        Self { unknown, list: vec![list.to_owned()], member, text: text.to_string() }
    }

    fn bus(bus: &impl Display) -> Self {
        Self::new(Code::BusUnknown, "buses", "bus", bus)
    }

    fn plugin(plugin: &impl Display) -> Self {
        Self::new(Code::PluginUnknown, "plugins", "plugin", plugin)
    }

    fn rule(Named { rule, bus }: &Named) -> [Self; 2] {
        let list = vec!["buses".to_owned(), bus.to_string(), "rules".to_owned()];
        [Self::bus(bus), Self { unknown: Code::RuleUnknown, list, member: "rule", text: rule.to_string() }]
    }
}

impl Written {
    /// The names that a command is about.
    pub fn of(command: &Command) -> Self {
        let one = |name: Option<Name>| name.into_iter().collect();
        Self(match command {
            Command::Kv { command: KvCommand::Ls { bucket: Some(bucket), .. } | KvCommand::Get { bucket, .. } } => {
                vec![Name::new(Code::BucketUnknown, "kv", "bucket", bucket)]
            }
            Command::Dlq {
                command:
                    DlqCommand::Ls { queue: Some(queue), .. }
                    | DlqCommand::Groups { queue, .. }
                    | DlqCommand::Show { queue, .. }
                    | DlqCommand::Redrive { queue, .. }
                    | DlqCommand::Progress { queue }
                    | DlqCommand::Cancel { queue },
            } => vec![Name::new(Code::QueueUnknown, "dlq", "queue", queue)],
            Command::Send(args) => {
                let topic = args.topic.as_ref().map(|topic| Name::new(Code::TopicUnknown, "topics", "topic", topic));
                topic.into_iter().chain([Name::bus(&args.bus)]).collect()
            }
            Command::Queue { command } => {
                one(command.named().map(|name| Name::new(Code::QueueUnknown, "queues", "queue", name)))
            }
            Command::Schema { command } => {
                one(command.named().map(|name| Name::new(Code::SchemaUnknown, "schemas", "schema", name)))
            }
            Command::Replay { command } => {
                one(command.named().map(|name| Name::new(Code::ReplayUnknown, "replays", "replay", name)))
            }
            Command::Schedule { command } => {
                one(command.named().map(|name| Name::new(Code::ScheduleUnknown, "schedules", "schedule", name)))
            }
            Command::Webhook { command } => {
                one(command.named().map(|name| Name::new(Code::WebhookUnknown, "webhooks", "webhook", name)))
            }
            Command::Route { command } => {
                one(command.named().map(|name| Name::new(Code::RouteUnknown, "routes", "route", name)))
            }
            Command::Topic { command } => {
                one(command.named().map(|name| Name::new(Code::TopicUnknown, "topics", "topic", name)))
            }
            Command::Rules { command } => command.named().into_iter().flat_map(Name::rule).collect(),
            Command::Bus { command: BusCommand::Rm { bus } } => vec![Name::bus(bus)],
            Command::Plugin { command } => one(command.named().map(Name::plugin)),
            Command::Grant { command } => vec![Name::plugin(command.named())],
            Command::Promote(args) => vec![Name::plugin(args.named())],
            Command::Rollback(args) => vec![Name::plugin(args.named())],
            Command::Tenant { command } => {
                one(command.named().map(|name| Name::new(Code::TenantUnknown, "tenants", "", name)))
            }
            _ => Vec::new(),
        })
    }

    /// The name that was meant, if the refusal is of a name and there is one like it.
    pub async fn meant(&self, refusal: &CommandError, global: &Global) -> Option<String> {
        let CommandError::Client(ClientError::Refused(reply)) = refusal else { return None };
        let unknown: Code = reply.code.parse().ok()?;
        let written = self.0.iter().find(|name| name.unknown == unknown);
        let (text, names) = if unknown == Code::TenantUnknown {
            let text =
                written.map(|name| name.text.clone()).or_else(|| global.tenant.as_ref().map(ToString::to_string));
            (text?, tenants(global).await?)
        } else {
            let Name { list, member, text, .. } = written?;
            let session = Session::open(global).await.ok()?;
            let list = list.iter().fold(session.own(), |at, segment| at.at(segment)).ask("limit", NAMES_COMPARED_MAX);
            let rows: Vec<Value> = session.client.get(&list).await.ok()?;
            let names = rows.iter().filter_map(|row| Some(row.get(member)?.as_str()?.to_owned()));
            (text.clone(), names.collect())
        };
        nearest(&text, names.iter().map(String::as_str)).map(ToOwned::to_owned)
    }
}

async fn tenants(global: &Global) -> Option<Vec<String>> {
    let told: Value = Client::new(&global.url)
        .ok()?
        .get(&Resource::fixed("/v1/tenants").ask("limit", NAMES_COMPARED_MAX))
        .await
        .ok()?;
    let names = told.get("tenants")?.as_array()?.iter().filter_map(|name| Some(name.as_str()?.to_owned()));
    Some(names.collect())
}
