//! Which name was probably meant where the host knows none of that name.
//!
//! Invariant: it is asked for only after a refusal, and says nothing when the host does not list its names.

use wharf_event::{
    BucketName, Code, QueueName, ReplayName, RoutePath, ScheduleName, SchemaName, TopicName, WebhookName,
};
use wharf_gateway::view::{
    BucketView, MessageQueueView, QueueView, ReplayView, RouteView, RuleView, ScheduleView, SchemaView, TenantsView,
    TopicView, WebhookView,
};

use super::{
    args::{Command, Global, KvCommand},
    dlq::DlqCommand,
    error::CommandError,
    limits::NAMES_COMPARED_MAX,
    rules::Named,
    session::Session,
};
use crate::{
    client::{Client, ClientError, Resource},
    nearest::nearest,
};

/// The names of a command line that the host may not know.
#[derive(Debug, Default)]
pub struct Written {
    bucket: Option<BucketName>,
    queue: Option<QueueName>,
    dead_letters: Option<QueueName>,
    rule: Option<Named>,
    schema: Option<SchemaName>,
    replay: Option<ReplayName>,
    schedule: Option<ScheduleName>,
    webhook: Option<WebhookName>,
    topic: Option<TopicName>,
    route: Option<RoutePath>,
}

impl Written {
    /// The names that a command is about.
    pub fn of(command: &Command) -> Self {
        match command {
            Command::Kv { command: KvCommand::Ls { bucket: Some(bucket), .. } | KvCommand::Get { bucket, .. } } => {
                Self { bucket: Some(bucket.clone()), ..Self::default() }
            }
            Command::Dlq {
                command:
                    DlqCommand::Ls { queue: Some(queue), .. }
                    | DlqCommand::Groups { queue, .. }
                    | DlqCommand::Show { queue, .. }
                    | DlqCommand::Redrive { queue, .. }
                    | DlqCommand::Progress { queue }
                    | DlqCommand::Cancel { queue },
            } => Self { dead_letters: Some(queue.clone()), ..Self::default() },
            Command::Send(args) => Self { topic: args.topic.clone(), ..Self::default() },
            Command::Queue { command } => Self { queue: command.named().cloned(), ..Self::default() },
            Command::Schema { command } => Self { schema: command.named().cloned(), ..Self::default() },
            Command::Replay { command } => Self { replay: command.named().cloned(), ..Self::default() },
            Command::Schedule { command } => Self { schedule: command.named().cloned(), ..Self::default() },
            Command::Webhook { command } => Self { webhook: command.named().cloned(), ..Self::default() },
            Command::Route { command } => Self { route: command.named().cloned(), ..Self::default() },
            Command::Topic { command } => Self { topic: command.named().cloned(), ..Self::default() },
            Command::Rules { command } => Self { rule: command.named().cloned(), ..Self::default() },
            _ => Self::default(),
        }
    }

    /// The name that was meant, if the refusal is of a name and there is one like it.
    pub async fn meant(&self, refusal: &CommandError, global: &Global) -> Option<String> {
        let CommandError::Client(ClientError::Refused(reply)) = refusal else { return None };
        let (written, names) = match reply.code.parse().ok()? {
            Code::TenantUnknown => {
                let resource = Resource::fixed("/v1/tenants");
                let TenantsView { tenants, .. } = Client::new(&global.url).ok()?.get(&resource).await.ok()?;
                (global.tenant.as_ref()?.to_string(), tenants.iter().map(ToString::to_string).collect())
            }
            Code::BucketUnknown => {
                let session = Session::open(global).await.ok()?;
                let buckets: Vec<BucketView> = session.client.get(&some(&session, "kv")).await.ok()?;
                (self.bucket.as_ref()?.to_string(), buckets.iter().map(|it| it.bucket.to_string()).collect())
            }
            Code::QueueUnknown if let Some(queue) = &self.queue => {
                let session = Session::open(global).await.ok()?;
                let queues: Vec<MessageQueueView> = session.client.get(&some(&session, "queues")).await.ok()?;
                (queue.to_string(), queues.iter().map(|it| it.queue.to_string()).collect())
            }
            Code::QueueUnknown => {
                let session = Session::open(global).await.ok()?;
                let queues: Vec<QueueView> = session.client.get(&some(&session, "dlq")).await.ok()?;
                (self.dead_letters.as_ref()?.to_string(), queues.iter().map(|it| it.queue.to_string()).collect())
            }
            Code::SchemaUnknown => {
                let session = Session::open(global).await.ok()?;
                let schemas: Vec<SchemaView> = session.client.get(&some(&session, "schemas")).await.ok()?;
                (self.schema.as_ref()?.to_string(), schemas.iter().map(|it| it.schema.to_string()).collect())
            }
            Code::ReplayUnknown => {
                let session = Session::open(global).await.ok()?;
                let replays: Vec<ReplayView> = session.client.get(&session.own().at("replays")).await.ok()?;
                (self.replay.as_ref()?.to_string(), replays.iter().map(|it| it.replay.to_string()).collect())
            }
            Code::ScheduleUnknown => {
                let session = Session::open(global).await.ok()?;
                let schedules: Vec<ScheduleView> = session.client.get(&some(&session, "schedules")).await.ok()?;
                (self.schedule.as_ref()?.to_string(), schedules.iter().map(|it| it.schedule.to_string()).collect())
            }
            Code::WebhookUnknown => {
                let session = Session::open(global).await.ok()?;
                let webhooks: Vec<WebhookView> = session.client.get(&some(&session, "webhooks")).await.ok()?;
                (self.webhook.as_ref()?.to_string(), webhooks.iter().map(|it| it.webhook.to_string()).collect())
            }
            Code::RouteUnknown => {
                let session = Session::open(global).await.ok()?;
                let routes: Vec<RouteView> = session.client.get(&some(&session, "routes")).await.ok()?;
                (self.route.as_ref()?.to_string(), routes.iter().map(|it| it.route.to_string()).collect())
            }
            Code::TopicUnknown => {
                let session = Session::open(global).await.ok()?;
                let topics: Vec<TopicView> = session.client.get(&some(&session, "topics")).await.ok()?;
                (self.topic.as_ref()?.to_string(), topics.iter().map(|it| it.topic.to_string()).collect())
            }
            Code::RuleUnknown => {
                let Named { rule, bus } = self.rule.as_ref()?;
                let session = Session::open(global).await.ok()?;
                let rules = session.own().at("buses").at(bus).at("rules").ask("limit", NAMES_COMPARED_MAX);
                let rules: Vec<RuleView> = session.client.get(&rules).await.ok()?;
                (rule.to_string(), rules.iter().map(|it| it.rule.to_string()).collect())
            }
            _ => return None,
        };
        let names: Vec<String> = names;
        nearest(&written, names.iter().map(String::as_str)).map(ToOwned::to_owned)
    }
}

/// The first of a list: as many as are compared.
fn some(session: &Session, list: &'static str) -> Resource {
    session.own().at(list).ask("limit", NAMES_COMPARED_MAX)
}
