//! Requests that may wait for company: what a replay brings, and what settles it; what models answered, and what that cost. Hardly anybody waits for those, and
//! each frame that they had for themselves would keep what comes in now waiting for its sync.
//!
//! Invariant: one waits no longer than its patience, and never longer than until something else is asked for: then they go in one frame with that.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;
use wharf_delivery::Request;

use crate::{
    limits::{MARK_AFTER, PATIENT_MAX},
    partition::{Job, Message},
};

/// Those that wait, in the order in which they came.
#[derive(Default)]
pub(crate) struct Patience {
    jobs: Vec<Job>,
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
        self.jobs.push(*job);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    /// How long the next message may be waited for.
    pub(crate) fn pause(&self) -> Duration {
        self.until.map_or(MARK_AFTER, |until| until.saturating_duration_since(Instant::now()))
    }

    /// Lets all of them go, behind what is held already, and with what is asked for now: behind what attempts were told, since it may follow from that,
    /// and before the others.
    pub(crate) fn release(&mut self, held: &mut VecDeque<Message>, asked: Option<Message>) {
        self.until = None;
        let was_paid = |job: &mut Job| matches!(job.request, Request::Keep(_) | Request::Spend(_));
        held.extend(self.jobs.extract_if(.., was_paid).map(|job| Message::Ask(Box::new(job))));
        held.extend(asked);
        held.extend(self.jobs.drain(..).map(|job| Message::Ask(Box::new(job))));
    }
}
