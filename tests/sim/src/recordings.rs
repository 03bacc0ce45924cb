//! Recordings of some attempts, of which nothing is kept but what they are of: a settle names one that was made of its attempt, or none.
//!
//! Invariant: which ones are wanted follows from the seed and the order in which it is asked.

use std::sync::{Mutex, PoisonError};

use wharf_delivery::{DeliveryId, RecordingAt};
use wharf_event::{Digest, PluginName, TenantName};
use wharf_recording::{Recording, Recordings, Tape};

use crate::{observed::Observed, rng::Rng};

/// A recording that was made.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// In which life of the process.
    pub life: usize,
    /// The deliveries that its attempt had, each with the number of the attempt.
    pub of: Vec<(DeliveryId, u32)>,
}

/// Where recordings of a life would be.
pub struct SimRecordings {
    rng: Mutex<Rng>,
    observed: Observed,
}

impl SimRecordings {
    /// Those of one life.
    #[must_use]
    pub fn new(seed: u64, observed: Observed) -> Self {
        Self { rng: Mutex::new(Rng::of(&[seed, 0x7A9E])), observed }
    }

    fn chance(&self, percent: u64) -> bool {
        self.rng.lock().unwrap_or_else(PoisonError::into_inner).chance(percent)
    }
}

/// Where the recording of that number would stand.
pub fn at(number: usize) -> RecordingAt {
    RecordingAt { segment: 1, offset: number as u64, bytes: 1, digest: Digest::of(&number.to_le_bytes()) }
}

impl Recordings for SimRecordings {
    fn tape(&self) -> Tape {
        if self.chance(50) { Tape::blank() } else { Tape::default() }
    }

    fn wants(&self, _: &TenantName, _: &PluginName, failed: bool) -> bool {
        failed || self.chance(50)
    }

    fn spare(&self) {}

    fn keep(&self, recording: &Recording) -> Option<RecordingAt> {
        let of: Vec<_> = recording.items.iter().map(|item| (item.delivery, item.attempt)).collect();
        let mut number = 0;
        self.observed.note(
            || format!("a recording of {of:?}"),
            |seen| {
                number = seen.recorded.len();
                seen.recorded.push(Recorded { life: seen.lives.len(), of: of.clone() });
            },
        );
        Some(at(number))
    }
}
