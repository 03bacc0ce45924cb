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
use wharf_event::OrderingKey;

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

    /// Whether no more can be set aside.
    pub(crate) fn is_full(&self) -> bool {
        self.aside.len() >= ASIDE_MAX
    }

    /// Sets a delivery aside until its key may have an attempt.
    pub(crate) fn set_aside(&mut self, until_ms: u64, waiting: Waiting) {
        self.aside.insert((until_ms, waiting.id), waiting);
    }

    /// When the first of those is due.
    pub(crate) fn next_ms(&self) -> Option<u64> {
        self.aside.keys().next().map(|(until_ms, _)| *until_ms)
    }

    /// Takes one whose time has come.
    pub(crate) fn due(&mut self, now_ms: u64) -> Option<Waiting> {
        let first = self.aside.first_entry().filter(|first| first.key().0 <= now_ms)?;
        Some(first.remove())
    }

    /// Takes all of a lane that is let go.
    pub(crate) fn clear(&mut self, (tenant, target): &LaneKey) -> Vec<Waiting> {
        let of = |waiting: &Waiting| waiting.row.tenant == *tenant && waiting.row.target.to == *target;
        let ids: Vec<_> = self.aside.iter().filter(|(_, waiting)| of(waiting)).map(|(id, _)| *id).collect();
        ids.iter().filter_map(|id| self.aside.remove(id)).collect()
    }
}

#[cfg(test)]
mod tests {
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
}
