//! What a tenant has and does, beside what it may.
//!
//! Invariant: what is told is durable, and each figure is the one that is held against its quota.

use std::collections::BTreeMap;

use wharf_delivery::{Budget, Hourly, StatsRow, TableError, Tables, Usage, hour_of, keys, sizes};
use wharf_event::{PluginName, Target, TenantName};
use wharf_gateway::{
    Refusal,
    view::{PluginQuotasView, QuotaView, QuotasView},
};

use super::{HostAdapter, budgets, was_read};

/// What the state has of a tenant.
struct Used {
    kv_bytes: u64,
    pending: u64,
    hour: wharf_delivery::Used,
    backlogs: Vec<(Target, u64)>,
    models: budgets::Sums,
}

impl Used {
    fn of(state: &impl Tables, tenant: &TenantName, hour: u32, budgets: &[Budget]) -> Result<Self, TableError> {
        Ok(Self {
            kv_bytes: sizes::value_bytes(state, tenant)?,
            pending: StatsRow::get(state, &keys::tenant(tenant))?.unwrap_or_default().pending,
            hour: Usage::of_hour(state, tenant, hour)?,
            backlogs: sizes::backlogs(state, tenant)?,
            models: budgets::sums(state, tenant, hour, budgets)?,
        })
    }
}

impl HostAdapter {
    pub(super) async fn quotas_of(&self, tenant: &TenantName) -> Result<QuotasView, Refusal> {
        self.known(tenant)?;
        let hour = hour_of(self.dispatcher.now_ms());
        let models = self.outside.models();
        let budgets = models.budgets_of(tenant);
        let used = was_read(self.dispatcher.read(|state| Used::of(state, tenant, hour, &budgets)).await)?;
        let rules = self.dispatcher.rules();
        let quotas = rules.settings(tenant).quotas;
        let plugin = |plugin: &PluginName, used| {
            let limits = rules.limits(tenant, plugin);
            let backlog = QuotaView { used, most: limits.backlog.map(u64::from) };
            PluginQuotasView { plugin: plugin.clone(), backlog, publish_per_s: limits.publish_per_s }
        };
        let waiting = used.backlogs.iter().filter_map(|(of, waiting)| Some((of.plugin()?, *waiting)));
        let mut plugins: BTreeMap<_, _> =
            waiting.map(|(name, waiting)| (name.clone(), plugin(name, waiting))).collect();
        for name in rules.plugins(tenant) {
            if plugins.contains_key(name) {
                continue;
            }
            let own = plugin(name, 0);
            if own.backlog.most.is_some() || own.publish_per_s.is_some() {
                plugins.insert(name.clone(), own);
            }
        }
        Ok(QuotasView {
            kv_bytes: QuotaView { used: used.kv_bytes, most: Some(quotas.kv_bytes()) },
            upload_bytes: QuotaView { used: self.kept_of(tenant).await?, most: Some(quotas.upload_bytes()) },
            backlog: QuotaView { used: used.pending, most: Some(u64::from(quotas.backlog())) },
            cpu_ms_per_hour: QuotaView { used: Hourly::CpuMs.of(&used.hour), most: quotas.cpu_ms_per_hour },
            bytes_per_hour: QuotaView { used: Hourly::Bytes.of(&used.hour), most: quotas.bytes_per_hour },
            host_calls_per_hour: QuotaView { used: Hourly::HostCalls.of(&used.hour), most: quotas.host_calls_per_hour },
            receive_per_s: quotas.receive_per_s,
            publish_per_s: quotas.publish_per_s,
            plugins: plugins.into_values().collect(),
            budgets: budgets::view(&used.models, &budgets, models.currency.as_deref()),
        })
    }
}
