//! Requests that may wait for company: what a replay brings, and what settles it; what models answered, and what that cost. Nobody waits for those, and each
//! frame that they had for themselves would keep what comes in now waiting for its sync.
//!
//! Invariant: one waits no longer than its patience, and never longer than until something else is asked for: then they go in one frame with that, behind it
//! where it is a request.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

use crate::{
    limits::{MARK_AFTER, PATIENT_MAX},
    partition::{Job, Message},
};

/// Those that wait, in the order in which they came.
#[derive(Default)]
pub(crate) struct Patience {
    jobs: Vec<Message>,
    until: Option<Instant>,
}

impl Patience {
    /// Whether a request may wait here.
    pub(crate) fn takes(&self, job: &Job) -> bool {
        !job.patience.is_zero() && self.jobs.len() < PATIENT_MAX
    }

    pub(crate) fn push(&mut self, job: Box<Job>) {
        let until = Instant::now() + job.patience;
        self.until = Some(self.until.map_or(until, |before| before.min(until)));
        self.jobs.push(Message::Ask(job));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    /// How long the next message may be waited for.
    pub(crate) fn pause(&self) -> Duration {
        self.until.map_or(MARK_AFTER, |until| until.saturating_duration_since(Instant::now()))
    }

    /// Lets all of them go, behind what is held already.
    pub(crate) fn release(&mut self, held: &mut VecDeque<Message>) {
        self.until = None;
        held.extend(self.jobs.drain(..));
    }
}
