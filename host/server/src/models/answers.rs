//! Answers that are given again to whoever asks exactly the same by the same route, for a while.
//!
//! Invariant: no tenant has another's answers, or more of them and more bytes than it may; all of them together are bounded too. What was asked is
//! known by a digest only. Nothing here is durable: whoever finds nothing asks.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, PoisonError},
    time::Instant,
};

use wharf_event::{Digest, ModelName, TenantName};
use wharf_llm::{Part, Told};

use crate::config::CacheConfig;

/// Bytes of the answers of all tenants.
const BYTES_MAX: usize = 256 << 20;

/// Bytes of an answer beside what it says.
const ENTRY_BYTES: usize = 512;

/// The answers of all tenants.
#[derive(Debug, Default)]
pub struct Answers(Mutex<Shelves>);

#[derive(Debug, Default)]
struct Shelves {
    by_tenant: BTreeMap<TenantName, Shelf>,
    bytes: usize,
}

/// The answers of a tenant.
#[derive(Debug, Default)]
struct Shelf {
    answers: HashMap<Digest, Held>,
    /// By when they were asked for last.
    order: BTreeMap<u64, Digest>,
    uses: u64,
    bytes: usize,
}

#[derive(Debug)]
struct Held {
    told: Told,
    model: Option<ModelName>,
    bytes: usize,
    until: Instant,
    used: u64,
}

impl Answers {
    /// What was answered, and by which model, if that may be given again.
    pub(super) fn get(&self, tenant: &TenantName, key: &Digest, now: Instant) -> Option<(Told, Option<ModelName>)> {
        let mut shelves = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let shelf = shelves.by_tenant.get_mut(tenant)?;
        let held = shelf.answers.get(key)?;
        if held.until <= now {
            let freed = shelf.remove(key);
            shelves.bytes -= freed;
            return None;
        }
        shelf.use_again(key);
        shelf.answers.get(key).map(|held| (held.told.clone(), held.model.clone()))
    }

    /// Holds an answer until then, if there is room for it.
    pub(super) fn put(
        &self,
        (tenant, room): (&TenantName, CacheConfig),
        key: Digest,
        (told, model): (Told, Option<ModelName>),
        (now, until): (Instant, Instant),
    ) {
        let bytes = size(&told);
        let room_bytes = usize::try_from(room.bytes).unwrap_or(usize::MAX);
        let mut shelves = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Shelves { by_tenant, bytes: all } = &mut *shelves;
        let shelf = by_tenant.entry(tenant.clone()).or_default();
        *all -= shelf.remove(&key);
        *all -= shelf.leave(room.entries.saturating_sub(1) as usize, room_bytes.saturating_sub(bytes));
        if *all + bytes > BYTES_MAX {
            *all -= by_tenant.values_mut().map(|shelf| shelf.leave_after(now)).sum::<usize>();
        }
        if bytes <= room_bytes && *all + bytes <= BYTES_MAX {
            *all += bytes;
            by_tenant.entry(tenant.clone()).or_default().add(key, Held { told, model, bytes, until, used: 0 });
        }
        by_tenant.retain(|_, shelf| !shelf.answers.is_empty());
    }
}

impl Shelf {
    fn add(&mut self, key: Digest, held: Held) {
        self.bytes += held.bytes;
        self.answers.insert(key, held);
        self.use_again(&key);
    }

    fn use_again(&mut self, key: &Digest) {
        self.uses += 1;
        if let Some(held) = self.answers.get_mut(key) {
            self.order.remove(&held.used);
            held.used = self.uses;
            self.order.insert(self.uses, *key);
        }
    }

    /// Gives the bytes that are free now.
    fn remove(&mut self, key: &Digest) -> usize {
        let Some(held) = self.answers.remove(key) else { return 0 };
        self.order.remove(&held.used);
        self.bytes -= held.bytes;
        held.bytes
    }

    /// Leaves so many answers and bytes.
    fn leave(&mut self, entries: usize, bytes: usize) -> usize {
        let mut freed = 0;
        while self.answers.len() > entries || self.bytes > bytes {
            let Some((_, oldest)) = self.order.first_key_value() else { break };
            let oldest = *oldest;
            freed += self.remove(&oldest);
        }
        freed
    }

    /// Leaves what may still be given.
    fn leave_after(&mut self, now: Instant) -> usize {
        let over: Vec<_> = self.answers.iter().filter(|(_, held)| held.until <= now).map(|(key, _)| *key).collect();
        over.iter().map(|key| self.remove(key)).sum()
    }
}

