//! Goal: the bounds of places hold, nobody starves, weights count. Method: worlds of tenants made at random, scheduled as the scheduler does it.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;

const MAX: u32 = 64;

/// Plugins of tenants, with what holds for each.
struct World {
    places: Places,
    of: HashMap<LaneKey, (Share, Share)>,
    running: Vec<LaneKey>,
    begun: HashMap<LaneKey, u64>,
}

fn share(weight: u32, concurrency: u32, memory_mib: u32) -> Share {
    Share { weight, concurrency, memory_mib }
}

fn key(tenant: usize, plugin: usize) -> LaneKey {
    (format!("t{tenant}").parse().unwrap(), format!("p{plugin}").parse().unwrap())
}

impl World {
    /// Each tenant with its plugins.
    fn new(tenants: &[(Share, Vec<Share>)]) -> Self {
        let mut of = HashMap::new();
        for (tenant, (share, plugins)) in tenants.iter().enumerate() {
            of.extend(plugins.iter().enumerate().map(|(plugin, own)| (key(tenant, plugin), (*share, *own))));
        }
        Self { places: Places::new(MAX), of, running: Vec::new(), begun: HashMap::new() }
    }

    /// As the scheduler does it: everybody who has a turn begins, and wants more.
    fn start_all(&mut self) {
        while let Some(key) = self.places.next() {
            let (tenant, plugin) = self.of[&key];
            if self.places.admits(&key, tenant, plugin) {
                self.places.begins(&key, plugin.memory_mib);
                *self.begun.entry(key.clone()).or_default() += 1;
                self.running.push(key);
            }
        }
    }

    fn end(&mut self, nth: usize) {
        let key = self.running.swap_remove(nth % self.running.len());
        self.places.ends(&key, self.of[&key].1.memory_mib);
    }

    /// Whether somebody is in line, or this one is held back, or its tenant.
    fn waits(&self, key: &LaneKey) -> bool {
        let of = self.places.of(&key.0);
        let is_held = of.by.is_some() || of.targets.iter().any(|(target, _, held)| *target == key.1 && held.is_some());
        !self.places.line.is_empty() || is_held
    }

    /// As a request does it.
    fn takes(&mut self, key: &LaneKey) -> bool {
        let (tenant, plugin) = self.of[key];
        let takes = self.places.takes(key, tenant, plugin);
        if takes {
            self.running.push(key.clone());
        }
        takes
    }

    /// As if the last one had taken none.
    fn undo(&mut self, key: &LaneKey) {
        self.running.pop();
        self.places.ends(key, self.of[key].1.memory_mib);
    }

    /// As an end does it, and the scheduler where that is told.
    fn leave(&mut self, nth: usize) {
        let key = self.running.swap_remove(nth % self.running.len());
        let (memory_mib, waits) = (self.of[&key].1.memory_mib, self.waits(&key));
        let leaves = self.places.leaves(&key, memory_mib);
        assert_eq!(leaves, !waits);
        if leaves {
            assert_eq!(self.places.next(), None, "the scheduler had to be told");
        } else {
            self.places.ends(&key, memory_mib);
        }
    }

    /// Everybody who has a turn begins, and wants no more.
    fn start_once(&mut self) {
        while let Some(key) = self.places.next() {
            let (tenant, plugin) = self.of[&key];
            if self.places.admits(&key, tenant, plugin) {
                self.places.begins(&key, plugin.memory_mib);
                self.places.rests(&key);
                self.running.push(key);
            }
        }
    }

    fn check(&self) {
        assert!(self.places.running() <= MAX && self.places.running() as usize == self.running.len());
        let mut of_tenant: HashMap<_, (u32, u32)> = HashMap::new();
        let mut of_plugin: HashMap<_, u32> = HashMap::new();
        for key in &self.running {
            let held = of_tenant.entry(&key.0).or_default();
            *held = (held.0 + 1, held.1 + self.of[key].1.memory_mib);
            *of_plugin.entry(key).or_default() += 1;
        }
        for (key, (tenant, plugin)) in &self.of {
            let (running, memory_mib) = of_tenant.get(&key.0).copied().unwrap_or_default();
            assert!(running <= tenant.concurrency, "{key:?}");
            assert!(memory_mib <= tenant.memory_mib || running == 1, "{key:?}: {memory_mib} MiB");
            assert!(of_plugin.get(key).copied().unwrap_or_default() <= plugin.concurrency, "{key:?}");
            let told = self.places.of(&key.0);
            assert_eq!((told.running, told.memory_mib), (running, memory_mib));
        }
    }
}

