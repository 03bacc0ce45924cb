//! The index of received events within the deduplication window: (tenant, bus, source, id) -> position.
//!
//! Keys are 128 bits of SHA-256, so a hit needs no look at the record: a collision is not to be had by chance, and one that
//! is searched for would cost 2^64 hashes and hit only its maker's own tenant. Time is cut into generations of a tenth of
//! the window; a generation leaves as a whole once its youngest entry is older than the window.
//!
//! Invariant: no tenant has more entries than so many times those that are free ([`DEDUP_SHARE`]), so whoever has few finds room, however many
//! have all that they may.

use std::{
    collections::{HashMap, VecDeque},
    hash::{BuildHasherDefault, Hasher},
};

use wharf_event::{BusName, Digest, Position, TenantName};

use crate::limits::{DEDUP_ENTRIES_MAX, DEDUP_GENERATIONS, DEDUP_SHARE};

/// 128 bits that stand for one (tenant, bus, source, id).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Fingerprint([u8; 16]);

impl Fingerprint {
    pub(crate) fn of(tenant: &TenantName, bus: &BusName, source: &str, id: &str) -> Self {
        let mut text = Vec::with_capacity(tenant.as_str().len() + bus.as_str().len() + source.len() + id.len() + 3);
        // Attributes hold no control characters, so a zero byte separates them without doubt.
        for (n, part) in [tenant.as_str(), bus.as_str(), source, id].into_iter().enumerate() {
            if n > 0 {
                text.push(0);
            }
            text.extend_from_slice(part.as_bytes());
        }
        let mut bits = [0; 16];
        bits.iter_mut().zip(Digest::of(&text).as_bytes()).for_each(|(bit, byte)| *bit = *byte);
        Self(bits)
    }
}

struct Generation {
    began_ms: u64,
    entries: HashMap<Fingerprint, Position, BuildHasherDefault<FirstBits>>,
    held: Held,
}

/// How many entries each tenant has.
#[derive(Default)]
struct Held(HashMap<TenantName, usize>);

impl Held {
    fn of(&self, tenant: &TenantName) -> usize {
        self.0.get(tenant).copied().unwrap_or(0)
    }

    fn add(&mut self, tenant: &TenantName) {
        match self.0.get_mut(tenant) {
            Some(count) => *count += 1,
            None => drop(self.0.insert(tenant.clone(), 1)),
        }
    }

    fn take(&mut self, gone: Self) {
        for (tenant, count) in gone.0 {
            let left = self.of(&tenant).saturating_sub(count);
            if left == 0 {
                self.0.remove(&tenant)
            } else {
                self.0.insert(tenant, left)
            };
        }
    }
}

/// A fingerprint is a hash already, of a kind that nobody can aim: its first 64 bits will do.
#[derive(Default)]
struct FirstBits(u64);

impl Hasher for FirstBits {
    fn write(&mut self, bytes: &[u8]) {
        // An array is written with its length first; what counts comes last.
        if let Some(first) = bytes.first_chunk() {
            self.0 = u64::from_le_bytes(*first);
        }
    }

    fn write_usize(&mut self, _: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}

/// The index.
pub(crate) struct Dedup {
    window_ms: u64,
    generations: VecDeque<Generation>,
    len: usize,
    len_max: usize,
    held: Held,
}

impl Dedup {
    pub(crate) fn new(window_ms: u64) -> Self {
        Self { window_ms, generations: VecDeque::new(), len: 0, len_max: DEDUP_ENTRIES_MAX, held: Held::default() }
    }

    /// Whether there is room for so many more of a tenant.
    pub(crate) fn has_room(&self, tenant: &TenantName, count: usize) -> bool {
        let free = self.len_max.saturating_sub(self.len.saturating_add(count));
        count == 0 || self.held.of(tenant).saturating_add(count) <= free.saturating_mul(DEDUP_SHARE)
    }

    /// The position of the first event of that identity. Entries may be up to a tenth of the window older than it.
    pub(crate) fn find(&self, fingerprint: &Fingerprint) -> Option<Position> {
        self.generations.iter().rev().find_map(|generation| generation.entries.get(fingerprint).copied())
    }

