//! The plan: what is different between a file and a host, as steps that can be shown and done.
//!
//! Invariant: the steps stand in the order in which they are done: nothing loses its target on the way, and what cannot be
//! made ready stops everything before any event is handled differently. A plan with a trouble is not begun.

use serde::Serialize;
use wharf_event::{
    BusName, Code, Digest, PluginName, Position, QueueName, RoutePath, RuleName, ScheduleName, SchemaName,
    SubscriptionName, TenantName, TopicName, WebhookName,
};
use wharf_gateway::view::PluginDetail;

use super::{
    super::{error::CommandError, words::counted},
    compare, there,
};
use crate::{
    client::{Client, Resource},
    project::{Component, Project},
};

/// What a step is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Object {
    /// Whose.
    pub tenant: TenantName,
    /// Of which kind.
    pub kind: Kind,
    /// Its name; a release and the traffic have that of their plugin.
    pub name: String,
}

impl Object {
    /// What it is and whose, in words.
    pub fn words(&self) -> String {
        match self.kind {
            Kind::Tenant => format!("tenant {}", self.name),
            kind => format!("{} {}/{}", kind.word(), self.tenant, self.name),
        }
    }
}

/// Kinds of objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A tenant.
    Tenant,
    /// An event bus.
    Bus,
    /// What payloads look like.
    Schema,
    /// A plugin, that is its settings.
    Plugin,
    /// A release of a plugin.
    Release,
    /// Which release gets a plugin's traffic.
    Traffic,
    /// An address outside.
    Webhook,
    /// A queue.
    Queue,
    /// A topic.
    Topic,
    /// A rule.
    Rule,
    /// A schedule.
    Schedule,
    /// A route.
    Route,
    /// A subscription of a topic, named `TOPIC/NAME`.
    Subscription,
}

impl Kind {
    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Tenant => "tenant",
            Self::Bus => "bus",
            Self::Schema => "schema",
            Self::Plugin => "plugin",
            Self::Release => "release",
            Self::Traffic => "traffic",
            Self::Webhook => "webhook",
            Self::Queue => "queue",
            Self::Topic => "topic",
            Self::Rule => "rule",
            Self::Schedule => "schedule",
            Self::Route => "route",
            Self::Subscription => "subscription",
        }
    }
}

/// What becomes of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// It is made.
    Add,
    /// It becomes another.
    Change,
    /// It is removed.
    Remove,
}

/// One change.
#[derive(Debug)]
pub struct Step {
    /// Of what.
    pub object: Object,
    /// Which.
    pub action: Action,
    /// What is different, in words.
    pub detail: String,
    /// What is to be done.
    pub work: Work,
}

/// What a step does. What it was planned upon is in it: if that is no longer so, it is not done.
#[derive(Debug)]
pub enum Work {
    /// A tenant is made, or what holds for it as a whole is put.
    Tenant {
        /// All that holds for it, in JSON.
        body: Vec<u8>,
        /// Its version before.
        seen: Option<Position>,
    },
    /// An event bus is put.
    Bus {
        /// Which.
        bus: BusName,
        /// How long it keeps its events, in JSON.
        body: Vec<u8>,
        /// Its version before.
        seen: Option<Position>,
    },
    /// The settings of a plugin are put.
    Settings {
        /// Which plugin.
        plugin: PluginName,
        /// The settings, in JSON.
        body: Vec<u8>,
        /// The plugin as it was; none if there was none.
        seen: Option<Box<PluginDetail>>,
    },
    /// A component is sent, and made ready.
    Release {
        /// Whose release.
        plugin: PluginName,
        /// The component.
        component: Component,
        /// Its plugin's settings are put later: what it may wait for may be among them.
        regranted: bool,
    },
    /// A schema is put.
    Schema {
        /// Which.
        schema: SchemaName,
        /// Its document, in JSON.
        body: Vec<u8>,
        /// Its version before.
        seen: Option<Position>,
    },
    /// A release gets all traffic.
    Promote {
        /// Of which plugin.
        plugin: PluginName,
        /// Which release.
        release: Digest,
        /// The release that had it before, and the one on trial.
        seen: (Option<Digest>, Option<Digest>),
    },
    /// A webhook is put.
    Webhook {
        /// Which.
        webhook: WebhookName,
        /// Where it leads, in JSON.
        body: Vec<u8>,
        /// Its version before.
        seen: Option<Position>,
    },
    /// A queue is put.
    Queue {
        /// Which.
        queue: QueueName,
        /// What holds for it, in JSON.
        body: Vec<u8>,
        /// Its version before.
        seen: Option<Position>,
        /// Whether a plugin consumes it, which has to be ready.
        consumed: bool,
    },
    /// A schedule is put.
    Schedule {
        /// Which.
        schedule: ScheduleName,
        /// What it says, in JSON.
        body: Vec<u8>,
        /// Its version before.
        seen: Option<Position>,
    },
    /// A route is put.
    Route {
        /// Which.
        route: RoutePath,
        /// Who answers, in JSON.
        body: Vec<u8>,
        /// Its version before.
        seen: Option<Position>,
    },
    /// A topic is put.
    Topic {
        /// Which.
        topic: TopicName,
        /// How long it keeps its events, in JSON.
        body: Vec<u8>,
        /// Its version before.
        seen: Option<Position>,
    },
    /// A subscription is put.
    Subscription {
        /// Of which topic.
        topic: TopicName,
        /// Which.
        subscription: SubscriptionName,
        /// Its document, in JSON.
        body: Vec<u8>,
        /// Its version before.
        seen: Option<Position>,
    },
    /// A rule is put.
    Rule {
        /// On which bus.
        bus: BusName,
        /// Which.
        rule: RuleName,
        /// Its document, in JSON.
        body: Vec<u8>,
        /// Its version before.
        seen: Option<Position>,
    },
    /// An object is removed with what is its own: a plugin with its releases, a webhook with its secrets. What is in a queue goes to the dead letters.
    Remove {
        /// Where it is.
        at: Resource,
        /// Its version before.
        seen: Option<Position>,
    },
}

