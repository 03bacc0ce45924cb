//! Requests that left for plugins, counted by where they went: `http.client.request.duration` of OpenTelemetry.
//!
//! Invariant: it is bounded: beyond [`PLACES_MAX`] places of tenants the others are counted together. A request that was not let out is none: a limit of
//! the plugin's, a grant or a rest held it.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use wharf_event::{Code, TenantName};
use wharf_gateway::measure::OTHER;
use wharf_runtime::histogram::{Distribution, Histogram};

/// Tenants with the places that they ask which are counted apart.
const PLACES_MAX: usize = 500;

/// Bounds for how long an answer takes, in microseconds, as OpenTelemetry has them: 5 ms to 10 s.
const TOOK_US: &[u64] = &[
    5_000, 10_000, 25_000, 50_000, 75_000, 100_000, 250_000, 500_000, 750_000, 1_000_000, 2_500_000, 5_000_000,
    7_500_000, 10_000_000,
];

/// Whose requests are counted together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SentTo {
    /// The tenant.
    pub tenant: String,
    /// The host's name or address.
    pub host: String,
    /// Its port; 0 where they are counted together.
    pub port: u16,
}

/// What came of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CameOf {
    /// An answer with a status.
    Status(u16),
    /// None, and why.
    Failed(Code),
}

type Counted = BTreeMap<CameOf, Histogram>;

/// The requests of all tenants.
#[derive(Default)]
pub struct SentMeters(Mutex<BTreeMap<SentTo, Counted>>);

impl SentMeters {
    /// Counts one.
    pub fn count(&self, tenant: &TenantName, (host, port): (&str, u16), (came, took): (CameOf, Duration)) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut of = SentTo { tenant: tenant.to_string(), host: host.to_owned(), port };
        if all.len() >= PLACES_MAX && !all.contains_key(&of) {
            of = SentTo { tenant: OTHER.to_owned(), host: OTHER.to_owned(), port: 0 };
        }
        let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        all.entry(of).or_default().entry(came).or_insert_with(|| Histogram::new(TOOK_US)).record(took_us);
    }

    /// What was counted so far: what came of them, and how long that took, in microseconds.
    pub fn read(&self) -> Vec<(SentTo, CameOf, Distribution)> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of = |(to, counted): (&SentTo, &Counted)| {
            counted.iter().map(|(came, took)| (to.clone(), *came, took.read())).collect::<Vec<_>>()
        };
        all.iter().flat_map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_beyond_the_bound_are_counted_together() {
        let (meters, tenant) = (SentMeters::default(), "acme".parse().unwrap());
        let took = Duration::from_millis(1);
        for n in 0..PLACES_MAX + 7 {
            meters.count(&tenant, (&format!("{n}.test"), 443), (CameOf::Status(200), took));
        }
        meters.count(&tenant, ("1.test", 443), (CameOf::Failed(Code::HttpTimeout), took));
        let read = meters.read();
        assert_eq!(read.len(), PLACES_MAX + 2, "those, the others, and one that came to nothing");
        let (_, _, others) = read.iter().find(|(to, ..)| to.tenant == OTHER).unwrap();
        assert_eq!(others.counts.iter().sum::<u64>(), 7);
    }
}
