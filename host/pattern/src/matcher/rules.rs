//! The rules of a matcher: adding one, removing one. Invariant: either touches what the rule itself is behind, and nothing
//! that a clone shares; what a rule left behind is given back.

use std::sync::Arc;

use super::{
    door::{self, Door},
    fields::{self, Field},
    index::Change,
    slab::Slab,
    table::Table,
    trie::Trie,
};
use crate::{
    limits::{RULES_MAX, WAYS_MAX},
    pattern::{Leaf, Pattern},
    ways::Way,
};

/// Marks an entry behind a door that needs no more asking: the way has one field, and the door is sure.
pub(crate) const SURE: u32 = 1 << 31;

/// Rules by numbers that whoever adds them chooses, ready to be matched. A clone costs nothing, and stays as it is.
#[derive(Clone, Debug, Default)]
pub struct RuleMatcher {
    pub(crate) root: Trie<Field>,
    pub(crate) ways: Slab<Slot>,
    /// The ways that no value leads to: all that they ask for is absence.
    pub(crate) always: Arc<Vec<u32>>,
    /// The first way of each rule.
    rules: Table,
    count: usize,
    numbers: Slab<()>,
}

/// What is asked of a way most often, beside each other.
#[derive(Clone, Debug)]
pub(crate) struct Slot {
    pub(crate) rule: u64,
    /// The number of the rule's first way: a rule is found once, along whichever way.
    pub(crate) first: u32,
    pub(crate) way: Arc<Waiting>,
}

/// A way of a rule, as it waits behind its door.
#[derive(Debug)]
pub(crate) struct Waiting {
    /// Its fields, with their numbers, by their paths.
    pub(crate) leaves: Box<[(u32, Arc<Leaf>)]>,
    /// Which of them is the door; none for those that are always asked.
    door: Option<u16>,
    /// The next way of the rule.
    next: Option<u32>,
}

/// Why a rule cannot be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RulesError {
    /// The matcher is full of rules.
    #[error("there are {RULES_MAX} rules already")]
    TooManyRules,
    /// The matcher is full of ways.
    #[error("there are {WAYS_MAX} combinations of `$or` in all rules already")]
    TooManyWays,
}

impl RuleMatcher {
    /// No rules.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many rules there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Ways through the `$or` of all rules: what they cost in memory.
    #[must_use]
    pub fn ways(&self) -> usize {
        self.ways.live()
    }

    /// How many fields of events are looked at.
    pub(crate) const fn fields(&self) -> usize {
        self.numbers.length()
    }

    /// Adds a rule, in the place of one that has its number.
    ///
    /// # Errors
    /// When there are too many already.
    pub fn insert(&mut self, rule: u64, pattern: &Pattern) -> Result<(), RulesError> {
        self.remove(rule);
        if self.count >= RULES_MAX {
            return Err(RulesError::TooManyRules);
        }
        if self.ways.live() + pattern.ways.len() > WAYS_MAX {
            return Err(RulesError::TooManyWays);
        }
        let ids: Vec<u32> = pattern.ways.iter().map(|_| self.ways.reserve()).collect();
        let Some(first) = ids.first().copied() else { return Ok(()) };
        for (n, (id, way)) in ids.iter().zip(pattern.ways.iter()).enumerate() {
            self.add(*id, ids.get(n + 1).copied(), (rule, first), way);
        }
        self.rules.change(&rule.to_be_bytes(), |ways| ways.add(first));
        self.count += 1;
        Ok(())
    }

    /// Removes a rule, and says whether there was one.
    pub fn remove(&mut self, rule: u64) -> bool {
        let key = rule.to_be_bytes();
        let Some(first) = self.rules.get(&key).and_then(<[u32]>::first).copied() else { return false };
        self.rules.change(&key, |ways| ways.remove(first));
        let mut next = Some(first);
        while let Some(id) = next {
            next = self.give_back(id);
        }
        self.count -= 1;
        true
    }

    fn add(&mut self, id: u32, next: Option<u32>, (rule, first): (u64, u32), way: &Way) {
        let door = self.choose(way);
        let leaves = way.leaves.iter().map(|leaf| {
            let numbers = &mut self.numbers;
            let number = fields::name(&mut self.root, &leaf.path, || {
                let number = numbers.reserve();
                numbers.put(number, ());
                number
            });
            (number, Arc::clone(leaf))
        });
        let leaves: Box<[_]> = leaves.collect();
        match door.and_then(|door| way.leaves.get(door as usize)) {
            Some(leaf) => self.behind(leaf, Change::Add(id), way.leaves.len()),
            None => Arc::make_mut(&mut self.always).push(id),
        }
        self.ways.put(id, Slot { rule, first, way: Arc::new(Waiting { leaves, door, next }) });
    }

    /// Takes a way out, and gives the next one of its rule.
    fn give_back(&mut self, id: u32) -> Option<u32> {
        let way = self.ways.take(id)?.way;
        match way.door.and_then(|door| way.leaves.get(door as usize)) {
            Some((_, leaf)) => self.behind(leaf, Change::Remove(id), way.leaves.len()),
            None => {
                let always = Arc::make_mut(&mut self.always);
                if let Some(at) = always.iter().position(|other| *other == id) {
                    always.swap_remove(at);
                }
            }
        }
        for (_, leaf) in &way.leaves {
            if let Some(number) = fields::forget(&mut self.root, &leaf.path) {
                self.numbers.take(number);
            }
        }
        way.next
    }

    /// Puts a way behind all doors of a field, or takes it away from there.
    fn behind(&mut self, leaf: &Leaf, change: Change, leaves: usize) {
        let doors = leaf.doors().unwrap_or_default();
        fields::index(&mut self.root, &leaf.path, |index| {
            for (door, sure) in &doors {
                let mark = if *sure && leaves == 1 { SURE } else { 0 };
                let change = match change {
                    Change::Add(id) => Change::Add(id | mark),
                    Change::Remove(id) => Change::Remove(id | mark),
                };
                index.change(door, change);
            }
        });
    }

    /// The field of a way that fewest events are expected to open, and among equals the one with the smallest crowd.
    fn choose(&self, way: &Way) -> Option<u16> {
        let fields = (0..).zip(&way.leaves).filter_map(|(n, leaf)| {
            let doors = leaf.doors()?;
            let crowd: usize = match fields::find(&self.root, &leaf.path).and_then(|field| field.index.as_ref()) {
                Some(index) => doors.iter().map(|(door, _): &(Door, bool)| index.crowd(door)).sum(),
                None => 0,
            };
            // A crowd behind an equal value says that many events have it.
            let width = door::width(&doors) + crowd.min(1 << 20).next_power_of_two().ilog2();
            Some((width, doors.len(), n))
        });
        fields.min().map(|(_, _, n)| n)
    }
}
