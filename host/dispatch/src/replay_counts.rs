//! How many events a replay has still before it, counted beside it while it goes on.
//!
//! Invariant: nothing follows from a count but what is told of a replay. It is in memory only: behind a restart it is made again, from where the
//! replay stands then. It reads the archive in turns with replays, and rests four times as long as it read.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use wharf_event::{Position, ReplayName, TenantName};

use crate::{
    dispatcher::Dispatcher,
    limits::REPLAY_TICK,
    replay_pages::{Sought, read},
    surroundings::blocking_behind,
    walk::pause,
    watched as watch,
};

/// The counts of the replays that go on.
#[derive(Default)]
pub(crate) struct ReplayCounts(Mutex<HashMap<(TenantName, ReplayName), Arc<Count>>>);

/// Events that a replay is for, from where it stood when counting began.
#[derive(Default)]
pub(crate) struct Count {
    found: AtomicU64,
    passed: AtomicU64,
    whole: AtomicBool,
}

impl Count {
    /// The replay came past so many of them.
    pub(crate) fn pass(&self, events: u64) {
        self.passed.fetch_add(events, Ordering::Relaxed);
    }

    fn left(&self) -> Option<u64> {
        let (found, passed) = (self.found.load(Ordering::Relaxed), self.passed.load(Ordering::Relaxed));
        self.whole.load(Ordering::Acquire).then(|| found.saturating_sub(passed))
    }
}

impl ReplayCounts {
    /// A count that begins.
    pub(crate) fn begin(&self, tenant: &TenantName, replay: &ReplayName) -> Arc<Count> {
        let count = Arc::new(Count::default());
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert((tenant.clone(), replay.clone()), Arc::clone(&count));
        count
    }

    /// The replay is over.
    pub(crate) fn end(&self, tenant: &TenantName, replay: &ReplayName) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.remove(&(tenant.clone(), replay.clone()));
    }
}

impl Dispatcher {
    /// Events that a replay which goes on has still before it, once they are counted. Some of them nobody may be owed.
    #[must_use]
    pub fn replay_left(&self, tenant: &TenantName, replay: &ReplayName) -> Option<u64> {
        let all = self.attempts.replays.counts.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(&(tenant.clone(), replay.clone()))?.left()
    }
}

/// Counts what lies between two positions, and waits then for whoever ends it. Where the archive cannot be read, the replay itself finds out.
pub(crate) async fn count(
    dispatcher: &Dispatcher,
    sought: Option<Sought>,
    (mut cursor, until): (Position, Position),
    count: &Count,
    mut stopping: watch::Receiver<bool>,
) {
    let now = || dispatcher.attempts.surroundings.clock.monotonic();
    while let Some(sought) = sought.clone().filter(|_| cursor < until) {
        let (archive, threads) = (dispatcher.archive().clone(), dispatcher.attempts.surroundings.threads.as_ref());
        let turn = dispatcher.attempts.replays.reading.acquire().await;
        let began = now();
        let page = blocking_behind(threads, move || read(&archive, &sought, cursor, until)).await;
        drop(turn);
        let Some(Ok(page)) = page else { return std::future::pending().await };
        count.found.fetch_add(page.found.len() as u64, Ordering::Relaxed);
        cursor = page.cursor;
        let took = now().saturating_sub(began);
        pause(&mut stopping, took.saturating_mul(4).max(REPLAY_TICK)).await;
    }
    count.whole.store(sought.is_some(), Ordering::Release);
    std::future::pending().await
}
