//! Requests that left for plugins, counted by where they went: `http.client.request.duration` of OpenTelemetry, and the sizes of their bodies and answers.
//!
//! Invariant: it is bounded: beyond [`PLACES_MAX`] places of tenants the others are counted together. A request that was not let out is none: a limit of
//! the plugin's, a grant or a rest held it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use wharf_egress::Passed;
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

/// Bounds for bodies, in bytes.
const BYTES: &[u64] = &[256, 1_024, 4_096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 16_777_216];

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
    /// Nobody waits for its answer any more.
    LetGo,
}

/// Bytes of bodies that went and came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Carried {
    /// Those that were sent.
    pub sent: u64,
    /// Those that were received.
    pub received: u64,
}

/// What was counted of one place.
struct Meter {
    took_us: BTreeMap<CameOf, Histogram>,
    sent: Histogram,
    received: Histogram,
}

/// What was counted.
pub struct Sent {
    /// How long they took, by what came of them. In microseconds.
    pub took_us: Vec<(CameOf, Distribution)>,
    /// Bytes of their bodies.
    pub sent: Distribution,
    /// Bytes of their answers' bodies.
    pub received: Distribution,
}

/// The requests of all tenants.
#[derive(Default)]
pub struct SentMeters(Mutex<BTreeMap<SentTo, Meter>>);

impl SentMeters {
    /// Counts one.
    fn count(
        &self,
        tenant: &TenantName,
        (host, port): (&str, u16),
        (came, took, carried): (CameOf, Duration, Carried),
    ) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut of = SentTo { tenant: tenant.to_string(), host: host.to_owned(), port };
        if all.len() >= PLACES_MAX && !all.contains_key(&of) {
            of = SentTo { tenant: OTHER.to_owned(), host: OTHER.to_owned(), port: 0 };
        }
        let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bytes = || Histogram::new(BYTES);
        let new = || Meter { took_us: BTreeMap::new(), sent: bytes(), received: bytes() };
        let meter = all.entry(of).or_insert_with(new);
        meter.took_us.entry(came).or_insert_with(|| Histogram::new(TOOK_US)).record(took_us);
        meter.sent.record(carried.sent);
        meter.received.record(carried.received);
    }

    /// What was counted so far.
    pub fn read(&self) -> Vec<(SentTo, Sent)> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let sent = |meter: &Meter| Sent {
            took_us: meter.took_us.iter().map(|(came, took)| (*came, took.read())).collect(),
            sent: meter.sent.read(),
            received: meter.received.read(),
        };
        all.iter().map(|(to, meter)| (to.clone(), sent(meter))).collect()
    }
}

/// A request that is under way. It is counted when this is dropped, so that one that nobody waits for any more counts too.
pub struct UnderWay<'a> {
    meters: &'a SentMeters,
    tenant: TenantName,
    host: String,
    port: u16,
    began: Instant,
    passed: Arc<Passed>,
    came: CameOf,
}

impl<'a> UnderWay<'a> {
    /// It begins.
    pub fn begin(meters: &'a SentMeters, tenant: &TenantName, (host, port): (&str, u16)) -> Self {
        let (tenant, host, passed) = (tenant.clone(), host.to_owned(), Arc::default());
        Self { meters, tenant, host, port, began: Instant::now(), passed, came: CameOf::LetGo }
    }

    /// Where what passes is counted.
    pub const fn passed(&self) -> &Arc<Passed> {
        &self.passed
    }

    /// It came to something. How long it took, and what it carried.
    pub fn ends(mut self, came: CameOf) -> (Duration, Carried) {
        self.came = came;
        (self.began.elapsed(), self.carried())
    }

    fn carried(&self) -> Carried {
        Carried { sent: self.passed.sent(), received: self.passed.received() }
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.meters.count(&self.tenant, (&self.host, self.port), (self.came, self.began.elapsed(), self.carried()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_that_nobody_waits_for_any_more_is_counted_as_let_go() {
        let (meters, tenant) = (SentMeters::default(), "acme".parse().unwrap());
        drop(UnderWay::begin(&meters, &tenant, ("a.test", 443)));
        UnderWay::begin(&meters, &tenant, ("a.test", 443)).ends(CameOf::Status(200));
        let (_, sent) = meters.read().pop().unwrap();
        let counted = sent.took_us.iter().map(|(came, took)| (*came, took.counts.iter().sum::<u64>()));
        assert_eq!(counted.collect::<Vec<_>>(), [(CameOf::Status(200), 1), (CameOf::LetGo, 1)]);
    }

    #[test]
    fn places_beyond_the_bound_are_counted_together() {
        let (meters, tenant) = (SentMeters::default(), "acme".parse().unwrap());
        let came = |of| (of, Duration::from_millis(1), Carried { sent: 3, received: 5 });
        for n in 0..PLACES_MAX + 7 {
            meters.count(&tenant, (&format!("{n}.test"), 443), came(CameOf::Status(200)));
        }
        meters.count(&tenant, ("1.test", 443), came(CameOf::Failed(Code::HttpTimeout)));
        let read = meters.read();
        assert_eq!(read.len(), PLACES_MAX + 1, "those, and the others");
        let of = |host: &str| &read.iter().find(|(to, _)| to.host == host).unwrap().1;
        assert_eq!(of("1.test").took_us.len(), 2, "one of its requests came to nothing");
        let others = of(OTHER);
        assert_eq!(others.took_us.iter().map(|(_, took)| took.counts.iter().sum::<u64>()).sum::<u64>(), 7);
        assert_eq!((others.sent.sum, others.received.sum), (21, 35));
    }
}
