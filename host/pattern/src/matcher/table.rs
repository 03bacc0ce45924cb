//! A map from byte strings that must be equal to lists of ways, by their hashes. Invariant: a clone shares all buckets, and a
//! change copies one of them and the list of pointers to them. A bucket that is full is cut in two, and nothing else moves
//! (extendible hashing), so that no change is long, however many there are.

use std::sync::Arc;

use super::ranges::Entry;

/// Entries of a bucket before it is cut.
const BUCKET_MAX: usize = 12;
/// Bits of the hash that choose a bucket, at most.
const BITS_MAX: u32 = 22;

/// The map.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    /// Two to the power of `bits`; a bucket that has fewer bits stands in several places.
    buckets: Arc<Vec<Arc<Bucket>>>,
    bits: u32,
}

#[derive(Clone, Debug, Default)]
struct Bucket {
    bits: u32,
    hashes: Vec<u32>,
    entries: Vec<(Box<[u8]>, Vec<Entry>)>,
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

    /// Who waits at a key.
    #[inline]
    pub(crate) fn get(&self, key: &[u8]) -> Option<&[Entry]> {
        // Most fields have no such list, and an empty one costs no hash.
        if self.buckets.is_empty() {
            return None;
        }
        let hash = hash(key);
        let bucket = self.buckets.get(self.place(hash))?;
        let at = bucket.find(key, (hash >> 32) as u32)?;
        bucket.entries.get(at).map(|(_, entries)| entries.as_slice())
    }

    /// Changes the list of a key; a list that is left empty goes.
    pub(crate) fn change(&mut self, key: &[u8], change: impl FnOnce(&mut Vec<Entry>)) {
        let hash = hash(key);
        if self.buckets.is_empty() {
            self.buckets = Arc::new(vec![Arc::default()]);
        }
        let mut place = self.place(hash);
        while self.buckets.get(place).is_some_and(|bucket| bucket.is_full()) {
            self.cut(place);
            place = self.place(hash);
        }
        let bits = self.buckets.get(place).map_or(0, |bucket| bucket.bits);
        let Some(bucket) = self.buckets.get(place) else { return };
        let mut bucket = Bucket::clone(bucket);
        bucket.change(key, (hash >> 32) as u32, change);
        self.put(place, bits, &Arc::new(bucket));
    }

    /// Puts a bucket wherever the bits that it has lead.
    fn put(&mut self, place: usize, bits: u32, bucket: &Arc<Bucket>) {
        let (step, buckets) = (1 << bits, Arc::make_mut(&mut self.buckets));
        for at in (place & (step - 1)..buckets.len()).step_by(step) {
            if let Some(own) = buckets.get_mut(at) {
                *own = Arc::clone(bucket);
            }
        }
    }

    /// Cuts the bucket at a place in two by one more bit of the hashes.
    fn cut(&mut self, place: usize) {
        let Some(whole) = self.buckets.get(place).cloned() else { return };
        if whole.bits == self.bits {
            let buckets = Arc::make_mut(&mut self.buckets);
            buckets.extend_from_within(..);
            self.bits += 1;
        }
        let bits = whole.bits + 1;
        let mut halves = [Bucket { bits, ..Bucket::default() }, Bucket { bits, ..Bucket::default() }];
        for (short, entry) in whole.hashes.iter().zip(&whole.entries) {
            let [low, high] = &mut halves;
            let half = if hash(&entry.0) >> whole.bits & 1 == 0 { low } else { high };
            half.hashes.push(*short);
            half.entries.push(entry.clone());
        }
        for (n, half) in halves.into_iter().enumerate() {
            self.put(place & ((1 << whole.bits) - 1) | n << whole.bits, bits, &Arc::new(half));
        }
    }
}

impl Bucket {
    #[inline]
    fn find(&self, key: &[u8], short: u32) -> Option<usize> {
        let same = |at: &usize| self.entries.get(*at).is_some_and(|(own, _)| equal(own, key));
        self.hashes.iter().enumerate().filter(|(_, own)| **own == short).map(|(at, _)| at).find(same)
    }

    fn is_full(&self) -> bool {
        self.entries.len() >= BUCKET_MAX && self.bits < BITS_MAX
    }

    fn change(&mut self, key: &[u8], short: u32, change: impl FnOnce(&mut Vec<Entry>)) {
        let at = self.find(key, short).unwrap_or_else(|| {
            self.hashes.push(short);
            self.entries.push((key.into(), Vec::new()));
            self.entries.len() - 1
        });
        let Some((_, entries)) = self.entries.get_mut(at) else { return };
        change(entries);
        if entries.is_empty() {
            self.hashes.swap_remove(at);
            self.entries.swap_remove(at);
        }
    }
}

/// Whether two texts are equal. Most are short: a loop is faster than a call that compares memory.
#[inline]
fn equal(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a == b)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 50, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn it_is_the_map_that_it_should_be_and_snapshots_stay(steps in prop::collection::vec((0u32..400, any::<bool>()), 1..2_000)) {
            let (mut table, mut model) = (Table::default(), HashMap::<u32, Vec<Entry>>::new());
            let mut snapshot = (table.clone(), model.clone());
            for (n, (key, add)) in steps.iter().enumerate() {
                let text = format!("{key:09}");
                let change = |list: &mut Vec<Entry>| {
                    if *add { list.push(n as u32) } else { list.truncate(list.len().saturating_sub(1)) }
                };
                table.change(text.as_bytes(), change);
                change(model.entry(*key).or_default());
                if n == steps.len() / 2 {
                    snapshot = (table.clone(), model.clone());
                }
            }
            for (table, model) in [(table, model), snapshot] {
                for key in 0..400 {
                    let wanted = model.get(&key).filter(|list| !list.is_empty()).map(Vec::as_slice);
                    prop_assert_eq!(table.get(format!("{key:09}").as_bytes()), wanted);
                }
            }
        }
    }
}