fn shares() -> impl Strategy<Value = Vec<(Share, Vec<Share>)>> {
    let own = (1_u32..500, 1_u32..12, 1_u32..40).prop_map(|(weight, most, mib)| share(weight, most, mib));
    let of_tenant = (1_u32..500, 1_u32..40, 10_u32..200).prop_map(|(weight, most, mib)| share(weight, most, mib));
    prop::collection::vec((of_tenant, prop::collection::vec(own, 1..5)), 1..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// No bound is broken, nothing stands still, and everybody who wants a place gets one again and again.
    #[test]
    fn every_bound_holds_and_nobody_starves(
        tenants in shares(), ends in prop::collection::vec(any::<usize>(), 1_000)
    ) {
        let mut world = World::new(&tenants);
        let keys: Vec<_> = world.of.keys().cloned().collect();
        keys.iter().for_each(|key| world.places.wants(key));
        world.start_all();
        for nth in ends {
            prop_assert!(!world.running.is_empty(), "everybody wants and nobody runs");
            world.check();
            world.end(nth);
            world.start_all();
        }
        for key in &keys {
            prop_assert!(world.begun.get(key).is_some_and(|begun| *begun >= 2), "{key:?}: {:?}", world.begun);
        }
        // All of it is forgotten when nobody wants anything any more.
        keys.iter().for_each(|key| world.places.rests(key));
        while !world.running.is_empty() {
            world.end(0);
        }
        prop_assert!(world.places.tenants.is_empty() && world.places.line.is_empty());
        prop_assert!(world.places.weights.is_empty());
    }

    /// Where nobody waits, whoever would be given a place at once takes it without the scheduler, and nobody else; all bounds hold, and nobody
    /// who waits is overlooked by an end that the scheduler is not told of.
    #[test]
    fn what_is_taken_without_the_scheduler_is_what_it_would_give(
        tenants in shares(), steps in prop::collection::vec((0_u8..4, any::<usize>()), 1_000)
    ) {
        let mut world = World::new(&tenants);
        let mut keys: Vec<_> = world.of.keys().cloned().collect();
        keys.sort_unstable();
        world.places.open(true);
        let mut took = 0;
        for (step, nth) in steps {
            let key = &keys[nth % keys.len()];
            let running = world.running.len();
            match step {
                // Somebody takes one, is in line for one while others may take some, is given it, or ends.
                0 => {
                    let waits = world.waits(key);
                    if world.takes(key) {
                        took += 1;
                        prop_assert!(!waits);
                        world.undo(key);
                        world.places.wants(key);
                        world.start_once();
                        prop_assert_eq!(&world.running[running..], std::slice::from_ref(key), "it would not have been given");
                    } else if !waits {
                        world.places.wants(key);
                        world.start_once();
                        prop_assert_eq!(world.running.len(), running, "it would have been given");
                    }
                }
                1 => world.places.wants(key),
                2 => world.start_once(),
                _ if world.running.is_empty() => {}
                _ => world.leave(nth),
            }
            world.check();
        }
        prop_assert!(took > 0, "nobody took any");
        world.start_once();
        while !world.running.is_empty() {
            world.leave(0);
            world.start_once();
        }
        prop_assert!(world.places.tenants.is_empty() && world.places.line.is_empty());
        prop_assert!(world.places.weights.is_empty());
    }

    /// Whoever comes begins at once, while none of those ends who came before: each leaves some of what there was.
    #[test]
    fn whoever_comes_begins_at_once(weights in prop::collection::vec(1_u32..10_000, 1..7)) {
        let any = |weight: &u32| (share(*weight, MAX, u32::MAX), vec![share(100, MAX, 1)]);
        let mut world = World::new(&weights.iter().map(any).collect::<Vec<_>>());
        for tenant in 0..weights.len() {
            world.places.wants(&key(tenant, 0));
            world.start_all();
            prop_assert!(world.begun.contains_key(&key(tenant, 0)), "{tenant}: {:?}", world.begun);
        }
    }
}

/// Places of each tenant when all of them want more than there are, and every attempt takes equally long.
fn places_of(weights: &[u32]) -> Vec<u32> {
    let any = |weight: &u32| (share(*weight, MAX, u32::MAX), vec![share(100, MAX, 1)]);
    let mut world = World::new(&weights.iter().map(any).collect::<Vec<_>>());
    (0..weights.len()).for_each(|tenant| world.places.wants(&key(tenant, 0)));
    world.start_all();
    let mut turns: VecDeque<_> = std::mem::take(&mut world.running).into();
    for _ in 0..1_000 {
        let ended = turns.pop_front().unwrap();
        world.places.ends(&ended, 1);
        world.start_all();
        turns.extend(std::mem::take(&mut world.running));
    }
    (0..weights.len()).map(|tenant| world.places.of(&key(tenant, 0).0).running).collect()
}

#[test]
fn places_go_by_weight_and_some_are_always_left() {
    assert_eq!(places_of(&[1]), [32], "one leaves as many as it has");
    assert_eq!(places_of(&[10_000]), [32], "whatever its weight");
    assert_eq!(places_of(&[100, 100]), [22, 21]);
    assert_eq!(places_of(&[100, 100, 100]), [16, 16, 16]);
    assert_eq!(places_of(&[300, 100]), [27, 10]);
}

#[test]
fn whatever_holds_an_attempt_back_is_told_by_its_code() {
    let held = |of_tenant: Share, of_plugin: Share| {
        let mut world = World::new(&[(of_tenant, vec![of_plugin, share(100, 1, 1)])]);
        world.places.wants(&key(0, 0));
        world.start_all();
        world.places.of(&key(0, 0).0)
    };
    let by_plugin = held(share(100, 64, 1_000), share(100, 3, 1));
    assert_eq!((by_plugin.running, by_plugin.by), (3, None), "others of the tenant's may still begin");
    assert_eq!(by_plugin.targets, [("p0".parse().unwrap(), 3, Some(Code::HeldPlugin))]);
    let by_tenant = held(share(100, 3, 1_000), share(100, 64, 1));
    assert_eq!((by_tenant.running, by_tenant.by), (3, Some(Code::HeldTenant)));
    let by_memory = held(share(100, 64, 100), share(100, 64, 40));
    assert_eq!((by_memory.running, by_memory.memory_mib, by_memory.by), (2, 80, Some(Code::HeldMemory)));
    let alone = held(share(100, 64, 100), share(100, 64, 400));
    assert_eq!((alone.running, alone.by), (1, Some(Code::HeldMemory)), "one alone always runs");
    let by_places = held(share(100, 64, 1_000), share(100, 64, 1));
    assert_eq!((by_places.running, by_places.by), (32, Some(Code::HeldPlaces)));
}

#[test]
fn a_tenant_that_is_held_gets_no_turn_before_it_is_over_though_more_comes() {
    let mut world = World::new(&[(share(100, 64, 1_000), vec![share(100, 8, 1), share(100, 8, 1)])]);
    let (one, other) = (key(0, 0), key(0, 1));
    world.places.wants(&one);
    world.places.holds_tenant(&one.0, Code::TenantSuspended);
    world.places.wants(&other);
    assert_eq!((world.places.next(), world.places.of(&one.0).by), (None, Some(Code::TenantSuspended)));
    world.places.again();
    world.start_all();
    assert_eq!((world.begun[&one], world.begun[&other]), (8, 8));
    world.places.rests(&one);
    world.places.rests(&other);
    while !world.running.is_empty() {
        world.end(0);
    }
    assert!(world.places.tenants.is_empty(), "nothing is left of it");
}

#[test]
fn a_plugin_that_is_held_gets_no_turn_until_it_is_told_so() {
    let mut world = World::new(&[(share(100, 64, 1_000), vec![share(100, 1, 1), share(100, 1, 1)])]);
    let (one, other) = (key(0, 0), key(0, 1));
    world.places.wants(&one);
    world.places.holds(&one, Code::ReleaseQuarantined);
    assert_eq!(world.places.next(), None);
    world.places.wants(&other);
    world.start_all();
    world.end(0);
    world.start_all();
    assert_eq!((world.begun.get(&one), world.begun[&other]), (None, 2), "another goes on");
    world.places.again();
    world.start_all();
    assert_eq!(world.begun[&one], 1);
}

#[test]
fn nobody_takes_a_place_before_those_in_line_or_without_a_scheduler_or_more_than_it_leaves() {
    let mut world = World::new(&[
        (share(100, MAX, 1_000), vec![share(100, MAX, 1)]),
        (share(100, MAX, 1_000), vec![share(100, 1, 1)]),
    ]);
    let (one, other) = (key(0, 0), key(1, 0));
    assert!(!world.takes(&one), "there is no scheduler yet");
    world.places.open(true);
    while world.takes(&one) {}
    assert_eq!(world.running.len(), 32, "it leaves as many as it has");
    assert!(world.takes(&other) && !world.takes(&other), "its plugin may run one at a time");
    assert!(!world.places.leaves(&other, 1), "it is held, so the scheduler has to see to it");
    world.places.ends(&other, 1);
    assert!(!world.takes(&one), "another is in line");
    world.places.rests(&other);
    assert!(world.places.leaves(&one, 1) && world.places.takes(&one, world.of[&one].0, world.of[&one].1));
    world.places.open(false);
    assert!(!world.places.leaves(&one, 1) && !world.takes(&other));
}
