//! Goal: nothing that somebody waits for is looked at before what it may follow from, however the thread comes to it. Method: messages that come in this order or that.

use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::FutureExt as _;
use tokio::sync::mpsc::{self, UnboundedSender};
use wharf_delivery::Request;

use super::*;
use crate::patience::tests::{accept, job, keep, told};

/// Milliseconds since all began.
#[derive(Default)]
struct Time(AtomicU64);

impl Clock for Time {
    fn wall_ms(&self) -> u64 {
        0
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::Relaxed))
    }
}

struct Site {
    sender: UnboundedSender<Message>,
    patience: Arc<Patience>,
    time: Arc<Time>,
    inbox: Inbox,
}

impl Site {
    fn new() -> Self {
        let ((sender, messages), patience, time) = (mpsc::unbounded_channel(), Arc::default(), Arc::<Time>::default());
        let inbox = Inbox::new(messages, Arc::clone(&patience), Arc::<Time>::clone(&time));
        Self { sender, patience, time, inbox }
    }

    /// What a model answered.
    fn keeps(&self) {
        assert!(self.patience.put(job(keep(), 5)).is_ok());
    }

    fn asks(&self, number: u64) {
        self.sends(Message::Ask(job(Request::Follow { by_ms: number }, 0)));
    }

    fn sends_events(&self, events: usize) {
        self.sends(Message::Ask(job(accept(events), 0)));
    }

    fn sends(&self, message: Message) {
        assert!(self.sender.send(message).is_ok());
    }

    /// The requests that come, answers of models without a number.
    fn all(&mut self) -> Vec<Option<u64>> {
        let taken = std::iter::from_fn(|| self.inbox.next().now_or_never()).flatten().flatten();
        told(taken.collect::<Vec<_>>())
    }
}

#[tokio::test]
async fn what_a_model_answered_comes_before_what_is_asked_for_behind_it_however_that_is_taken() {
    let mut site = Site::new();
    site.keeps();
    assert_eq!(site.all(), [], "it waits");
    site.asks(1);
    assert_eq!(site.all(), [None, Some(1)]);

    site.keeps();
    site.asks(2);
    assert_eq!(site.inbox.fills().now_or_never(), Some(()));
    site.keeps();
    site.asks(3);
    assert_eq!(site.inbox.fills_in(Duration::ZERO).await, Some(true));
    let mut taken = Vec::new();
    while let Some(job) = site.inbox.joins(&mut { usize::MAX }) {
        taken.push(Message::Ask(Box::new(job)));
    }
    assert_eq!(told(taken), [None, Some(2), None, Some(3)]);

    site.keeps();
    site.asks(4);
    let first = site.inbox.joins(&mut { usize::MAX }).map(|job| Message::Ask(Box::new(job)));
    assert_eq!((told(first), site.all()), (vec![None], vec![Some(4)]));
}

#[tokio::test]
async fn a_frame_that_is_gathered_takes_what_waits_for_company_with_it_and_none_is_begun_for_that() {
    let mut site = Site::new();
    site.keeps();
    assert!(site.inbox.is_empty(), "nobody waits for it");
    assert_eq!(site.inbox.fills().now_or_never(), None);
    assert!(site.inbox.joins(&mut { usize::MAX }).is_some());
    assert!(site.inbox.joins(&mut { usize::MAX }).is_none());
}

#[tokio::test]
async fn it_waits_no_longer_than_its_patience() {
    let mut site = Site::new();
    site.keeps();
    site.time.0.store(6, Ordering::Relaxed);
    let came = site.inbox.next().await;
    assert_eq!(told(came.flatten()), [None]);
}

