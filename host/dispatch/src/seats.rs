//! Places for calls that are not of a lane's deliveries: whoever consumes a queue asks for one, and the scheduler gives it when it is the
//! plugin's turn. A request takes one itself where it would be given one at once, and nobody is woken for that.
//! Invariant: what holds the plugin's other attempts back holds these too, and who gives up waiting takes no place.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use tokio::sync::{mpsc, oneshot};

use crate::{
    attempt::Attempts,
    lane::LaneKey,
    rules::RuleSet,
    slot::{Done, Slot},
};

/// A wish for a place.
pub(crate) type Asker = (LaneKey, oneshot::Sender<Arc<Slot>>);

/// The way to the scheduler.
pub(crate) struct Seats {
    asking: mpsc::UnboundedSender<Asker>,
    done: mpsc::UnboundedSender<Done>,
}

/// What the scheduler hears.
pub(crate) struct Heard {
    pub(crate) asked: mpsc::UnboundedReceiver<Asker>,
    pub(crate) done: mpsc::UnboundedReceiver<Done>,
}

impl Seats {
    pub(crate) fn new() -> (Self, Heard) {
        let ((asking, asked), (ending, done)) = (mpsc::unbounded_channel(), mpsc::unbounded_channel());
        (Self { asking, done: ending }, Heard { asked, done })
    }

    /// Tells the scheduler of the end of an attempt.
    pub(crate) fn done(&self, done: Done) {
        // Without a scheduler nobody needs to know.
        let _ = self.done.send(done);
    }

    /// A place, when there is one; an error if the scheduler has ended.
    pub(crate) fn ask(&self, of: LaneKey) -> oneshot::Receiver<Arc<Slot>> {
        let (give, given) = oneshot::channel();
        // Without a scheduler the sender is dropped, which is the answer.
        let _ = self.asking.send((of, give));
        given
    }
}

impl Attempts {
    /// A place, if the scheduler would give it at once. A rate and a breaker let one call through after the other, which only the scheduler sees to: whoever
    /// has one asks it.
    pub(crate) fn take_seat(self: &Arc<Self>, of: &LaneKey, rules: &RuleSet) -> Option<Arc<Slot>> {
        let is_paced = rules.rate(of).is_some() || rules.guarded(of).is_some();
        let (of_tenant, of_target) = rules.shares(&of.0, &of.1);
        if is_paced
            || self.is_held(rules, of)
            || self.rests_until(of).is_some()
            || !self.places().takes(of, of_tenant, of_target)
        {
            return None;
        }
        Some(Arc::new(Slot::new(Arc::clone(self), of.clone(), of_target.memory_mib, None)))
    }
}

/// Those who wait, by whose place it is.
#[derive(Default)]
pub(crate) struct Askers(HashMap<LaneKey, VecDeque<oneshot::Sender<Arc<Slot>>>>);

impl Askers {
    pub(crate) fn push(&mut self, (key, give): Asker) {
        let waiting = self.0.entry(key).or_default();
        waiting.retain(|give| !give.is_closed());
        waiting.push_back(give);
    }

    /// Whether somebody waits.
    pub(crate) fn has(&self, key: &LaneKey) -> bool {
        self.0.get(key).is_some_and(|waiting| waiting.iter().any(|give| !give.is_closed()))
    }

    /// The next one who still waits.
    pub(crate) fn pop(&mut self, key: &LaneKey) -> Option<oneshot::Sender<Arc<Slot>>> {
        let waiting = self.0.get_mut(key)?;
        let next = std::iter::from_fn(|| waiting.pop_front()).find(|give| !give.is_closed());
        if waiting.is_empty() {
            self.0.remove(key);
        }
        next
    }

    /// Nobody gets a place of it any more.
    pub(crate) fn clear(&mut self, key: &LaneKey) {
        self.0.remove(key);
    }
}
