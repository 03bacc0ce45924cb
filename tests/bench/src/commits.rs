//! The partition's commit path as its thread walks it: commit, checkpoint when one is due, take in the written one.
//!
//! Invariant: a run counts only if every request was taken. Checkpoints are written by a thread of their own, whose CPU time
//! is not the committing thread's.

use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use tokio::runtime::Handle;
use wharf_delivery::{Answer, Request};
use wharf_dispatch::{Committed, Committer, FolderHome, Recovered, Surroundings};
use wharf_log::frame_bytes;
use wharf_state::{Checkpoint, Snapshot};

use crate::measure::Spent;
use crate::requests::{Load, configure};

/// How long an event's id is remembered, in milliseconds: the default of a host.
const DEDUP_WINDOW_MS: u64 = 300_000;

/// What a checkpoint's thread reports.
type Written = Result<Snapshot, String>;

/// A partition in a folder.
pub struct Partition {
    committer: Committer,
    recovered: Recovered,
    rules_version: u64,
    reports: (Sender<Written>, Receiver<Written>),
    checkpoints: usize,
}

/// What happened in one run.
#[derive(Default)]
pub struct Run {
    /// What the commits took.
    pub spent: Spent,
    /// Each commit's time, and whether a checkpoint was being written.
    pub commits: Vec<(Duration, bool)>,
}

impl Run {
    /// What one of so many events cost.
    pub fn cost(&self, events: usize) -> crate::measure::Cost {
        self.spent.cost(events)
    }
}

impl Partition {
    /// Opens the partition in `folder`, and puts a rule set into force where there is none yet.
    pub fn open(folder: &Path, io: &Handle) -> Result<Self> {
        let dir = Dir::open_ambient_dir(folder, ambient_authority())?;
        let surroundings = Surroundings::of_this_machine(io.clone());
        let (committer, recovered) = Committer::open(&FolderHome::new(dir), DEDUP_WINDOW_MS, surroundings)?;
        let mut partition = Self { committer, recovered, rules_version: 0, reports: channel(), checkpoints: 0 };
        let committed = partition.committer.commit(configure(), || None)?;
        match committed.answers.first() {
            Some(Ok(Answer::Configured { version })) => partition.rules_version = *version,
            other => bail!("a rule set was answered with {other:?}"),
        }
        Ok(partition)
    }

    /// What opening found.
    pub fn recovered(&self) -> Recovered {
        self.recovered
    }

    /// How many checkpoints were written.
    pub fn checkpoints(&self) -> usize {
        self.checkpoints
    }

    /// Writes a checkpoint now, and waits for it.
    pub fn checkpoint(&mut self) -> Result<()> {
        let checkpoint = self.committer.checkpoint().context("a checkpoint is being written already")?;
        self.committer.thaw(checkpoint.write_at_once().map_err(|error| error.to_string()))?;
        Ok(())
    }

    /// Commits all events of `load`, `batch` at a time, and settles those of each commit with the next one.
    pub fn run(&mut self, load: &Load, batch: usize) -> Result<Run> {
        self.commit_all(load, batch, true)
    }

    /// The same without any checkpoint.
    pub fn run_without_checkpoints(&mut self, load: &Load, batch: usize) -> Result<Run> {
        self.commit_all(load, batch, false)
    }

    fn commit_all(&mut self, load: &Load, batch: usize, checkpoints: bool) -> Result<Run> {
        let (mut run, mut settles, mut settled) = (Run::default(), Vec::new(), 0);
        for accept in load.accepts(batch, self.rules_version) {
            let accept = accept?;
            let asked = settles.len() + 1;
            let mut more = std::mem::take(&mut settles).into_iter();
            let under_way = self.committer.is_checkpointing();
            let (committed, time) = run.spent.add(|| self.step(accept, || more.next(), checkpoints));
            run.commits.push((time, under_way));
            let Committed { answers, arisen } = committed?;
            if let Some(refused) = answers.iter().find(|answer| answer.is_err()) {
                bail!("a request was refused: {refused:?}");
            }
            if answers.len() != asked {
                bail!("{asked} requests were committed, and {} answered", answers.len());
            }
            for due in arisen.into_iter().flat_map(|(_, due)| due) {
                settles.push(load.settle(settled, due, self.rules_version)?);
                settled += 1;
            }
        }
        // The last ones, outside of what is measured.
        let mut more = settles.into_iter();
        if let Some(first) = more.next() {
            self.committer.commit(first, || more.next())?;
        }
        while self.committer.is_checkpointing() {
            self.committer.thaw(self.reports.1.recv()?)?;
        }
        Ok(run)
    }

    /// One turn of the partition's loop.
    fn step(&mut self, first: Request, more: impl FnMut() -> Option<Request>, checkpoints: bool) -> Result<Committed> {
        if let Ok(written) = self.reports.1.try_recv() {
            self.committer.thaw(written)?;
        }
        let committed = self.committer.commit(first, more)?;
        if checkpoints && let Some(checkpoint) = self.committer.checkpoint_if_due() {
            self.checkpoints += 1;
            self.write_aside(checkpoint)?;
        }
        Ok(committed)
    }

    fn write_aside(&self, checkpoint: Checkpoint) -> Result<()> {
        let reports = self.reports.0.clone();
        let write = move || {
            // The run may have ended; then nobody needs it.
            let _ = reports.send(checkpoint.write().map_err(|error| error.to_string()));
        };
        std::thread::Builder::new().name("checkpoint".into()).spawn(write).context("starting a thread")?;
        Ok(())
    }

    /// For each frame with records that was written, as many bytes as it takes; the last one, which only settles, left out.
    pub fn frames(&self) -> Result<Vec<Vec<u8>>> {
        let archive = self.committer.archive();
        let mut frames = Vec::new();
        for k in archive.first_k()..=archive.last_k() {
            let records = archive.frame(k)?;
            let bytes = frame_bytes(records.len(), records.iter().map(|record| record.bytes).sum());
            if !records.is_empty() {
                // Bytes that are no zeros, as those of events are.
                frames.push(vec![b'x'; usize::try_from(bytes.next_multiple_of(wharf_log::limits::SECTOR_BYTES))?]);
            }
        }
        // The first one is the rule set.
        frames.remove(0);
        frames.pop();
        Ok(frames)
    }
}
