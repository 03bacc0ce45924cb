//! How fast attempts of a target may begin, and those of one key of it. The scheduler's own.
//!
//! Invariant: what has to wait for its rate is neither tried nor counted, and holds back nobody but its own lane, or its own key. Rates are kept in
//! memory: a restart lets one attempt of each begin at once.

use std::{
    collections::{BTreeMap, HashMap},
    hash::Hash,
    time::Duration,
};

use wharf_delivery::DeliveryId;
use wharf_event::{OrderingKey, TenantName};

use crate::{
    lane::LaneKey,
    limits::{ASIDE_MAX, RATE_SLACK},
    pace::Pace,
    rules::RuleSet,
    schedule::Waiting,
};

/// The paces of lanes and keys, and deliveries that wait for that of their key.
#[derive(Default)]
pub(crate) struct Rates {
    lanes: Paces<LaneKey>,
    keys: Paces<(LaneKey, OrderingKey)>,
    /// By when each may begin, in milliseconds since 1970.
    aside: BTreeMap<(u64, DeliveryId), Waiting>,
    /// How many of those each tenant has; only who has some is there.
    of_tenants: HashMap<TenantName, usize>,
}

/// A pace of each of many.
struct Paces<K> {
    all: HashMap<K, Pace>,
    /// How many there may be until those are forgotten that hold nothing back.
    most: usize,
}

impl<K> Default for Paces<K> {
    fn default() -> Self {
        Self { all: HashMap::new(), most: ASIDE_MAX }
    }
}

impl<K: Eq + Hash> Paces<K> {
    /// How long the next one of a key has to wait.
    fn wait(&self, key: &K, now: Duration) -> Duration {
        self.all.get(key).map_or(Duration::ZERO, |pace| pace.wait(now))
    }

    /// One of a key begins.
    fn begins(&mut self, key: K, per_s: u32, now: Duration) {
        if self.all.len() >= self.most {
            self.all.retain(|_, pace| !pace.wait(now).is_zero());
            self.most = ASIDE_MAX.max(self.all.len() * 2);
        }
        let pace = self.all.entry(key).or_insert_with(|| Pace::new(per_s, RATE_SLACK, now));
        pace.set(per_s);
        pace.take(now, 1);
    }
}

impl Rates {
    /// How long the next attempt of a lane has to wait; zero where it may begin.
    pub(crate) fn lane(&self, key: &LaneKey, rules: &RuleSet, now: Duration) -> Duration {
        if rules.rate(key).is_none() { Duration::ZERO } else { self.lanes.wait(key, now) }
    }

    /// How long a delivery has to wait for others of its key; zero where its attempt may begin.
    pub(crate) fn key(&self, key: &LaneKey, waiting: &Waiting, rules: &RuleSet, now: Duration) -> Duration {
        match (waiting.row.target.key(), rules.key_rate(&key.0, &waiting.row.target)) {
            (Some(of), Some(_)) => self.keys.wait(&(key.clone(), of.clone()), now),
            _ => Duration::ZERO,
        }
    }

    /// A call of a lane begins.
    pub(crate) fn called(&mut self, key: &LaneKey, rules: &RuleSet, now: Duration) {
        if let Some(per_s) = rules.rate(key) {
            self.lanes.begins(key.clone(), per_s, now);
        }
    }

    /// An attempt begins.
    pub(crate) fn begins(&mut self, key: &LaneKey, waiting: &Waiting, rules: &RuleSet, now: Duration) {
        self.called(key, rules, now);
        if let (Some(of), Some(per_s)) = (waiting.row.target.key(), rules.key_rate(&key.0, &waiting.row.target)) {
            self.keys.begins((key.clone(), of.clone()), per_s, now);
        }
    }

    /// Whether no more of a tenant can be set aside: it leaves as much room as it takes.
    pub(crate) fn is_full(&self, tenant: &TenantName) -> bool {
        self.aside.len() + self.of_tenants.get(tenant).copied().unwrap_or(0) >= ASIDE_MAX
    }

