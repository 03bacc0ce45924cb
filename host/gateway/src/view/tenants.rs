//! Tenants and their event buses as JSON.

use serde::{Deserialize, Serialize};
use wharf_event::{BusName, GrantBounds, Position, SignaturePolicy, TenantName};

use super::RuleOrigin;

/// The tenants of a host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenantsView {
    /// The tenant of `POST /events`, if there is one.
    pub default: Option<TenantName>,
    /// All of them by name, those aside that are being deleted.
    pub tenants: Vec<TenantName>,
    /// Those of them that are suspended.
    #[serde(default)]
    pub suspended: Vec<TenantName>,
    /// Those that are being deleted.
    #[serde(default)]
    pub deleting: Vec<TenantName>,
}

/// What holds for a tenant as a whole: what it is put as.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenantSettingsView {
    /// Its events are refused, and its deliveries wait.
    pub suspended: bool,
    /// The most that its plugins may be granted.
    #[serde(default, skip_serializing_if = "GrantBounds::is_open")]
    pub ceiling: GrantBounds,
    /// What it asks of the signatures of its releases.
    #[serde(default)]
    pub signatures: SignaturePolicy,
    /// Its share beside other tenants, where it is not the default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<u32>,
    /// Attempts of all its plugins at a time, where it is not the default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
    /// MiB that all its attempts at a time may use together, where it is not the default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_mib: Option<u32>,
    /// Bytes of its keys and values, as one would write it, where it is not the default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kv_size: Option<String>,
    /// Bytes of the components and models that it keeps, as one would write it, where it is not the default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upload_size: Option<String>,
    /// Deliveries that may wait, where it is not the default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backlog: Option<u32>,
    /// Events that are taken of it a second, if that is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receive_per_s: Option<u32>,
    /// Events that its plugins may publish a second, if that is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub publish_per_s: Option<u32>,
    /// CPU time that its plugins may use in an hour, as one would write it, if that is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_per_hour: Option<String>,
    /// Bytes that its plugins may be given and give in an hour, as one would write it, if that is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_per_hour: Option<String>,
    /// Host calls that its plugins may make in an hour, if that is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_calls_per_hour: Option<u64>,
}

/// A tenant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenantView {
    /// Its name.
    pub tenant: TenantName,
    /// Where it was made.
    pub origin: RuleOrigin,
    /// The record that made it as it is; none for one of the configuration file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Position>,
    /// What holds for it.
    #[serde(flatten)]
    pub settings: TenantSettingsView,
}

/// An event bus.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BusView {
    /// Its name.
    pub bus: BusName,
    /// Where it was made.
    pub origin: RuleOrigin,
    /// The record that made it as it is; none for one of the configuration file, and for `default` where nobody changed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Position>,
    /// How long it keeps its events.
    pub retention: RetentionView,
    /// Deliveries of its events that may wait, where that is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backlog: Option<u32>,
    /// Deliveries of its events that wait.
    #[serde(default)]
    pub waiting: u64,
}

/// How long a bus keeps its events, as one would write it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetentionView {
    /// Events older than this may go.
    pub age: String,
    /// Events with more bytes than this after them may go.
    pub size: String,
}
