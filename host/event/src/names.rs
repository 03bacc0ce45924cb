//! The names that people give to tenants, buses, rules, plugins, buckets and queues: one newtype each, from one macro.
//! Invariant: a name that exists matches `[a-z0-9][a-z0-9._-]{0,62}`, so it is safe in a URL path, a file name and a log
//! line. (What stands in the place of a bus for a queue or a topic has `queue/` or `topic/` before it, and a subscription among rules has its topic's name and `/`. What a schedule stands as among both is `schedule/NAME` and `@NAME`.) There is no `From<String>`: parsing is the only way in.

use std::{borrow::Borrow, fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::limits::{ERROR_VALUE_CHARS_MAX, NAME_BYTES_MAX};

/// A text that is not the name it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{value}` is not a {kind} name: {reason}")]
pub struct NameError {
    /// What it should have named, such as `tenant`.
    pub kind: &'static str,
    /// The refused text, cut to 64 characters.
    pub value: String,
    /// Which rule it breaks.
    pub reason: NameReason,
}

/// The rule that a refused name breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameReason {
    /// Nothing is there.
    #[error("it is empty")]
    Empty,
    /// Longer than 63 bytes.
    #[error("it is longer than {NAME_BYTES_MAX} characters")]
    TooLong,
    /// The first character is not a letter or digit.
    #[error("it must begin with a lower-case letter or a digit")]
    First,
    /// A character that names do not have.
    #[error("it has {found:?}; use lower-case letters, digits, `.`, `_` and `-`")]
    Character {
        /// The first such character.
        found: char,
    },
}

fn check(text: &str) -> Result<(), NameReason> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let first = *text.as_bytes().first().ok_or(NameReason::Empty)?;
    // Names are read with every row, so the bytes are looked at; characters only to tell of one that is wrong.
    if !text.bytes().all(|byte| plain(byte) || matches!(byte, b'.' | b'_' | b'-')) {
        let named = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_' | '-');
        let found = text.chars().find(|&c| !named(c)).unwrap_or_default();
        return Err(NameReason::Character { found });
    }
    if !plain(first) {
        return Err(NameReason::First);
    }
    if text.len() > NAME_BYTES_MAX {
        return Err(NameReason::TooLong);
    }
    Ok(())
}

