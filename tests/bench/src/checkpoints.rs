//! Whether a checkpoint holds up commits: the longest commit while one is being written, beside the longest one at other times.
//!
//! Every event counts under a key of its own, so that the state grows and checkpoints are due by size, one after the other.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use serde::Serialize;
use tokio::runtime::Handle;

use crate::commits::Partition;
use crate::measure::{double, ms};
use crate::requests::Load;

/// Events of the run.
const EVENTS: usize = 400_000;

/// Events of one commit.
const BATCH: usize = 256;

/// How commits went beside checkpoints.
#[derive(Serialize)]
pub struct Checkpoints {
    events: usize,
    batch: usize,
    /// Checkpoints that were written meanwhile.
    checkpoints: usize,
    /// While one was being written.
    during: Times,
    /// At other times.
    outside: Times,
}

/// Times of commits.
#[derive(Serialize)]
struct Times {
    commits: usize,
    median_ms: f64,
    p99_ms: f64,
    longest_ms: f64,
}

impl Times {
    fn of(times: impl Iterator<Item = Duration>) -> Self {
        let mut times: Vec<Duration> = times.collect();
        times.sort_unstable();
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index below the length")]
        let at = |part: f64| times.get((double(times.len()) * part) as usize).or(times.last()).copied();
        let at_ms = |part| ms(at(part).unwrap_or_default());
        Self { commits: times.len(), median_ms: at_ms(0.5), p99_ms: at_ms(0.99), longest_ms: at_ms(1.0) }
    }
}

/// Measures it in a new folder inside of `folder`.
pub fn run(folder: &Path, io: &Handle) -> Result<Checkpoints> {
    let within = tempfile::tempdir_in(folder)?;
    let mut partition = Partition::open(within.path(), io)?;
    let run = partition.run(&Load::new(EVENTS, EVENTS)?, BATCH)?;
    let times =
        |during: bool| Times::of(run.commits.iter().filter(|(_, under_way)| *under_way == during).map(|it| it.0));
    Ok(Checkpoints {
        events: EVENTS,
        batch: BATCH,
        checkpoints: partition.checkpoints(),
        during: times(true),
        outside: times(false),
    })
}
