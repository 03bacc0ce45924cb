//! A map from byte strings that must be equal to lists of ways, by their hashes. Invariant: a clone shares all buckets, and a
//! change copies one of them and the pointers on the way to it. A bucket that is full is cut in two, and nothing else moves
//! (extendible hashing), so that no change is long, however many there are.

use std::sync::Arc;

use super::{postings::Postings, ranges::Entry};
use crate::text::same;

/// Entries of a bucket before it is cut.
const BUCKET_MAX: usize = 12;
/// Bits of the hash that choose a bucket, at most.
const BITS_MAX: u32 = 22;

/// The map.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    /// Pointers to buckets, two to the power of `bits`, in pages; a bucket that has fewer bits stands in several places.
    pages: Arc<Vec<Arc<Page>>>,
    bits: u32,
}

/// Pointers to buckets.
type Page = Vec<Arc<Bucket>>;

/// Pointers in a page, but in the first one of a small table.
const PAGE: usize = 128;

#[derive(Clone, Debug, Default)]
struct Bucket {
    bits: u32,
    /// Halves of the hashes of the first entries, beside each other: a key that is not there is mostly known by them.
    hashes: [u32; BUCKET_MAX],
    entries: Vec<(Text, Postings)>,
}

/// A key: mostly short, and then kept where it is looked at.
#[derive(Clone, Debug)]
enum Text {
    Short(u8, [u8; SHORT]),
    Long(Box<[u8]>),
}

/// Bytes of a short key: as many as fit beside its length without making entries larger.
const SHORT: usize = 22;

impl Text {
    fn new(key: &[u8]) -> Self {
        let mut short = [0; SHORT];
        match short.get_mut(..key.len()) {
            Some(place) => {
                place.copy_from_slice(key);
                Self::Short(key.len() as u8, short)
            }
            None => Self::Long(key.into()),
        }
    }

    #[inline]
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Short(length, bytes) => bytes.get(..usize::from(*length)).unwrap_or_default(),
            Self::Long(bytes) => bytes,
        }
    }
}

/// A hash of sixty-four bits, the same in every process: rules are chosen by those who suffer from them.
#[inline]
fn hash(key: &[u8]) -> u64 {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let mix = |hash: u64, word: u64| {
        let wide = u128::from(hash ^ word) * u128::from(FACTOR);
        (wide >> 64) as u64 ^ wide as u64
    };
    let (chunks, rest) = key.as_chunks::<8>();
    let hash = chunks.iter().fold(key.len() as u64 ^ FACTOR, |hash, chunk| mix(hash, u64::from_le_bytes(*chunk)));
    mix(mix(hash, rest.iter().fold(0, |word, byte| word << 8 | u64::from(*byte))), FACTOR)
}

impl Table {
    #[inline]
    fn place(&self, hash: u64) -> usize {
        (hash & ((1 << self.bits) - 1)) as usize
    }

    #[inline]
    fn bucket(&self, place: usize) -> Option<&Arc<Bucket>> {
        self.pages.get(place / PAGE)?.get(place % PAGE)
    }

    /// Who waits at a key.
    #[inline]
    pub(crate) fn get(&self, key: &[u8]) -> Option<&[Entry]> {
        // Most fields have no such list, and an empty one costs no hash.
        if self.pages.is_empty() {
            return None;
        }
        let hash = hash(key);
        let bucket = self.bucket(self.place(hash))?;
        let at = bucket.find(key, (hash >> 32) as u32)?;
        bucket.entries.get(at).map(|(_, entries)| entries.all())
    }

    /// Changes the list of a key; a list that is left empty goes.
    pub(crate) fn change(&mut self, key: &[u8], change: impl FnOnce(&mut Postings)) {
        let hash = hash(key);
        if self.pages.is_empty() {
            self.pages = Arc::new(vec![Arc::new(vec![Arc::default()])]);
        }
        let mut place = self.place(hash);
        while self.bucket(place).is_some_and(|bucket| bucket.is_full()) {
            self.cut(place);
            place = self.place(hash);
        }
        let Some(bucket) = self.bucket(place) else { return };
        let (mut bucket, bits) = (Bucket::clone(bucket), bucket.bits);
        bucket.change(key, (hash >> 32) as u32, change);
        self.put(place, bits, &Arc::new(bucket));
    }

