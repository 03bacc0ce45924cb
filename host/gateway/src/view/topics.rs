//! Topics and their subscriptions as JSON.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use wharf_event::{PluginName, Position, SubscriptionName, TopicName};

use super::{RetentionView, RuleOrigin, TargetView};

/// A topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicView {
    /// Its name.
    pub topic: TopicName,
    /// Where it was made.
    pub origin: RuleOrigin,
    /// The record that made it as it is; none for one of the configuration file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Position>,
    /// How long it keeps its events.
    pub retention: RetentionView,
    /// How many subscriptions it has.
    pub subscriptions: u64,
}

/// A subscription of a topic. From `pattern` on it is what a subscription is put as.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SubscriptionView {
    /// Its name, which no other subscription of the topic has.
    pub subscription: SubscriptionName,
    /// The topic.
    pub topic: TopicName,
    /// Where it was made.
    pub origin: RuleOrigin,
    /// The record that put it there; none for one of the configuration file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Position>,
    /// Its event pattern, as it was written; none where it gets all events of the topic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<Box<RawValue>>,
    /// What changes an event on its way to the targets, in this order.
    pub transforms: Vec<PluginName>,
    /// Who gets the events that match.
    pub targets: Vec<TargetView>,
    /// Whether they get the event itself, and not an envelope with the event in it.
    pub raw: bool,
    /// Whether it matches anything.
    pub enabled: bool,
}