macro_rules! name_type {
    ($($(#[$doc:meta])* $name:ident = $kind:literal $(behind $($prefix:ident)|+)? $(below $of:ident)?;)+) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                let own = text;
                $(let own = [$($prefix),+].iter().find_map(|prefix| text.strip_prefix(prefix)).unwrap_or(own);)?
                $(let own = text.split_once('/').filter(|(of, _)| of.parse::<$of>().is_ok()).map_or(own, |(_, own)| own);)?
                match check(own) {
                    Ok(()) => Ok(Self(text.into())),
                    Err(reason) => {
                        let value = text.chars().take(ERROR_VALUE_CHARS_MAX).collect();
                        Err(NameError { kind: $kind, value, reason })
                    }
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        }
    )+};
}

/// What stands before the name of a queue in the name of the bus that is its own.
const QUEUE: &str = "queue/";

/// What stands before the name of a topic in the name of the bus that it is.
const TOPIC: &str = "topic/";

/// What stands before the name of a schedule in what stands in the place of a bus for its events, if it has targets.
const SCHEDULE: &str = "schedule/";

/// What stands before the name of a schedule in the name of the rule that its targets are.
const SCHEDULED: &str = "@";

name_type! {
    /// Who owns plugins, rules and data.
    TenantName = "tenant";
    /// An event bus of a tenant; or what stands in its place: a topic, `topic/NAME`, for what was sent straight to a queue, `queue/NAME`, or for what a
    /// schedule sends straight to its targets, `schedule/NAME`.
    BusName = "bus" behind QUEUE | TOPIC | SCHEDULE;
    /// A topic of a tenant.
    TopicName = "topic";
    /// A rule of a bus: an event pattern and what it leads to; a subscription of a topic, `TOPIC/NAME`; or the targets of a schedule, `@NAME`.
    RuleName = "rule" behind SCHEDULED below TopicName;
    /// A subscription of a topic, among those of its topic.
    SubscriptionName = "subscription";
    /// A plugin: a package that a tenant uploaded.
    PluginName = "plugin";
    /// A channel of a plugin: a name for one of its releases.
    ChannelName = "channel";
    /// A schema of payloads.
    SchemaName = "schema";
    /// A schedule of a tenant.
    ScheduleName = "schedule";
    /// A replay of archived events.
    ReplayName = "replay";
    /// A key-value bucket of a tenant.
    BucketName = "bucket";
    /// A queue of a tenant, dead-letter queues among them.
    QueueName = "queue";
    /// A webhook: an address outside that a tenant's events are sent to.
    WebhookName = "webhook";
    /// A key that signs a tenant's releases.
    SigningKeyName = "signing key";
    /// A secret of a tenant, which the host puts into requests of plugins.
    SecretName = "secret";

    /// A tenant's way to a model, which a plugin names in its place.
    RouteName = "route";

    /// A prompt of a route: templates of what models are asked by it.
    PromptName = "prompt";

    /// A model, as the operator calls it.
    ModelName = "model";

    /// Somebody who has models, as the operator calls them.
    ProviderName = "provider";
}

impl BusName {
    /// What stands in the place of a bus for what is sent straight to a queue.
    #[must_use]
    pub fn of_queue(queue: &QueueName) -> Self {
        Self(format!("{QUEUE}{queue}").into())
    }

    /// The queue that it is the own bus of, if it is that of one: it has no rules, and nobody makes it.
    #[must_use]
    pub fn queue(&self) -> Option<QueueName> {
        self.0.strip_prefix(QUEUE).map(|queue| QueueName(queue.into()))
    }

    /// The bus that a topic is.
    #[must_use]
    pub fn of_topic(topic: &TopicName) -> Self {
        Self(format!("{TOPIC}{topic}").into())
    }

    /// The topic that it is, if it is one.
    #[must_use]
    pub fn topic(&self) -> Option<TopicName> {
        self.0.strip_prefix(TOPIC).map(|topic| TopicName(topic.into()))
    }

    /// What stands in the place of a bus for what a schedule sends straight to its targets.
    #[must_use]
    pub fn of_schedule(schedule: &ScheduleName) -> Self {
        Self(format!("{SCHEDULE}{schedule}").into())
    }

    /// Whether it has this name among buses, and is no topic, and neither a queue's nor a schedule's own.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        !self.0.contains('/')
    }
}

impl RuleName {
    /// The rule that a subscription is.
    #[must_use]
    pub fn of_subscription(topic: &TopicName, subscription: &SubscriptionName) -> Self {
        Self(format!("{topic}/{subscription}").into())
    }

    /// The subscription that it is, with its topic, if it is one.
    #[must_use]
    pub fn subscription(&self) -> Option<(TopicName, SubscriptionName)> {
        let (topic, name) = self.0.split_once('/')?;
        Some((TopicName(topic.into()), SubscriptionName(name.into())))
    }

    /// The rule that the targets of a schedule are.
    #[must_use]
    pub fn of_schedule(schedule: &ScheduleName) -> Self {
        Self(format!("{SCHEDULED}{schedule}").into())
    }

    /// The schedule whose targets it is, if it is that.
    #[must_use]
    pub fn schedule(&self) -> Option<ScheduleName> {
        self.0.strip_prefix(SCHEDULED).map(|schedule| ScheduleName(schedule.into()))
    }

    /// Whether it is a rule of a bus: no subscription, and not what the targets of a schedule are.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        !self.0.contains('/') && !self.0.starts_with(SCHEDULED)
    }

    /// The word for what has this name among those of its kind, and that name.
    #[must_use]
    pub fn told(&self) -> (&'static str, &str) {
        match self.0.strip_prefix(SCHEDULED) {
            Some(schedule) => ("schedule", schedule),
            None if self.is_plain() => ("rule", &self.0),
            None => ("subscription", &self.0),
        }
    }
}

/// The dead-letter queue of what goes to a bus or a topic has its name.
impl From<&BusName> for QueueName {
    fn from(bus: &BusName) -> Self {
        Self(bus.0.rsplit('/').next().unwrap_or_default().into())
    }
}

/// The rule in whose place a queue stands for what is sent straight to it.
impl From<&QueueName> for RuleName {
    fn from(queue: &QueueName) -> Self {
        Self(queue.0.clone())
    }
}

