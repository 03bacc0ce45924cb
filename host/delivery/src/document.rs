//! The rule set as the log keeps it: tenants with their buses, plugins and rules.
//!
//! It is the resolved form of `wharf.toml`: files are digests, defaults are filled in, times are milliseconds. Maps are
//! ordered, so equal documents have equal bytes.

use std::{
    collections::{BTreeMap, BTreeSet},
    str::FromStr,
};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use wharf_event::{
    BusName, ChannelName, Digest, Grants, PluginName, QueueName, RoutePath, RuleName, ScheduleName, SchemaName, Target,
    TenantName, WebhookName,
};

use crate::{
    BreakerDocument, OnQuarantine, QueueDocument, RetryPolicy, RouteDocument, ScheduleDocument, SchemaDocument,
    TenantSettings, WebhookDocument, limits::WEIGHT,
};

/// Everything that a host serves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// The tenant that `POST /events` is for.
    pub default_tenant: Option<TenantName>,
    /// The tenants.
    pub tenants: BTreeMap<TenantName, TenantDocument>,
}

/// One tenant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TenantDocument {
    /// Its event buses.
    pub buses: BTreeSet<BusName>,
    /// Its plugins.
    pub plugins: BTreeMap<PluginName, PluginDocument>,
    /// Its rules.
    pub rules: BTreeMap<RuleName, RuleDocument>,
    /// How long its buses keep their events, where it is not the default.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub retention: BTreeMap<BusName, RetentionDocument>,
    /// Deliveries that may wait of its buses, where that is said. (Not written where nothing is, as before anything could be.)
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub bus_backlogs: BTreeMap<BusName, u32>,
    /// Its schemas. (Not written where there is none, as before there were any.)
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub schemas: BTreeMap<SchemaName, SchemaDocument>,
    /// Its webhooks. (Not written where there is none, as before there were any.)
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub webhooks: BTreeMap<WebhookName, WebhookDocument>,
    /// Its schedules. (Not written where there is none, as before there were any.)
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub schedules: BTreeMap<ScheduleName, ScheduleDocument>,
    /// Its queues. (Not written where there is none, as before there were any.)
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub queues: BTreeMap<QueueName, QueueDocument>,
    /// Its routes. (Not written where there is none, as before there were any.)
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub routes: BTreeMap<RoutePath, RouteDocument>,
    /// What holds for it as a whole. (Not written where nothing is said, as before anything could be.)
    #[serde(default, skip_serializing_if = "TenantSettings::is_default")]
    pub settings: TenantSettings,
}

/// How long a bus keeps its events: until they are too old, or too many bytes came after them. The log lets go of whole
/// segments, so they may stay longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetentionDocument {
    /// Age, in milliseconds.
    pub age_ms: u64,
    /// Bytes of events.
    pub size_bytes: u64,
}

impl Default for RetentionDocument {
    fn default() -> Self {
        Self { age_ms: 7 * 86_400_000, size_bytes: 10 << 30 }
    }
}

/// An event bus, or a topic, as it was put: how long it keeps its events, and how much of it may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BusDocument {
    /// Age, in milliseconds.
    pub age_ms: u64,
    /// Bytes of events.
    pub size_bytes: u64,
    /// Deliveries that may wait, where that is said. (Not written where it is not, as before it could be.)
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backlog: Option<u32>,
}

impl BusDocument {
    /// One that keeps its events so long.
    #[must_use]
    pub fn keeping(RetentionDocument { age_ms, size_bytes }: RetentionDocument) -> Self {
        Self { age_ms, size_bytes, backlog: None }
    }

    /// How long it keeps its events.
    #[must_use]
    pub fn retention(self) -> RetentionDocument {
        RetentionDocument { age_ms: self.age_ms, size_bytes: self.size_bytes }
    }
}

/// One plugin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PluginDocument {
    /// The component that runs.
    pub release: Digest,
    /// What `wasi:config` gives it.
    pub config: BTreeMap<String, String>,
    /// What it may use.
    pub grants: Grants,
    /// What it may consume.
    pub limits: LimitsDocument,
    /// When it is given a rest; never where nothing is said. (Not written then, as before this could be.)
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub breaker: Option<BreakerDocument>,
}

