//! The index of one field: from a value to whoever waits behind a condition that it may fulfil. Invariant: what
//! [`Index::change`] puts behind a door, a value that leads there finds.

use std::sync::Arc;

use super::{
    door::Door,
    pass::Visitor,
    postings::Postings,
    ranges::{Entry, Ranges},
    table::Table,
    trie::Trie,
};
use crate::{
    address::{Address, Block},
    condition::Scalar,
    number::Key,
};

/// The doors of one field. Strings and numbers stand apart, since most fields have one of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Index {
    strings: Option<Arc<Strings>>,
    numbers: Option<Arc<Numbers>>,
    present: Postings,
    null: Postings,
    no: Postings,
    yes: Postings,
}

#[derive(Clone, Debug, Default)]
struct Strings {
    whole: Table,
    heads: Trie<Ends>,
    heads_folded: Trie<Ends>,
    tails: Trie<Ends>,
    tails_folded: Trie<Ends>,
    within: Trie<Ends>,
    any: Postings,
    v4: Ranges,
    v6: Ranges,
}

#[derive(Clone, Debug, Default)]
struct Numbers {
    keys: Table,
    spellings: Table,
    ranges: Ranges,
}

/// What waits at one text: for strings that are it, and for those that only begin with it.
#[derive(Clone, Debug, Default)]
struct Ends {
    whole: Postings,
    open: Postings,
}

/// What is done behind a door.
#[derive(Clone, Copy)]
pub(crate) enum Change {
    Add(Entry),
    Remove(Entry),
}

impl Change {
    fn on(self, postings: &mut Postings) {
        match self {
            Self::Add(entry) => postings.add(entry),
            Self::Remove(entry) => postings.remove(entry),
        }
    }

    fn at(self, trie: &mut Trie<Ends>, text: &[u8], whole: bool) {
        let side = |ends: &mut Ends| self.on(if whole { &mut ends.whole } else { &mut ends.open });
        match self {
            Self::Add(_) => trie.change(text, side),
            Self::Remove(_) => {
                trie.shrink(text, |ends| {
                    side(ends);
                    ((), ends.whole.is_empty() && ends.open.is_empty())
                });
            }
        }
    }

    fn of(self, table: &mut Table, text: &[u8]) {
        table.change(text, |postings| self.on(postings));
    }

    fn over(self, ranges: &mut Ranges, first: u128, last: u128) {
        match self {
            Self::Add(entry) => ranges.add(first, last, entry),
            Self::Remove(entry) => ranges.remove(first, last, entry),
        }
    }
}

impl Index {
    /// Adds or removes one way behind a door.
    pub(crate) fn change(&mut self, door: &Door, change: Change) {
        match door {
            Door::Present => return change.on(&mut self.present),
            Door::Null => return change.on(&mut self.null),
            Door::Boolean(false) => return change.on(&mut self.no),
            Door::Boolean(true) => return change.on(&mut self.yes),
            _ => {}
        }
        if let Door::Number(_) | Door::Spelling(_) | Door::Numbers(..) = door {
            let numbers = Arc::make_mut(self.numbers.get_or_insert_default());
            return match door {
                Door::Number(key) => change.of(&mut numbers.keys, &key.bytes()),
                Door::Spelling(text) => change.of(&mut numbers.spellings, text),
                Door::Numbers(first, last) => change.over(&mut numbers.ranges, first.0, last.0),
                _ => {}
            };
        }
        let strings = Arc::make_mut(self.strings.get_or_insert_default());
        match door {
            Door::Head { text, whole: true } => change.of(&mut strings.whole, text),
            Door::Head { text, whole: false } => change.at(&mut strings.heads, text, false),
            Door::HeadFolded { text, whole } => change.at(&mut strings.heads_folded, text, *whole),
            Door::Tail(text) => change.at(&mut strings.tails, text, false),
            Door::TailFolded(text) => change.at(&mut strings.tails_folded, text, false),
            Door::Within(text) => change.at(&mut strings.within, text, false),
            Door::Strings => change.on(&mut strings.any),
            Door::Addresses(Block { first: Address::V4(first), last: Address::V4(last) }) => {
                change.over(&mut strings.v4, (*first).into(), (*last).into());
            }
            Door::Addresses(Block { first: Address::V6(first), last: Address::V6(last) }) => {
                change.over(&mut strings.v6, *first, *last);
            }
            // The ends of a block are of one family.
            _ => {}
        }
    }

