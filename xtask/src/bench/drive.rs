//! Producers and consumers of a peer, each on a thread with a connection of its own.
//!
//! Invariant: everything that was sent is settled when it ends, and no more than so many messages wait at a time.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::load::PRODUCERS;
use crate::interrupt::Interrupt;
use crate::poll;

/// Before a producer looks again whether there is room.
const ROOM_PAUSE: Duration = Duration::from_millis(1);

/// How long consumers may settle nothing of what waits.
const STILL_MAX: Duration = Duration::from_secs(60);

/// What is sent.
#[derive(Clone, Copy)]
pub struct Work {
    /// Events of one batch.
    pub batch: usize,
    /// When producers are done.
    pub end: End,
    /// Messages that wait at most.
    pub waiting_max: usize,
    /// Messages a second, evenly; else as fast as they go.
    pub per_s: Option<f64>,
}

/// When producers are done.
#[derive(Clone, Copy)]
pub enum End {
    /// After so many batches.
    Batches(usize),
    /// After so long.
    Time(Duration),
}

/// What it came to.
#[derive(Debug, Clone, Copy)]
pub struct Done {
    /// Messages that were sent and settled.
    pub events: usize,
    /// From the first request to the last settlement.
    pub time: Duration,
}

struct Shared<'a> {
    work: Work,
    start: Instant,
    next: AtomicUsize,
    sent: AtomicUsize,
    settled: AtomicUsize,
    sent_all: AtomicBool,
    /// A client failed: the others end too.
    failed: AtomicBool,
    interrupt: &'a Interrupt,
}

/// Drives as many producers as consumers: each `producer` gives what sends the batch of a number, each `consumer` what receives some
/// messages, settles them, and says how many they were.
pub fn drive<P, C>(
    work: Work,
    interrupt: &Interrupt,
    producer: impl Fn() -> Result<P> + Sync,
    consumer: impl Fn(usize) -> Result<C> + Sync,
) -> Result<Done>
where
    P: FnMut(usize) -> Result<()>,
    C: FnMut() -> Result<usize>,
{
    let shared = Shared {
        work,
        start: Instant::now(),
        next: AtomicUsize::new(0),
        sent: AtomicUsize::new(0),
        settled: AtomicUsize::new(0),
        sent_all: AtomicBool::new(false),
        failed: AtomicBool::new(false),
        interrupt,
    };
    let (shared, producer, consumer) = (&shared, &producer, &consumer);
    let time = thread::scope(|scope| -> Result<Duration> {
        let producers: Vec<_> = (0..PRODUCERS)
            .map(|_| scope.spawn(|| shared.ends(producer().and_then(|send| shared.produce(send)))))
            .collect();
        let consumers: Vec<_> = (0..PRODUCERS)
            .map(|n| scope.spawn(move || shared.ends(consumer(n).and_then(|settle| shared.consume(settle)))))
            .collect();
        let sent = producers.into_iter().try_for_each(|one| one.join().ok().context("a producer ended in a panic")?);
        // Consumers end when this is so and nothing waits.
        shared.sent_all.store(true, Ordering::Release);
        let ended: Vec<_> = consumers.into_iter().map(thread::ScopedJoinHandle::join).collect();
        let mut last = Duration::ZERO;
        for one in ended {
            last = last.max(one.ok().context("a consumer ended in a panic")??);
        }
        sent.map(|()| last)
    })?;
    let (sent, settled) = (shared.sent.load(Ordering::Relaxed), shared.settled.load(Ordering::Relaxed));
    ensure!(sent == settled, "{sent} messages were sent and {settled} settled");
    Ok(Done { events: settled, time })
}

impl Shared<'_> {
    fn waiting(&self) -> usize {
        self.sent.load(Ordering::Relaxed).saturating_sub(self.settled.load(Ordering::Relaxed))
    }

    fn is_over(&self) -> bool {
        let is_late = matches!(self.work.end, End::Time(time) if self.start.elapsed() >= time);
        is_late || self.failed.load(Ordering::Relaxed)
    }

    fn ends<T>(&self, done: Result<T>) -> Result<T> {
        done.inspect_err(|_| self.failed.store(true, Ordering::Relaxed))
    }

    fn produce(&self, mut send: impl FnMut(usize) -> Result<()>) -> Result<()> {
        loop {
            self.interrupt.check()?;
            while self.waiting() >= self.work.waiting_max && !self.is_over() {
                self.interrupt.check()?;
                poll::pause(ROOM_PAUSE);
            }
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            if matches!(self.work.end, End::Batches(batches) if number >= batches) {
                return Ok(());
            }
            if let Some(per_s) = self.work.per_s {
                #[allow(clippy::cast_precision_loss, reason = "numbers of messages are exact in a double")]
                let due = Duration::from_secs_f64((number * self.work.batch) as f64 / per_s);
                poll::pause(due.saturating_sub(self.start.elapsed()));
            }
            if self.is_over() {
                return Ok(());
            }
            send(number)?;
            self.sent.fetch_add(self.work.batch, Ordering::Relaxed);
        }
    }

    /// Gives when it settled its last.
    fn consume(&self, mut settle: impl FnMut() -> Result<usize>) -> Result<Duration> {
        let (mut last, mut since) = (Duration::ZERO, Instant::now());
        loop {
            self.interrupt.check()?;
            if self.failed.load(Ordering::Relaxed) {
                return Ok(last);
            }
            let is_last = self.sent_all.load(Ordering::Acquire);
            let settled = settle()?;
            if settled > 0 {
                self.settled.fetch_add(settled, Ordering::Relaxed);
                (last, since) = (self.start.elapsed(), Instant::now());
            } else if is_last && self.waiting() == 0 {
                return Ok(last);
            }
            ensure!(since.elapsed() < STILL_MAX, "{} messages wait, and none comes", self.waiting());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn everything_that_is_sent_is_settled_and_few_wait() {
        let (queue, most) = (Mutex::new(VecDeque::new()), AtomicUsize::new(0));
        let work = Work { batch: 10, end: End::Batches(100), waiting_max: 50, per_s: None };
        let producer = || {
            Ok(|number: usize| {
                let mut queue = queue.lock().unwrap();
                queue.extend((0..10).map(|n| number * 10 + n));
                most.fetch_max(queue.len(), Ordering::Relaxed);
                Ok(())
            })
        };
        let consumer = |_| Ok(|| Ok(queue.lock().unwrap().pop_front().map_or(0, |_: usize| 1)));
        let done = drive(work, &Interrupt::never(), producer, consumer).unwrap();
        assert_eq!(done.events, 1_000);
        // Each producer may have looked before the others sent.
        assert!(most.load(Ordering::Relaxed) < 50 + 10 * PRODUCERS, "{most:?}");
    }

    #[test]
    fn a_producer_that_fails_ends_it() {
        let work = Work { batch: 1, end: End::Batches(8), waiting_max: 50, per_s: None };
        let error = drive(work, &Interrupt::never(), || Ok(|_| anyhow::bail!("no room")), |_| Ok(|| Ok(0)));
        assert_eq!(error.unwrap_err().to_string(), "no room");
    }
}
