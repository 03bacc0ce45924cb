//! A line of those that want a place: whoever holds the fewest for its weight is first, and of those the one that has waited longest.
//!
//! It does not know who holds what: that is told whenever somebody joins, and whoever's load changes has to join anew.

use std::collections::BTreeSet;

/// Loads are kept in this part of a place for each unit of weight.
const PARTS: u64 = 1 << 20;

/// How many run, by how much that is for their weight, and since when it waits: the smallest is next.
pub(crate) type Turn = (u64, u64);

/// Those that want a place.
pub(crate) struct Line<K> {
    turns: BTreeSet<(Turn, K)>,
    next: u64,
}

impl<K: Clone + Ord> Line<K> {
    pub(crate) fn new() -> Self {
        Self { turns: BTreeSet::new(), next: 0 }
    }

    /// Puts one at the end of those with its load.
    pub(crate) fn join(&mut self, key: &K, running: u32, weight: u32) -> Turn {
        self.next += 1;
        let turn = (load(running, weight), self.next);
        self.turns.insert((turn, key.clone()));
        turn
    }

    pub(crate) fn leave(&mut self, key: &K, turn: Option<Turn>) {
        if let Some(turn) = turn {
            self.turns.remove(&(turn, key.clone()));
        }
    }

    /// Whether nobody is in it.
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }

    pub(crate) fn first(&self) -> Option<&K> {
        self.turns.first().map(|(_, key)| key)
    }
}

fn load(running: u32, weight: u32) -> u64 {
    u64::from(running) * PARTS / u64::from(weight.max(1))
}
