//! What a bench keeps of what it sent and of what became of it.
//!
//! Invariant: every event that was accepted is counted once, and settled as often as it was owed to somebody. A time is taken from
//! when something was due, so that a host that answers late is charged for all that had to wait behind it.

use std::{
    collections::HashMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use hdrhistogram::Histogram;
use tokio::time::Instant;

use super::BenchError;

/// Times that are still told apart, in microseconds: an hour.
const TIME_US_MAX: u64 = 3_600_000_000;

/// Digits of a time that are told apart.
const TIME_DIGITS: u8 = 3;

/// The book of one run.
#[derive(Debug)]
pub struct Book {
    began: Instant,
    /// Messages that one event becomes.
    owed: u64,
    /// Batches of before this run: when they were accepted is not known.
    earlier: u64,
    accepted: AtomicU64,
    settled: AtomicU64,
    /// When the last event was accepted, and the last message settled, in microseconds of the run.
    last_accepted: AtomicU64,
    last_settled: AtomicU64,
    /// Requests that were refused and sent again.
    pub refused: AtomicU64,
    /// Messages that came again, since they were not ended in time.
    pub again: AtomicU64,
    late_us: AtomicU64,
    pages: Mutex<Pages>,
}

#[derive(Debug)]
struct Pages {
    open: HashMap<u64, Batch>,
    answered: Histogram<u64>,
    settled: Histogram<u64>,
}

/// A batch that is not settled as a whole.
#[derive(Debug, Default)]
struct Batch {
    accepted: Option<Instant>,
    settled: u64,
    /// Those that were settled before its sender had the answer.
    early: u64,
}

impl Book {
    /// An empty one, of events that are owed to `owed` each. Batches below `earlier` were sent before.
    pub fn new(owed: u64, earlier: u64) -> Result<Self, BenchError> {
        let times = || Histogram::new_with_bounds(1, TIME_US_MAX, TIME_DIGITS).map_err(|_| BenchError::Unmade);
        let pages = Pages { open: HashMap::new(), answered: times()?, settled: times()? };
        Ok(Self {
            began: Instant::now(),
            owed,
            earlier,
            accepted: AtomicU64::new(0),
            settled: AtomicU64::new(0),
            last_accepted: AtomicU64::new(0),
            last_settled: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            again: AtomicU64::new(0),
            late_us: AtomicU64::new(0),
            pages: Mutex::new(pages),
        })
    }

    /// When the run began.
    pub fn began(&self) -> Instant {
        self.began
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A batch is durable; it was due at `due`. Whether messages of it are to be settled one by one is `is_followed`.
    pub fn accept(&self, number: u64, events: u64, due: Instant, is_followed: bool) {
        let now = Instant::now();
        let mut pages = self.pages();
        let took = micros(now, due);
        pages.answered.saturating_record_n(took, events);
        if is_followed {
            let batch = pages.open.entry(number).or_default();
            batch.accepted = Some(now);
            let (early, is_over) = (std::mem::take(&mut batch.early), batch.settled >= events * self.owed);
            pages.settled.saturating_record_n(1, early);
            if is_over {
                pages.open.remove(&number);
            }
        }
        drop(pages);
        self.accepted.fetch_add(events, Ordering::Relaxed);
        self.last_accepted.fetch_max(micros(now, self.began), Ordering::Relaxed);
    }

    /// So many messages of a batch of `events` are settled.
    pub fn settle(&self, number: u64, messages: u64, events: u64) {
        let now = Instant::now();
        if number >= self.earlier {
            let mut pages = self.pages();
            let batch = pages.open.entry(number).or_default();
            batch.settled += messages;
            let is_over = batch.settled >= events * self.owed;
            match batch.accepted {
                Some(accepted) => {
                    pages.settled.saturating_record_n(micros(now, accepted), messages);
                    if is_over {
                        pages.open.remove(&number);
                    }
                }
                None => batch.early += messages,
            }
        }
        self.settled.fetch_add(messages, Ordering::Relaxed);
        self.last_settled.fetch_max(micros(now, self.began), Ordering::Relaxed);
    }

    /// So many messages are settled by now, as the host counts them.
    pub fn settle_up_to(&self, messages: u64) {
        if self.settled.fetch_max(messages, Ordering::Relaxed) < messages {
            self.last_settled.fetch_max(micros(Instant::now(), self.began), Ordering::Relaxed);
        }
    }

    /// Something was sent so long after it was due.
    pub fn late(&self, by: u64) {
        self.late_us.fetch_max(by, Ordering::Relaxed);
    }

    /// What the latest was late by, in microseconds.
    pub fn latest(&self) -> u64 {
        self.late_us.load(Ordering::Relaxed)
    }

    /// Events that were accepted.
    pub fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    /// Messages that were settled.
    pub fn settled(&self) -> u64 {
        self.settled.load(Ordering::Relaxed)
    }

    /// Messages that are owed and not settled.
    pub fn waiting(&self) -> u64 {
        (self.accepted() * self.owed).saturating_sub(self.settled())
    }

    /// How long it took until the last event was accepted, and until the last message was settled, in microseconds.
    pub fn lasted(&self) -> (u64, u64) {
        (self.last_accepted.load(Ordering::Relaxed), self.last_settled.load(Ordering::Relaxed))
    }

    /// Looks at the times: those of answers, from when they were due, and those from acknowledged receipt to settlement.
    pub fn times<T>(&self, look: impl FnOnce(&Histogram<u64>, &Histogram<u64>) -> T) -> T {
        let pages = self.pages();
        look(&pages.answered, &pages.settled)
    }
}

/// Microseconds from one moment to another.
pub fn micros(now: Instant, from: Instant) -> u64 {
    u64::try_from(now.saturating_duration_since(from).as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_owed_to_two_is_settled_when_both_are() {
        let book = Book::new(2, 0).unwrap();
        book.accept(0, 10, Instant::now(), true);
        assert_eq!((book.accepted(), book.waiting()), (10, 20));
        book.settle(0, 15, 10);
        assert_eq!((book.settled(), book.waiting(), book.pages().open.len()), (15, 5, 1));
        book.settle(0, 5, 10);
        assert_eq!((book.waiting(), book.pages().open.len()), (0, 0));
        assert_eq!(book.times(|answered, settled| (answered.len(), settled.len())), (10, 20));
    }

    #[test]
    fn a_message_may_be_settled_before_its_sender_knows_that_it_was_taken() {
        let book = Book::new(1, 0).unwrap();
        book.settle(3, 1, 1);
        book.accept(3, 1, Instant::now(), true);
        assert_eq!((book.waiting(), book.pages().open.len()), (0, 0));
        assert_eq!(book.times(|_, settled| (settled.len(), settled.max())), (1, 1));
    }

    #[test]
    fn messages_of_before_count_and_have_no_time() {
        let book = Book::new(1, 5).unwrap();
        book.settle(4, 7, 100);
        assert_eq!((book.settled(), book.times(|_, settled| settled.len()), book.pages().open.len()), (7, 0, 0));
    }
}
