//! How long a start takes after a crash: the log behind the last checkpoint is applied again.
//!
//! What bounds it is the time between two checkpoints. So the rate of replay is measured, and set beside what 10 s of commits
//! at their measured rate leave.

use std::path::Path;
use std::time::Instant;

use anyhow::{Result, ensure};
use serde::Serialize;
use tokio::runtime::Handle;

use crate::commits::Partition;
use crate::measure::{double, ms};
use crate::requests::Load;

/// Events behind the last checkpoint.
const EVENTS: usize = 200_000;

/// Events of one commit.
const BATCH: usize = 256;

/// The longest time between two checkpoints, in seconds: `CHECKPOINT_EVERY` of the dispatcher.
const INTERVAL_S: f64 = 10.0;

/// What a start after a crash cost.
#[derive(Serialize)]
pub struct Replay {
    events: usize,
    frames: u64,
    /// From opening the folder to a state that has everything.
    open_ms: f64,
    frames_per_s: f64,
    events_per_s: f64,
    /// What 10 s of commits at the rate of the largest batch would take to replay.
    of_10_s_ms: f64,
}

/// Measures it in a new folder inside of `folder`; commits come at `per_s` events a second.
pub fn run(folder: &Path, io: &Handle, per_s: f64) -> Result<Replay> {
    let within = tempfile::tempdir_in(folder)?;
    let mut partition = Partition::open(within.path(), io)?;
    partition.checkpoint()?;
    partition.run_without_checkpoints(&Load::new(EVENTS, 10_000)?, BATCH)?;
    // As a crash leaves it: no last checkpoint.
    drop(partition);
    let start = Instant::now();
    let partition = Partition::open(within.path(), io)?;
    let time = start.elapsed();
    let frames = partition.recovered().frames_replayed;
    let expected = EVENTS.div_ceil(BATCH) as u64;
    ensure!(frames > expected, "{frames} frames were replayed, and {expected} are behind the checkpoint");
    let events_per_s = double(EVENTS) / time.as_secs_f64();
    Ok(Replay {
        events: EVENTS,
        frames,
        open_ms: ms(time),
        frames_per_s: (double(usize::try_from(frames)?) / time.as_secs_f64()).round(),
        events_per_s: events_per_s.round(),
        of_10_s_ms: (INTERVAL_S * per_s / events_per_s * 1e3).round(),
    })
}
