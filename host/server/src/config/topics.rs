//! A tenant's topics and their subscriptions. A topic is a bus of its own kind, and a subscription a rule on it: so patterns, transforms,
//! targets and what is said of them are read as a rule's are.

use wharf_delivery::{InputDocument, PatternText, RuleDocument};
use wharf_event::{BusName, RuleName, SubscriptionName, TopicName};

use super::{
    keys::{Key, Named, Otherwise, RETENTION, Shape, TARGET, TRANSFORMS_MAX, key},
    read::{TenantConfig, Use},
    table::{Sink, Table},
    tenant::{self, Known},
};

/// What matches every event: each has a type.
pub const EVERYTHING: &str = r#"{"type":[{"exists":true}]}"#;

/// The keys of a topic that is made by the API.
pub(super) static MADE_TOPIC: &[Key] = &[KEPT];

pub(super) static TOPIC: &[Key] = &[
    KEPT,
    key(
        "subscriptions",
        "Who gets what is published to it.",
        Shape::Named(Named { one: "subscription", always: None, names: None, keys: SUBSCRIPTION }),
        Otherwise::Nothing,
    ),
];

const KEPT: Key = key(
    "retention",
    "How long the topic keeps its events. The log lets go of whole segments, so they may stay longer.",
    Shape::Table(RETENTION),
    Otherwise::Nothing,
);

pub(super) static SUBSCRIPTION: &[Key] = &[
    key(
        "pattern",
        "Which events it is for (`wharf explain pattern-invalid`); all of them without it.",
        Shape::Pattern,
        Otherwise::Nothing,
    ),
    key(
        "transforms",
        "Plugins that change or drop an event on its way to the targets, in this order.",
        Shape::Names(TRANSFORMS_MAX),
        Otherwise::Default(|| serde_json::json!([])),
    ),
    key(
        "enabled",
        "Whether the subscription matches anything.",
        Shape::Boolean,
        Otherwise::Default(|| serde_json::json!(true)),
    ),
    key(
        "raw",
        "Whether the targets get the event itself; else its payload is an envelope: the event, the topic and the subscription.",
        Shape::Boolean,
        Otherwise::Default(|| serde_json::json!(true)),
    ),
    key("targets", "Who gets the events.", Shape::Tables("target", TARGET), Otherwise::Required),
];

/// Reads the topics themselves, so that all that may name one knows it.
pub(super) fn read<'a>(table: &Table<'a>, tenant: &mut TenantConfig) -> Vec<(TopicName, Table<'a>)> {
    let topics = table.named::<TopicName>("topics");
    for (name, topic) in &topics {
        let name = BusName::of_topic(name);
        let retention = topic.table("retention").map(tenant::read_retention);
        tenant.retention.extend(retention.map(|retention| (name.clone(), retention)));
        tenant.buses.insert(name);
    }
    topics
}

/// Reads the subscriptions of all of them.
pub(super) fn read_subscriptions(
    topics: Vec<(TopicName, Table<'_>)>,
    known: Known<'_>,
    uses: &mut Vec<Use>,
    sink: &Sink,
) -> Vec<(RuleName, RuleDocument)> {
    let mut rules = Vec::new();
    for (topic, table) in topics {
        for (name, table) in table.named::<SubscriptionName>("subscriptions") {
            let read = read_one(&table, &topic, known, uses, sink);
            rules.extend(read.map(|read| (RuleName::of_subscription(&topic, &name), read)));
        }
    }
    rules
}

/// Reads one subscription, as the rule that it is.
pub(super) fn read_one(
    table: &Table<'_>,
    topic: &TopicName,
    known: Known<'_>,
    uses: &mut Vec<Use>,
    sink: &Sink,
) -> Option<RuleDocument> {
    let pattern = match table.value("pattern") {
        Some(_) => tenant::read_pattern(table, sink),
        None => EVERYTHING.parse::<PatternText>().ok(),
    };
    let raw = table.boolean("raw").unwrap_or(true);
    let (transforms, mut targets) = tenant::read_sent(table, known, uses, sink);
    for target in targets.iter_mut().filter(|_| !raw) {
        if target.input.replace(InputDocument::Envelope).is_some() {
            let span = table.value_span("raw").unwrap_or(table.span.clone());
            let message =
                format!("{} is not raw, and {} `{}` has an input", table.what(), target.to.kind(), target.to.name());
            sink.report(span, message, "an envelope is an input: leave one of the two out");
        }
    }
    let enabled = table.boolean("enabled").unwrap_or(true);
    Some(RuleDocument { bus: BusName::of_topic(topic), pattern: pattern?, transforms, targets, enabled })
}
