//! Who uses more of the processors than is its share while others use some too.
//!
//! A tenant is given its share of every moment by its weight beside those that used any of late, and what it uses is taken from that. What
//! it leaves it keeps for a while and up to a bound, so a burst is no excess; what it takes beyond is remembered up to the same bound, so an
//! excess does not end with a pause.
//!
//! Invariant: a tenant that is alone is never over its share.
//!
//! It knows no clock, and it holds nobody up: whom that concerns goes behind (`turns.rs`).

use std::{collections::HashMap, time::Duration};

use wharf_event::TenantName;

/// For so long after its last use a tenant has a share.
const ACTIVE_FOR: Duration = Duration::from_secs(1);

/// How often it is looked who has one no more.
const SWEPT_EVERY: Duration = Duration::from_millis(100);

/// Shares are given in parts of so long at least: of shorter ones a small weight would be rounded to nothing.
const GIVEN_EVERY: Duration = Duration::from_micros(100);

/// What a tenant may have left or taken beyond its share, as far as it counts: nanoseconds of a processor.
const BURST_NS: i64 = 20_000_000;

struct Account {
    weight: u32,
    /// What it has left of its share; below zero what it took beyond that.
    left_ns: i64,
    /// Up to when its share is in that.
    given: Duration,
    used: Duration,
}

/// Tenants that used processors of late.
pub(crate) struct Shares {
    processors: i64,
    accounts: HashMap<TenantName, Account>,
    /// Of all of them.
    weights: i64,
    swept: Duration,
}

impl Shares {
    /// Of so many processors.
    pub(crate) fn new(processors: usize) -> Self {
        let processors = i64::try_from(processors).unwrap_or(i64::MAX);
        Self { processors, accounts: HashMap::new(), weights: 0, swept: Duration::ZERO }
    }

    /// A tenant used a processor for so long until now.
    pub(crate) fn charge(&mut self, tenant: &TenantName, weight: u32, used: Duration, now: Duration) {
        self.sweep(now);
        if !self.accounts.contains_key(tenant) {
            self.weights += i64::from(weight);
            self.accounts.insert(tenant.clone(), Account { weight, left_ns: BURST_NS, given: now, used: now });
        }
        let Some(account) = self.accounts.get_mut(tenant) else { return };
        self.weights += i64::from(weight) - i64::from(account.weight);
        (account.weight, account.used) = (weight, now);
        account.give(self.processors, self.weights, now);
        account.left_ns = account.left_ns.saturating_sub(ns(used)).max(-BURST_NS);
    }

    /// Whether a tenant has used more than its share, as of now.
    pub(crate) fn is_over(&mut self, tenant: &TenantName, now: Duration) -> bool {
        self.sweep(now);
        let alone = self.accounts.len() < 2;
        let Some(account) = self.accounts.get_mut(tenant).filter(|_| !alone) else { return false };
        account.give(self.processors, self.weights, now);
        account.left_ns < 0
    }

    /// Forgets those that used nothing of late.
    fn sweep(&mut self, now: Duration) {
        if now.saturating_sub(self.swept) < SWEPT_EVERY {
            return;
        }
        self.swept = now;
        self.accounts.retain(|_, account| now.saturating_sub(account.used) < ACTIVE_FOR);
        self.weights = self.accounts.values().map(|account| i64::from(account.weight)).sum();
    }
}

impl Account {
    fn give(&mut self, processors: i64, weights: i64, now: Duration) {
        let passed = now.saturating_sub(self.given);
        if passed < GIVEN_EVERY {
            return;
        }
        // Whoever used none for longer is forgotten.
        let passed = ns(passed.min(ACTIVE_FOR));
        let share = passed.saturating_mul(processors).saturating_mul(i64::from(self.weight)) / weights.max(1);
        self.left_ns = self.left_ns.saturating_add(share).min(BURST_NS);
        self.given = now;
    }
}