    /// Puts a bucket wherever the bits that it has lead.
    fn put(&mut self, place: usize, bits: u32, bucket: &Arc<Bucket>) {
        let (step, pages) = (1 << bits, Arc::make_mut(&mut self.pages));
        for at in (place & (step - 1)..1 << self.bits).step_by(step) {
            if let Some(own) = pages.get_mut(at / PAGE).and_then(|page| Arc::make_mut(page).get_mut(at % PAGE)) {
                *own = Arc::clone(bucket);
            }
        }
    }

    /// Cuts the bucket at a place in two by one more bit of the hashes.
    fn cut(&mut self, place: usize) {
        let Some(whole) = self.bucket(place).cloned() else { return };
        if whole.bits == self.bits {
            let pages = Arc::make_mut(&mut self.pages);
            match pages.as_mut_slice() {
                [page] if page.len() < PAGE => Arc::make_mut(page).extend_from_within(..),
                _ => pages.extend_from_within(..),
            }
            self.bits += 1;
        }
        let bits = whole.bits + 1;
        let mut halves = [Bucket { bits, ..Bucket::default() }, Bucket { bits, ..Bucket::default() }];
        for entry in &whole.entries {
            let [low, high] = &mut halves;
            let half = if hash(entry.0.bytes()) >> whole.bits & 1 == 0 { low } else { high };
            half.entries.push(entry.clone());
        }
        for (n, mut half) in halves.into_iter().enumerate() {
            half.entries.shrink_to_fit();
            half.note_hashes();
            self.put(place & ((1 << whole.bits) - 1) | n << whole.bits, bits, &Arc::new(half));
        }
    }
}

impl Bucket {
    #[inline]
    fn find(&self, key: &[u8], short: u32) -> Option<usize> {
        let equal = |at: &usize| self.entries.get(*at).is_some_and(|(own, _)| same(own.bytes(), key));
        let noted = self.hashes.iter().enumerate().filter(|(_, own)| **own == short).map(|(at, _)| at).find(equal);
        // Beyond that there is something only where the hashes have no bits left.
        noted.or_else(|| (BUCKET_MAX..self.entries.len()).find(equal))
    }

    fn note_hashes(&mut self) {
        self.hashes = [0; BUCKET_MAX];
        for (own, (key, _)) in self.hashes.iter_mut().zip(&self.entries) {
            *own = (hash(key.bytes()) >> 32) as u32;
        }
    }

    fn is_full(&self) -> bool {
        self.entries.len() >= BUCKET_MAX && self.bits < BITS_MAX
    }

    fn change(&mut self, key: &[u8], short: u32, change: impl FnOnce(&mut Postings)) {
        let at = self.find(key, short).unwrap_or_else(|| {
            self.entries.reserve_exact(1);
            self.entries.push((Text::new(key), Postings::default()));
            self.entries.len() - 1
        });
        let Some((_, entries)) = self.entries.get_mut(at) else { return };
        change(entries);
        if entries.is_empty() {
            self.entries.swap_remove(at);
        }
        self.note_hashes();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    /// Short keys and long ones.
    fn name(key: u32) -> String {
        format!("{key:0width$}", width = 3 + key as usize % 30)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 50, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn it_is_the_map_that_it_should_be_and_snapshots_stay(steps in prop::collection::vec((0u32..400, any::<bool>()), 1..2_000)) {
            let (mut table, mut model) = (Table::default(), HashMap::<u32, Vec<Entry>>::new());
            let mut snapshot = (table.clone(), model.clone());
            for (n, (key, add)) in (0..).zip(&steps) {
                let (text, list) = (name(*key), model.entry(*key).or_default());
                if *add {
                    table.change(text.as_bytes(), |postings| postings.add(n));
                    list.push(n);
                } else if let Some(last) = list.pop() {
                    table.change(text.as_bytes(), |postings| postings.remove(last));
                }
                if n as usize == steps.len() / 2 {
                    snapshot = (table.clone(), model.clone());
                }
            }
            for (table, model) in [(table, model), snapshot] {
                for key in 0..400 {
                    let mut found = table.get(name(key).as_bytes()).unwrap_or_default().to_vec();
                    found.sort_unstable();
                    prop_assert_eq!(found, model.get(&key).cloned().unwrap_or_default());
                }
            }
        }
    }
}
