//! A checkpoint takes its time: between rows it rests three times as long as it worked, within a bound, so that it takes about
//! a quarter of a core from what the host is there for. It hurries when the changes behind it pile up, and when somebody waits
//! for it. The time that it takes is its own and decides nothing, so it does not come in by a port.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use crate::limits::{PACE_REST_MAX, PACE_ROWS};

/// Whether a checkpoint may take its time; clones are of the same one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pace {
    hurry: Arc<AtomicBool>,
}

impl Pace {
    /// From now on there is no rest.
    pub(crate) fn hurry(&self) {
        self.hurry.store(true, Ordering::Relaxed);
    }

    pub(crate) fn begin(&self) -> Pacer<'_> {
        Pacer { pace: self, rows: 0, since: Instant::now() }
    }
}

/// One stretch of work.
pub(crate) struct Pacer<'a> {
    pace: &'a Pace,
    rows: usize,
    since: Instant,
}

impl Pacer<'_> {
    /// One row is done; now and then it rests.
    pub(crate) fn step(&mut self) {
        self.rows += 1;
        if self.rows < PACE_ROWS || self.pace.hurry.load(Ordering::Relaxed) {
            return;
        }
        rest((self.since.elapsed() * 3).min(PACE_REST_MAX));
        (self.rows, self.since) = (0, Instant::now());
    }
}

#[allow(clippy::disallowed_methods, reason = "the thread has nothing else to do, and nobody waits for it")]
fn rest(time: Duration) {
    std::thread::sleep(time);
}
