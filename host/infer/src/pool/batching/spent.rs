//! What a question spends of workers: its part of the runs that it was in, and whether one of them asked a model.
//!
//! Invariant: each moment of a run counts once for a question, and none between two runs does.

use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::worker::Leash;

/// What a question spent so far.
#[derive(Default)]
pub(super) struct Spent(Mutex<Sum>);

#[derive(Default)]
struct Sum {
    /// In runs that ended.
    before: Duration,
    now: Option<Run>,
    /// The leashes of all runs: a question is in two at most, one of several and one of its own.
    leashes: Vec<Arc<Leash>>,
}

/// A run that goes on: since when, and the question's rows among all that are in it.
struct Run {
    began: Instant,
    rows: u32,
    all: u32,
}

/// The part of a time that some of all rows have.
pub(super) fn part(time: Duration, rows: u32, all: u32) -> Duration {
    time * rows / all.max(1)
}

impl Spent {
    fn sum(&self) -> MutexGuard<'_, Sum> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A run begins in which the question has so many of all rows.
    pub(super) fn begin(&self, (rows, all): (u32, u32), leash: &Arc<Leash>) {
        let mut sum = self.sum();
        sum.now = Some(Run { began: Instant::now(), rows, all });
        sum.leashes.push(Arc::clone(leash));
    }

    /// Whether a model was asked in any of them.
    pub(super) fn has_asked(&self) -> bool {
        self.sum().leashes.iter().any(|leash| leash.has_asked())
    }

    /// The run that goes on ended without an answer; gives what was spent with it.
    pub(super) fn end(&self) -> Duration {
        let mut sum = self.sum();
        if let Some(run) = mem::take(&mut sum.now) {
            sum.before += run.spent();
        }
        sum.before
    }

    /// What was spent before the run that goes on.
    pub(super) fn before(&self) -> Duration {
        self.sum().before
    }

    /// Whether a run goes on.
    pub(super) fn runs(&self) -> bool {
        self.sum().now.is_some()
    }

    /// What was spent so far, with the run that goes on.
    pub(super) fn so_far(&self) -> Duration {
        let sum = self.sum();
        sum.before + sum.now.as_ref().map_or(Duration::ZERO, Run::spent)
    }
}

impl Run {
    fn spent(&self) -> Duration {
        part(self.began.elapsed(), self.rows, self.all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_a_run_is_shared_by_rows() {
        let whole = Duration::from_micros(10);
        assert_eq!([1, 2, 5].map(|rows| part(whole, rows, 8).as_nanos()), [1_250, 2_500, 6_250]);
    }

    #[tokio::test(start_paused = true)]
    async fn runs_count_one_behind_the_other_and_what_is_between_them_does_not() {
        let (spent, seconds) = (Spent::default(), Duration::from_secs);
        tokio::time::advance(seconds(1)).await;
        assert_eq!((spent.runs(), spent.so_far()), (false, seconds(0)));
        spent.begin((1, 4), &Arc::default());
        tokio::time::advance(seconds(8)).await;
        assert_eq!((spent.runs(), spent.so_far(), spent.before()), (true, seconds(2), seconds(0)));
        assert_eq!(spent.end(), seconds(2));
        tokio::time::advance(seconds(100)).await;
        assert_eq!((spent.runs(), spent.so_far(), spent.end()), (false, seconds(2), seconds(2)));
        spent.begin((1, 1), &Arc::default());
        tokio::time::advance(seconds(3)).await;
        assert_eq!((spent.so_far(), spent.before(), spent.end()), (seconds(5), seconds(2), seconds(5)));
    }
}
