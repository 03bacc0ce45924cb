//! Virtual time, seeded chance, and threads that are tasks: what comes into the core from outside.
//!
//! Invariant: everything here follows from the seed and from the order in which it is asked.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::future::BoxFuture;
use tokio::time::Instant;
use wharf_dispatch::{Clock, Job, NoOutside, NoRecordings, Random, Surroundings, Threads};

use crate::{plan::WallStep, rng::Rng};

/// Wall time when a history begins: some day in 2026.
pub const BEGIN_MS: u64 = 1_780_000_000_000;

/// The clocks of one life of the process.
pub struct LifeClock {
    began: Instant,
    /// Time of the history when this life began.
    before_ms: u64,
    steps: Vec<WallStep>,
}

impl LifeClock {
    /// Clocks that go on from `before_ms` of a history, now.
    #[must_use]
    pub fn new(before_ms: u64, steps: Vec<WallStep>) -> Self {
        Self { began: Instant::now(), before_ms, steps }
    }

    /// Time of the history, in milliseconds since it began.
    #[must_use]
    pub fn history_ms(&self) -> u64 {
        self.before_ms + u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

impl Clock for LifeClock {
    fn wall_ms(&self) -> u64 {
        let now_ms = self.history_ms();
        let by_ms: i64 = self.steps.iter().filter(|step| step.at_ms <= now_ms).map(|step| step.by_ms).sum();
        (BEGIN_MS + now_ms).saturating_add_signed(by_ms)
    }

    fn monotonic(&self) -> Duration {
        self.began.elapsed()
    }
}

struct SeededRandom(Mutex<Rng>);

impl Random for SeededRandom {
    fn bits(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).bits()
    }
}

/// Tasks of the one thread that there is. A job that may block begins after a while, as on a busy machine.
struct Tasks {
    delays: Mutex<Rng>,
    delay_ms_max: u64,
}

impl Threads for Tasks {
    fn blocking(&self, job: Job) {
        let delay_ms = self.delays.lock().unwrap_or_else(PoisonError::into_inner).below(self.delay_ms_max + 1);
        drop(tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(delay_ms)).await;
            job();
        }));
    }

    fn partition(&self, task: BoxFuture<'static, ()>) -> io::Result<()> {
        drop(tokio::spawn(task));
        Ok(())
    }
}

/// The surroundings of one life.
#[must_use]
pub fn surroundings(clock: Arc<LifeClock>, seed: u64, delay_ms_max: u64) -> Surroundings {
    Surroundings {
        outgoing: Arc::new(NoOutside),
        recordings: Arc::new(NoRecordings),
        clock,
        random: Arc::new(SeededRandom(Mutex::new(Rng::of(&[seed, 1])))),
        threads: Arc::new(Tasks { delays: Mutex::new(Rng::of(&[seed, 2])), delay_ms_max }),
    }
}
