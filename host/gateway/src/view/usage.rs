//! The JSON shapes of what a tenant used.

use serde::{Deserialize, Serialize};
use wharf_event::PluginName;

/// A page of what a tenant used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageView {
    /// The first hour that was asked for, RFC 3339.
    pub from: String,
    /// The end of the last one.
    pub to: String,
    /// Sums of a plugin or of an hour.
    pub items: Vec<UsageItem>,
    /// The sums of this page.
    pub total: UsageItem,
    /// What costs are in, where the host was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// Where the next page begins. The sums of this one may go on there: those of one plugin or hour add up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// What attempts used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageItem {
    /// The beginning of the hour; absent where hours are summed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hour: Option<String>,
    /// The plugin; absent where plugins are summed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plugin: Option<PluginName>,
    /// Attempts in which a guest ran.
    pub attempts: u64,
    /// CPU time, in microseconds.
    pub cpu_us: u64,
    /// Memory times time, in MiB times milliseconds.
    pub memory_mib_ms: u64,
    /// Bytes that guests were given.
    pub bytes_in: u64,
    /// Bytes that they gave.
    pub bytes_out: u64,
    /// Work of the host.
    pub host_calls: u64,
    /// What it costs by the host's price list, in decimals; absent where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<String>,
}
