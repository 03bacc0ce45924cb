//! The JSON shapes of what a tenant has and does, beside what it may.

use serde::{Deserialize, Serialize};
use wharf_event::PluginName;

/// What a tenant has and does, beside what it may.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuotasView {
    /// Bytes of keys and values.
    pub kv_bytes: QuotaView,
    /// Deliveries that wait.
    pub backlog: QuotaView,
    /// Milliseconds of CPU time in this hour.
    pub cpu_ms_per_hour: QuotaView,
    /// Bytes that plugins were given and gave in this hour.
    pub bytes_per_hour: QuotaView,
    /// Host calls that they made in this hour.
    pub host_calls_per_hour: QuotaView,
    /// Events that may be received a second; absent where as many are as come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receive_per_s: Option<u32>,
    /// Events that plugins may publish a second; absent where they may as many as they like.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub publish_per_s: Option<u32>,
    /// Plugins for which something waits, or that have quotas of their own, by name.
    pub plugins: Vec<PluginQuotasView>,
}

/// How much there is, and how much there may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuotaView {
    /// How much there is.
    pub used: u64,
    /// How much there may be; absent where that is not bounded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub most: Option<u64>,
}

/// What a plugin has and does, beside what it may.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginQuotasView {
    /// The plugin.
    pub plugin: PluginName,
    /// Deliveries that wait for it. Without a bound of its own, that of the tenant holds.
    pub backlog: QuotaView,
    /// Events that it may publish a second; absent where only the tenant's bound holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub publish_per_s: Option<u32>,
}
