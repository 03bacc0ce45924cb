//! What can be wrong with a configuration or a control object, with the stable code of each.

use wharf_event::{
    BusName, ChannelName, Code, Digest, PluginName, QueueName, Target, TenantName, TopicName, WebhookName,
};
use wharf_input::InputErrors;
use wharf_pattern::PatternErrors;

use crate::{
    limits::{RULES_PER_BUS_MAX, SUBSCRIPTIONS_PER_TOPIC_MAX, WAYS_PER_TENANT_MAX},
    queues::QueueError,
    registering::PluginError,
    routes::RouteError,
    rules::Unknown,
    schedules::ScheduleError,
    schemas::SchemaError,
    tenants::{BusError, TenantError},
    webhooks::WebhookError,
};

/// Something that cannot be put to use.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum RulesError {
    /// A plugin names a component that was not given.
    #[error("tenant {tenant}, plugin {plugin}: there is no component {release}")]
    Release {
        /// Whose plugin.
        tenant: TenantName,
        /// Which plugin.
        plugin: PluginName,
        /// The digest that it names.
        release: Digest,
    },
    /// A rule.
    #[error("tenant {tenant}, rule {rule}: {source}")]
    Rule {
        /// Whose rule.
        tenant: TenantName,
        /// Which rule.
        rule: String,
        /// What is wrong with it.
        source: RuleError,
    },
    /// A plugin that is a control object.
    #[error("tenant {tenant}, plugin {plugin}: {source}")]
    Plugin {
        /// Whose plugin.
        tenant: TenantName,
        /// Which plugin.
        plugin: String,
        /// What is wrong with it.
        source: PluginError,
    },
    /// A schema that is a control object.
    #[error("tenant {tenant}, schema {schema}: {source}")]
    Schema {
        /// Whose schema.
        tenant: TenantName,
        /// Which schema.
        schema: String,
        /// What is wrong with it.
        source: SchemaError,
    },
    /// A webhook that is a control object.
    #[error("tenant {tenant}, webhook {webhook}: {source}")]
    Webhook {
        /// Whose webhook.
        tenant: TenantName,
        /// Which webhook.
        webhook: String,
        /// What is wrong with it.
        source: WebhookError,
    },
    /// A queue that is a control object.
    #[error("tenant {tenant}, queue {queue}: {source}")]
    Queue {
        /// Whose queue.
        tenant: TenantName,
        /// Which queue.
        queue: String,
        /// What is wrong with it.
        source: QueueError,
    },
    /// A schedule.
    #[error("tenant {tenant}, schedule {schedule}: {source}")]
    Schedule {
        /// Whose schedule.
        tenant: TenantName,
        /// Which schedule.
        schedule: String,
        /// What is wrong with it.
        source: ScheduleError,
    },
    /// A route.
    #[error("tenant {tenant}, route {route}: {source}")]
    Route {
        /// Whose route.
        tenant: TenantName,
        /// Which route.
        route: String,
        /// What is wrong with it.
        source: RouteError,
    },
    /// A bus that is a control object.
    #[error("tenant {tenant}, {}: {source}", bus_told(bus))]
    Bus {
        /// Whose bus.
        tenant: TenantName,
        /// Which bus.
        bus: String,
        /// What is wrong with it.
        source: BusError,
    },
    /// A tenant that is a control object.
    #[error("tenant {tenant}: {source}")]
    OfTenant {
        /// Which tenant.
        tenant: TenantName,
        /// What is wrong with it.
        source: TenantError,
    },
    /// No such tenant.
    #[error(transparent)]
    Tenant(#[from] Unknown),
}

