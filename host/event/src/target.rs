//! Who a rule's events are owed to. Invariant: the text of a target names its kind and itself, and reads back; a plugin's is its
//! bare name, since there were only plugins once.

use std::{borrow::Cow, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{BusName, NameError, PluginName, QueueName, TopicName, WebhookName};

/// A target: `triage` (a plugin), `webhook/crm`, `queue/jobs`, `bus/audit`, `topic/orders`. In JSON `{"target": "triage", "plugin": "triage"}`, `{"target": "webhook/crm"}`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Form", into = "Form")]
pub enum Target {
    /// A plugin handles them.
    Plugin(PluginName),
    /// They are sent to an address outside.
    Webhook(WebhookName),
    /// They wait for clients that receive them.
    Queue(QueueName),
    /// They are published to another bus of the tenant, or to a topic, which is a bus by itself.
    Bus(BusName),
}

/// A target as JSON has it. The plugin is for those who know plugins only; hosts of before told nothing else.
#[derive(Serialize, Deserialize)]
struct Form {
    #[serde(default)]
    target: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    plugin: Option<PluginName>,
}

impl From<Target> for Form {
    fn from(target: Target) -> Self {
        Self { target: target.to_string(), plugin: target.plugin().cloned() }
    }
}

impl TryFrom<Form> for Target {
    type Error = NameError;

    fn try_from(form: Form) -> Result<Self, NameError> {
        match form.plugin {
            Some(plugin) => Ok(Self::Plugin(plugin)),
            None => form.target.parse(),
        }
    }
}

/// What stands before the name of a webhook.
const WEBHOOK: &str = "webhook/";

/// What stands before the name of a queue.
const QUEUE: &str = "queue/";

/// What stands before the name of a bus.
const BUS: &str = "bus/";

/// What stands before the name of a topic, in the name of the bus that it is too.
const TOPIC: &str = "topic/";

impl Target {
    /// The target as text, in two parts: what stands before the name, and the name.
    #[must_use]
    pub fn spelled(&self) -> [&str; 2] {
        match self {
            Self::Plugin(plugin) => ["", plugin.as_str()],
            Self::Webhook(webhook) => [WEBHOOK, webhook.as_str()],
            Self::Queue(queue) => [QUEUE, queue.as_str()],
            Self::Bus(bus) if bus.is_plain() => [BUS, bus.as_str()],
            Self::Bus(bus) => ["", bus.as_str()],
        }
    }

    /// The target as text.
    #[must_use]
    pub fn text(&self) -> Cow<'_, str> {
        match self.spelled() {
            ["", name] => Cow::Borrowed(name),
            parts => Cow::Owned(parts.concat()),
        }
    }

    /// The length of the text, in bytes.
    #[must_use]
    pub fn text_len(&self) -> usize {
        self.spelled().map(str::len).iter().sum()
    }

    /// The word for its kind.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Plugin(_) => "plugin",
            Self::Webhook(_) => "webhook",
            Self::Queue(_) => "queue",
            Self::Bus(bus) if bus.is_plain() => "bus",
            Self::Bus(_) => "topic",
        }
    }

    /// Its name among those of its kind.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Plugin(plugin) => plugin.as_str(),
            Self::Webhook(webhook) => webhook.as_str(),
            Self::Queue(queue) => queue.as_str(),
            Self::Bus(bus) => bus.as_str().strip_prefix(TOPIC).unwrap_or(bus.as_str()),
        }
    }

    /// The plugin that it is, if it is one.
    #[must_use]
    pub fn plugin(&self) -> Option<&PluginName> {
        match self {
            Self::Plugin(plugin) => Some(plugin),
            _ => None,
        }
    }

    /// The webhook that it is, if it is one.
    #[must_use]
    pub fn webhook(&self) -> Option<&WebhookName> {
        match self {
            Self::Webhook(webhook) => Some(webhook),
            _ => None,
        }
    }

    /// The queue that it is, if it is one.
    #[must_use]
    pub fn queue(&self) -> Option<&QueueName> {
        match self {
            Self::Queue(queue) => Some(queue),
            _ => None,
        }
    }

    /// The bus that it is, if it is one; a topic is one.
    #[must_use]
    pub fn bus(&self) -> Option<&BusName> {
        match self {
            Self::Bus(bus) => Some(bus),
            _ => None,
        }
    }
}

impl From<PluginName> for Target {
    fn from(plugin: PluginName) -> Self {
        Self::Plugin(plugin)
    }
}

impl From<WebhookName> for Target {
    fn from(webhook: WebhookName) -> Self {
        Self::Webhook(webhook)
    }
}

/// The dead-letter queue that a target has unless another is said is named like it.
impl From<&Target> for QueueName {
    fn from(target: &Target) -> Self {
        match target {
            Target::Plugin(plugin) => plugin.into(),
            Target::Webhook(webhook) => webhook.into(),
            Target::Queue(queue) => queue.clone(),
            Target::Bus(bus) => bus.into(),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text())
    }
}

impl FromStr for Target {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if let Some(webhook) = text.strip_prefix(WEBHOOK) {
            return webhook.parse().map(Self::Webhook);
        }
        if let Some(queue) = text.strip_prefix(QUEUE) {
            return queue.parse().map(Self::Queue);
        }
        if let Some(topic) = text.strip_prefix(TOPIC) {
            return topic.parse().map(|topic: TopicName| Self::Bus(BusName::of_topic(&topic)));
        }
        match text.strip_prefix(BUS) {
            // What is a topic has one spelling.
            Some(bus) if !bus.contains('/') => bus.parse().map(Self::Bus),
            _ => text.parse().map(Self::Plugin),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_survives_its_text_and_its_json() {
        for (text, json) in [
            ("triage", r#"{"target":"triage","plugin":"triage"}"#),
            ("webhook/crm", r#"{"target":"webhook/crm"}"#),
            ("queue/jobs", r#"{"target":"queue/jobs"}"#),
            ("bus/audit", r#"{"target":"bus/audit"}"#),
            ("topic/orders", r#"{"target":"topic/orders"}"#),
        ] {
            let target: Target = text.parse().unwrap();
            assert_eq!((target.to_string().as_str(), target.text_len()), (text, text.len()));
            assert_eq!(serde_json::to_string(&target).unwrap(), json);
            assert_eq!(serde_json::from_str::<Target>(json).unwrap(), target);
        }
        assert_eq!(serde_json::from_str::<Target>(r#"{"plugin":"p"}"#).unwrap(), Target::Plugin("p".parse().unwrap()));
        for (text, kind) in [
            ("", "plugin"),
            ("webhook/", "webhook"),
            ("topic/", "topic"),
            ("bus/", "bus"),
            ("bus/topic/x", "plugin"),
            ("other/x", "plugin"),
            ("webhook/a/b", "webhook"),
        ] {
            assert_eq!(text.parse::<Target>().unwrap_err().kind, kind, "{text}");
        }
        let topic: Target = "topic/orders".parse().unwrap();
        assert_eq!((topic.kind(), topic.name()), ("topic", "orders"));
        assert_eq!(QueueName::from(&topic).as_str(), "orders");
    }
}
