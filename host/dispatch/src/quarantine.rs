//! Faults of the host: attempts in which code of the host panicked, counted against the release that ran.
//!
//! Invariant: a fault ends its own attempt and nothing else. Behind a few of them that come close together a release is not run
//! any more until the host starts again or somebody lifts it: its deliveries wait or are given up, as the plugin's limits say, and
//! none is lost. Another release of the plugin runs at once. Each quarantine is told once.
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
use tokio::sync::mpsc;
use wharf_delivery::Failure;
use wharf_event::{Code, Digest, PluginName, TenantName};

use crate::{limits::HOST_FAULTS_WITHIN, notices::Notice, watched as watch};

/// Which release of whom.
#[derive(Clone, Copy)]
pub(crate) struct Whose<'a> {
    pub(crate) tenant: &'a TenantName,
    /// The plugin that runs it now.
    pub(crate) plugin: &'a PluginName,
    pub(crate) release: Digest,
}

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
    /// How often one was lifted.
    lifted: watch::Sender<u64>,
    notices: mpsc::UnboundedSender<Notice>,
}

impl Quarantine {
    pub(crate) fn new(after: u32, notices: mpsc::UnboundedSender<Notice>) -> Self {
        let lifted = watch::channel(0).0;
        Self { after: AtomicU32::new(after), faults: Mutex::default(), lifted, notices }
    }

    /// Tells of each one that is lifted.
    pub(crate) fn lifted(&self) -> watch::Receiver<u64> {
        self.lifted.subscribe()
    }

    /// Lets a release run again, and forgets the faults that were close together. False when it is not quarantined.
    pub(crate) fn lift(&self, tenant: &TenantName, release: Digest) -> bool {
        {
            let mut all = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(faults) = all.get_mut(&(tenant.clone(), release)).filter(|faults| faults.quarantined) else {
                return false;
            };
            faults.quarantined = false;
            faults.recent.clear();
        }
        self.lifted.send_modify(|count| *count += 1);
        true
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
        whose: Whose<'_>,
        now: impl Fn() -> Duration,
        call: impl Future<Output = T>,
    ) -> Result<T, Failure> {
        let Whose { tenant, plugin, release } = whose;
        if self.holds(tenant, release) {
            return Err(refused(release));
        }
        AssertUnwindSafe(call).catch_unwind().await.map_err(|_| {
            if let Some(faults) = self.charge(whose, now()) {
                tracing::error!(%tenant, %plugin, %release, "the host failed in {faults} attempts of a release: it is quarantined");
                let (tenant, plugin) = (tenant.clone(), plugin.clone());
                // A host that stops tells nobody any more.
                let _ = self.notices.send(Notice::Quarantined { tenant, plugin, release, faults });
            }
            Failure::new(Code::Internal, "the host failed in this attempt; that is a defect of the host")
        })
    }

    /// Whether a release is not run any more.
    pub(crate) fn holds(&self, tenant: &TenantName, release: Digest) -> bool {
        let faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        // Mostly nothing has ever failed, and then no name is copied for the look.
        !faults.is_empty() && faults.get(&(tenant.clone(), release)).is_some_and(|faults| faults.quarantined)
    }

    /// Counts a fault; how many there were close together when the release is quarantined for it.
    fn charge(&self, whose: Whose<'_>, now: Duration) -> Option<usize> {
        let mut all = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        let faults = all.entry((whose.tenant.clone(), whose.release)).or_default();
        faults.recent.retain(|at| now.saturating_sub(*at) < HOST_FAULTS_WITHIN);
        faults.recent.push_back(now);
        faults.count += 1;
        let was = faults.quarantined;
        let after = usize::try_from(self.after.load(Ordering::Relaxed)).unwrap_or(usize::MAX);
        faults.quarantined |= faults.recent.len() >= after;
        (faults.quarantined && !was).then_some(faults.recent.len())
    }
}

/// Why a quarantined release is not run.
pub(crate) fn refused(release: Digest) -> Failure {
    let reason =
        format!("the release {release} is quarantined: the host failed in too many attempts of it within an hour");
    Failure::new(Code::ReleaseQuarantined, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_count_for_their_own_release_and_tenant_and_only_when_close_together() {
        let quarantine = Quarantine::new(2, mpsc::unbounded_channel().0);
        let [a, b]: [TenantName; 2] = ["a", "b"].map(|name| name.parse().unwrap());
        let (one, other) = (Digest::of(b"one"), Digest::of(b"other"));
        let plugin = "p".parse().unwrap();
        let charge = |tenant, release, at| quarantine.charge(Whose { tenant, plugin: &plugin, release }, at).is_some();
        assert!(!charge(&a, one, Duration::ZERO));
        assert!(!charge(&b, one, Duration::ZERO));
        assert!(!charge(&a, other, Duration::ZERO));
        assert!(!charge(&a, one, HOST_FAULTS_WITHIN), "the first is too long ago");
        assert!(!quarantine.holds(&a, one));
        assert!(charge(&a, one, HOST_FAULTS_WITHIN * 2 - Duration::from_millis(1)));
        assert!(quarantine.holds(&a, one) && !quarantine.holds(&b, one) && !quarantine.holds(&a, other));
        assert!(!charge(&a, one, HOST_FAULTS_WITHIN * 2), "it is told once");
        quarantine.set(1);
        assert!(charge(&b, one, HOST_FAULTS_WITHIN * 2), "it is as it is set now");
        let told = quarantine.figures();
        let told: Vec<_> = told.iter().map(|it| (it.tenant.as_str(), it.release, it.faults, it.quarantined)).collect();
        let mut expected = [("a", one, 4, true), ("a", other, 1, false), ("b", one, 2, true)];
        expected.sort_unstable();
        assert_eq!(told, expected);
        assert!(quarantine.lift(&b, one) && !quarantine.lift(&b, one) && !quarantine.lift(&a, other));
        assert!(!quarantine.holds(&b, one) && quarantine.holds(&a, one));
        assert!(charge(&b, one, HOST_FAULTS_WITHIN * 2), "it is quarantined anew, and that is told too");
    }
}
