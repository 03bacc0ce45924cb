//! One redrive at a rate as it goes on: it walks through the letters of its queue, and asks the partition to send them again.
//!
//! Invariant: what it remembers is nothing that matters: a request names how the redrive stood, and comes to nothing where that is different, so each
//! letter goes once whatever ends the host in between, and one that somebody ended sends nothing more. A letter that comes back has the key that it
//! had, which is behind the walk.

use std::{collections::VecDeque, ops::Bound, sync::Arc, time::Duration};

use bytes::Bytes;
use wharf_delivery::{
    Answer, DeliveryId, RedriveState, RedrivingRequest, Refused, ReplayPhase, Request, Table, Tables as _, keys,
};
use wharf_event::{QueueName, TenantName};

use crate::{
    dispatcher::Dispatcher,
    letters::ChosenLetters,
    limits::{REDRIVE_BATCH, REDRIVE_LOOK_ROWS, REPLAY_NOTED_EVERY, REPLAY_PAUSE, REPLAY_SLACK, REPLAY_TICK},
    pace::Pace,
    partition::{AskError, chain},
    redrives::PacedRedrive,
    replaying::{Ended, is_crowded, pause},
    surroundings::blocking,
    watched as watch,
};

/// Sends what one redrive is for, to its end.
pub(crate) async fn redrive(
    dispatcher: &Dispatcher,
    (tenant, queue): (&TenantName, &QueueName),
    stopping: watch::Receiver<bool>,
) -> Result<(), Ended> {
    let mut run = Run::begin(dispatcher, (tenant, queue), stopping)?;
    match run.go_on().await {
        Ended::Failed(reason) => {
            tracing::warn!(%tenant, %queue, "the redrive cannot go on: {reason}");
            let failed = RedriveState { phase: ReplayPhase::Failed, reason, ..run.was.clone() };
            // Where it is refused, somebody else ended it; where it fails, the next start finds out once more.
            drop(run.ask(failed, Vec::new()).await);
            Ok(())
        }
        ended => Err(ended),
    }
}

/// A redrive as it goes on.
struct Run<'a> {
    dispatcher: &'a Dispatcher,
    tenant: &'a TenantName,
    queue: &'a QueueName,
    stopping: watch::Receiver<bool>,
    chosen: Arc<ChosenLetters>,
    /// How it stands by the last record.
    was: RedriveState,
    /// Letters that were found and not sent.
    found: VecDeque<DeliveryId>,
    /// The last letter that was looked at: never before what the last record says.
    looked: Option<DeliveryId>,
    pace: Pace,
    noted_at: Duration,
}

impl<'a> Run<'a> {
    fn begin(
        dispatcher: &'a Dispatcher,
        (tenant, queue): (&'a TenantName, &'a QueueName),
        stopping: watch::Receiver<bool>,
    ) -> Result<Self, Ended> {
        let was = RedriveState::get(&dispatcher.attempts.shared.read().state, tenant, queue).map_err(Ended::State)?;
        let was = was.filter(|was| was.phase == ReplayPhase::Running).ok_or(Ended::Over)?;
        let unread = |error: &dyn std::error::Error| {
            tracing::error!(%tenant, %queue, "a redrive stands still: {}", chain(error));
            Ended::Over
        };
        let redrive = PacedRedrive::of(queue.clone(), was.clone()).map_err(|error| unread(&error))?;
        // What is given up from now on is none of its: else it would not end where letters come as fast as it goes.
        let chosen = ChosenLetters::of(redrive.wish.by(redrive.begun_ms)).map_err(|error| unread(&error))?;
        let now = dispatcher.attempts.surroundings.clock.monotonic();
        let (looked, pace) = (was.after, Pace::new(redrive.per_s, REPLAY_SLACK, now));
        let (chosen, found) = (Arc::new(chosen), VecDeque::new());
        Ok(Self { dispatcher, tenant, queue, stopping, chosen, was, found, looked, pace, noted_at: now })
    }

    async fn go_on(&mut self) -> Ended {
        loop {
            if *self.stopping.borrow() {
                return Ended::Over;
            }
            if let Err(ended) = self.step().await {
                return ended;
            }
        }
    }

    fn now(&self) -> Duration {
        self.dispatcher.attempts.surroundings.clock.monotonic()
    }

    /// Looks on, waits, or sends some.
    async fn step(&mut self) -> Result<(), Ended> {
        if self.found.is_empty() {
            return self.look_on().await;
        }
        let count = self.pace.take(self.now(), self.found.len().min(REDRIVE_BATCH));
        if count == 0 {
            let wait = self.pace.wait(self.now()).max(REPLAY_TICK);
            pause(&mut self.stopping, wait).await;
            return Ok(());
        }
        self.send(count).await
    }

