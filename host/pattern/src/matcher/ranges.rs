//! Ranges of keys, and which of them a key is in. Invariant: a clone shares all chunks, and a change copies one chunk and the
//! list of their heads. A key costs a look at each head, and a walk through each chunk that has a range that reaches it.

use std::sync::Arc;

/// Ranges in a chunk before it is cut in two.
const CHUNK_MAX: usize = 128;

/// Who is behind a range.
pub(crate) type Entry = u32;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Reach {
    first: u128,
    last: u128,
    entry: Entry,
}

#[derive(Clone, Debug)]
struct Chunk {
    /// The lowest first key, and the highest last key.
    first: u128,
    last: u128,
    /// Sorted.
    all: Arc<Vec<Reach>>,
}

/// A set of ranges.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ranges {
    chunks: Arc<Vec<Chunk>>,
}

impl Chunk {
    fn of(all: Vec<Reach>) -> Option<Self> {
        let first = all.first()?.first;
        let last = all.iter().map(|reach| reach.last).max()?;
        Some(Self { first, last, all: Arc::new(all) })
    }
}

impl Ranges {
    pub(crate) fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// Gives whoever is behind a range that has the key.
    #[inline]
    pub(crate) fn each(&self, key: u128, mut visit: impl FnMut(Entry)) {
        for chunk in self.chunks.iter().take_while(|chunk| chunk.first <= key).filter(|chunk| key <= chunk.last) {
            for reach in chunk.all.iter().take_while(|reach| reach.first <= key).filter(|reach| key <= reach.last) {
                visit(reach.entry);
            }
        }
    }

    /// Adds a range; an empty one has nothing to find.
    pub(crate) fn add(&mut self, first: u128, last: u128, entry: Entry) {
        let reach = Reach { first, last, entry };
        let chunks = Arc::make_mut(&mut self.chunks);
        let at = chunks.partition_point(|chunk| chunk.first <= first).saturating_sub(1);
        let mut all = chunks.get(at).map(|chunk| (*chunk.all).clone()).unwrap_or_default();
        all.insert(all.partition_point(|other| *other < reach), reach);
        let upper = if all.len() > CHUNK_MAX { all.split_off(all.len() / 2) } else { Vec::new() };
        let cut = at..(at + 1).min(chunks.len());
        chunks.splice(cut, [all, upper].into_iter().filter_map(Chunk::of));
    }

    pub(crate) fn remove(&mut self, first: u128, last: u128, entry: Entry) {
        let reach = Reach { first, last, entry };
        let chunks = Arc::make_mut(&mut self.chunks);
        // Equal first keys may stand in several chunks.
        let found = chunks.iter().position(|chunk| chunk.first <= first && chunk.all.binary_search(&reach).is_ok());
        let Some(at) = found else { return };
        let mut all = chunks.get(at).map(|chunk| (*chunk.all).clone()).unwrap_or_default();
        all.retain(|other| *other != reach);
        chunks.splice(at..=at, Chunk::of(all));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_key_is_in_the_ranges_that_have_it(
            ranges in prop::collection::vec((0u128..60, 0u128..60), 1..500),
            removed in prop::collection::vec(any::<prop::sample::Index>(), 0..100),
        ) {
            let (mut own, mut model) = (Ranges::default(), Vec::new());
            for (entry, (first, last)) in (0..).zip(ranges) {
                own.add(first, last, entry);
                model.push((first, last, entry));
            }
            for index in removed {
                if model.is_empty() {
                    break;
                }
                let (first, last, entry) = model.swap_remove(index.index(model.len()));
                own.remove(first, last, entry);
            }
            for key in 0..60 {
                let mut found = Vec::new();
                own.each(key, |entry| found.push(entry));
                found.sort_unstable();
                let mut wanted: Vec<u32> =
                    model.iter().filter(|(first, last, _)| *first <= key && key <= *last).map(|it| it.2).collect();
                wanted.sort_unstable();
                prop_assert_eq!(found, wanted);
            }
            for (first, last, entry) in model {
                own.remove(first, last, entry);
            }
            prop_assert!(own.is_empty());
        }
    }
}
