//! The place of an attempt among those that run, and how the scheduler hears that it is free.
//!
//! Invariant: it hears of each once, also where an attempt panics or is never polled.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokio::sync::mpsc;
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

/// An attempt's place among those that run. The scheduler hears once that it is free: when the settlement is sequenced, since
/// the next attempt sees it then, and at the latest when the attempt ends in whatever way.
pub(crate) struct Slot {
    done: mpsc::UnboundedSender<Done>,
    lane: LaneKey,
    memory_mib: u32,
    timer: Option<Taken>,
    freed: AtomicBool,
    /// Whether its event was replayed.
    is_of_replay: AtomicBool,
    /// For its target's breaker, which hears of it when this is dropped.
    call: Option<Call>,
    /// Where it was taken from without the scheduler, if it was: it is left there too, where nobody waits for that.
    taken: Option<Arc<Attempts>>,
}

impl Slot {
    /// The place of an attempt that begins.
    pub(crate) fn new(
        done: mpsc::UnboundedSender<Done>,
        lane: LaneKey,
        memory_mib: u32,
        timer: Option<Taken>,
        call: Option<Call>,
    ) -> Self {
        let [freed, is_of_replay] = [(); 2].map(|()| AtomicBool::new(false));
        Self { done, lane, memory_mib, timer, freed, is_of_replay, call, taken: None }
    }

    /// It was taken from `attempts` without the scheduler.
    pub(crate) fn taken_from(mut self, attempts: &Arc<Attempts>) -> Self {
        self.taken = Some(Arc::clone(attempts));
        self
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
            let Self { done, lane, memory_mib, timer, taken, .. } = self;
            if taken.as_ref().is_some_and(|attempts| attempts.places().leaves(lane, *memory_mib)) {
                return;
            }
            // Without a scheduler nobody needs to know.
            let _ = done.send(Done { lane: lane.clone(), memory_mib: *memory_mib, timer: timer.clone(), back });
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.free();
    }
}
