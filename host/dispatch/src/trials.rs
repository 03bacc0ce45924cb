//! First attempts of plugins that have a release on trial, counted for the canary and for the stable release over the same time; and questions to models
//! that have a version on trial, in the same way.
//!
//! It is kept in memory: after a restart a canary is judged by what comes from then on.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, PoisonError},
};

use wharf_catalog::Tally;
use wharf_event::{Digest, TenantName};

#[derive(Default)]
struct Trial {
    since_ms: u64,
    tallies: HashMap<Digest, Tally>,
    /// Why it could not be judged the last time.
    stuck: Option<String>,
}

/// What is counted, by tenant and the name of what has something on trial.
pub struct Trials<N>(Mutex<HashMap<(TenantName, N), Trial>>);

impl<N> Default for Trials<N> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<N: Clone + Eq + Hash> Trials<N> {
    /// Counts a first attempt that a plugin settled, or a question that a model was asked, while a release was on trial since `since_ms`.
    pub fn count(
        &self,
        (tenant, name): (&TenantName, &N),
        (since_ms, release): (u64, Digest),
        failed: bool,
        duration_us: u64,
    ) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let trial = all.entry((tenant.clone(), name.clone())).or_default();
        if trial.since_ms < since_ms {
            *trial = Trial { since_ms, ..Trial::default() };
        }
        // One that began before this trial says nothing about it.
        if trial.since_ms == since_ms {
            trial.tallies.entry(release).or_default().count(failed, duration_us);
        }
    }

    /// What is counted of.
    #[must_use]
    pub fn running(&self) -> Vec<(TenantName, N)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }

    /// What was counted of two releases since a trial began.
    #[must_use]
    pub fn tallies(&self, tenant: &TenantName, name: &N, since_ms: u64, releases: [Digest; 2]) -> [Tally; 2] {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let trial = all.get(&(tenant.clone(), name.clone())).filter(|trial| trial.since_ms == since_ms);
        releases.map(|release| trial.and_then(|trial| trial.tallies.get(&release)).cloned().unwrap_or_default())
    }

    /// Whether it has to be said why one cannot be judged: once, until it was judged or there is another reason.
    #[must_use]
    pub fn is_stuck_anew(&self, tenant: &TenantName, name: &N, why: Option<&str>) -> bool {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(trial) = all.get_mut(&(tenant.clone(), name.clone())) else { return why.is_some() };
        let is_new = why.is_some() && trial.stuck.as_deref() != why;
        trial.stuck = why.map(str::to_owned);
        is_new
    }

    /// Forgets one that has nothing on trial.
    pub fn end(&self, tenant: &TenantName, name: &N) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&(tenant.clone(), name.clone()));
    }
}

#[cfg(test)]
mod tests {
    use wharf_event::PluginName;

    use super::*;

    #[test]
    fn why_a_trial_cannot_be_judged_is_said_once_until_it_changes() {
        let (tenant, name): (TenantName, PluginName) = ("acme".parse().unwrap(), "triage".parse().unwrap());
        let trials = Trials::default();
        let count = |since_ms| trials.count((&tenant, &name), (since_ms, Digest::of(b"a")), true, 1);
        count(1);
        for (why, is_said) in [
            (None, false),
            (Some("the disk is full"), true),
            (Some("the disk is full"), false),
            (Some("the log failed"), true),
            (None, false),
            (Some("the log failed"), true),
            (Some("the log failed"), false),
        ] {
            assert_eq!(trials.is_stuck_anew(&tenant, &name, why), is_said, "{why:?}");
        }
        count(2);
        assert!(trials.is_stuck_anew(&tenant, &name, Some("the log failed")), "it is another trial");
        trials.end(&tenant, &name);
        assert!(trials.running().is_empty() && !trials.is_stuck_anew(&tenant, &name, None));
    }
}