#[tokio::test]
async fn what_many_wait_for_keeps_its_order_though_it_comes_at_once() {
    let mut site = Site::new();
    for number in 0..200 {
        assert!(site.patience.put(job(Request::Follow { by_ms: number }, 5)).is_ok());
    }
    let first = site.inbox.next().await;
    assert_eq!(told(first.flatten()), [Some(0)]);
    assert_eq!(site.all(), (1..200).map(Some).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_waits_when_the_host_stops_comes_before_that_and_goes_with_the_thread() {
    let mut site = Site::new();
    site.keeps();
    site.sends(Message::Stop);
    assert!(matches!(site.inbox.next().await, Some(Some(Message::Ask(_)))));
    assert!(matches!(site.inbox.next().await, Some(Some(Message::Stop))));

    let (answer, came) = tokio::sync::oneshot::channel();
    assert!(site.patience.put(Box::new(Job { answer, ..*job(keep(), 5) })).is_ok());
    drop(site.inbox);
    assert!(came.await.is_err(), "nobody would ever answer");
    assert!(site.patience.put(job(keep(), 5)).is_err());
}

/// What comes for the frame that `begins`, and for those behind it.
fn frames(site: &mut Site) -> Vec<Vec<Option<u64>>> {
    let mut frames = Vec::new();
    while let Some(first) = site.inbox.begins() {
        let joins = std::iter::from_fn(|| site.inbox.joins(&mut { usize::MAX }));
        let jobs: Vec<_> = std::iter::once(first).chain(joins).collect();
        frames.push(told(jobs.into_iter().map(|job| Message::Ask(Box::new(job)))));
    }
    frames
}

#[tokio::test]
async fn a_large_request_stands_back_once_for_the_small_ones_behind_it() {
    let mut site = Site::new();
    site.sends_events(LARGE_EVENTS);
    site.sends_events(LARGE_EVENTS);
    site.asks(1);
    site.sends_events(LARGE_EVENTS - 1);
    site.asks(2);
    // Those of a few events are small too, and what is large has company.
    assert_eq!(frames(&mut site), [vec![Some(1), None, Some(2)], vec![None, None]]);
    // The next one stands back again, but not the same for those that come when it has its turn.
    site.sends_events(LARGE_EVENTS);
    site.asks(3);
    let first = site.inbox.next().await;
    assert_eq!(told(first.flatten()), [Some(3)]);
    site.asks(4);
    assert_eq!(frames(&mut site), [[None, Some(4)]]);
    assert_eq!(frames(&mut site), [[]; 0]);
}

#[tokio::test]
async fn a_large_request_stands_back_for_nothing_but_requests() {
    let mut site = Site::new();
    site.sends_events(LARGE_EVENTS);
    site.sends(Message::FollowClock);
    site.asks(1);
    assert_eq!(frames(&mut site), [[None]]);
    assert!(matches!(site.inbox.next().await, Some(Some(Message::FollowClock))));
    // One that stands back does not keep the thread from what comes while the frame before is synced.
    site.sends_events(LARGE_EVENTS);
    assert!(site.inbox.begins().is_some_and(|job| matches!(job.request, Request::Follow { by_ms: 1 })));
    assert!(site.inbox.joins(&mut { usize::MAX }).is_none());
    site.asks(2);
    assert_eq!(site.inbox.fills().now_or_never(), Some(()));
    assert!(site.inbox.joins(&mut { usize::MAX }).is_some());
    assert!(!site.inbox.is_empty());
}

#[tokio::test]
async fn some_are_taken_out_of_turn_and_the_others_keep_theirs() {
    let mut site = Site::new();
    site.asks(1);
    site.keeps();
    site.asks(2);
    assert_eq!(site.inbox.fills().now_or_never(), Some(()));
    assert!(site.patience.put(job(Request::Follow { by_ms: 3 }, 5)).is_ok());
    let is_keep = |message: &Message| matches!(message, Message::Ask(job) if matches!(job.request, Request::Keep(_)));
    assert_eq!(told(site.inbox.take(is_keep)), [None]);
    assert_eq!(site.all(), [Some(1), Some(3), Some(2)]);
}
