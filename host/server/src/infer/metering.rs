//! What models of tenants were asked since the host started, by version.
//!
//! Invariant: it is bounded: beyond [`SERIES_MAX`] tenants, models and versions the others are counted together. Nothing here is durable.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use wharf_event::{Digest, ModelName, TenantName};
use wharf_gateway::measure::OTHER;
use wharf_runtime::histogram::{Distribution, Histogram};

/// Tenants with their models and versions that are counted apart.
const SERIES_MAX: usize = 500;

/// Bounds for how long a model takes, in microseconds: 50 µs to 26 s.
const TOOK_US: &[u64] =
    &[50, 100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 102_400, 409_600, 1_638_400, 6_553_600, 26_214_400];

/// Bounds for how many questions a run answers.
const SHARED: &[u64] = &[1, 2, 4, 8, 16, 32, 64, 128, 256, 512];

/// Whose questions are counted together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct InferencesOf {
    /// The tenant.
    pub tenant: String,
    /// Its model.
    pub model: String,
    /// The version, as its digest begins.
    pub version: String,
}

struct Meter {
    /// How long it took, by the error that it ended with; empty where it was answered.
    took_us: BTreeMap<&'static str, Histogram>,
    waited_us: Histogram,
    /// Of runs that several may share.
    shared: Option<Histogram>,
}

/// What was counted.
pub struct Inferences {
    /// How long models ran, by the error that it ended with; empty where it was answered. In microseconds.
    pub took_us: BTreeMap<&'static str, Distribution>,
    /// How long that waited. In microseconds.
    pub waited_us: Distribution,
    /// How many questions a run answered, where several may share one.
    pub shared: Option<Distribution>,
}

/// The meters of all tenants.
#[derive(Default)]
pub struct InferMeters(Mutex<BTreeMap<InferencesOf, Meter>>);

impl InferMeters {
    /// Counts a question, and where it is told so a run with so many.
    pub(super) fn count(
        &self,
        (tenant, model, version): (&TenantName, &ModelName, &Digest),
        (took, waited, error): (Duration, Duration, Option<&'static str>),
        shared: Option<u32>,
    ) {
        let mut meters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (tenant, model, version) = (tenant.to_string(), model.to_string(), version.short());
        let mut of = InferencesOf { tenant, model, version };
        if meters.len() >= SERIES_MAX && !meters.contains_key(&of) {
            let other = || OTHER.to_owned();
            of = InferencesOf { tenant: other(), model: other(), version: other() };
        }
        let new = || Meter { took_us: BTreeMap::new(), waited_us: Histogram::new(TOOK_US), shared: None };
        let meter = meters.entry(of).or_insert_with(new);
        let us = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let took_us = meter.took_us.entry(error.unwrap_or_default()).or_insert_with(|| Histogram::new(TOOK_US));
        took_us.record(us(took));
        meter.waited_us.record(us(waited));
        if let Some(shared) = shared {
            meter.shared.get_or_insert_with(|| Histogram::new(SHARED)).record(shared.into());
        }
    }

    /// What was counted so far.
    pub fn read(&self) -> Vec<(InferencesOf, Inferences)> {
        let meters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let counted = |meter: &Meter| Inferences {
            took_us: meter.took_us.iter().map(|(error, took)| (*error, took.read())).collect(),
            waited_us: meter.waited_us.read(),
            shared: meter.shared.as_ref().map(Histogram::read),
        };
        meters.iter().map(|(of, meter)| (of.clone(), counted(meter))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beyond_its_bound_all_others_are_one() {
        let meters = InferMeters::default();
        let tenant: TenantName = "acme".parse().unwrap();
        for n in 0..SERIES_MAX + 7 {
            let model = format!("m{n}").parse().unwrap();
            let took = Duration::from_micros(10);
            meters.count(
                (&tenant, &model, &Digest::of(b"x")),
                (took, took, (n % 2 == 0).then_some("busy")),
                (n >= SERIES_MAX).then_some(3),
            );
        }
        let read = meters.read();
        assert_eq!(read.len(), SERIES_MAX + 1);
        let other = read.iter().find(|(of, _)| of.tenant == OTHER).unwrap();
        assert_eq!(other.1.waited_us.counts.iter().sum::<u64>(), 7);
        let shared = other.1.shared.as_ref().unwrap();
        assert_eq!((shared.counts[2], shared.sum), (7, 21));
        assert!(read.iter().all(|(of, it)| of.tenant == OTHER || it.shared.is_none()));
        assert_eq!(other.1.took_us.keys().copied().collect::<Vec<_>>(), ["", "busy"]);
    }
}
