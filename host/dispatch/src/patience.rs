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

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;
    use wharf_delivery::{DeliveryId, KeepRequest};
    use wharf_event::{Digest, Position};

    use super::*;

    fn job(request: Request, patience_ms: u64) -> Box<Job> {
        let (answer, patience) = (oneshot::channel().0, Duration::from_millis(patience_ms));
        Box::new(Job { request, asked: Duration::ZERO, answer, slot: None, _room: None, patience })
    }

    fn keep() -> Request {
        Request::Keep(KeepRequest {
            tenant: "acme".parse().unwrap(),
            target: "p".parse().unwrap(),
            delivery: DeliveryId { event: Position::ZERO, n: 0 },
            call: 1,
            request: Digest::of(b"asked"),
            answer: "told".into(),
        })
    }

    /// What they are: an answer is none of those that have a number.
    fn told(held: VecDeque<Message>) -> Vec<Option<u64>> {
        let number = |message| match message {
            Message::Ask(job) => match job.request {
                Request::Follow { by_ms } => Some(by_ms),
                _ => None,
            },
            _ => panic!("nothing else was asked"),
        };
        held.into_iter().map(number).collect()
    }

    #[test]
    fn what_was_told_goes_before_what_is_asked_for_now_and_the_rest_behind_it() {
        let mut patience = Patience::default();
        for request in [Request::Follow { by_ms: 1 }, keep(), Request::Follow { by_ms: 2 }] {
            let waits = job(request, 10);
            assert!(patience.takes(&waits));
            patience.push(waits);
        }
        assert!(!patience.takes(&job(keep(), 0)), "somebody waits for it");
        let mut held = VecDeque::from([Message::Ask(job(Request::Follow { by_ms: 0 }, 0))]);
        patience.release(&mut held, Some(Message::Ask(job(Request::Follow { by_ms: 3 }, 0))));
        assert_eq!(told(held), [Some(0), None, Some(3), Some(1), Some(2)]);
        assert!(patience.is_empty());
    }

    #[test]
    fn the_least_patient_ends_it_for_all_and_so_many_may_wait() {
        let mut patience = Patience::default();
        assert_eq!(patience.pause(), MARK_AFTER);
        patience.push(job(Request::Follow { by_ms: 1 }, 3_600_000));
        assert!(patience.pause() > Duration::from_millis(1_000));
        patience.push(job(keep(), 1));
        patience.push(job(Request::Follow { by_ms: 2 }, 3_600_000));
        assert!(patience.pause() <= Duration::from_millis(1));
        for _ in 3..PATIENT_MAX {
            patience.push(job(keep(), 1));
        }
        assert!(!patience.takes(&job(keep(), 1)));
    }
}
