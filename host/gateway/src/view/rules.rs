//! Rules, and what they and patterns say to events, as JSON.
//!
//! Invariant: a verdict has evidence or a mismatch, never both: evidence has one entry for each field of the pattern, and a
//! mismatch is the first field that failed.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use wharf_event::{BusName, PluginAt, PluginName, Position, QueueName, RuleName, TopicName, WebhookName};

/// Where a rule was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RuleOrigin {
    /// In the configuration file; it changes only there.
    File,
    /// By the API, while the host ran.
    Api,
}

/// A rule of an event bus. From `pattern` on it is what a rule is put as.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RuleView {
    /// Its name, which no other rule of the tenant has.
    pub rule: RuleName,
    /// The bus that it listens on.
    pub bus: BusName,
    /// Where it was made.
    pub origin: RuleOrigin,
    /// The record that put it there; none for one of the configuration file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Position>,
    /// Its event pattern, as it was written.
    pub pattern: Box<RawValue>,
    /// What changes an event on its way to the targets, in this order.
    pub transforms: Vec<PluginName>,
    /// Who gets the events that match.
    pub targets: Vec<TargetView>,
    /// Whether it matches anything.
    pub enabled: bool,
}

/// A target of a rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetView {
    /// The plugin, or a channel of it, if it is one: `triage`, `triage@next`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plugin: Option<PluginAt>,
    /// The webhook, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<WebhookName>,
    /// The queue that clients receive of, if it is one. It says itself what holds for messages, and the rest is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<QueueName>,
    /// The bus that they are published to, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bus: Option<BusName>,
    /// The topic that they are published to, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<TopicName>,
    /// How often a delivery is tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<RetryView>,
    /// The queue of deliveries that are given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dead_letter: Option<QueueName>,
    /// What events have in common that come to it one after the other, if they do: what this path leads to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_by: Option<String>,
    /// Attempts of those that may begin in a second, if that is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_per_s: Option<u32>,
    /// What it gets in place of an event's payload, if it does not get the event as it is: what this path leads to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_path: Option<String>,
    /// Or this JSON text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<String>,
    /// Or a template, filled with parts of the event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_transformer: Option<TransformerView>,
    /// Or an envelope, which is told of subscriptions only, and of all targets of one: it is not raw.
    #[serde(skip)]
    pub envelope: bool,
}

impl fmt::Display for TargetView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(plugin) = &self.plugin {
            return f.pad(&plugin.to_string());
        }
        let Self { webhook, queue, bus, topic, .. } = self;
        let names = [
            ("webhook", webhook.as_ref().map(WebhookName::as_str)),
            ("queue", queue.as_ref().map(QueueName::as_str)),
            ("bus", bus.as_ref().map(BusName::as_str)),
            ("topic", topic.as_ref().map(TopicName::as_str)),
        ];
        let named = names.into_iter().find_map(|(kind, name)| Some((kind, name?)));
        named.map_or(Ok(()), |(kind, name)| f.pad(&format!("{kind}/{name}")))
    }
}

/// A template and the paths that it names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransformerView {
    /// Paths into the event, by the names that the template has for them.
    pub paths: BTreeMap<String, String>,
    /// The template.
    pub template: String,
}

/// How often a delivery is tried. Lengths of time are written as `50ms`, `1s`, `5m`, `24h`, `7d`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryView {
    /// How pauses grow: `exponential` or `fixed`.
    #[serde(default)]
    pub backoff: String,
    /// How pauses are spread: `full`, `equal` or `none`.
    #[serde(default)]
    pub jitter: String,
    /// The longest pause after the first attempt.
    pub first: String,
    /// The longest pause of all.
    pub max: String,
    /// Attempts in all.
    pub attempts: u32,
    /// The time since the event was accepted after which nothing is tried again.
    pub age: String,
    /// What follows from some outcomes: the first that matches counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub on: Vec<OutcomeView>,
}

/// What follows from the outcomes that it matches; what it does not say is as the policy says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutcomeView {
    /// The code; `*` stands for anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The HTTP status, `429`, or its class, `5xx`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// The reason; `*` stands for anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What follows: `retry` or `dead-letter`.
    pub then: String,
    /// How pauses grow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backoff: Option<String>,
    /// How pauses are spread.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jitter: Option<String>,
    /// The longest pause after the first attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<String>,
    /// The longest pause of all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<String>,
    /// Attempts in all if the last one ends so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempts: Option<u32>,
}

/// What one rule says to one event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleVerdict {
    /// The rule.
    pub rule: RuleName,
    /// Whether it matches.
    pub matched: bool,
    /// Which value of which field matched, if it does.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<FieldView>,
    /// The first field that failed, if it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mismatch: Option<FieldView>,
    /// The plugins that it names.
    pub plugins: Vec<PluginName>,
    /// The webhooks that it names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub webhooks: Vec<WebhookName>,
    /// The queues that it names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub queues: Vec<QueueName>,
    /// The buses that it names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub buses: Vec<BusName>,
    /// The topics that it names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub topics: Vec<TopicName>,
}

/// What one pattern says to one event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PatternVerdict {
    /// Whether it matches.
    #[serde(rename = "match")]
    pub matched: bool,
    /// Which value of which field matched, if it does.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<FieldView>,
    /// The first field that failed, if it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mismatch: Option<FieldView>,
}

/// One field of a pattern, and what an event has there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldView {
    /// Where, as a JSON pointer into the event: of a match to the very value, else to the field, which has no numbers of elements.
    pub pointer: String,
    /// What the pattern wants there: of a match the entry of its list that holds, else the whole list or a phrase.
    pub wanted: String,
    /// What the event has there, as its text has it, cut to 200 characters; or `absent`.
    pub saw: String,
}