/// What one attempt, and all attempts at a time, may consume.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitsDocument {
    /// Wall time of an attempt, in milliseconds.
    pub wall_ms: u32,
    /// CPU time of an attempt, in milliseconds.
    pub cpu_ms: u32,
    /// Memory of an attempt, over all its memories, in MiB.
    pub memory_mib: u32,
    /// Attempts of this plugin at a time.
    pub concurrency: u32,
    /// Its share beside other plugins of its tenant. (Not written where it is the default, as before it could be set.)
    #[serde(default = "weight", skip_serializing_if = "is_default_weight")]
    pub weight: u32,
    /// What becomes of its deliveries while its release is quarantined. (Not written where it is the default, as before it
    /// could be set.)
    #[serde(default, skip_serializing_if = "OnQuarantine::is_default")]
    pub quarantine: OnQuarantine,
    /// Deliveries to it that may wait, where it is not only for its tenant to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backlog: Option<u32>,
    /// Events that it may publish a second, where it is not only for its tenant to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub publish_per_s: Option<u32>,
    /// Attempts of it that may begin in a second; as many as there are where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempts_per_s: Option<u32>,
    /// Attempts that one instance makes, one after the other. (Not written where each has a fresh one, as before this could be set.)
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub reuse: u32,
    /// What an attempt may have the host do. (Not written where it is the default, as it was before it could be set: the bytes
    /// of such a document stay the same.)
    #[serde(default, skip_serializing_if = "HostLimits::are_default")]
    pub host: HostLimits,
}

impl Default for LimitsDocument {
    fn default() -> Self {
        Self {
            wall_ms: 10_000,
            cpu_ms: 1_000,
            memory_mib: 64,
            concurrency: 32,
            weight: WEIGHT,
            quarantine: OnQuarantine::default(),
            backlog: None,
            publish_per_s: None,
            attempts_per_s: None,
            reuse: 1,
            host: HostLimits::default(),
        }
    }
}

const fn weight() -> u32 {
    WEIGHT
}

