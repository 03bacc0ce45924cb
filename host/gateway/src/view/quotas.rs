//! The JSON shapes of what a tenant has and does, beside what it may.

use serde::{Deserialize, Serialize};
use wharf_event::PluginName;

/// What a tenant has and does, beside what it may.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuotasView {
    /// Bytes of keys and values.
    pub kv_bytes: QuotaView,
    /// Bytes of the components and models that it keeps.
    #[serde(default)]
    pub upload_bytes: QuotaView,
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
    /// What models cost today, of the tenant, and of each plugin and route that asked one or has a budget.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub budgets: Vec<BudgetView>,
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

/// What models cost, beside what they may.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BudgetView {
    /// Of whom: `tenant`, `plugin/NAME` or `route/NAME`.
    pub of: String,
    /// What money is in, where the host was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// In this hour.
    pub hour: SpentView,
    /// In this day, by UTC.
    pub day: SpentView,
}

/// What models cost in an hour or a day.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpentView {
    /// How often one was asked.
    pub calls: u64,
    /// Tokens that were read.
    pub input_tokens: u64,
    /// Tokens that were written.
    pub output_tokens: u64,
    /// Tokens that are reserved for calls that are under way, or whose end nobody knows.
    pub reserved_tokens: u64,
    /// Tokens that may be; absent where that is not bounded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub most_tokens: Option<u64>,
    /// What it cost, with nine decimals.
    pub cost: String,
    /// What is reserved.
    pub reserved_cost: String,
    /// What it may cost; absent where that is not bounded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub most_cost: Option<String>,
}
