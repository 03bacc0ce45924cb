//! Places for calls that are not of a lane's deliveries: whoever consumes a queue asks for one, and the scheduler gives it when it is the
//! plugin's turn. Invariant: what holds the plugin's other attempts back holds these too, and who gives up waiting takes no place.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use tokio::sync::{mpsc, oneshot};

use crate::{lane::LaneKey, slot::Slot};

/// A wish for a place.
pub(crate) type Asker = (LaneKey, oneshot::Sender<Arc<Slot>>);

/// The way to the scheduler.
pub(crate) struct Seats(mpsc::UnboundedSender<Asker>);

impl Seats {
    pub(crate) fn new() -> (Self, mpsc::UnboundedReceiver<Asker>) {
        let (asking, asked) = mpsc::unbounded_channel();
        (Self(asking), asked)
    }

    /// A place, when there is one; an error if the scheduler has ended.
    pub(crate) fn ask(&self, of: LaneKey) -> oneshot::Receiver<Arc<Slot>> {
        let (give, given) = oneshot::channel();
        // Without a scheduler the sender is dropped, which is the answer.
        let _ = self.0.send((of, give));
        given
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
