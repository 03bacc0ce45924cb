//! What a tenant has of the host at this moment as JSON, and what holds its next attempts back.

use serde::{Deserialize, Serialize};
use wharf_event::{Code, PluginName, WebhookName};

/// What a tenant has of the host at this moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LoadView {
    /// Attempts that run.
    pub running: u32,
    /// As many may.
    pub running_max: u32,
    /// MiB that those may use together.
    pub memory_mib: u32,
    /// As many may they be.
    pub memory_mib_max: u32,
    /// Its share beside other tenants.
    pub weight: u32,
    /// Attempts that run and wait for a processor.
    pub waiting_for_cpu: u64,
    /// What holds the next attempt of all its plugins back; none where nothing does.
    pub held_by: Option<Code>,
    /// Each plugin that runs, or whose next attempt is held back, by name.
    pub plugins: Vec<PluginLoadView>,
    /// The same of each webhook.
    pub webhooks: Vec<WebhookLoadView>,
}

/// What a webhook has of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookLoadView {
    /// Its name.
    pub webhook: WebhookName,
    /// Attempts that run.
    pub running: u32,
    /// As many may.
    pub running_max: u32,
    /// What holds its next attempt back; none where nothing does.
    pub held_by: Option<Code>,
}

/// What a plugin has of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginLoadView {
    /// Its name.
    pub plugin: PluginName,
    /// Attempts that run.
    pub running: u32,
    /// As many may.
    pub running_max: u32,
    /// What holds its next attempt back; none where nothing does.
    pub held_by: Option<Code>,
}
