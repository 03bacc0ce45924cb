//! How many events a tenant may receive, and it and its plugins may publish, a second: a bucket of tokens for each, filled by frame time.
//!
//! Invariant: over any time no more is taken than a second's worth, what that time brings, and one request. Nothing of it is durable: after
//! a start every bucket is full. Tokens are counted in thousandths, which is what a millisecond brings at one a second.

use std::collections::HashMap;

use wharf_event::{Target, TenantName};

use crate::QuotaSpent;

/// What is limited, and to how many a second; none is no bound.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Rate<'a> {
    /// Events that come in.
    Receive(Option<u32>),
    /// Events that a target publishes, or all of them together.
    Publish(Option<&'a Target>, Option<u32>),
}

/// What a bucket is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Flow {
    Receive,
    Publish(Option<Target>),
}

impl Rate<'_> {
    fn per_s(self) -> Option<u32> {
        match self {
            Rate::Receive(per_s) | Rate::Publish(_, per_s) => per_s,
        }
    }

    fn flow(self) -> Flow {
        match self {
            Rate::Receive(_) => Flow::Receive,
            Rate::Publish(of, _) => Flow::Publish(of.cloned()),
        }
    }

    fn spent(self, per_s: u32, after_ms: u64) -> QuotaSpent {
        match self {
            Rate::Receive(_) => QuotaSpent::Receive { per_s, after_ms },
            Rate::Publish(of, _) => QuotaSpent::Publish { of: of.cloned(), per_s, after_ms },
        }
    }
}

#[derive(Debug)]
struct Bucket {
    thousandths: i64,
    at_ms: u64,
}

impl Bucket {
    /// Fills it up to now; tells after how many milliseconds anything may be taken of it. Who waited for as much as it takes would wait
    /// forever beside those that take one at a time.
    fn fill(&mut self, per_s: u32, now_ms: u64) -> Option<u64> {
        let full = i64::from(per_s).saturating_mul(ONE);
        let passed_ms = i64::try_from(now_ms.saturating_sub(self.at_ms)).unwrap_or(i64::MAX);
        self.thousandths = self.thousandths.saturating_add(passed_ms.saturating_mul(i64::from(per_s))).min(full);
        self.at_ms = now_ms;
        let missing = ONE - self.thousandths;
        (missing > 0).then(|| u64::try_from(missing).unwrap_or(0).div_ceil(u64::from(per_s.max(1))))
    }
}

/// A token.
const ONE: i64 = 1_000;

fn thousandths(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX).saturating_mul(ONE)
}

/// The buckets of all tenants that have such a quota.
#[derive(Debug, Default)]
pub(crate) struct Rates(HashMap<TenantName, HashMap<Flow, Bucket>>);

impl Rates {
    /// Takes so many at once, of each bucket or of none. What a bucket has one of is taken as a whole, and what is more than it has is
    /// paid for later.
    ///
    /// # Errors
    /// Which bucket has none.
    pub(crate) fn take(
        &mut self,
        tenant: &TenantName,
        rates: &[Rate<'_>],
        count: usize,
        now_ms: u64,
    ) -> Result<(), QuotaSpent> {
        let bound = || rates.iter().filter_map(|rate| Some((*rate, rate.per_s()?)));
        if count == 0 || bound().next().is_none() {
            return Ok(());
        }
        let buckets = self.0.entry(tenant.clone()).or_default();
        for (rate, per_s) in bound() {
            let full = Bucket { thousandths: i64::from(per_s).saturating_mul(ONE), at_ms: now_ms };
            if let Some(after_ms) = buckets.entry(rate.flow()).or_insert(full).fill(per_s, now_ms) {
                return Err(rate.spent(per_s, after_ms));
            }
        }
        for (rate, _) in bound() {
            if let Some(bucket) = buckets.get_mut(&rate.flow()) {
                bucket.thousandths = bucket.thousandths.saturating_sub(thousandths(count));
            }
        }
        Ok(())
    }

    /// Nothing is known of a tenant any more.
    pub(crate) fn forget(&mut self, tenant: &TenantName) {
        self.0.remove(tenant);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_taken_than_a_second_s_worth_and_what_time_brings() {
        let (mut rates, tenant) = (Rates::default(), "t".parse().unwrap());
        let mut take = |count, now_ms| {
            let taken = rates.take(&tenant, &[Rate::Receive(Some(10))], count, now_ms);
            taken.map_err(|spent| spent.after_ms().unwrap())
        };
        assert_eq!(take(10, 1_000), Ok(()), "a full bucket");
        assert_eq!(take(1, 1_000), Err(100));
        assert_eq!(take(1, 1_099), Err(1));
        assert_eq!(take(1, 1_100), Ok(()));
        assert_eq!(take(10, 9_000), Ok(()), "it was not fuller than full");
        assert_eq!(take(25, 9_500), Ok(()), "more than it has, when it has any");
        assert_eq!(take(1, 11_000), Err(600), "which is paid for later");
        assert_eq!(take(0, 11_000), Ok(()), "nothing needs nothing");
        assert_eq!(take(1, 11_600), Ok(()));
    }

    #[test]
    fn who_takes_many_at_once_gets_them_beside_those_that_take_one_at_a_time() {
        let (mut rates, tenant) = (Rates::default(), "t".parse().unwrap());
        let mut take = |count, now_ms| rates.take(&tenant, &[Rate::Receive(Some(10))], count, now_ms).is_ok();
        let ones = (0..20).filter(|_| take(1, 0)).count();
        assert_eq!(ones, 10);
        let turns = (1..=60).map(|n: u64| (take(5, n * 100), take(1, n * 100)));
        let (many, ones) = turns.fold((0, 0), |(many, ones), (a, b)| (many + u64::from(a), ones + u64::from(b)));
        assert!(many >= 10, "{many} times five, {ones} ones");
        assert!(
            many * 5 + ones <= 60 + 5,
            "no more than the time brought and one request: {many} times five, {ones} ones"
        );
    }

    #[test]
    fn each_tenant_and_plugin_has_its_own_and_no_quota_is_no_bound() {
        let (mut rates, a, b) = (Rates::default(), "a".parse().unwrap(), "b".parse().unwrap());
        let (p, q) = ("p".parse().unwrap(), "q".parse().unwrap());
        let receive = [Rate::Receive(Some(1))];
        assert_eq!(rates.take(&a, &receive, 1, 0), Ok(()));
        assert!(rates.take(&a, &receive, 1, 0).is_err());
        assert_eq!(rates.take(&b, &receive, 1, 0), Ok(()));
        assert_eq!(rates.take(&a, &[Rate::Receive(None)], 1_000, 0), Ok(()));
        let of = |plugin, per_s| [Rate::Publish(None, Some(3)), Rate::Publish(Some(plugin), per_s)];
        assert_eq!(rates.take(&a, &of(&p, Some(2)), 2, 0), Ok(()));
        let spent = rates.take(&a, &of(&p, Some(2)), 1, 0);
        assert_eq!(spent, Err(QuotaSpent::Publish { of: Some(p.clone()), per_s: 2, after_ms: 500 }));
        assert_eq!(rates.take(&a, &of(&q, None), 1, 0), Ok(()), "who was refused took nothing");
        let spent = rates.take(&a, &of(&q, None), 1, 0);
        assert_eq!(spent, Err(QuotaSpent::Publish { of: None, per_s: 3, after_ms: 334 }));
        rates.forget(&a);
        assert_eq!(rates.take(&a, &receive, 1, 0), Ok(()));
    }
}
