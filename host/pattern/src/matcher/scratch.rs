//! What one pass over an event writes down. Invariant: it is used again for the next event without being cleared: what was
//! written for another event has another epoch.

use super::{fields::Field, rules::RuleMatcher};
use crate::{
    condition::Scalar,
    consistency::{Elements, Place},
    number::Key,
};

/// Room for matching one event at a time. A thread keeps one, and uses it with any matcher.
#[derive(Debug, Default)]
pub struct Scratch {
    pub(crate) epoch: u32,
    /// By the numbers of ways: when a value last led to it, and when it was last found to match.
    pub(crate) asked: Vec<u32>,
    found: Vec<u32>,
    /// By the numbers of fields: their values, of this epoch.
    fields: Vec<Noted>,
    pub(crate) values: Vec<Value>,
    /// What strings with escapes say, and what did not come from the event's JSON.
    pub(crate) texts: Vec<u8>,
    pub(crate) elements: Elements,
    pub(crate) candidates: Vec<u32>,
    pub(crate) matched: Vec<u32>,
    pub(crate) rules: Vec<u64>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Noted {
    epoch: u32,
    first: u32,
    last: u32,
}

/// A value of a field.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Value {
    /// The key of a number, if it has one.
    key: u128,
    what: What,
    /// Whether its text is in `texts` and not in the event's JSON.
    own: bool,
    start: u32,
    end: u32,
    pub(crate) place: Place,
    /// The next value of the same field.
    next: u32,
}

/// What kind of value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    Null,
    Boolean(bool),
    Number,
    Text,
}

const NONE: u32 = u32::MAX;
/// No number has the lowest key.
const NO_KEY: u128 = Key::LOWEST.0;

impl Scratch {
    /// Room for any event.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    pub(crate) fn begin(&mut self, matcher: &RuleMatcher) {
        self.epoch = self.epoch.wrapping_add(1);
        if self.epoch == 0 {
            // After four billion events, what is older than that must not look new.
            self.asked.fill(0);
            self.found.fill(0);
            self.fields.fill(Noted::default());
            self.epoch = 1;
        }
        if self.asked.len() < matcher.ways.length() {
            self.asked.resize(matcher.ways.length(), 0);
            self.found.resize(matcher.ways.length(), 0);
        }
        if self.fields.len() < matcher.fields() {
            self.fields.resize(matcher.fields(), Noted::default());
        }
        self.values.clear();
        self.texts.clear();
        self.elements.clear();
        self.candidates.clear();
        self.matched.clear();
        self.rules.clear();
    }

    /// Notes a value of a field that is named.
    #[inline]
    pub(crate) fn note(&mut self, field: &Field, mut value: Value) {
        value.next = NONE;
        let own = self.values.len() as u32;
        self.values.push(value);
        let Some(noted) = self.fields.get_mut(field.id as usize) else { return };
        if noted.epoch != self.epoch {
            *noted = Noted { epoch: self.epoch, first: own, last: own };
            return;
        }
        let last = std::mem::replace(&mut noted.last, own);
        if let Some(last) = self.values.get_mut(last as usize) {
            last.next = own;
        }
    }

    /// The values of a field, in the order in which they were noted.
    #[inline]
    pub(crate) fn values(&self, field: u32) -> impl Iterator<Item = &Value> {
        let noted = self.fields.get(field as usize).filter(|noted| noted.epoch == self.epoch);
        let mut next = noted.map_or(NONE, |noted| noted.first);
        std::iter::from_fn(move || {
            let value = self.values.get(next as usize)?;
            next = value.next;
            Some(value)
        })
    }

    /// Says whether a way, or the first way of its rule, is found for the first time.
    #[inline]
    pub(crate) fn is_new(&mut self, way: u32) -> bool {
        let epoch = self.epoch;
        self.found.get_mut(way as usize).is_some_and(|found| std::mem::replace(found, epoch) != epoch)
    }
}

impl Value {
    /// A value whose text is yet to be told.
    #[inline]
    pub(crate) const fn new(what: What, own: bool, span: (usize, usize), place: Place) -> Self {
        Self { key: NO_KEY, what, own, start: span.0 as u32, end: span.1 as u32, place, next: NONE }
    }

    /// A number with its key.
    #[inline]
    pub(crate) fn number(key: Option<Key>, own: bool, span: (usize, usize), place: Place) -> Self {
        Self { key: key.map_or(NO_KEY, |key| key.0), ..Self::new(What::Number, own, span, place) }
    }

    #[inline]
    pub(crate) fn scalar<'a>(&self, json: &'a [u8], texts: &'a [u8]) -> Scalar<'a> {
        let text =
            || (if self.own { texts } else { json }).get(self.start as usize..self.end as usize).unwrap_or_default();
        match self.what {
            What::Null => Scalar::Null,
            What::Boolean(value) => Scalar::Boolean(value),
            What::Number => Scalar::Number(text(), (self.key != NO_KEY).then_some(Key(self.key))),
            What::Text => Scalar::Text(text()),
        }
    }
}
