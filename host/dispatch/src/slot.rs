//! The place of an attempt among those that run, and who hears that it is free.
//!
//! Invariant: each is left once, also where an attempt panics or is never polled. The scheduler hears of it where somebody waits for that, or where
//! it has to know what became of a delivery: a place that nobody waits for costs it no turn.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use wharf_delivery::Failure;

use crate::{attempt::Attempts, breaker::Sign, breakers::Call, lane::LaneKey, schedule::Waiting, timers::Taken};

/// An attempt that ended.
pub(crate) struct Done {
    pub(crate) lane: LaneKey,
    /// The memory that it might have used.
    pub(crate) memory_mib: u32,
    /// Its timer, if it had one.
    pub(crate) timer: Option<Taken>,
    /// Its delivery, if that was not tried.
    pub(crate) back: Option<Box<Waiting>>,
}

/// An attempt's place among those that run. It is free when the settlement is sequenced, since the next attempt sees it then, and at the latest
/// when the attempt ends in whatever way.
pub(crate) struct Slot {
    attempts: Arc<Attempts>,
    lane: LaneKey,
    memory_mib: u32,
    timer: Option<Taken>,
    freed: AtomicBool,
    /// Whether its event was replayed.
    is_of_replay: AtomicBool,
    /// For its target's breaker, which hears of it when this is dropped.
    call: Option<Call>,
}

impl Slot {
    /// The place of an attempt that begins, which its target's breaker hears of.
    pub(crate) fn new(attempts: Arc<Attempts>, lane: LaneKey, memory_mib: u32, timer: Option<Taken>) -> Self {
        let call = attempts.breakers.begin(&lane);
        let [freed, is_of_replay] = [(); 2].map(|()| AtomicBool::new(false));
        Self { attempts, lane, memory_mib, timer, freed, is_of_replay, call }
    }

    pub(crate) fn free(&self) {
        self.end(None);
    }

    /// Its event was replayed: nobody waits for its settlement.
    pub(crate) fn replays(&self) {
        self.is_of_replay.store(true, Ordering::Relaxed);
    }

    /// Whether its event was replayed.
    pub(crate) fn is_of_replay(&self) -> bool {
        self.is_of_replay.load(Ordering::Relaxed)
    }

    /// What it says of its target, now that this is durable.
    pub(crate) fn tell(&self, sign: Sign, failure: Option<&Failure>) {
        if let Some(call) = &self.call {
            call.tell(sign, failure);
        }
    }

    /// It is free, and the delivery was not tried: it goes back to where it came from.
    pub(crate) fn give_back(&self, waiting: Waiting) {
        self.end(Some(Box::new(waiting)));
    }

    fn end(&self, back: Option<Box<Waiting>>) {
        if !self.freed.swap(true, Ordering::AcqRel) {
            let Self { attempts, lane, memory_mib, timer, .. } = self;
            let is_told = back.is_some() || timer.is_some();
            if is_told || !attempts.places().leaves(lane, *memory_mib) {
                attempts.seats.done(Done { lane: lane.clone(), memory_mib: *memory_mib, timer: timer.clone(), back });
            }
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.free();
    }
}