/// The dead-letter queue of a plugin or a webhook and a plugin's own bucket have its name: all names have one grammar.
impl From<&PluginName> for QueueName {
    fn from(plugin: &PluginName) -> Self {
        Self(plugin.0.clone())
    }
}

impl From<&WebhookName> for QueueName {
    fn from(webhook: &WebhookName) -> Self {
        Self(webhook.0.clone())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_name_is_checked_against_every_rule() {
        let long = "a".repeat(64);
        let cases: &[(&str, Result<(), NameReason>)] = &[
            ("a", Ok(())),
            ("0", Ok(())),
            ("acme.eu-west_1", Ok(())),
            (&long[1..], Ok(())),
            ("", Err(NameReason::Empty)),
            (&long, Err(NameReason::TooLong)),
            (".hidden", Err(NameReason::First)),
            ("-x", Err(NameReason::First)),
            ("..", Err(NameReason::First)),
            ("Acme", Err(NameReason::Character { found: 'A' })),
            ("a/b", Err(NameReason::Character { found: '/' })),
            ("a b", Err(NameReason::Character { found: ' ' })),
            ("caf\u{e9}", Err(NameReason::Character { found: '\u{e9}' })),
            ("a\0", Err(NameReason::Character { found: '\0' })),
        ];
        for (text, wanted) in cases {
            let got = text.parse::<TenantName>().map(|_| ()).map_err(|error| error.reason);
            assert_eq!(got, *wanted, "{text:?}");
        }
    }

    #[test]
    fn a_subscription_among_rules_has_its_topic_before_it() {
        let (topic, subscription) = ("orders".parse().unwrap(), "billing".parse().unwrap());
        let rule = RuleName::of_subscription(&topic, &subscription);
        assert_eq!(("orders/billing".parse(), rule.subscription()), (Ok(rule.clone()), Some((topic, subscription))));
        assert!(!rule.is_plain() && "orders".parse::<RuleName>().unwrap().is_plain());
        for none in ["orders/", "/billing", "a/b/c", "A/b", "a/B"] {
            assert!(none.parse::<RuleName>().is_err(), "{none}");
        }
        assert!("a/b".parse::<PluginName>().is_err());
    }

    #[test]
    fn the_targets_of_a_schedule_have_a_name_that_no_rule_and_no_subscription_has() {
        let schedule = "nightly".parse().unwrap();
        let (rule, bus) = (RuleName::of_schedule(&schedule), BusName::of_schedule(&schedule));
        assert_eq!(
            ("@nightly".parse(), rule.schedule(), rule.subscription()),
            (Ok(rule.clone()), Some(schedule), None)
        );
        assert_eq!(("schedule/nightly".parse(), bus.topic(), bus.queue()), (Ok(bus.clone()), None, None));
        assert!(!rule.is_plain() && !bus.is_plain());
        assert_eq!(rule.told(), ("schedule", "nightly"));
        for none in ["@", "@a/b", "a/@b", "@@a", "a@"] {
            assert!(none.parse::<RuleName>().is_err(), "{none}");
        }
        assert!("schedule/".parse::<BusName>().is_err() && "@a".parse::<PluginName>().is_err());
    }

    #[test]
    fn a_refused_name_is_explained_and_not_repeated_at_length() {
        let error = "No Good".parse::<PluginName>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "`No Good` is not a plugin name: it has 'N'; use lower-case letters, digits, `.`, `_` and `-`"
        );
        assert_eq!("x".repeat(10_000).parse::<BusName>().unwrap_err().value.len(), ERROR_VALUE_CHARS_MAX);
    }

    #[test]
    fn a_name_looks_itself_up_by_text_and_serde_validates() {
        let map = BTreeMap::from([("acme".parse::<TenantName>().unwrap(), 1)]);
        assert_eq!(map.get("acme"), Some(&1));
        let name: RuleName = serde_json::from_str("\"r-1\"").unwrap();
        assert_eq!(serde_json::to_string(&name).unwrap(), "\"r-1\"");
        assert!(serde_json::from_str::<RuleName>("\"R\"").is_err());
        assert_eq!(format!("{name:?}"), "RuleName(r-1)");
    }
}
