//! What the scheduler read of the state before it was durable: nothing of it begins until it is.
//!
//! Invariant: no attempt begins of a delivery that a power cut could take back. What arises is told when it is durable; what is paged
//! comes from a state that is a frame ahead of that. A log that failed makes nothing durable, and keeps no settle: nothing begins then.

use std::collections::BTreeSet;

use crate::{lane::LaneKey, shared::Progress, watched as watch};

/// Who waits for frames to be durable.
pub(crate) struct Sure {
    progress: watch::Receiver<Progress>,
    lanes: BTreeSet<(u64, LaneKey)>,
    /// The frame that the timers in memory came with.
    timers_k: u64,
}

impl Sure {
    pub(crate) fn new(progress: watch::Receiver<Progress>) -> Self {
        Self { progress, lanes: BTreeSet::new(), timers_k: 0 }
    }

    /// Whether a lane whose next delivery was read with frame `k` may have its turn; it is among those of [`Self::surely`] later, if that ever comes.
    pub(crate) fn is_lane(&mut self, key: &LaneKey, k: u64) -> bool {
        let is_sure = self.is(k);
        if !is_sure {
            self.lanes.insert((k, key.clone()));
        }
        is_sure
    }

    /// Timers were read with frame `k`.
    pub(crate) fn timers_came_with(&mut self, k: u64) {
        self.timers_k = k;
    }

    /// Whether those in memory may be taken.
    pub(crate) fn are_timers(&self) -> bool {
        self.is(self.timers_k)
    }

    /// The lanes that have waited and may have their turn now.
    pub(crate) fn surely(&mut self) -> Vec<LaneKey> {
        let mut surely = Vec::new();
        while self.lanes.first().is_some_and(|(k, _)| self.is(*k)) {
            surely.extend(self.lanes.pop_first().map(|(_, key)| key));
        }
        surely
    }

    /// Waits for the log to come further, while anybody waits for that; else for ever.
    pub(crate) async fn further(&mut self) {
        if self.lanes.is_empty() && self.are_timers() || self.progress.changed().await.is_err() {
            std::future::pending().await
        }
    }

    fn is(&self, k: u64) -> bool {
        let progress = self.progress.borrow();
        progress.failed.is_none() && progress.durable_k >= k
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_ahead_of_the_disk_waits_for_it_and_a_log_that_failed_lets_nothing_begin() {
        let (log, progress) = watch::channel(Progress { durable_k: 4, failed: None, short_of: None });
        let mut sure = Sure::new(progress);
        let lane = |tenant: &str| (tenant.parse().unwrap(), wharf_event::Target::Plugin("p".parse().unwrap()));
        assert!(sure.is_lane(&lane("a"), 4) && sure.are_timers());
        assert!(!sure.is_lane(&lane("b"), 5) && !sure.is_lane(&lane("a"), 6) && !sure.is_lane(&lane("b"), 5));
        sure.timers_came_with(6);
        assert!(sure.surely().is_empty());
        log.send_modify(|progress| progress.durable_k = 5);
        assert_eq!((sure.surely(), sure.are_timers()), (vec![lane("b")], false));
        log.send_modify(|progress| {
            progress.durable_k = 6;
            progress.failed = Some("the disk".to_owned());
        });
        assert!(sure.surely().is_empty() && !sure.are_timers() && !sure.is_lane(&lane("b"), 1));
    }
}