/// What an answer takes in memory.
fn size(told: &Told) -> usize {
    let parts = match told {
        Told::Reply(reply) => reply.content.len() * size_of::<Part>(),
        Told::Vectors(vectors) => vectors.vectors.len() * size_of::<Vec<f32>>(),
        Told::Count(_) => 0,
    };
    told.bytes() + parts + ENTRY_BYTES
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const ROOM: CacheConfig = CacheConfig { entries: 2, bytes: 10_000 };

    /// What tests put and get, at a number of seconds.
    struct Shop(Answers, Instant);

    impl Shop {
        fn new() -> Self {
            Self(Answers::default(), Instant::now())
        }

        fn at(&self, s: u64) -> Instant {
            self.1 + Duration::from_secs(s)
        }

        /// Puts one that may be given for ten seconds.
        fn put(&self, s: u64, tenant: &str, room: CacheConfig, n: u64) {
            let times = (self.at(s), self.at(s + 10));
            self.0.put((&tenant.parse().unwrap(), room), key(n), (Told::Count(n), None), times);
        }

        fn has(&self, s: u64, tenant: &str, n: u64) -> bool {
            let got = self.0.get(&tenant.parse().unwrap(), &key(n), self.at(s));
            assert!(got.as_ref().is_none_or(|(told, _)| *told == Told::Count(n)));
            got.is_some()
        }

        /// Which there are, and that they are counted as they are.
        fn there(&self, tenant: &str) -> Vec<u64> {
            let shelves = self.0.0.lock().unwrap();
            let shelf = shelves.by_tenant.get(&tenant.parse::<TenantName>().unwrap());
            let held: Vec<_> = shelf.iter().flat_map(|shelf| shelf.answers.values()).collect();
            assert_eq!(shelf.map_or(0, |shelf| shelf.bytes), held.iter().map(|held| size(&held.told)).sum::<usize>());
            assert_eq!(shelf.map_or(0, |shelf| shelf.order.len()), held.len());
            let number = |held: &&Held| if let Told::Count(n) = held.told { n } else { 0 };
            let mut numbers: Vec<_> = held.iter().map(number).collect();
            numbers.sort_unstable();
            numbers
        }
    }

    fn key(n: u64) -> Digest {
        Digest::of(&n.to_le_bytes())
    }

    #[test]
    fn a_tenant_has_as_many_answers_as_it_may_and_the_least_asked_for_leave() {
        let shop = Shop::new();
        shop.put(0, "acme", ROOM, 1);
        shop.put(0, "acme", ROOM, 2);
        assert!(shop.has(0, "acme", 1));
        shop.put(0, "acme", ROOM, 3);
        assert_eq!(shop.there("acme"), [1, 3]);
        shop.put(0, "acme", ROOM, 3);
        assert_eq!(shop.there("acme"), [1, 3]);
        shop.put(0, "other", ROOM, 4);
        assert!(!shop.has(0, "acme", 4));
        // Two have not the room, and one alone has not either.
        shop.put(0, "acme", CacheConfig { bytes: 600, ..ROOM }, 5);
        assert_eq!(shop.there("acme"), [5]);
        shop.put(0, "acme", CacheConfig { bytes: 100, ..ROOM }, 6);
        assert_eq!((shop.there("acme"), shop.there("other")), (vec![], vec![4]));
    }

    #[test]
    fn an_answer_is_given_again_for_a_while_and_takes_no_room_behind_it() {
        let shop = Shop::new();
        shop.put(0, "acme", ROOM, 1);
        assert!(shop.has(9, "acme", 1));
        assert!(!shop.has(10, "acme", 1));
        assert_eq!(shop.0.0.lock().unwrap().bytes, 0);
    }

    #[test]
    fn all_tenants_together_have_their_bounds_too() {
        let shop = Shop::new();
        shop.put(0, "first", ROOM, 1);
        shop.0.0.lock().unwrap().bytes = BYTES_MAX;
        shop.put(0, "acme", ROOM, 2);
        assert_eq!(shop.there("acme"), Vec::<u64>::new());
        // What may not be given any more makes room.
        shop.put(10, "acme", ROOM, 3);
        assert_eq!((shop.there("acme"), shop.there("first")), (vec![3], vec![]));
    }
}
