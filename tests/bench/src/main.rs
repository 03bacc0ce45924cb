//! What the commit path costs, beside a bare log of the same bytes: `wharf-bench FOLDER` prints one JSON document.
//!
//! Goal: the price of deciding, applying and checkpointing is seen apart from that of writing and syncing. Method: the
//! partition's own committer is called in process, without HTTP and without guests, on a real folder; then the bytes that it
//! wrote are written again into files that were filled with zeros before. Rounds of both take turns, and medians are compared.
//!
//! It is no test: `cargo xtask bench log` builds and runs it, and prints what it says beside the machine.

mod bare;
mod checkpoints;
mod commits;
mod measure;
mod replay;
mod requests;

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, Result};
use mimalloc::MiMalloc;
use serde::Serialize;

use crate::checkpoints::Checkpoints;
use crate::commits::Partition;
use crate::measure::{Cost, median};
use crate::replay::Replay;
use crate::requests::Load;

/// As in the host.
#[global_allocator]
static HEAP: MiMalloc = MiMalloc;

/// Events of one commit, and of one round. A frame holds so many accepted events and the settlements of as many before them.
const BATCHES: [(usize, usize); 3] = [(1, 5_000), (16, 60_000), (256, 150_000)];

/// Rounds of each side; they take turns.
const ROUNDS: usize = 5;

/// Keys that the events count under.
const KEYS: usize = 10_000;

#[derive(Serialize)]
struct Report {
    batches: Vec<Row>,
    checkpoints: Checkpoints,
    replay: Replay,
}

/// One batch size.
#[derive(Serialize)]
struct Row {
    batch: usize,
    events: usize,
    bytes_per_event: f64,
    ours: Cost,
    bare: Cost,
    /// The rate of ours beside that of the bare log.
    ratio: f64,
}

fn main() -> Result<()> {
    // As a host does: or the allocator's first touch of memory has the kernel clear two megabytes of it, and that is what is measured.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
    let folder = PathBuf::from(std::env::args_os().nth(1).context("usage: wharf-bench FOLDER")?);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let io = runtime.handle();
    let mut batches = Vec::new();
    for (batch, events) in BATCHES {
        eprintln!("bench: commits of {batch} events");
        let load = Load::new(events, KEYS)?;
        let (mut ours, mut bare, mut bytes) = (Vec::new(), Vec::new(), 0);
        for _ in 0..ROUNDS {
            let within = tempfile::tempdir_in(&folder)?;
            let mut partition = Partition::open(within.path(), io)?;
            ours.push(partition.run(&load, batch)?.cost(events));
            let frames = partition.frames()?;
            bytes = frames.iter().map(Vec::len).sum();
            drop(partition);
            bare.push(bare::run(within.path(), &frames)?.cost(events));
        }
        let (ours, bare) = (median(&ours), median(&bare));
        let ratio = measure::round(ours.per_s / bare.per_s);
        let bytes_per_event = measure::round(measure::double(bytes) / measure::double(events));
        batches.push(Row { batch, events, bytes_per_event, ours, bare, ratio });
    }
    eprintln!("bench: commits while checkpoints are written");
    let checkpoints = checkpoints::run(&folder, io)?;
    eprintln!("bench: replay");
    let replay = replay::run(&folder, io, batches.last().map_or(0.0, |row| row.ours.per_s))?;
    let report = Report { batches, checkpoints, replay };
    let mut stdout = std::io::stdout().lock();
    serde_json::to_writer_pretty(&mut stdout, &report)?;
    writeln!(stdout)?;
    Ok(())
}