impl Step {
    /// When it is done: what comes first needs nothing of what comes later, and what may fail for its own sake comes before what events
    /// meet. The settings of a plugin that is there go right before its traffic.
    fn phase(&self) -> u8 {
        match &self.work {
            Work::Tenant { .. } => 0,
            Work::Bus { .. } | Work::Topic { .. } => 1,
            Work::Settings { seen: None, .. } => 2,
            Work::Release { .. } => 3,
            Work::Schema { .. } | Work::Webhook { .. } | Work::Queue { consumed: false, .. } => 4,
            Work::Settings { .. } | Work::Promote { .. } => 5,
            Work::Queue { .. } => 6,
            Work::Rule { .. } | Work::Subscription { .. } | Work::Schedule { .. } | Work::Route { .. } => 7,
            Work::Remove { .. } => match self.object.kind {
                Kind::Rule | Kind::Subscription | Kind::Schedule | Kind::Route => 8,
                Kind::Queue => 9,
                Kind::Plugin | Kind::Release | Kind::Traffic => 10,
                Kind::Schema | Kind::Webhook => 11,
                Kind::Bus | Kind::Topic | Kind::Tenant => 12,
            },
        }
    }
}

/// Why an object cannot become what the file says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Trouble {
    /// Which one.
    #[serde(flatten)]
    pub object: Object,
    /// The stable code.
    pub code: Code,
    /// One sentence.
    pub message: String,
    /// What to do.
    pub help: String,
}

/// What is to be done, and what is not.
#[derive(Debug, Default)]
pub struct Plan {
    /// The changes, in their order.
    pub steps: Vec<Step>,
    /// Objects that are as the file says.
    pub unchanged: usize,
    /// Objects that the file does not name and that stay.
    pub unlisted: Vec<Object>,
    /// Why it cannot be done.
    pub troubles: Vec<Trouble>,
    /// What else one may want to know of it.
    pub notes: Vec<String>,
}

impl Plan {
    /// Whether nothing is in the way.
    pub fn can_be_applied(&self) -> bool {
        self.troubles.is_empty()
    }

    /// How many changes it has.
    pub fn counted(&self) -> String {
        counted(self.steps.len(), "change", "changes")
    }
}

/// Compares what is wanted with what a host has.
///
/// # Errors
/// When the host does not answer.
pub async fn make(client: &Client, project: &Project, prune: bool) -> Result<Plan, CommandError> {
    let mut plan = Plan::default();
    for (tenant, wanted) in &project.tenants {
        let there = there::read(client, tenant, wanted).await?;
        compare::tenant(tenant, wanted, &there, prune, &mut plan)?;
    }
    for step in &mut plan.steps {
        if let Work::Remove { at, seen } = &mut step.work {
            *seen = client.find::<Versioned>(at).await?.and_then(|there| there.version);
        }
    }
    plan.steps.sort_by_key(Step::phase);
    Ok(plan)
}

/// As much as all objects have.
#[derive(serde::Deserialize)]
struct Versioned {
    version: Option<Position>,
}