/// A rule that cannot be put to use.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum RuleError {
    /// The document is none of a rule.
    #[error("{0}")]
    Document(String),
    /// Its pattern is wrong.
    #[error("{0}")]
    Pattern(Box<PatternErrors>),
    /// The input of a target is wrong.
    #[error("the input of target `{0}`: {1}")]
    Input(Target, Box<InputErrors>),
    /// What a target orders events by is no path.
    #[error("what target `{0}` orders by: {1}")]
    Order(Target, Box<InputErrors>),
    /// It is for a bus that there is not.
    #[error("there is no event bus `{0}`")]
    Bus(BusName),
    /// A target names a plugin that there is not.
    #[error("there is no plugin `{0}` that handles events")]
    Plugin(PluginName),
    /// A target names a plugin that handles batches.
    #[error(
        "the plugin `{0}` handles batches of a queue: send the events to a queue, and let the plugin be its consumer"
    )]
    Batches(PluginName),
    /// A target names a plugin that answers requests.
    #[error("the plugin `{0}` answers requests, and handles no events: it is for a route")]
    Requests(PluginName),
    /// A target names a webhook that there is not.
    #[error("there is no webhook `{0}`")]
    Webhook(WebhookName),
    /// A target names a queue that there is not.
    #[error("there is no queue `{0}`")]
    Queue(QueueName),
    /// A target names a bus or a topic that there is not.
    #[error("there is no {} `{}` to publish to", Target::Bus(.0.clone()).kind(), Target::Bus(.0.clone()).name())]
    ToBus(BusName),
    /// A queue keeps events as they came.
    #[error("the queue `{0}` takes events as they came: its rule has no transforms, and the target no input")]
    Changed(QueueName),
    /// A target names a channel that its plugin does not have.
    #[error("the plugin `{0}` has no channel `{1}`")]
    Channel(PluginName, ChannelName),
    /// It has no target, or one of them twice.
    #[error("a rule has at least one target, and each of them once")]
    Targets,
    /// It names a transform that is none.
    #[error("there is no transform `{0}`")]
    Transform(PluginName),
    /// It stands in the configuration file, which is the only place where it changes.
    #[error("it stands in the configuration file: change it there, and start the host again")]
    OfFile,
    /// A rule of that name listens on another bus.
    #[error("a rule of that name listens on the bus `{0}`")]
    OtherBus(BusName),
    /// A name of a subscription is for a rule of a bus, or the other way round.
    #[error("a subscription `TOPIC/NAME` is for its own topic, and `{0}` is no such bus")]
    Apart(BusName),
    /// The topic is full.
    #[error("the topic `{0}` has {SUBSCRIPTIONS_PER_TOPIC_MAX} subscriptions already")]
    Subscriptions(TopicName),
    /// The bus is full.
    #[error("the bus has {RULES_PER_BUS_MAX} rules already")]
    TooMany,
    /// The rules of the tenant would have too many combinations.
    #[error(
        "with it the tenant's rules would have more than {WAYS_PER_TENANT_MAX} combinations of `$or`, over all its buses"
    )]
    Combinations,
}

/// A bus as people know it: a topic is one only within.
fn bus_told(bus: &str) -> String {
    match bus.parse::<BusName>().ok().and_then(|bus| bus.topic()) {
        Some(topic) => format!("topic {topic}"),
        None => format!("bus {bus}"),
    }
}

impl RulesError {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Release { .. } => Code::ComponentMissing,
            Self::Tenant(Unknown::Tenant(_)) => Code::TenantUnknown,
            Self::Tenant(Unknown::Bus(..)) => Code::BusUnknown,
            Self::Rule { source, .. } => source.code(),
            Self::Plugin { source, .. } => source.code(),
            Self::Schema { source, .. } => source.code(),
            Self::Schedule { source, .. } => source.code(),
            Self::Bus { source, .. } => source.code(),
            Self::Route { source, .. } => source.code(),
            Self::Webhook { source, .. } => source.code(),
            Self::Queue { source, .. } => source.code(),
            Self::OfTenant { source, .. } => source.code(),
        }
    }
}

impl RuleError {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Pattern(_) => Code::PatternInvalid,
            Self::Input(..) | Self::Order(..) => Code::InputInvalid,
            Self::OfFile => Code::RuleOfFile,
            Self::Batches(_) | Self::Requests(_) => Code::HandlerKind,
            Self::OtherBus(_) => Code::RuleElsewhere,
            Self::TooMany | Self::Combinations => Code::RulesTooMany,
            Self::Subscriptions(_) => Code::SubscriptionsTooMany,
            Self::Document(_)
            | Self::Bus(_)
            | Self::Plugin(_)
            | Self::Channel(..)
            | Self::Webhook(_)
            | Self::Queue(_)
            | Self::ToBus(_)
            | Self::Changed(_)
            | Self::Apart(_)
            | Self::Targets
            | Self::Transform(_) => Code::RuleInvalid,
        }
    }
}
