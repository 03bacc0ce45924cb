//! One redrive at a rate as it goes on: a walk through the letters of its queue, of which it asks the partition to send some again.
//!
//! Invariant: a letter that comes back has the key that it had, which is behind the walk.

use std::{collections::VecDeque, ops::Bound, sync::Arc};

use bytes::Bytes;
use wharf_delivery::{
    Answer, DeliveryId, RedriveState, RedrivingRequest, Refused, ReplayPhase, Request, Table, Tables as _, keys,
};
use wharf_event::{QueueName, TenantName};

use crate::{
    dispatcher::Dispatcher,
    letters::ChosenLetters,
    limits::{REDRIVE_BATCH, REDRIVE_LOOK_ROWS, REPLAY_PAUSE, REPLAY_TICK},
    partition::{AskError, chain},
    redrives::PacedRedrive,
    surroundings::blocking_behind,
    walk::{Ended, Walk, Way},
    watched as watch,
};

/// Sends what one redrive is for, to its end.
pub(crate) async fn redrive(
    dispatcher: Dispatcher,
    (tenant, queue): (TenantName, QueueName),
    stopping: watch::Receiver<bool>,
) -> Result<(), Ended> {
    let mut run = Redriving::begin(dispatcher, (tenant, queue), stopping)?;
    match run.go_on().await {
        Ended::Failed(reason) => {
            tracing::warn!(tenant = %run.way.tenant, queue = %run.queue, "the redrive cannot go on: {reason}");
            let failed = RedriveState { phase: ReplayPhase::Failed, reason, ..run.was.clone() };
            // Where it is refused, somebody else ended it; where it fails, the next start finds out once more.
            drop(run.note(failed).await);
            Ok(())
        }
        ended => Err(ended),
    }
}

/// A redrive as it goes on.
struct Redriving {
    way: Way,
    queue: QueueName,
    chosen: Arc<ChosenLetters>,
    /// How it stands by the last record.
    was: RedriveState,
    /// Letters that were found and not sent.
    found: VecDeque<DeliveryId>,
    /// The last letter that was looked at: never before what the last record says.
    looked: Option<DeliveryId>,
}

impl Redriving {
    fn begin(
        dispatcher: Dispatcher,
        (tenant, queue): (TenantName, QueueName),
        stopping: watch::Receiver<bool>,
    ) -> Result<Self, Ended> {
        let was = RedriveState::get(&dispatcher.attempts.shared.read().state, &tenant, &queue).map_err(Ended::State)?;
        let was = was.filter(|was| was.phase == ReplayPhase::Running).ok_or(Ended::Over)?;
        let unread = |error: &dyn std::error::Error| {
            tracing::error!(%tenant, %queue, "a redrive stands still: {}", chain(error));
            Ended::Over
        };
        let redrive = PacedRedrive::of(queue.clone(), was.clone()).map_err(|error| unread(&error))?;
        // What is given up from now on is none of its: else it would not end where letters come as fast as it goes.
        let chosen = ChosenLetters::of(redrive.wish.by(redrive.begun_ms)).map_err(|error| unread(&error))?;
        let way = Way::new(dispatcher, tenant, redrive.per_s, stopping);
        let (looked, chosen, found) = (was.after, Arc::new(chosen), VecDeque::new());
        Ok(Self { way, queue, chosen, was, found, looked })
    }

    /// The next rows of the queue, from behind the last one that was looked at.
    fn rows(&self) -> Result<Vec<(Bytes, Bytes)>, Ended> {
        let (tenant, queue) = (&self.way.tenant, &self.queue);
        let after = self.looked.map(|id| keys::dead_letter(tenant, queue, id));
        let from = after.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let shared = self.way.dispatcher.attempts.shared.read();
        let prefix = keys::queue(tenant, queue);
        shared.state.scan(Table::DeadLetters, &prefix, from, REDRIVE_LOOK_ROWS).map_err(Ended::State)
    }

    /// Those of the rows that it is for.
    async fn among(&self, rows: Vec<(Bytes, Bytes)>) -> Result<VecDeque<DeliveryId>, Ended> {
        let attempts = &self.way.dispatcher.attempts;
        let (archive, chosen) = (self.way.dispatcher.archive().clone(), Arc::clone(&self.chosen));
        let letters = if chosen.reads_events() {
            let turn = attempts.replays.reading.acquire().await;
            let threads = attempts.surroundings.threads.as_ref();
            let letters = blocking_behind(threads, move || chosen.among(&archive, rows)).await.ok_or(Ended::Over)?;
            drop(turn);
            letters
        } else {
            chosen.among(&archive, rows)
        };
        Ok(letters.map_err(Ended::State)?.into_iter().map(|letter| letter.id).collect())
    }

    /// Asks for it to come to stand so, and for these letters to go.
    async fn ask(&mut self, state: RedriveState, letters: Vec<DeliveryId>) -> Result<(), AskError> {
        let (tenant, queue, was) = (self.way.tenant.clone(), self.queue.clone(), Some(self.was.clone()));
        let redriven = self.was.redriven;
        let request = RedrivingRequest { tenant, queue, rules_version: None, was, state: state.clone(), letters };
        let request = Request::Redriving(Box::new(request));
        let Answer::Redriven(done) = self.way.dispatcher.attempts.partition.ask(request).await? else {
            return Err(AskError::Stopping);
        };
        self.was = RedriveState { redriven: redriven.saturating_add(done.moved), ..state };
        self.way.was_noted();
        Ok(())
    }
}

impl Walk for Redriving {
    type State = RedriveState;

    fn way(&mut self) -> &mut Way {
        &mut self.way
    }

    fn ready(&self) -> usize {
        self.found.len().min(REDRIVE_BATCH)
    }

    async fn look_on(&mut self) -> Result<(), Ended> {
        let began = self.way.now();
        let rows = self.rows()?;
        let Some(last) = rows.last().and_then(|(key, _)| keys::delivery_of(key)) else {
            let done = RedriveState { after: self.looked, phase: ReplayPhase::Done, ..self.was.clone() };
            self.noted(done).await?;
            return Err(Ended::Over);
        };
        self.found = self.among(rows).await?;
        self.looked = Some(last);
        if self.found.is_empty() {
            // What looks through much and finds nothing leaves as much time to others as it takes.
            let took = self.way.now().saturating_sub(began);
            self.way.pause(took.max(REPLAY_TICK)).await;
            if self.way.is_to_be_noted() {
                self.noted(RedriveState { after: self.looked, ..self.was.clone() }).await?;
            }
        }
        Ok(())
    }

    async fn send(&mut self, count: usize) -> Result<(), Ended> {
        if self.way.room()?.is_some() {
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
        self.way.keep_back(count, REPLAY_PAUSE).await;
        Ok(())
    }

    async fn note(&mut self, state: RedriveState) -> Result<(), AskError> {
        self.ask(state, Vec::new()).await
    }
}
