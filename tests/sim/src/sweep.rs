//! Many histories, on all cores, until one fails.
//!
//! Invariant: which history is told as the first that failed does not depend on how the cores share the work.

use std::{
    num::NonZero,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use crate::{
    history::{self, Figures, Outcome},
    mutation::Mutation,
};

/// What many histories gave.
#[derive(Default)]
pub struct Swept {
    /// How many were run.
    pub run: u64,
    /// What they were made of.
    pub figures: Figures,
    /// The first that failed: its number from 1, its seed, and what it gave.
    pub failed: Option<(u64, u64, Outcome)>,
}

/// Runs the histories of `histories` seeds from `seed` on, and stops at the first that fails. `progress` is told how many are
/// done, now and then.
pub fn run(seed: u64, histories: u64, mutation: Option<Mutation>, progress: impl Fn(u64) + Sync) -> Swept {
    let (next, first_failed) = (AtomicU64::new(0), AtomicU64::new(u64::MAX));
    let swept = Mutex::new(Swept::default());
    let work = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= histories || number > first_failed.load(Ordering::Relaxed) {
                return;
            }
            let of = seed.wrapping_add(number);
            let outcome = history::run(of, mutation);
            let mut swept = swept.lock().unwrap_or_else(PoisonError::into_inner);
            swept.run += 1;
            swept.figures.add(&outcome.figures);
            if !outcome.wrong.is_empty() && first_failed.fetch_min(number, Ordering::Relaxed) > number {
                swept.failed = Some((number + 1, of, outcome));
            }
            let done = swept.run;
            drop(swept);
            progress(done);
        }
    };
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(work);
        }
    });
    swept.into_inner().unwrap_or_else(PoisonError::into_inner)
}
