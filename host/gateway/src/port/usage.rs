//! Port: what a tenant used.

use std::future::Future;

use wharf_event::{PluginName, TenantName};

use super::Refusal;
use crate::view::{QuotasView, UsageView};

/// What is summed together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UsageBy {
    /// All hours of a plugin.
    #[default]
    Plugin,
    /// All plugins of an hour.
    Hour,
}

/// Which usage of a tenant is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UsageQuery {
    /// From the hour of this time on, RFC 3339 or a date.
    pub from: Option<String>,
    /// Up to this time, the hour that has begun by then included.
    pub to: Option<String>,
    /// What is summed together.
    pub by: UsageBy,
    /// Only that of this plugin.
    pub plugin: Option<PluginName>,
    /// The `next` of the page before.
    pub after: Option<String>,
}

/// Tells what a tenant used, and what it may.
pub trait Usage: Clone + Send + Sync + 'static {
    /// What it has and does, beside what it may.
    fn quotas(&self, tenant: &TenantName) -> impl Future<Output = Result<QuotasView, Refusal>> + Send;

    /// A page of sums, by name or by hour. Of a page that has a next one the sums may go on there.
    fn usage(&self, tenant: &TenantName, query: UsageQuery) -> impl Future<Output = Result<UsageView, Refusal>> + Send;
}
