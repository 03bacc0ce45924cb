//! One history: lives one after the other on one disk, then a life without faults, then the verdict.
//!
//! Invariant: the same seed and mutation give the same history, to the byte of its trace.

use std::{fmt::Write as _, sync::Arc};

use wharf_faults::{FaultyDisk, Kind, LOG_FOLDER, STATE_FILE};

use crate::{
    client::World,
    life::{Ended, Life, opened_dump, releases, transforms},
    model,
    mutation::Mutation,
    observed::Observed,
    plan::{Ending, Plan, StateFile},
    rng::Rng,
};

/// What a history gave.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// What is wrong, in words; nothing when all is as it has to be.
    pub wrong: Vec<String>,
    /// What happened, a line each.
    pub trace: String,
    /// Figures, to see that it was not idle.
    pub figures: Figures,
}

/// What histories were made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Lives of processes, the last one of each history included.
    pub lives: u64,
    /// Events that were acknowledged for the first time.
    pub acknowledged: u64,
    /// Duplicates that were told apart.
    pub duplicates: u64,
    /// Runs of handlers.
    pub runs: u64,
    /// Calls with batches of a queue.
    pub calls: u64,
    /// Settled attempts.
    pub settles: u64,
    /// Runs that were made again because of a conflict.
    pub conflicts: u64,
    /// Records that carried something on.
    pub carried: u64,
    /// Frames.
    pub frames: u64,
    /// Records that changed control objects.
    pub changes: u64,
    /// Records by which a part of a deleted tenant went.
    pub erased: u64,
    /// Due times for which a schedule fired.
    pub fired: u64,
    /// Messages that clients received of queues.
    pub messages: u64,
    /// Replays that came to their end.
    pub replays: u64,
    /// Events that replays brought.
    pub replayed: u64,
    /// Redrives at a rate that sent letters and came to their end.
    pub paced: u64,
    /// Records that let go of dead letters.
    pub discards: u64,
    /// Times in which the disk was full.
    pub squeezes: u64,
    /// Those of them in which the reserve was needed.
    pub reserves: u64,
    /// Requests that webhooks sent.
    pub requests: u64,
    /// Records by which events that are owed to very many came further.
    pub fanned: u64,
    /// Deliveries of a rule's ordering key that came to their turn when one before them left.
    pub ordered: u64,
    /// Tenants that were deleted to the end.
    pub deleted: u64,
    /// Those of them with whom that began in one life and ended in another.
    pub resumed: u64,
}

impl Figures {
    /// Adds those of another history.
    pub fn add(&mut self, other: &Self) {
        self.lives += other.lives;
        self.acknowledged += other.acknowledged;
        self.duplicates += other.duplicates;
        self.runs += other.runs;
        self.calls += other.calls;
        self.settles += other.settles;
        self.conflicts += other.conflicts;
        self.carried += other.carried;
        self.frames += other.frames;
        self.changes += other.changes;
        self.erased += other.erased;
        self.fired += other.fired;
        self.messages += other.messages;
        self.replays += other.replays;
        self.replayed += other.replayed;
        self.paced += other.paced;
        self.discards += other.discards;
        self.squeezes += other.squeezes;
        self.reserves += other.reserves;
        self.requests += other.requests;
        self.fanned += other.fanned;
        self.ordered += other.ordered;
        self.deleted += other.deleted;
        self.resumed += other.resumed;
    }
}

/// Runs the history of a seed.
#[must_use]
pub fn run(seed: u64, mutation: Option<Mutation>) -> Outcome {
    let plan = Plan::of(seed);
    let observed = Observed::default();
    let (releases, transforms) = (releases(seed, &observed), transforms(seed));
    let world = Arc::new(World { seed, plan, releases, transforms, observed });
    let stage = Stage { world, disk: FaultyDisk::default(), ms: 0, number: 0, mutation };
    if mutation == Some(Mutation::Fsync) {
        stage.disk.pretend_to_sync(|done| done.kind == Kind::Sync && done.name.starts_with(LOG_FOLDER));
    }
    stage.play()
}

struct Stage {
    world: Arc<World>,
    disk: FaultyDisk,
    ms: u64,
    number: usize,
    mutation: Option<Mutation>,
}