    /// Sets a delivery aside until its key may have an attempt.
    pub(crate) fn set_aside(&mut self, until_ms: u64, waiting: Waiting) {
        *self.of_tenants.entry(waiting.row.tenant.clone()).or_default() += 1;
        if let Some(before) = self.aside.insert((until_ms, waiting.id), waiting) {
            self.left(&before);
        }
    }

    /// One is aside no more.
    fn left(&mut self, waiting: &Waiting) {
        if let Some(count) = self.of_tenants.get_mut(&waiting.row.tenant) {
            *count -= 1;
            if *count == 0 {
                self.of_tenants.remove(&waiting.row.tenant);
            }
        }
    }

    /// When the first of those is due.
    pub(crate) fn next_ms(&self) -> Option<u64> {
        self.aside.keys().next().map(|(until_ms, _)| *until_ms)
    }

    /// Takes one whose time has come.
    pub(crate) fn due(&mut self, now_ms: u64) -> Option<Waiting> {
        let first = self.aside.first_entry().filter(|first| first.key().0 <= now_ms)?.remove();
        self.left(&first);
        Some(first)
    }

    /// Takes all of a lane that is let go.
    pub(crate) fn clear(&mut self, (tenant, target): &LaneKey) -> Vec<Waiting> {
        let of = |waiting: &Waiting| waiting.row.tenant == *tenant && waiting.row.target.to == *target;
        let ids: Vec<_> = self.aside.iter().filter(|(_, waiting)| of(waiting)).map(|(id, _)| *id).collect();
        let gone: Vec<_> = ids.iter().filter_map(|id| self.aside.remove(id)).collect();
        gone.iter().for_each(|waiting| self.left(waiting));
        gone
    }
}

#[cfg(test)]
mod tests {
    use wharf_delivery::{DeliveryRow, TargetRef};
    use wharf_event::{Position, Target};

    use super::*;

    #[test]
    fn each_has_a_pace_of_its_own_and_those_that_hold_nothing_back_are_forgotten() {
        let (mut paces, ms) = (Paces::default(), Duration::from_millis);
        paces.begins("a", 10, ms(0));
        assert_eq!((paces.wait(&"a", ms(30)), paces.wait(&"b", ms(30))), (ms(70), ms(0)));
        paces.begins("a", 1, ms(100));
        assert_eq!((paces.wait(&"a", ms(100)), paces.wait(&"a", ms(5_000))), (ms(1_000), ms(0)));
        paces.most = 1;
        paces.begins("b", 1, ms(5_000));
        assert_eq!((paces.all.len(), paces.most), (1, ASIDE_MAX));
    }

    fn waiting(tenant: &TenantName, n: u64) -> Waiting {
        let target = TargetRef::new("r".parse().unwrap(), Target::Plugin("p".parse().unwrap()));
        let row = DeliveryRow {
            tenant: tenant.clone(),
            bus: "default".parse().unwrap(),
            target,
            attempts: 0,
            due_ms: 0,
            since_ms: 0,
            timed: false,
            leased: false,
            place: None,
        };
        let id = DeliveryId { event: Position { k: n, i: 0 }, n: 0 };
        Waiting::read(id, row, 0)
    }

    #[test]
    fn who_sets_many_aside_leaves_as_much_room_to_others() {
        let (mut rates, [a, b]) = (Rates::default(), ["a", "b"].map(|name| name.parse::<TenantName>().unwrap()));
        let mut n = 0;
        while !rates.is_full(&a) {
            n += 1;
            rates.set_aside(n, waiting(&a, n));
        }
        assert_eq!((n, rates.is_full(&b)), (ASIDE_MAX as u64 / 2, false));
        assert_eq!(rates.due(n).map(|one| one.id.event), Some(Position { k: 1, i: 0 }));
        assert!(!rates.is_full(&a), "one is aside no more");
        assert_eq!(rates.clear(&(a.clone(), Target::Plugin("p".parse().unwrap()))).len() as u64, n - 1);
        assert!(rates.of_tenants.is_empty() && rates.aside.is_empty());
    }
}
