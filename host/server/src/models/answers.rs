//! Answers that are given again to whoever asks the same by the same route, for a while: exactly the same, or what means the same.
//!
//! Invariant: no tenant has another's answers, or more of them and more bytes than it may; all of them together are bounded too. What was asked is
//! known by a digest only, and by where its vector points, where that is looked at. Nothing here is durable: whoever finds nothing asks.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use wharf_event::{Digest, ModelName, TenantName};
use wharf_llm::{Direction, Part, Told};

use crate::config::CacheConfig;

/// Bytes of the answers of all tenants.
const BYTES_MAX: usize = 256 << 20;

/// Bytes of an answer beside what it says.
const ENTRY_BYTES: usize = 512;

/// The same of what it is found by, where that is more than a digest.
const NEAR_BYTES: usize = 128;

/// Answers that are looked at for one that means the same. The oldest leave first.
pub(super) const FRAME_MAX: usize = 1_000;

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
    /// Those of questions that may mean the same, by when they came.
    frames: HashMap<Digest, VecDeque<Digest>>,
    uses: u64,
    bytes: usize,
}

/// An answer that may be given again.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Found {
    pub(super) told: Arc<Told>,
    /// Which model gave it.
    pub(super) model: Option<ModelName>,
    pub(super) until: Instant,
}

/// Where the answer to a question is found that means the same.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Near {
    /// All of the question that has to be the same.
    pub(super) frame: Digest,
    /// Where the vector of the rest points.
    pub(super) direction: Direction,
}

#[derive(Debug)]
struct Held {
    found: Found,
    near: Option<Near>,
    bytes: usize,
    used: u64,
}

impl Answers {
    /// What was answered, if that may be given again.
    pub(super) fn get(&self, tenant: &TenantName, key: &Digest, now: Instant) -> Option<Found> {
        let mut shelves = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let shelf = shelves.by_tenant.get_mut(tenant)?;
        let held = shelf.answers.get(key)?;
        if held.found.until <= now {
            let freed = shelf.remove(key);
            shelves.bytes -= freed;
            return None;
        }
        shelf.use_again(key);
        shelf.answers.get(key).map(|held| held.found.clone())
    }

    /// Where the vectors of all that was asked in a frame point, with the keys of the answers.
    pub(super) fn frame(&self, tenant: &TenantName, frame: &Digest, now: Instant) -> Vec<(Digest, Direction)> {
        let shelves = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(shelf) = shelves.by_tenant.get(tenant) else { return Vec::new() };
        let held = shelf.frames.get(frame).into_iter().flatten().filter_map(|key| Some((key, shelf.answers.get(key)?)));
        let held = held.filter(|(_, held)| held.found.until > now);
        held.filter_map(|(key, held)| Some((*key, held.near.as_ref()?.direction.clone()))).collect()
    }

    /// Holds an answer, if there is room for it.
    pub(super) fn put(
        &self,
        (tenant, room): (&TenantName, CacheConfig),
        (key, near): (Digest, Option<Near>),
        found: Found,
        now: Instant,
    ) {
        let bytes = size(&found.told, near.as_ref());
        let room_bytes = usize::try_from(room.bytes).unwrap_or(usize::MAX);
        let mut shelves = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Shelves { by_tenant, bytes: all } = &mut *shelves;
        let shelf = by_tenant.entry(tenant.clone()).or_default();
        *all -= shelf.remove(&key);
        *all -= near.as_ref().map_or(0, |near| shelf.leave_in(&near.frame, FRAME_MAX - 1));
        *all -= shelf.leave(room.entries.saturating_sub(1) as usize, room_bytes.saturating_sub(bytes));
        if *all + bytes > BYTES_MAX {
            *all -= by_tenant.values_mut().map(|shelf| shelf.leave_after(now)).sum::<usize>();
        }
        if bytes <= room_bytes && *all + bytes <= BYTES_MAX {
            *all += bytes;
            by_tenant.entry(tenant.clone()).or_default().add(key, Held { found, near, bytes, used: 0 });
        }
        by_tenant.retain(|_, shelf| !shelf.answers.is_empty());
    }
}

impl Shelf {
    fn add(&mut self, key: Digest, held: Held) {
        self.bytes += held.bytes;
        if let Some(near) = &held.near {
            self.frames.entry(near.frame).or_default().push_back(key);
        }
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
        if let Some(near) = &held.near
            && let Some(keys) = self.frames.get_mut(&near.frame)
        {
            keys.retain(|other| other != key);
            if keys.is_empty() {
                self.frames.remove(&near.frame);
            }
        }
        held.bytes
    }

    /// Leaves so many answers of a frame.
    fn leave_in(&mut self, frame: &Digest, entries: usize) -> usize {
        let mut freed = 0;
        while let Some(keys) = self.frames.get(frame).filter(|keys| keys.len() > entries) {
            let Some(oldest) = keys.front().copied() else { break };
            freed += self.remove(&oldest);
        }
        freed
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
        let over: Vec<_> =
            self.answers.iter().filter(|(_, held)| held.found.until <= now).map(|(key, _)| *key).collect();
        over.iter().map(|key| self.remove(key)).sum()
    }
}

