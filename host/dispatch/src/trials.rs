//! First attempts of plugins that have a release on trial, counted for the canary and for the stable release over the same time.
//!
//! It is kept in memory: after a restart a canary is judged by what comes from then on.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use wharf_catalog::Tally;
use wharf_event::{Digest, PluginName, TenantName};

#[derive(Default)]
struct Trial {
    since_ms: u64,
    tallies: HashMap<Digest, Tally>,
}

/// What is counted, by tenant and plugin.
#[derive(Default)]
pub(crate) struct Trials(Mutex<HashMap<(TenantName, PluginName), Trial>>);

impl Trials {
    /// Counts a first attempt that a plugin settled while a release was on trial since `since_ms`.
    pub(crate) fn count(
        &self,
        (tenant, plugin): (&TenantName, &PluginName),
        (since_ms, release): (u64, Digest),
        failed: bool,
        duration_us: u64,
    ) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let trial = all.entry((tenant.clone(), plugin.clone())).or_default();
        if trial.since_ms < since_ms {
            *trial = Trial { since_ms, ..Trial::default() };
        }
        // One that began before this trial says nothing about it.
        if trial.since_ms == since_ms {
            trial.tallies.entry(release).or_default().count(failed, duration_us);
        }
    }

    /// Whose attempts are counted.
    pub(crate) fn running(&self) -> Vec<(TenantName, PluginName)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }

    /// What was counted of two releases since a trial began.
    pub(crate) fn tallies(
        &self,
        tenant: &TenantName,
        plugin: &PluginName,
        since_ms: u64,
        releases: [Digest; 2],
    ) -> [Tally; 2] {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let trial = all.get(&(tenant.clone(), plugin.clone())).filter(|trial| trial.since_ms == since_ms);
        releases.map(|release| trial.and_then(|trial| trial.tallies.get(&release)).cloned().unwrap_or_default())
    }

    /// Forgets a plugin that has no release on trial.
    pub(crate) fn end(&self, tenant: &TenantName, plugin: &PluginName) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&(tenant.clone(), plugin.clone()));
    }
}
