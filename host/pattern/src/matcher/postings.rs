//! Who waits at one place: mostly one way, sometimes a hundred thousand. Invariant: one needs no memory of its own.

use super::ranges::Entry;

/// A list of ways, in no order.
#[derive(Clone, Debug)]
pub(crate) enum Postings {
    One(Entry),
    Many(Vec<Entry>),
}

impl Default for Postings {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

impl Postings {
    #[inline]
    pub(crate) fn all(&self) -> &[Entry] {
        match self {
            Self::One(entry) => std::slice::from_ref(entry),
            Self::Many(entries) => entries,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.all().is_empty()
    }

    pub(crate) fn add(&mut self, entry: Entry) {
        match self {
            Self::One(other) => *self = Self::Many(vec![*other, entry]),
            Self::Many(entries) if entries.is_empty() => *self = Self::One(entry),
            Self::Many(entries) => entries.push(entry),
        }
    }

    pub(crate) fn remove(&mut self, entry: Entry) {
        match self {
            Self::One(other) if *other == entry => *self = Self::default(),
            Self::One(_) => {}
            Self::Many(entries) => {
                if let Some(at) = entries.iter().position(|other| *other == entry) {
                    entries.swap_remove(at);
                }
                if let [last] = entries.as_slice() {
                    *self = Self::One(*last);
                }
            }
        }
    }
}