/// What an answer takes in memory, with what it is found by.
fn size(told: &Told, near: Option<&Near>) -> usize {
    let parts = match told {
        Told::Reply(reply) => reply.content.len() * size_of::<Part>(),
        Told::Vectors(vectors) => vectors.vectors.len() * size_of::<Vec<f32>>(),
        Told::Count(_) => 0,
    };
    told.bytes() + parts + ENTRY_BYTES + near.map_or(0, |near| near.direction.bytes() + NEAR_BYTES)
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
            self.put_near(s, tenant, room, (n, None));
        }

        fn put_near(&self, s: u64, tenant: &str, room: CacheConfig, (n, near): (u64, Option<Near>)) {
            let found = Found { told: Arc::new(Told::Count(n)), model: None, until: self.at(s + 10) };
            self.0.put((&tenant.parse().unwrap(), room), (key(n), near), found, self.at(s));
        }

        /// What there is in a frame.
        fn near(&self, s: u64, tenant: &str, frame: u64) -> Vec<u64> {
            let found = self.0.frame(&tenant.parse().unwrap(), &key(frame), self.at(s));
            let all: HashMap<_, _> = (0..2_000).map(|n| (key(n), n)).collect();
            found.iter().map(|(found, _)| all[found]).collect()
        }

        fn has(&self, s: u64, tenant: &str, n: u64) -> bool {
            let got = self.0.get(&tenant.parse().unwrap(), &key(n), self.at(s));
            assert!(got.as_ref().is_none_or(|found| *found.told == Told::Count(n)));
            got.is_some()
        }

        /// Which there are, and that they are counted as they are.
        fn there(&self, tenant: &str) -> Vec<u64> {
            let shelves = self.0.0.lock().unwrap();
            let shelf = shelves.by_tenant.get(&tenant.parse::<TenantName>().unwrap());
            let held: Vec<_> = shelf.iter().flat_map(|shelf| shelf.answers.values()).collect();
            assert_eq!(
                shelf.map_or(0, |shelf| shelf.bytes),
                held.iter().map(|held| size(&held.found.told, held.near.as_ref())).sum::<usize>()
            );
            let near = held.iter().filter(|held| held.near.is_some()).count();
            assert_eq!(shelf.map_or(0, |shelf| shelf.frames.values().map(VecDeque::len).sum::<usize>()), near);
            assert!(shelf.is_none_or(|shelf| shelf.frames.values().all(|keys| !keys.is_empty())));
            assert_eq!(shelf.map_or(0, |shelf| shelf.order.len()), held.len());
            let number = |held: &&Held| if let Told::Count(n) = *held.found.told { n } else { 0 };
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

    fn in_frame(frame: u64) -> Option<Near> {
        Some(Near { frame: key(frame), direction: Direction::of(&[1.0, 2.0]).unwrap() })
    }

    #[test]
    fn what_may_mean_the_same_is_of_one_frame_and_one_tenant_and_leaves_with_its_answer() {
        let (shop, room) = (Shop::new(), CacheConfig { entries: 3, bytes: 10_000 });
        for n in 0..2 {
            shop.put_near(0, "acme", room, (n, in_frame(100)));
        }
        shop.put_near(5, "acme", room, (2, in_frame(200)));
        assert_eq!((shop.near(5, "acme", 100), shop.near(5, "acme", 200)), (vec![0, 1], vec![2]));
        assert_eq!((shop.near(5, "other", 100), shop.near(5, "acme", 300)), (vec![], vec![]));
        // Given again exactly, without its frame, it is in it no more; and a fourth has the one leave that was asked for the longest ago.
        shop.put(5, "acme", room, 1);
        shop.put(5, "acme", room, 4);
        assert_eq!((shop.near(5, "acme", 100), shop.there("acme")), (vec![], vec![1, 2, 4]));
        // What is over is not looked at, whether it has left or not.
        assert_eq!((shop.near(14, "acme", 200), shop.near(15, "acme", 200)), (vec![2], vec![]));
        let one = size(&Told::Count(0), None);
        assert_eq!(size(&Told::Count(0), in_frame(1).as_ref()), one + 2 * 4 + NEAR_BYTES, "vectors count");
        shop.put_near(5, "tiny", CacheConfig { entries: 3, bytes: one as u64 }, (5, in_frame(1)));
        assert_eq!(shop.there("tiny"), Vec::<u64>::new());
    }

    #[test]
    fn a_frame_has_so_many_answers_at_most_and_the_oldest_leaves() {
        let (shop, room) = (Shop::new(), CacheConfig { entries: 10_000, bytes: 10 << 20 });
        for n in 0..FRAME_MAX as u64 + 2 {
            shop.put_near(0, "acme", room, (n, in_frame(1_999)));
        }
        let there = shop.near(1, "acme", 1_999);
        assert_eq!((there.len(), there[0]), (FRAME_MAX, 2));
        assert_eq!(shop.there("acme").len(), FRAME_MAX);
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
