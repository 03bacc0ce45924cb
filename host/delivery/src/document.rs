//! The rule set as the log keeps it: tenants with their buses, plugins and rules.
//!
//! It is the resolved form of `wharf.toml`: files are digests, defaults are filled in, times are milliseconds. Maps are
//! ordered, so equal documents have equal bytes.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use wharf_event::{BucketName, BusName, Digest, PluginName, QueueName, RuleName, TenantName};

use crate::RetryPolicy;

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

/// One plugin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PluginDocument {
    /// The component that runs.
    pub release: Digest,
    /// What `wasi:config` gives it.
    pub config: BTreeMap<String, String>,
    /// What it may use.
    pub grants: GrantsDocument,
    /// What it may consume.
    pub limits: LimitsDocument,
}

/// What a plugin may use. Everything else is denied.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantsDocument {
    /// Event types that it may publish; a `*` at the end stands for anything.
    pub publish: Vec<String>,
    /// Buckets that it may open.
    pub kv: Vec<BucketName>,
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
}

impl Default for LimitsDocument {
    fn default() -> Self {
        Self { wall_ms: 10_000, cpu_ms: 1_000, memory_mib: 64, concurrency: 32 }
    }
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleDocument {
    /// The bus that it listens on.
    pub bus: BusName,
    /// The event pattern.
    pub pattern: serde_json::Value,
    /// What changes an event on its way to the targets, in this order. (Not written where there is none, as it was before
    /// there were transforms: the bytes of such a document stay the same.)
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub transforms: Vec<PluginName>,
    /// Who gets the events that match.
    pub targets: Vec<TargetDocument>,
}

/// One target of a rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetDocument {
    /// The plugin.
    pub plugin: PluginName,
    /// How often it is tried.
    pub retry: RetryPolicy,
    /// Where deliveries go that are given up.
    pub dead_letter: QueueName,
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
    }
}
