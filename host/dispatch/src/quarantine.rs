//! Faults of the host: attempts in which code of the host panicked, counted against the release that ran.
//!
//! Invariant: a fault ends its own attempt and nothing else. Behind a few of them that come close together a release is not run
//! any more until the host starts again: its deliveries fail as attempts with a code of their own, so they follow their retry
//! policy and none is lost. Another release of the plugin runs at once.
//!
//! It is kept in memory only, and apart for each tenant: what one does to a component is nothing to another who has the same.

use std::{
    collections::{HashMap, VecDeque},
    panic::AssertUnwindSafe,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use futures_util::FutureExt as _;
use wharf_delivery::Failure;
use wharf_event::{Code, Digest, TenantName};

use crate::limits::HOST_FAULTS_WITHIN;

/// Which release of whom.
pub(crate) type Whose<'a> = (&'a TenantName, Digest);

/// What a host says of a release in which it failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultFigures {
    /// Whose release.
    pub tenant: TenantName,
    /// Which release.
    pub release: Digest,
    /// Attempts of it in which the host failed since it started.
    pub faults: u64,
    /// Whether it is not run any more.
    pub quarantined: bool,
}

#[derive(Default)]
struct Faults {
    /// All of them.
    count: u64,
    /// When the latest were.
    recent: VecDeque<Duration>,
    quarantined: bool,
}

/// The faults of all releases since the host started.
pub(crate) struct Quarantine {
    /// So many faults quarantine a release.
    after: AtomicU32,
    faults: Mutex<HashMap<(TenantName, Digest), Faults>>,
}

impl Quarantine {
    pub(crate) fn new(after: u32) -> Self {
        Self { after: AtomicU32::new(after), faults: Mutex::default() }
    }

    /// From now on so many faults quarantine a release. What is quarantined stays so.
    pub(crate) fn set(&self, after: u32) {
        self.after.store(after, Ordering::Relaxed);
    }

    /// What is counted of each release in which the host failed, in the order of tenants and digests.
    pub(crate) fn figures(&self) -> Vec<FaultFigures> {
        let faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        let figures = faults.iter().map(|((tenant, release), Faults { count, quarantined, .. })| FaultFigures {
            tenant: tenant.clone(),
            release: *release,
            faults: *count,
            quarantined: *quarantined,
        });
        let mut figures: Vec<_> = figures.collect();
        figures.sort_unstable_by(|one, other| (&one.tenant, one.release).cmp(&(&other.tenant, other.release)));
        figures
    }

    /// Runs a call of a release, unless it is quarantined. A panic in it becomes a failure, and is counted at the time that
    /// `now` gives.
    pub(crate) async fn guard<T>(
        &self,
        (tenant, release): Whose<'_>,
        now: impl Fn() -> Duration,
        call: impl Future<Output = T>,
    ) -> Result<T, Failure> {
        let failure = |code, reason| Failure { code, reason, retry_after_ms: None };
        if self.holds(tenant, release) {
            let reason = format!(
                "the release {release} is quarantined: the host failed in too many attempts of it within an hour"
            );
            return Err(failure(Code::ReleaseQuarantined, reason));
        }
        AssertUnwindSafe(call).catch_unwind().await.map_err(|_| {
            if self.charge((tenant, release), now()) {
                tracing::error!(%tenant, %release, "the host failed in {} attempts of a release: it is quarantined", self.after.load(Ordering::Relaxed));
            }
            failure(Code::Internal, "the host failed in this attempt; that is a defect of the host".to_owned())
        })
    }

    /// Whether a release is not run any more.
    pub(crate) fn holds(&self, tenant: &TenantName, release: Digest) -> bool {
        let faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        // Mostly nothing has ever failed, and then no name is copied for the look.
        !faults.is_empty() && faults.get(&(tenant.clone(), release)).is_some_and(|faults| faults.quarantined)
    }

    /// Counts a fault; true when the release is quarantined for it.
    fn charge(&self, (tenant, release): Whose<'_>, now: Duration) -> bool {
        let mut all = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        let faults = all.entry((tenant.clone(), release)).or_default();
        faults.recent.retain(|at| now.saturating_sub(*at) < HOST_FAULTS_WITHIN);
        faults.recent.push_back(now);
        faults.count += 1;
        let was = faults.quarantined;
        let after = usize::try_from(self.after.load(Ordering::Relaxed)).unwrap_or(usize::MAX);
        faults.quarantined |= faults.recent.len() >= after;
        faults.quarantined && !was
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_count_for_their_own_release_and_tenant_and_only_when_close_together() {
        let quarantine = Quarantine::new(2);
        let [a, b]: [TenantName; 2] = ["a", "b"].map(|name| name.parse().unwrap());
        let (one, other) = (Digest::of(b"one"), Digest::of(b"other"));
        assert!(!quarantine.charge((&a, one), Duration::ZERO));
        assert!(!quarantine.charge((&b, one), Duration::ZERO));
        assert!(!quarantine.charge((&a, other), Duration::ZERO));
        assert!(!quarantine.charge((&a, one), HOST_FAULTS_WITHIN), "the first is too long ago");
        assert!(!quarantine.holds(&a, one));
        assert!(quarantine.charge((&a, one), HOST_FAULTS_WITHIN * 2 - Duration::from_millis(1)));
        assert!(quarantine.holds(&a, one) && !quarantine.holds(&b, one) && !quarantine.holds(&a, other));
        assert!(!quarantine.charge((&a, one), HOST_FAULTS_WITHIN * 2), "it is told once");
        quarantine.set(1);
        assert!(quarantine.charge((&b, one), HOST_FAULTS_WITHIN * 2), "it is as it is set now");
        let told = quarantine.figures();
        let told: Vec<_> = told.iter().map(|it| (it.tenant.as_str(), it.release, it.faults, it.quarantined)).collect();
        let mut expected = [("a", one, 4, true), ("a", other, 1, false), ("b", one, 2, true)];
        expected.sort_unstable();
        assert_eq!(told, expected);
    }
}