impl Stage {
    fn play(mut self) -> Outcome {
        let lives = self.world.plan.lives.clone();
        for plan in &lives {
            self.change_state_file(plan.state_file);
            let life = self.life(Some(plan));
            let ended = life.run();
            if let Some(wrong) = unexpected(&ended) {
                return self.outcome(vec![wrong]);
            }
            self.end(&ended, plan.ending);
        }
        let ended = self.life(None).run();
        if let Some(wrong) = unexpected(&ended) {
            return self.outcome(vec![wrong]);
        }
        self.tell_disk();
        self.ms += ended.ms;
        let Some(dump) = ended.dump else {
            return self.outcome(vec!["it ended without a state that could be held against the model".to_owned()]);
        };
        let mut wrong = model::check(&self.world.observed.seen(), &self.world, &dump);
        // A power cut after a clean stop takes nothing, and the log alone gives the same state.
        let disk = self.disk.after_power_cut(wharf_faults::Fate::LoseAll);
        for lost in [false, true] {
            let disk = disk.after_kill();
            if lost {
                disk.lose(STATE_FILE);
            }
            let what = if lost { "rebuilt from the log" } else { "opened again" };
            match opened_dump(&self.world, &disk, self.ms) {
                Ok(again) => wrong.extend(model::differences(&dump, &again).map(|text| format!("{what}, {text}"))),
                Err(error) => wrong.push(format!("it cannot be {what}: {error}")),
            }
        }
        self.outcome(wrong)
    }

    fn life<'a>(&mut self, plan: Option<&'a crate::plan::LifePlan>) -> Life<'a> {
        self.number += 1;
        let forgets = self.mutation == Some(Mutation::Dedup) && self.number > 1;
        let window_ms = if forgets { self.world.plan.window_ms / 10 } else { self.world.plan.window_ms };
        Life {
            world: Arc::clone(&self.world),
            number: self.number,
            before_ms: self.ms,
            disk: self.disk.clone(),
            window_ms,
            plan,
        }
    }

    /// What a restart finds.
    fn end(&mut self, ended: &Ended, ending: Ending) {
        self.tell_disk();
        let mut rng = Rng::of(&[self.world.seed, self.number as u64, 0xE0D]);
        self.ms += ended.ms + rng.between(10, 5_000);
        self.disk = match ending {
            Ending::PowerCut(_, fate) | Ending::Error { then: Some(fate), .. } => self.disk.after_power_cut(fate),
            Ending::Stop | Ending::Kill(_) | Ending::Error { then: None, .. } => self.disk.after_kill(),
        };
    }

    fn change_state_file(&self, change: StateFile) {
        match change {
            StateFile::Stays => {}
            StateFile::Lost => self.disk.lose(STATE_FILE),
            StateFile::Cut(bytes) => self.disk.change(STATE_FILE, |file| file.truncate(bytes as usize)),
            StateFile::Garbled(seed) => self.disk.change(STATE_FILE, |file| {
                let mut rng = Rng::new(seed);
                // In its head, or anywhere.
                let end = if rng.chance(50) { 512 } else { file.len() as u64 };
                for _ in 0..rng.between(1, 40) {
                    let at = rng.below(end) as usize;
                    file.get_mut(at).into_iter().for_each(|byte| *byte = rng.bits() as u8);
                }
            }),
        }
    }

    /// What was done to the disk is part of the trace: a replay does the same.
    fn tell_disk(&self) {
        let mut seen = self.world.observed.seen();
        for operation in self.disk.history() {
            // A text takes everything.
            let _ = writeln!(seen.trace, "disk {} {:?} {}", operation.number, operation.kind, operation.name);
        }
    }

    fn outcome(&self, wrong: Vec<String>) -> Outcome {
        let seen = self.world.observed.seen();
        let mut all = seen.wrong.clone();
        all.extend(wrong);
        let figures = model::figures(&seen);
        Outcome { wrong: all, trace: seen.trace.clone(), figures }
    }
}

/// Why a life that could not be opened should have been.
fn unexpected(ended: &Ended) -> Option<String> {
    ended.unopened.as_ref().filter(|_| !ended.faulted).map(|why| format!("it cannot be opened: {why}"))
}
