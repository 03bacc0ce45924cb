//! Who is next of those that wait for a processor: whoever has used least of it for its weight (start-time fair queueing).
//!
//! Invariant: nobody saves up. Whoever waits after a while without waiting begins where those who are served are, neither before them for
//! what it left unused nor behind them for what it used while nobody else wanted it.
//!
//! It knows no clock: what was used is told.

use std::{
    collections::{BTreeSet, HashMap},
    hash::Hash,
};

/// What is charged for a use at least, so that those whose uses are too short to measure take turns too: about what the host itself
/// does for one.
pub(crate) const USE_NS_MIN: u64 = 1_000;

/// What was used is kept in this part of a nanosecond for each unit of weight.
const PARTS: u64 = 1 << 10;

/// Accounts beyond twice those that were needed at the last look, at which it is looked again which of them are.
const ACCOUNTS_SPARE: usize = 64;

struct Account {
    /// Used for its weight.
    used: u64,
    weight: u32,
    /// Since when it waits, if it does.
    since: Option<u64>,
}

/// Those that wait, and what they and others have used.
pub(crate) struct Fair<K> {
    accounts: HashMap<K, Account>,
    line: BTreeSet<(u64, u64, K)>,
    /// What the one had used that was served last.
    now: u64,
    /// The most that anybody has used.
    most: u64,
    waits: u64,
    /// So many accounts are looked through for those that are needed no more.
    tidy_at: usize,
}

impl<K> Default for Fair<K> {
    fn default() -> Self {
        Self { accounts: HashMap::new(), line: BTreeSet::new(), now: 0, most: 0, waits: 0, tidy_at: ACCOUNTS_SPARE }
    }
}

impl<K: Clone + Ord + Hash> Fair<K> {
    /// `key` waits from now on, if it does not already.
    pub(crate) fn wait(&mut self, key: &K, weight: u32) {
        let now = self.now;
        if !self.accounts.contains_key(key) {
            self.open(key, weight);
        }
        let Some(account) = self.accounts.get_mut(key) else { return };
        account.weight = weight;
        if account.since.is_none() {
            account.used = account.used.max(now);
            self.waits += 1;
            account.since = Some(self.waits);
            self.line.insert((account.used, self.waits, key.clone()));
        }
    }

    /// `key` is served without having to wait, since nobody does.
    pub(crate) fn serve(&mut self, key: &K, weight: u32) {
        let now = self.now;
        match self.accounts.get_mut(key) {
            Some(account) => {
                (account.used, account.weight) = (account.used.max(now), weight);
                self.now = account.used;
            }
            None => self.open(key, weight),
        }
    }

    /// Nobody is served and nobody waits: whoever comes begins where the last one was.
    pub(crate) fn idle(&mut self) {
        self.now = self.most;
    }

    /// Who is next; it waits on.
    pub(crate) fn next(&mut self) -> Option<K> {
        let (used, _, key) = self.line.first()?;
        self.now = self.now.max(*used);
        Some(key.clone())
    }

    /// `key` waits no more.
    pub(crate) fn rest(&mut self, key: &K) {
        if let Some(account) = self.accounts.get_mut(key)
            && let Some(since) = account.since.take()
        {
            self.line.remove(&(account.used, since, key.clone()));
        }
    }

    /// Makes an account, and forgets those that say nothing when there are many.
    fn open(&mut self, key: &K, weight: u32) {
        let now = self.now;
        if self.accounts.len() >= self.tidy_at {
            self.accounts.retain(|_, account| account.since.is_some() || account.used > now);
            self.tidy_at = 2 * self.accounts.len() + ACCOUNTS_SPARE;
        }
        self.accounts.insert(key.clone(), Account { used: now, weight, since: None });
    }

    /// `key` has used so much.
    pub(crate) fn charge(&mut self, key: &K, weight: u32, used_ns: u64) {
        if !self.accounts.contains_key(key) {
            self.open(key, weight);
        }
        let Some(account) = self.accounts.get_mut(key) else { return };
        let before = account.used;
        account.used += used_ns.max(USE_NS_MIN) * PARTS / u64::from(account.weight.max(1));
        self.most = self.most.max(account.used);
        if let Some(since) = account.since {
            self.line.remove(&(before, since, key.clone()));
            self.line.insert((account.used, since, key.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Serves whoever is next so often, for the time that each takes, and gives how long each was served.
    fn serve(fair: &mut Fair<usize>, of: &[(u32, u64)], rounds: usize) -> Vec<u64> {
        let mut served = vec![0; of.len()];
        for _ in 0..rounds {
            let who = fair.next().unwrap();
            fair.charge(&who, of[who].0, of[who].1);
            served[who] += of[who].1;
        }
        served
    }

    proptest! {
        /// However long the uses of each are, what all of them together have goes by their weights.
        #[test]
        fn those_that_always_wait_are_served_by_their_weights(
            of in prop::collection::vec((1_u32..1_000, USE_NS_MIN..10_000_000), 1..20)
        ) {
            let mut fair = Fair::default();
            of.iter().enumerate().for_each(|(who, (weight, _))| fair.wait(&who, *weight));
            let served = serve(&mut fair, &of, 20_000);
            // At any time two of them differ by no more than one use of each, for their weights.
            let share = |who: usize| u128::from(served[who]) * 1_000_000 / u128::from(of[who].0);
            let slack = |who: usize| (u128::from(of[who].1) * 1_000_000 + 1_000_000) / u128::from(of[who].0);
            for one in 0..of.len() {
                for other in 0..of.len() {
                    // What is kept is rounded down at each use.
                    let rounded = share(one) / 100 + 1_000_000;
                    prop_assert!(share(one) <= share(other) + slack(one) + slack(other) + rounded, "{of:?}: {served:?}");
                }
            }
        }

        /// Whoever comes is served before anybody who was served meanwhile is served twice more.
        #[test]
        fn whoever_comes_does_not_wait_for_what_others_used_before(
            before in 0_usize..500, others in 1_usize..50, used in USE_NS_MIN..10_000_000
        ) {
            let mut fair = Fair::default();
            let of = vec![(100, used); others + 1];
            (0..others).for_each(|who| fair.wait(&who, 100));
            serve(&mut fair, &of, before);
            fair.wait(&others, 100);
            let served = serve(&mut fair, &of, others + 1);
            prop_assert!(served[others] >= used, "{served:?}");
            // And it has saved nothing up that would let it be served alone.
            prop_assert!(served[others] <= 2 * used, "{served:?}");
        }
    }

    #[test]
    fn accounts_are_forgotten_when_they_say_nothing_any_more() {
        let mut fair = Fair::default();
        for who in 0..10_000_usize {
            fair.wait(&who, 100);
            assert_eq!(fair.next(), Some(who));
            fair.charge(&who, 100, 5_000);
            fair.rest(&who);
            fair.idle();
        }
        assert!(fair.accounts.len() <= 2 * ACCOUNTS_SPARE, "{} accounts", fair.accounts.len());
    }
}
