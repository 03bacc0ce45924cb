//! What was found out about versions by asking them about several questions at once: which are better asked one at a time.
//!
//! Invariant: it is bounded, and of this host since it started. A version whose runs of several fail again and again is asked one question at a time for a
//! while; one whose answers have other rows than were asked is for good.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::time::Instant;

use crate::{
    limits::{APART, APART_MAX, TOGETHER_FAILED_MAX},
    pool::Which,
};

/// What is known of versions that have something against them.
#[derive(Default)]
pub(in crate::pool) struct Learned(Mutex<HashMap<Which, Against>>);

enum Against {
    /// Its answers have other rows than what was asked.
    Rows,
    /// So many runs of several failed one behind the other; it is asked one question at a time until then.
    Failed { runs: u32, until: Option<Instant> },
}

impl Learned {
    fn all(&self) -> MutexGuard<'_, HashMap<Which, Against>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a version is asked one question at a time now.
    pub(super) fn is_apart(&self, of: &Which) -> bool {
        match self.all().get(of) {
            Some(Against::Rows) => true,
            Some(Against::Failed { until, .. }) => until.is_some_and(|until| Instant::now() < until),
            None => false,
        }
    }

    /// A run of several had no answer that can be cut: no other one will have.
    pub(super) fn set_apart(&self, of: &Which) {
        let mut all = self.all();
        make_room(&mut all, of);
        all.insert(of.clone(), Against::Rows);
    }

    /// A run of several failed. Behind a few of them it is given up for a while, and then behind the next one.
    pub(super) fn failed(&self, of: &Which) {
        let mut all = self.all();
        make_room(&mut all, of);
        let against = all.entry(of.clone()).or_insert(Against::Failed { runs: 0, until: None });
        if let Against::Failed { runs, until } = against {
            *runs = runs.saturating_add(1);
            *until = (*runs >= TOGETHER_FAILED_MAX).then(|| Instant::now() + APART);
        }
    }

    /// A run of several was answered.
    pub(super) fn answered(&self, of: &Which) {
        let mut all = self.all();
        if matches!(all.get(of), Some(Against::Failed { .. })) {
            all.remove(of);
        }
    }
}

fn make_room(all: &mut HashMap<Which, Against>, of: &Which) {
    if all.len() >= APART_MAX && !all.contains_key(of) {
        all.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(n: usize) -> Which {
        ("a".to_owned(), n.to_string())
    }

    #[tokio::test(start_paused = true)]
    async fn a_version_is_given_up_for_a_while_that_fails_again_and_again() {
        let (learned, of) = (Learned::default(), of(0));
        let fail = |times: u32| (0..times).for_each(|_| learned.failed(&of));
        fail(TOGETHER_FAILED_MAX - 1);
        learned.answered(&of);
        fail(TOGETHER_FAILED_MAX - 1);
        assert!(!learned.is_apart(&of), "one between them was answered");
        fail(1);
        assert!(learned.is_apart(&of));
        tokio::time::advance(APART).await;
        assert!(!learned.is_apart(&of), "it is tried again");
        fail(1);
        assert!(learned.is_apart(&of), "and given up by the first one that fails");
        tokio::time::advance(APART).await;
        learned.answered(&of);
        fail(1);
        assert!(!learned.is_apart(&of));
    }

    #[tokio::test(start_paused = true)]
    async fn other_rows_are_for_good_and_what_is_kept_is_bounded() {
        let learned = Learned::default();
        learned.set_apart(&of(0));
        learned.answered(&of(0));
        learned.failed(&of(0));
        tokio::time::advance(APART * 100).await;
        assert!(learned.is_apart(&of(0)) && !learned.is_apart(&of(1)));
        (0..APART_MAX * 2).for_each(|n| learned.failed(&of(n)));
        assert!(learned.all().len() <= APART_MAX);
    }
}