pub(crate) const fn one() -> u32 {
    1
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
pub(crate) const fn is_one(count: &u32) -> bool {
    *count == 1
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
const fn is_default_weight(weight: &u32) -> bool {
    *weight == WEIGHT
}

/// What one attempt may have the host hold, copy, and keep for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HostLimits {
    /// Elements of tables, over all its tables.
    pub table_elements: u32,
    /// KiB that it may pass in one call, as arguments to the host or as its answer.
    pub call_kib: u32,
    /// Handles of resources that it may hold, its own included.
    pub handles: u32,
    /// Resources of the host that it may hold: buckets, streams, timers.
    pub resources: u32,
    /// KiB of random bytes.
    pub random_kib: u32,
    /// Lines of its log.
    pub log_lines: u32,
    /// KiB of its log.
    pub log_kib: u32,
    /// Events that it may publish.
    pub publishes: u32,
    /// KiB of events that it may publish.
    pub publish_kib: u32,
    /// Keys that it may read, pages of listings included.
    pub kv_reads: u32,
    /// Keys that it may change.
    pub kv_writes: u32,
    /// KiB that it may write.
    pub kv_write_kib: u32,
    /// Requests that it may send by HTTP.
    pub http_calls: u32,
    /// KiB that it may send and get by HTTP.
    pub http_kib: u32,
    /// Milliseconds that one request may take.
    pub http_ms: u32,
    /// Calls of models that it may make.
    pub llm_calls: u32,
    /// KiB that it may send to models and get of them.
    pub llm_kib: u32,
    /// Milliseconds that one call of a model may take, whatever it takes to have an answer.
    pub llm_ms: u32,
    /// Questions to models of its tenant that it may ask.
    pub infer_calls: u32,
    /// KiB of tensors that it may give to them and get of them.
    pub infer_kib: u32,
    /// Milliseconds that one answer of theirs may take, the wait for a place included.
    pub infer_ms: u32,
}

impl HostLimits {
    fn are_default(&self) -> bool {
        *self == Self::default()
    }
}

impl Default for HostLimits {
    fn default() -> Self {
        Self {
            table_elements: 20_000,
            call_kib: 8 << 10,
            handles: 4_096,
            resources: 1_024,
            random_kib: 1 << 10,
            log_lines: 1_000,
            log_kib: 256,
            publishes: 100,
            publish_kib: 4 << 10,
            kv_reads: 10_000,
            kv_writes: 1_000,
            kv_write_kib: 4 << 10,
            http_calls: 32,
            http_kib: 4 << 10,
            http_ms: 10_000,
            llm_calls: 16,
            llm_kib: 4 << 10,
            llm_ms: 60_000,
            infer_calls: 32,
            infer_kib: 4 << 10,
            infer_ms: 5_000,
        }
    }
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleDocument {
    /// The bus that it listens on.
    pub bus: BusName,
    /// The event pattern.
    pub pattern: PatternText,
    /// What changes an event on its way to the targets, in this order. (Not written where there is none, as it was before
    /// there were transforms: the bytes of such a document stay the same.)
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub transforms: Vec<PluginName>,
    /// Who gets the events that match.
    pub targets: Vec<TargetDocument>,
    /// Whether it matches anything. (Not written where it does, as before this could be said.)
    #[serde(default = "enabled", skip_serializing_if = "Clone::clone")]
    pub enabled: bool,
}

const fn enabled() -> bool {
    true
}

/// An event pattern as it was written: spellings of numbers, escapes and members that are there twice count.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PatternText(Box<RawValue>);

impl PatternText {
    /// The JSON text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.get()
    }
}

impl PartialEq for PatternText {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for PatternText {}

impl FromStr for PatternText {
    type Err = serde_json::Error;

    fn from_str(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }
}

/// One target of a rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "TargetForm", into = "TargetForm")]
pub struct TargetDocument {
    /// Who it is.
    pub to: Target,
    /// The channel of a plugin; its traffic as `promote` divides it without one.
    pub channel: Option<ChannelName>,
    /// How often it is tried.
    pub retry: RetryPolicy,
    /// Where deliveries go that are given up.
    pub dead_letter: QueueName,
    /// What it gets in place of an event's payload.
    pub input: Option<InputDocument>,
    /// Where an event says what it has in common with those that it comes behind, as an input's path.
    pub order_by: Option<String>,
    /// Attempts of those that have one value there that may begin in a second; as many as there are where nothing is said.
    pub key_per_s: Option<u32>,
}

/// A target as it is written: `{"plugin": "triage", ...}`, `{"webhook": "crm", ...}`, `{"queue": "jobs", ...}`, `{"bus": "audit", ...}`; a topic is the bus `topic/NAME`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TargetForm {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    plugin: Option<PluginName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    webhook: Option<WebhookName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    queue: Option<QueueName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bus: Option<BusName>,
    /// (Not written where there is none, as before there were any.)
    #[serde(default, skip_serializing_if = "Option::is_none")]
    channel: Option<ChannelName>,
    retry: RetryPolicy,
    dead_letter: QueueName,
    /// (Not written where the event comes as it is, as it was before there were inputs: the bytes of such a document stay the same.)
    #[serde(default, skip_serializing_if = "Option::is_none")]
    input: Option<InputDocument>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    order_by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key_per_s: Option<u32>,
}

impl From<TargetDocument> for TargetForm {
    fn from(TargetDocument { to, channel, retry, dead_letter, input, order_by, key_per_s }: TargetDocument) -> Self {
        let (plugin, webhook, queue) = (to.plugin().cloned(), to.webhook().cloned(), to.queue().cloned());
        let bus = to.bus().cloned();
        Self { plugin, webhook, queue, bus, channel, retry, dead_letter, input, order_by, key_per_s }
    }
}

impl TryFrom<TargetForm> for TargetDocument {
    type Error = &'static str;

    fn try_from(form: TargetForm) -> Result<Self, Self::Error> {
        let TargetForm { plugin, webhook, queue, bus, channel, retry, dead_letter, input, order_by, key_per_s } = form;
        let to = match (plugin, webhook, queue, bus) {
            (Some(plugin), None, None, None) => Target::Plugin(plugin),
            (None, Some(webhook), None, None) => Target::Webhook(webhook),
            (None, None, Some(queue), None) => Target::Queue(queue),
            (None, None, None, Some(bus)) => Target::Bus(bus),
            _ => return Err("a target is one of `plugin`, `webhook`, `queue` and `bus`"),
        };
        Ok(Self { to, channel, retry, dead_letter, input, order_by, key_per_s })
    }
}

/// What a target gets in place of an event's payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum InputDocument {
    /// What this path leads to.
    Path(String),
    /// This JSON text.
    Constant(String),
    /// A template, filled with what paths lead to.
    Transformer {
        /// The paths, by the names that the template has for them.
        paths: BTreeMap<String, String>,
        /// The template.
        template: String,
    },
    /// The whole event, with the topic and the subscription that it came by.
    Envelope,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_from_before_there_were_transforms_reads_and_is_written_as_it_was() {
        let before = r#"{"bus":"default","pattern":{"type":["t"]},"targets":[]}"#;
        let rule: RuleDocument = serde_json::from_str(before).unwrap();
        assert!(rule.transforms.is_empty());
        assert_eq!(serde_json::to_string(&rule).unwrap(), before);
        let with = RuleDocument { transforms: vec!["enrich".parse().unwrap()], ..rule };
        let text = serde_json::to_string(&with).unwrap();
        assert_eq!(text, r#"{"bus":"default","pattern":{"type":["t"]},"transforms":["enrich"],"targets":[]}"#);
        assert_eq!(serde_json::from_str::<RuleDocument>(&text).unwrap(), with);
        assert!(with.enabled);
        let off = serde_json::to_string(&RuleDocument { enabled: false, ..with }).unwrap();
        assert!(off.ends_with(r#""targets":[],"enabled":false}"#), "{off}");
        assert!(!serde_json::from_str::<RuleDocument>(&off).unwrap().enabled);
    }

    #[test]
    fn a_pattern_keeps_its_spelling() {
        let rule = r#"{"bus":"b","pattern":{"n": [3.0e2, 12345678901234567890123],"n":["\u0041"]},"targets":[]}"#;
        let read: RuleDocument = serde_json::from_str(rule).unwrap();
        assert_eq!(read.pattern.as_str(), r#"{"n": [3.0e2, 12345678901234567890123],"n":["\u0041"]}"#);
        assert_eq!(serde_json::to_string(&read).unwrap(), rule);
    }

    #[test]
    fn a_target_from_before_there_were_inputs_reads_and_is_written_as_it_was() {
        let retry = r#"{"first_ms":1000,"max_ms":300000,"attempts":185,"age_ms":86400000}"#;
        let before = format!(r#"{{"plugin":"p","retry":{retry},"dead_letter":"p"}}"#);
        let target: TargetDocument = serde_json::from_str(&before).unwrap();
        assert_eq!(target.input, None);
        assert_eq!(serde_json::to_string(&target).unwrap(), before);
        for input in [
            r#"{"path":"$.data"}"#,
            r#"{"constant":"1.50"}"#,
            r#"{"transformer":{"paths":{"n":"$.data.n"},"template":"<n>"}}"#,
            r#""envelope""#,
        ] {
            let text = format!(r#"{{"plugin":"p","retry":{retry},"dead_letter":"p","input":{input}}}"#);
            let target: TargetDocument = serde_json::from_str(&text).unwrap();
            assert_eq!(serde_json::to_string(&target).unwrap(), text);
        }
        let unread = r#"{"transformer":{"paths":{},"template":"1","path":"x"}}"#;
        assert!(serde_json::from_str::<InputDocument>(unread).is_err(), "a key that nothing reads");
    }

    #[test]
    fn limits_from_before_those_of_the_host_could_be_set_read_and_are_written_as_they_were() {
        let before = r#"{"wall_ms":10000,"cpu_ms":1000,"memory_mib":64,"concurrency":32}"#;
        let limits: LimitsDocument = serde_json::from_str(before).unwrap();
        assert_eq!(limits, LimitsDocument::default());
        assert_eq!(serde_json::to_string(&limits).unwrap(), before);
        let own = LimitsDocument { weight: 7, quarantine: OnQuarantine::DeadLetter, ..limits };
        let text = serde_json::to_string(&own).unwrap();
        assert!(text.ends_with(r#""concurrency":32,"weight":7,"quarantine":"dead-letter"}"#), "{text}");
        assert_eq!(serde_json::from_str::<LimitsDocument>(&text).unwrap(), own);
        let fewer = HostLimits { publishes: 7, ..HostLimits::default() };
        let text = serde_json::to_string(&LimitsDocument { host: fewer, ..limits }).unwrap();
        assert_eq!(serde_json::from_str::<LimitsDocument>(&text).unwrap().host, fewer);
        assert!(serde_json::from_str::<HostLimits>(r#"{"publish":7}"#).is_err(), "a key that nothing reads");
    }
}
