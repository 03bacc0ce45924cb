//! Requests that may wait for company: what a replay brings, and what settles it; what models answered, and what that cost. Hardly anybody waits for those, and
//! each frame that they had for themselves would keep what comes in now waiting for its sync. They wait where the partition's thread finds them: it is woken
//! for the first of them only.
//!
//! Invariant: none is kept back for longer than its patience, or when something else is asked for: then they go in one frame with that. (A frame that is
//! being synced, and a full disk, hold up all.) In between they keep the order in which they came, however many they are.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::Notify;
use wharf_delivery::Request;

use crate::{
    limits::{MARK_AFTER, PATIENT_MAX},
    partition::{Job, Message},
};

/// Those that wait, in the order in which they came.
#[derive(Default)]
pub(crate) struct Patience {
    waiting: Mutex<Waiting>,
    /// It rings when the thread would sleep for longer than the least patient waits.
    sooner: Notify,
}

#[derive(Default)]
struct Waiting {
    jobs: Vec<Job>,
    /// When the least patient of them will have waited, by the monotonic clock.
    until: Option<Duration>,
    ended: bool,
}

impl Patience {
    /// Lets a request wait. It comes back where it has no patience, or nobody may wait any more.
    pub(crate) fn put(&self, job: Box<Job>) -> Result<(), Box<Job>> {
        if job.patience.is_zero() {
            return Err(job);
        }
        let mut waiting = self.waiting();
        if waiting.ended {
            return Err(job);
        }
        // Where there are many, none waits; but each waits its turn, or one would overtake others.
        let until = if waiting.jobs.len() < PATIENT_MAX { job.asked + job.patience } else { Duration::ZERO };
        let sooner = waiting.until.is_none_or(|before| until < before);
        if sooner {
            waiting.until = Some(until);
        }
        waiting.jobs.push(*job);
        drop(waiting);
        if sooner {
            self.sooner.notify_one();
        }
        Ok(())
    }

    /// Waits until the next message may be waited for less long.
    pub(crate) async fn shrinks(&self) {
        self.sooner.notified().await;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting().jobs.is_empty()
    }

    /// How long the next message may be waited for.
    pub(crate) fn pause(&self, now: Duration) -> Duration {
        self.waiting().until.map_or(MARK_AFTER, |until| until.saturating_sub(now))
    }

    /// Lets all of them go, behind what is held already, and with what is asked for now: behind what attempts were told, since it may follow from that,
    /// and before the others.
    pub(crate) fn release(&self, held: &mut VecDeque<Message>, asked: Option<Message>) {
        let mut jobs = {
            let mut waiting = self.waiting();
            waiting.until = None;
            std::mem::take(&mut waiting.jobs)
        };
        let was_paid = |job: &mut Job| matches!(job.request, Request::Keep(_) | Request::Spend(_));
        held.extend(jobs.extract_if(.., was_paid).map(|job| Message::Ask(Box::new(job))));
        held.extend(asked);
        held.extend(jobs.into_iter().map(|job| Message::Ask(Box::new(job))));
    }

    /// Lets all of them go, and nobody wait any more.
    pub(crate) fn end(&self, held: &mut VecDeque<Message>) {
        self.waiting().ended = true;
        self.release(held, None);
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        // Every change is a few assignments that cannot panic halfway.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use futures_util::FutureExt as _;
    use tokio::sync::oneshot;
    use wharf_delivery::{AcceptEvent, AcceptRequest, DeliveryId, KeepRequest, Quotas};
    use wharf_event::{Digest, Event, Position};

    use super::*;

    /// A request that was made at the beginning of all time.
    pub(crate) fn job(request: Request, patience_ms: u64) -> Box<Job> {
        let (answer, patience) = (oneshot::channel().0, Duration::from_millis(patience_ms));
        Box::new(Job { request, asked: Duration::ZERO, answer, slot: None, _room: None, patience })
    }

    pub(crate) fn keep() -> Request {
        Request::Keep(KeepRequest {
            tenant: "acme".parse().unwrap(),
            target: "p".parse().unwrap(),
            delivery: DeliveryId { event: Position::ZERO, n: 0 },
            batch: Default::default(),
            call: 1,
            request: Digest::of(b"asked"),
            answer: "told".into(),
        })
    }

    /// So many events.
    pub(crate) fn accept(events: usize) -> Request {
        let event = br#"{"specversion":"1.0","id":"1","source":"s","type":"t"}"#.as_slice().into();
        let one = AcceptEvent { event: Event::from_json(&event).unwrap(), targets: Vec::new() };
        Request::Accept(AcceptRequest {
            tenant: "acme".parse().unwrap(),
            bus: "default".parse().unwrap(),
            rules_version: 0,
            since_k: 0,
            quotas: Quotas::default(),
            backlogs: Default::default(),
            events: vec![one; events],
            delayed: None,
        })
    }

    /// What they are: an answer is none of those that have a number.
    pub(crate) fn told(held: impl IntoIterator<Item = Message>) -> Vec<Option<u64>> {
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
        let patience = Patience::default();
        for request in [Request::Follow { by_ms: 1 }, keep(), Request::Follow { by_ms: 2 }] {
            assert!(patience.put(job(request, 10)).is_ok());
        }
        assert!(patience.put(job(keep(), 0)).is_err(), "somebody waits for it");
        let mut held = VecDeque::from([Message::Ask(job(Request::Follow { by_ms: 0 }, 0))]);
        patience.release(&mut held, Some(Message::Ask(job(Request::Follow { by_ms: 3 }, 0))));
        assert_eq!(told(held), [Some(0), None, Some(3), Some(1), Some(2)]);
        assert!(patience.is_empty());
    }

    #[test]
    fn the_least_patient_ends_it_for_all_the_thread_is_woken_for_it_and_where_many_are_none_waits() {
        let (patience, now) = (Patience::default(), Duration::from_millis(1));
        // Whether the thread is woken.
        let put = |request, patience_ms| {
            assert!(patience.put(job(request, patience_ms)).is_ok());
            patience.shrinks().now_or_never().is_some()
        };
        assert_eq!(patience.pause(now), MARK_AFTER);
        assert!(put(Request::Follow { by_ms: 1 }, 3_600_000));
        assert_eq!(patience.pause(now), Duration::from_millis(3_599_999));
        assert!(put(keep(), 3));
        assert!(!put(Request::Follow { by_ms: 2 }, 3_600_000));
        assert_eq!(patience.pause(now), Duration::from_millis(2));
        assert_eq!(patience.pause(Duration::from_millis(5)), Duration::ZERO);
        for _ in 3..PATIENT_MAX {
            assert!(!put(keep(), 3));
        }
        assert_eq!(patience.pause(now), Duration::from_millis(2));
        assert!(put(Request::Follow { by_ms: 4 }, 3_600_000), "so many may wait");
        assert_eq!(patience.pause(now), Duration::ZERO);
        let mut held = VecDeque::new();
        patience.release(&mut held, None);
        assert_eq!(told(held).into_iter().flatten().collect::<Vec<_>>(), [1, 2, 4]);
        assert!(put(keep(), 3));
        assert_eq!(patience.pause(now), Duration::from_millis(2));
    }

    #[test]
    fn nobody_waits_any_more_once_it_ended() {
        let (patience, mut held) = (Patience::default(), VecDeque::new());
        assert!(patience.put(job(keep(), 10)).is_ok());
        patience.end(&mut held);
        assert_eq!(told(held), [None]);
        assert!(patience.put(job(keep(), 10)).is_err());
    }
}