fn ns(of: Duration) -> i64 {
    i64::try_from(of.as_nanos()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn tenant(name: &str) -> TenantName {
        name.parse().unwrap()
    }

    /// Lets tenants of these weights use so many thousandths of a processor for so many milliseconds from `began` on, and says how many of
    /// those milliseconds each was over its share.
    fn over<const N: usize>(shares: &mut Shares, of: [(&str, u32, u32); N], began: Duration, ms: u32) -> [u32; N] {
        let mut over = [0; N];
        for now in (0..ms).map(|n| began + n * MS) {
            for ((name, weight, thousandths), over) in of.iter().zip(&mut over) {
                if *thousandths > 0 {
                    shares.charge(&tenant(name), *weight, MS * *thousandths / 1_000, now);
                }
                *over += u32::from(shares.is_over(&tenant(name), now));
            }
        }
        over
    }

    #[test]
    fn whoever_is_alone_is_never_over_its_share() {
        let mut shares = Shares::new(2);
        assert_eq!(over(&mut shares, [("a", 1, 2_000)], Duration::ZERO, 5_000), [0]);
        // A poll that was long is charged at its end.
        shares.charge(&tenant("a"), 1, 500 * MS, 5_500 * MS);
        assert!(!shares.is_over(&tenant("a"), 5_500 * MS));
    }

    #[test]
    fn beside_one_that_uses_little_whoever_takes_the_rest_is_over_and_the_other_is_not() {
        let [quiet, wild] = over(&mut Shares::new(2), [("q", 100, 50), ("w", 100, 1_900)], Duration::ZERO, 5_000);
        assert_eq!(quiet, 0);
        assert!(wild > 4_950, "{wild}");
    }

    #[test]
    fn weights_say_what_a_share_is() {
        let of = [("a", 300, 1_400), ("b", 100, 600)];
        let [a, b] = over(&mut Shares::new(2), of, Duration::ZERO, 5_000);
        assert_eq!(a, 0);
        assert!(b > 4_500, "{b}");
        // The smallest beside the largest has a share too: a ten-thousandth of two processors.
        let of = [("a", 10_000, 1_500), ("b", 1, 0)];
        let mut shares = Shares::new(2);
        shares.charge(&tenant("b"), 1, BURST_NS_USED, Duration::ZERO);
        assert_eq!(over(&mut shares, of, Duration::ZERO, 10)[1], 10);
        let left = shares.accounts[&tenant("b")].left_ns;
        assert!((-BURST_NS + 1_000..0).contains(&left), "{left}");
    }

    /// What takes all that may be left, and leaves as much of an excess.
    const BURST_NS_USED: Duration = Duration::from_millis(40);

    #[test]
    fn a_burst_is_no_excess_and_an_excess_ends_with_what_is_left_unused() {
        let mut shares = Shares::new(2);
        shares.charge(&tenant("q"), 100, MS, Duration::ZERO);
        let burst = |ms: u32, at: u32| {
            let mut shares = Shares::new(2);
            shares.charge(&tenant("q"), 100, MS, Duration::ZERO);
            shares.charge(&tenant("a"), 100, ms * MS, Duration::ZERO);
            shares.is_over(&tenant("a"), at * MS)
        };
        assert!(!burst(15, 0));
        assert!(burst(25, 0));
        // However much it was, an equal share of two processors makes up for it in so long.
        assert!(burst(900, 19));
        assert!(!burst(900, 21));
    }

    #[test]
    fn those_that_used_none_of_late_have_no_share() {
        let mut shares = Shares::new(2);
        over(&mut shares, [("q", 100, 50), ("w", 100, 1_900)], Duration::ZERO, 1_000);
        assert!(shares.is_over(&tenant("w"), 1_000 * MS));
        let [wild] = over(&mut shares, [("w", 100, 2_000)], 1_000 * MS, 2_000);
        assert!((950..1_150).contains(&wild), "{wild}");
        assert_eq!((shares.accounts.len(), shares.weights), (1, 100));
    }
}
