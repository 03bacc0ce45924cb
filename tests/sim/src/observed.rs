//! What clients were told and what handlers did, in the order in which it happened, and the archive as it was read on the way.
//!
//! Invariant: from the moment of a crash on nothing is noted any more: what a process would do after it never happened.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use wharf_delivery::{Cost, DeliveryId, Expected, ObjectFate, ObjectKind, Read, Used, Verdict, WriteRequest};
use wharf_dispatch::{Item, LetterWish, ReplayWish};
use wharf_event::{Event, Position};

use crate::{batch::Call, oracle::ToldBy, queue::QueuesSeen, recordings::Recorded, rests::Rests, web::Asked};

/// An event that a client sent.
#[derive(Clone, Debug)]
pub struct Sent {
    /// To which tenant.
    pub tenant: &'static str,
    /// To which bus.
    pub bus: &'static str,
    /// The event.
    pub event: Event,
}

/// An event that was acknowledged to a client.
#[derive(Clone, Debug)]
pub struct Acked {
    /// Which one, as it was sent.
    pub sent: Sent,
    /// Where it stands, as the client was told.
    pub position: Position,
    /// Whether the client was told that it had been there.
    pub duplicate: bool,
    /// The last durable frame when the client asked.
    pub asked_k: u64,
}

/// How a run of a handler ended.
#[derive(Clone, Debug)]
pub enum Ran {
    /// It had not ended when the process did.
    Cut,
    /// It met a key that another one had for itself.
    Contended,
    /// It panicked.
    Panicked,
    /// With a verdict, its effects, and what it read.
    Ended {
        /// The verdict.
        verdict: Verdict,
        /// Events that it published.
        published: Vec<Event>,
        /// Changes that it made.
        writes: Vec<WriteRequest>,
        /// What it read.
        reads: Vec<Read>,
    },
}

/// One run of a handler.
#[derive(Clone, Debug)]
pub struct Run {
    /// In which life of the process.
    pub life: usize,
    /// Whose plugin.
    pub tenant: String,
    /// Which plugin.
    pub plugin: String,
    /// For which delivery.
    pub delivery: DeliveryId,
    /// The number of the attempt.
    pub attempt: u32,
    /// The event that it was given.
    pub event: Event,
    /// The event as it was received, before the transforms of the rule.
    pub received: Event,
    /// Frame time when it began, in milliseconds since 1970.
    pub frame_ms: u64,
    /// Its place in the order of all beginnings and ends.
    pub began: u64,
    /// That of its end.
    pub ended: Option<u64>,
    /// How it ended.
    pub ran: Ran,
    /// What it said that it used, if it came to its end.
    pub used: Used,
}

/// One life of the process, as far as it came.
#[derive(Clone, Copy, Debug, Default)]
pub struct LifeSeen {
    /// Its number in the plan, from 1.
    pub number: usize,
    /// The last frame before it.
    pub last_k: u64,
    /// Frame time when it began, in milliseconds since 1970.
    pub began_ms: u64,
    /// Frames that were applied again when it began.
    pub frames_replayed: u64,
    /// It ended by a stop that said that nothing is left to replay.
    pub clean: bool,
}

/// A change of a control object that was answered.
#[derive(Clone, Debug)]
pub struct ChangeTold {
    /// Whose.
    pub tenant: String,
    /// Its kind.
    pub kind: ObjectKind,
    /// Its name.
    pub name: String,
    /// What it was to be.
    pub document: Option<Bytes>,
    /// What the client took it to be.
    pub expected: Expected,
    /// The answer.
    pub fate: ObjectFate,
}

/// A value that a client read.
#[derive(Clone, Debug)]
pub struct ReadValue {
    /// Whose.
    pub tenant: String,
    /// In which bucket.
    pub bucket: String,
    /// Under which key.
    pub key: String,
    /// Its version and bytes; absent when there was none.
    pub found: Option<(Position, Vec<u8>)>,
    /// The last durable frame when the client asked.
    pub asked_k: u64,
}

/// What was told to be reserved for the oracle, and what was told to be paid: in which life, by whose plugin, and how much.
#[derive(Default)]
pub struct BooksSeen {
    /// Reserved, durably.
    pub reserved: Vec<(usize, String, Cost)>,
    /// Paid.
    pub spent: Vec<(usize, String, Cost)>,
}