    /// How many ways wait behind a door that takes equal values only.
    pub(crate) fn crowd(&self, door: &Door) -> usize {
        let at = |trie: &Trie<Ends>, text: &[u8]| trie.get(text).map_or(0, |ends| ends.whole.all().len());
        match (door, &self.strings, &self.numbers) {
            (Door::Head { text, whole: true }, Some(strings), _) => strings.whole.get(text).map_or(0, <[_]>::len),
            (Door::HeadFolded { text, whole: true }, Some(strings), _) => at(&strings.heads_folded, text),
            (Door::Number(key), _, Some(numbers)) => numbers.keys.get(&key.bytes()).map_or(0, <[_]>::len),
            _ => 0,
        }
    }

    /// Gives whoever waits behind a door that the value leads to.
    #[inline]
    pub(crate) fn each(&self, found: Scalar<'_>, visitor: &mut Visitor<'_>) {
        visitor.take_all(self.present.all());
        match found {
            Scalar::Null => visitor.take_all(self.null.all()),
            Scalar::Boolean(true) => visitor.take_all(self.yes.all()),
            Scalar::Boolean(false) => visitor.take_all(self.no.all()),
            Scalar::Text(text) => {
                if let Some(strings) = &self.strings {
                    strings.each(text, visitor);
                }
            }
            Scalar::Number(text, key) => {
                if let Some(numbers) = &self.numbers {
                    numbers.each(text, key, visitor);
                }
            }
        }
    }
}

impl Strings {
    #[inline]
    fn each(&self, text: &[u8], visitor: &mut Visitor<'_>) {
        visitor.take_all(self.any.all());
        if let Some(entries) = self.whole.get(text) {
            visitor.take_all(entries);
        }
        let mut ends = |ends: &Ends, whole: bool| {
            visitor.take_all(ends.open.all());
            if whole {
                visitor.take_all(ends.whole.all());
            }
        };
        let folded = |byte: &u8| byte.to_ascii_lowercase();
        let back = |at: usize| text.len().checked_sub(at + 1).and_then(|at| text.get(at));
        self.heads.along(|at| text.get(at).copied(), &mut ends);
        self.heads_folded.along(|at| text.get(at).map(folded), &mut ends);
        self.tails.along(|at| back(at).copied(), &mut ends);
        self.tails_folded.along(|at| back(at).map(folded), &mut ends);
        if !self.within.is_empty() {
            for start in 0..text.len() {
                self.within.along(|at| text.get(start + at).copied(), &mut ends);
            }
        }
        if !(self.v4.is_empty() && self.v6.is_empty()) {
            match Address::of(text) {
                Some(Address::V4(address)) => self.v4.each(address.into(), |entry| visitor.take(entry)),
                Some(Address::V6(address)) => self.v6.each(address, |entry| visitor.take(entry)),
                None => {}
            }
        }
    }
}

impl Numbers {
    #[inline]
    fn each(&self, text: &[u8], key: Option<Key>, visitor: &mut Visitor<'_>) {
        if let Some(entries) = self.spellings.get(text) {
            visitor.take_all(entries);
        }
        let Some(key) = key else { return };
        if let Some(entries) = self.keys.get(&key.bytes()) {
            visitor.take_all(entries);
        }
        // Whether the number is one that doubles tell apart is asked when that makes a difference for the first time.
        let mut holds = None;
        self.ranges.each(key.0, |entry| {
            if visitor.wants(entry) && *holds.get_or_insert_with(|| key.holds()) {
                visitor.take(entry);
            }
        });
    }
}