    pub(crate) fn insert(&mut self, tenant: &TenantName, fingerprint: Fingerprint, position: Position, now_ms: u64) {
        let span_ms = (self.window_ms / DEDUP_GENERATIONS).max(1);
        let fits = self.generations.back().is_some_and(|last| now_ms < last.began_ms.saturating_add(span_ms));
        if !fits {
            self.generations.push_back(Generation {
                began_ms: now_ms,
                entries: HashMap::default(),
                held: Held::default(),
            });
        }
        if let Some(last) = self.generations.back_mut()
            && last.entries.insert(fingerprint, position).is_none()
        {
            last.held.add(tenant);
            self.held.add(tenant);
            self.len += 1;
        }
    }

    /// Frame time jumps: what is remembered is not older for it.
    pub(crate) fn jump(&mut self, by_ms: u64) {
        for generation in &mut self.generations {
            generation.began_ms = generation.began_ms.saturating_add(by_ms);
        }
    }

    /// Drops generations whose youngest possible entry is older than the window.
    pub(crate) fn expire(&mut self, now_ms: u64) {
        let kept_ms = self.window_ms.saturating_add(self.window_ms / DEDUP_GENERATIONS);
        while self.generations.front().is_some_and(|first| first.began_ms.saturating_add(kept_ms) < now_ms) {
            if let Some(gone) = self.generations.pop_front() {
                self.len -= gone.entries.len();
                self.held.take(gone.held);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fingerprint(id: &str) -> Fingerprint {
        Fingerprint::of(&"acme".parse().unwrap(), &"default".parse().unwrap(), "test", id)
    }

    #[test]
    fn an_entry_is_found_within_the_window_and_forgotten_after_it() {
        let mut dedup = Dedup::new(1_000);
        let first = Position { k: 7, i: 0 };
        dedup.insert(&"acme".parse().unwrap(), fingerprint("a"), first, 5_000);
        dedup.expire(6_000);
        assert_eq!(dedup.find(&fingerprint("a")), Some(first));
        assert_eq!(dedup.find(&fingerprint("b")), None);
        dedup.expire(6_101);
        assert_eq!(dedup.find(&fingerprint("a")), None);
        assert_eq!((dedup.len, dedup.held.0.len()), (0, 0));
    }

    #[test]
    fn an_entry_outlives_a_jump_of_frame_time() {
        let mut dedup = Dedup::new(1_000);
        dedup.insert(&"acme".parse().unwrap(), fingerprint("a"), Position { k: 7, i: 0 }, 5_000);
        dedup.jump(60_000);
        dedup.expire(66_000);
        assert!(dedup.find(&fingerprint("a")).is_some());
        dedup.expire(66_101);
        assert!(dedup.find(&fingerprint("a")).is_none());
    }

    #[test]
    fn the_parts_of_an_identity_do_not_run_together() {
        let (tenant, bus) = ("acme".parse().unwrap(), "default".parse().unwrap());
        assert_ne!(Fingerprint::of(&tenant, &bus, "ab", "c"), Fingerprint::of(&tenant, &bus, "a", "bc"));
    }

    #[test]
    fn who_has_few_finds_room_beside_those_that_have_all_they_may() {
        let mut dedup = Dedup { len_max: 1_000, ..Dedup::new(1_000) };
        let names: Vec<TenantName> = ["a", "b", "c"].iter().map(|name| name.parse().unwrap()).collect();
        let mut had = Vec::new();
        for (tenant, now_ms) in names.iter().zip([5_000, 5_500, 5_500]) {
            let mut n = 0;
            while dedup.has_room(tenant, 1) {
                n += 1;
                let id = Fingerprint::of(tenant, &"default".parse().unwrap(), "test", &n.to_string());
                dedup.insert(tenant, id, Position { k: n, i: 0 }, now_ms);
            }
            had.push(n);
        }
        let [a, b, c] = had[..] else { panic!("{had:?}") };
        assert!((940..1_000).contains(&a) && b > 40 && c > 0, "{had:?}");
        assert!(!dedup.has_room(&names[0], 1) && !dedup.has_room(&names[1], 1_000) && dedup.has_room(&names[0], 0));
        dedup.expire(6_101);
        assert_eq!(dedup.held.of(&names[0]), 0, "what it had is forgotten");
        assert!(dedup.has_room(&names[1], 500));
    }
}