    async fn look_on(&mut self) -> Result<(), Ended> {
        let (prefix, began) = (keys::queue(self.tenant, self.queue), self.now());
        let rows: Vec<(Bytes, Bytes)> = {
            let after = self.looked.map(|id| keys::dead_letter(self.tenant, self.queue, id));
            let from = after.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
            let shared = self.dispatcher.attempts.shared.read();
            shared.state.scan(Table::DeadLetters, &prefix, from, REDRIVE_LOOK_ROWS).map_err(Ended::State)?
        };
        let Some(last) = rows.last().and_then(|(key, _)| keys::delivery_of(key)) else {
            let done = RedriveState { after: self.looked, phase: ReplayPhase::Done, ..self.was.clone() };
            self.noted(done).await?;
            return Err(Ended::Over);
        };
        let (archive, chosen) = (self.dispatcher.archive().clone(), Arc::clone(&self.chosen));
        let letters = if chosen.reads_events() {
            let threads = self.dispatcher.attempts.surroundings.threads.as_ref();
            let turn = self.dispatcher.attempts.replays.reading.acquire().await;
            let letters = blocking(threads, move || chosen.among(&archive, rows)).await.ok_or(Ended::Over)?;
            drop(turn);
            letters
        } else {
            chosen.among(&archive, rows)
        };
        self.found = letters.map_err(Ended::State)?.into_iter().map(|letter| letter.id).collect();
        self.looked = Some(last);
        if self.found.is_empty() {
            // What looks through much and finds nothing leaves as much time to others as it takes.
            let took = self.now().saturating_sub(began);
            pause(&mut self.stopping, took.max(REPLAY_TICK)).await;
            if self.now() >= self.noted_at + REPLAY_NOTED_EVERY {
                self.noted(RedriveState { after: self.looked, ..self.was.clone() }).await?;
            }
        }
        Ok(())
    }

    /// Notes how it stands, without letters.
    async fn noted(&mut self, state: RedriveState) -> Result<(), Ended> {
        loop {
            match self.ask(state.clone(), Vec::new()).await {
                Ok(()) => return Ok(()),
                Err(AskError::Refused(Refused::Gone)) => return Err(Ended::Over),
                Err(AskError::Refused(_)) => pause(&mut self.stopping, REPLAY_PAUSE).await,
                Err(_) => return Err(Ended::Over),
            }
            if *self.stopping.borrow() {
                return Err(Ended::Over);
            }
        }
    }

    /// Sends the first `count` letters that were found, or waits where there is no room for them.
    async fn send(&mut self, count: usize) -> Result<(), Ended> {
        let rules = self.dispatcher.rules();
        if !rules.has_tenant(self.tenant) {
            // It is being deleted, and its redrives with it.
            return Err(Ended::Over);
        }
        let settings = rules.settings(self.tenant);
        let waits = settings.suspended || is_crowded(self.dispatcher, self.tenant, settings.quotas.backlog())?;
        if !waits {
            let letters: Vec<DeliveryId> = self.found.iter().take(count).copied().collect();
            let after = if letters.len() == self.found.len() { self.looked } else { letters.last().copied() };
            match self.ask(RedriveState { after, ..self.was.clone() }, letters).await {
                Ok(()) => {
                    self.found.drain(..count);
                    return Ok(());
                }
                Err(AskError::Refused(Refused::Gone)) => return Err(Ended::Over),
                Err(AskError::Refused(_)) => {}
                Err(AskError::TooLarge { .. }) => {
                    return Err(Ended::Failed("its records are larger than a frame of the log".into()));
                }
                Err(_) => return Err(Ended::Over),
            }
        }
        self.pace.give_back(count);
        pause(&mut self.stopping, REPLAY_PAUSE).await;
        Ok(())
    }

    /// Asks for it to come to stand so, and for these letters to go.
    async fn ask(&mut self, state: RedriveState, letters: Vec<DeliveryId>) -> Result<(), AskError> {
        let (tenant, queue, was) = (self.tenant.clone(), self.queue.clone(), self.was.clone());
        let redriven = was.redriven;
        let (request_state, was) = (state.clone(), Some(was));
        let request = RedrivingRequest { tenant, queue, rules_version: None, was, state: request_state, letters };
        let answer = self.dispatcher.attempts.partition.ask(Request::Redriving(Box::new(request))).await?;
        let Answer::Redriven(done) = answer else { return Err(AskError::Stopping) };
        self.was = RedriveState { redriven: redriven.saturating_add(done.moved), ..state };
        self.noted_at = self.now();
        Ok(())
    }
}
