//! What a replay and a redrive at a rate have in common: a walk looks on for what it is to send, waits for its pace and for room, and asks the
//! partition to take some of it, until it is over.
//!
//! Invariant: what a walk remembers is nothing that matters: each request names how it stood, and comes to nothing where that is different, so
//! what it is for comes once whatever ends the host in between, and a walk that somebody ended sends nothing more. It leaves room for what comes
//! in now: it waits while half of what may wait of its tenant does.

use std::{future::Future, sync::Arc, time::Duration};

use wharf_delivery::{Refused, StatsRow, TableError, keys};
use wharf_event::TenantName;

use crate::{
    dispatcher::Dispatcher,
    limits::{REPLAY_NOTED_EVERY, REPLAY_PAUSE, REPLAY_SLACK, REPLAY_TICK},
    pace::Pace,
    partition::AskError,
    rules::RuleSet,
    watched as watch,
};

/// Why a walk sends nothing more now.
pub(crate) enum Ended {
    /// It is over, or the host stops, or the log is gone.
    Over,
    /// The state cannot be read.
    State(TableError),
    /// It cannot go on, and why.
    Failed(String),
}

/// Where a walk goes, and how fast.
pub(crate) struct Way {
    pub(crate) dispatcher: Dispatcher,
    pub(crate) tenant: TenantName,
    pub(crate) pace: Pace,
    stopping: watch::Receiver<bool>,
    noted_at: Duration,
}

impl Way {
    pub(crate) fn new(dispatcher: Dispatcher, tenant: TenantName, per_s: u32, stopping: watch::Receiver<bool>) -> Self {
        let now = dispatcher.attempts.surroundings.clock.monotonic();
        Self { dispatcher, tenant, pace: Pace::new(per_s, REPLAY_SLACK, now), stopping, noted_at: now }
    }

    pub(crate) fn now(&self) -> Duration {
        self.dispatcher.attempts.surroundings.clock.monotonic()
    }

    pub(crate) async fn pause(&mut self, time: Duration) {
        pause(&mut self.stopping, time).await;
    }

    /// How it stands was noted in the log just now.
    pub(crate) fn was_noted(&mut self) {
        self.noted_at = self.now();
    }

    /// Whether it was not noted for so long that a restart would look through much once more.
    pub(crate) fn is_to_be_noted(&self) -> bool {
        self.now() >= self.noted_at + REPLAY_NOTED_EVERY
    }

    /// By which rules its tenant has room for more; none while it is suspended, or much of it waits.
    ///
    /// # Errors
    /// [`Ended::Over`] where the tenant is being deleted, and its walks with it.
    pub(crate) fn room(&self) -> Result<Option<Arc<RuleSet>>, Ended> {
        let rules = self.dispatcher.rules();
        if !rules.has_tenant(&self.tenant) {
            return Err(Ended::Over);
        }
        let settings = rules.settings(&self.tenant);
        let waits = settings.suspended || self.is_crowded(settings.quotas.backlog())?;
        Ok((!waits).then_some(rules))
    }

    fn is_crowded(&self, backlog: u32) -> Result<bool, Ended> {
        let stats = StatsRow::get(&self.dispatcher.attempts.shared.read().state, &keys::tenant(&self.tenant));
        Ok(replays_wait(stats.map_err(Ended::State)?.unwrap_or_default().pending, backlog))
    }

    /// What was taken from the pace does not go: it waits.
    pub(crate) async fn keep_back(&mut self, count: usize, time: Duration) {
        self.pace.give_back(count);
        self.pause(time).await;
    }
}

/// A walk as it goes on. Its futures can be sent, since tasks hold them.
pub(crate) trait Walk: Send {
    /// How it stands, as the log has it.
    type State: Clone + Send + Sync;

    fn way(&mut self) -> &mut Way;

    /// How many of those that were found a request may send.
    fn ready(&self) -> usize;

    /// Looks for more.
    fn look_on(&mut self) -> impl Future<Output = Result<(), Ended>> + Send;

    /// Sends the first `count` that were found, which the pace gave, or waits.
    fn send(&mut self, count: usize) -> impl Future<Output = Result<(), Ended>> + Send;

    /// Asks for it to come to stand so, and for nothing to be sent.
    fn note(&mut self, state: Self::State) -> impl Future<Output = Result<(), AskError>> + Send;

    /// Goes on to the end.
    fn go_on(&mut self) -> impl Future<Output = Ended> + Send {
        async {
            loop {
                if *self.way().stopping.borrow() {
                    return Ended::Over;
                }
                if let Err(ended) = self.step().await {
                    return ended;
                }
            }
        }
    }

    /// Looks on, waits, or sends some.
    fn step(&mut self) -> impl Future<Output = Result<(), Ended>> + Send {
        async {
            let ready = self.ready();
            if ready == 0 {
                return self.look_on().await;
            }
            let way = self.way();
            let count = way.pace.take(way.now(), ready);
            if count == 0 {
                // A moment more where the next ones are close, so that a request has some.
                let wait = way.pace.wait(way.now()).max(REPLAY_TICK);
                way.pause(wait).await;
                return Ok(());
            }
            self.send(count).await
        }
    }

    /// Notes how it stands, as soon as that is taken.
    fn noted(&mut self, state: Self::State) -> impl Future<Output = Result<(), Ended>> + Send {
        async move {
            loop {
                match self.note(state.clone()).await {
                    Ok(()) => return Ok(()),
                    Err(AskError::Refused(Refused::Gone)) => return Err(Ended::Over),
                    Err(AskError::Refused(_)) => self.way().pause(REPLAY_PAUSE).await,
                    Err(_) => return Err(Ended::Over),
                }
                if *self.way().stopping.borrow() {
                    return Err(Ended::Over);
                }
            }
        }
    }
}

/// Whether so many deliveries of a tenant wait that its replays leave the room to what comes in now.
#[must_use]
pub fn replays_wait(pending: u64, backlog: u32) -> bool {
    pending >= u64::from(backlog / 2).max(1)
}

/// Waits, but not for longer than the host runs.
pub(crate) async fn pause(stopping: &mut watch::Receiver<bool>, time: Duration) {
    let stopped = stopping.wait_for(|stopping| *stopping);
    tokio::select! {
        biased;
        _ = stopped => {}
        () = tokio::time::sleep(time) => {}
    }
}