/// Everything that was seen of a history.
#[derive(Default)]
pub struct Seen {
    /// Every event that was sent, acknowledged or not.
    pub sent: Vec<Sent>,
    /// What was acknowledged.
    pub acked: Vec<Acked>,
    /// What handlers did.
    pub runs: Vec<Run>,
    /// What was done with batches of queues.
    pub calls: Vec<Call>,
    /// The lives that came to run.
    pub lives: Vec<LifeSeen>,
    /// The archive, by frame.
    pub frames: BTreeMap<u64, Vec<Item>>,
    /// The last frame that was collected.
    pub collected_k: u64,
    /// Rule sets that came into force: version and the variant.
    pub configured: Vec<(u64, u64)>,
    /// Changes of control objects that were answered.
    pub changed: Vec<ChangeTold>,
    /// Deletions of tenants that were answered: whose, the last durable frame then, and whether nothing of it was said to be left.
    pub deleted: Vec<(String, u64, bool)>,
    /// When tenants rested.
    pub rests: Rests,
    /// Redrives that were answered: how many letters were moved.
    pub redriven: Vec<(String, u64)>,
    /// Letters that were let go of, as was answered: how many.
    pub discarded: Vec<(String, u64)>,
    /// Edits of letters that somebody wished: the event from then on, and whether it was said to be so.
    pub edits: Vec<((DeliveryId, Event), bool)>,
    /// What clients did with queues.
    pub queues: QueuesSeen,
    /// Replays that somebody wished to begin, each with its tenant.
    pub replays: Vec<(String, ReplayWish)>,
    /// Redrives at a rate that somebody wished to begin: of which tenant's queue, and for what.
    pub paced: Vec<((String, String), LetterWish)>,
    /// What plugins did for requests.
    pub asked: Vec<Asked>,
    /// What they used for that: in which life, whose plugin's, and how much.
    pub served: Vec<(usize, String, Used)>,
    /// Values that clients read.
    pub values: Vec<ReadValue>,
    /// What was reserved and paid for those.
    pub books: BooksSeen,
    /// Times in which the disk was full, each with whether the reserve was needed.
    pub squeezes: Vec<bool>,
    /// Recordings that were made.
    pub recorded: Vec<Recorded>,
    /// Answers of the oracle.
    pub answered: u64,
    /// What handlers were told of them.
    pub told: Vec<ToldBy>,
    /// Wrong things that were met on the way.
    pub wrong: Vec<String>,
    /// One line for everything that happened, in order.
    pub trace: String,
    steps: u64,
    frozen: bool,
}

/// What is seen, shared by all that see.
#[derive(Clone, Default)]
pub struct Observed(Arc<Mutex<Seen>>);

impl Observed {
    /// Notes something, unless the process has crashed.
    pub fn note(&self, line: impl FnOnce() -> String, note: impl FnOnce(&mut Seen)) {
        let mut seen = self.seen();
        if !seen.frozen {
            let line = line();
            let number = seen.step();
            // A text takes everything.
            let _ = writeln!(seen.trace, "{number} {line}");
            note(&mut seen);
        }
    }

    /// Everything so far.
    pub fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From here on nothing is noted.
    pub fn freeze(&self) {
        self.seen().frozen = true;
    }

    /// A new life begins.
    pub fn thaw(&self) {
        self.seen().frozen = false;
    }

    /// Whether nothing is noted.
    #[must_use]
    pub fn is_frozen(&self) -> bool {
        self.seen().frozen
    }
}

impl Seen {
    /// Somebody wishes that a tenant does not rest any more.
    pub fn wake(&mut self, tenant: &str) {
        let step = self.step();
        self.rests.wake(tenant, step);
    }

    /// A tenant was said to rest.
    pub fn rest(&mut self, tenant: &str, asked: Option<u64>, told_ms: u64) {
        let step = self.step();
        self.rests.told(tenant, asked, (step, told_ms));
    }

    /// The next place in the order of everything.
    pub fn step(&mut self) -> u64 {
        self.steps += 1;
        self.steps
    }
}
