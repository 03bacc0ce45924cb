//! What a running host counts of itself since its start: what attempts came to, and how long frames took.
//!
//! Invariant: it is bounded, whatever comes and however often releases change: beyond [`ATTEMPT_SERIES_MAX`] plugins and releases
//! the others are counted together. Nothing here is durable; what has to be exact over crashes is counted in the state
//! (`StatsRow`). The partition's thread only ever records into [`FrameMeters`], which takes no lock.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use hdrhistogram::Histogram as Quantiles;
use wharf_delivery::{Details, Outcome, Used};
use wharf_event::{Code, Digest, Target, TenantName};

use crate::{
    histogram::{COUNTS, Distribution, Histogram, TIMES_US},
    limits::ATTEMPT_SERIES_MAX,
};

/// Time from receipt to settlement that is still told apart: an hour.
const LATENCY_US_MAX: u64 = 3_600_000_000;

/// Digits of a time that are told apart: with three of them a tenant's times take ten times as much memory.
const LATENCY_DIGITS: u8 = 2;

/// A tenant's figures since the host started.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Totals {
    /// Events that had been accepted before.
    pub duplicates: u64,
    /// Attempts that were run again because of a conflict.
    pub conflicts: u64,
    /// Median time from receipt to settlement, in milliseconds.
    pub p50_ms: Option<f64>,
    /// Its 99th percentile.
    pub p99_ms: Option<f64>,
}

/// Whose attempts are counted together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttemptsOf {
    /// Whose target.
    pub tenant: TenantName,
    /// Which target.
    pub target: Target,
    /// Its release; absent for attempts whose target was gone.
    pub release: Option<Digest>,
}

/// What attempts came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptFigures {
    /// Acknowledged: delivered.
    pub acknowledged: u64,
    /// Left out by a transform.
    pub filtered: u64,
    /// To be tried again.
    pub retried: u64,
    /// Given up.
    pub dead_lettered: u64,
    /// Those that failed, by the code of what ended them.
    pub failed: BTreeMap<Code, u64>,
    /// Those that met a limit, whether that ended them or not, by its code.
    pub limited: BTreeMap<Code, u64>,
    /// How long they took, in microseconds.
    pub took_us: Distribution,
    /// What they used.
    pub used: Used,
}

/// An attempt that was settled.
pub(crate) struct Settling<'a> {
    pub(crate) release: Option<Digest>,
    pub(crate) outcome: &'a Outcome,
    /// What ended it, if it failed.
    pub(crate) failed: Option<Code>,
    pub(crate) took_us: u64,
    /// What it used and met, if a guest ran.
    pub(crate) details: Option<&'a Details>,
}

struct AttemptMeter {
    figures: AttemptFigures,
    took_us: Histogram,
}

struct TenantMeter {
    duplicates: u64,
    conflicts: u64,
    latency_us: Option<Quantiles<u32>>,
}

#[derive(Default)]
struct Counted {
    tenants: HashMap<TenantName, TenantMeter>,
    attempts: HashMap<AttemptsOf, AttemptMeter>,
    /// All for which there was no room any more.
    others: Option<AttemptMeter>,
}

/// The meters of all tenants.
#[derive(Default)]
pub(crate) struct Meters(Mutex<Counted>);

/// The meters of the log's frames.
#[derive(Debug)]
pub(crate) struct FrameMeters {
    write_us: Histogram,
    requests: Histogram,
}

/// How frames were written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrameFigures {
    /// How long one took to be written and synced, in microseconds.
    pub write_us: Distribution,
    /// The requests of one.
    pub requests: Distribution,
}

impl Default for FrameMeters {
    fn default() -> Self {
        Self { write_us: Histogram::new(TIMES_US), requests: Histogram::new(COUNTS) }
    }
}

impl FrameMeters {
    pub(crate) fn wrote(&self, requests: usize, took: Duration) {
        self.write_us.record(micros(took));
        self.requests.record(requests as u64);
    }

    pub(crate) fn read(&self) -> FrameFigures {
        FrameFigures { write_us: self.write_us.read(), requests: self.requests.read() }
    }
}

impl TenantMeter {
    fn new() -> Self {
        Self {
            duplicates: 0,
            conflicts: 0,
            latency_us: Quantiles::new_with_bounds(1, LATENCY_US_MAX, LATENCY_DIGITS).ok(),
        }
    }

    fn totals(&self) -> Totals {
        let quantile = |q| {
            let latency = self.latency_us.as_ref().filter(|latency| !latency.is_empty())?;
            #[allow(clippy::cast_precision_loss, reason = "microseconds of at most an hour are exact in a double")]
            Some(latency.value_at_quantile(q) as f64 / 1_000.0)
        };
        Totals { duplicates: self.duplicates, conflicts: self.conflicts, p50_ms: quantile(0.5), p99_ms: quantile(0.99) }
    }
}

impl AttemptMeter {
    fn new() -> Self {
        let took_us = Histogram::new(TIMES_US);
        let figures = AttemptFigures {
            acknowledged: 0,
            filtered: 0,
            retried: 0,
            dead_lettered: 0,
            failed: BTreeMap::new(),
            limited: BTreeMap::new(),
            took_us: took_us.read(),
            used: Used::default(),
        };
        Self { figures, took_us }
    }

    fn settled(&mut self, settling: &Settling<'_>) {
        let figures = &mut self.figures;
        *match settling.outcome {
            Outcome::Ack => &mut figures.acknowledged,
            Outcome::Filtered { .. } => &mut figures.filtered,
            Outcome::Retry { .. } => &mut figures.retried,
            Outcome::DeadLetter { .. } => &mut figures.dead_lettered,
        } += 1;
        if let Some(code) = settling.failed {
            *figures.failed.entry(code).or_default() += 1;
        }
        self.took_us.record(settling.took_us);
        let Some(details) = settling.details else { return };
        details.limits.iter().for_each(|code| *figures.limited.entry(*code).or_default() += 1);
        if let Some(used) = &details.used {
            figures.used.add(used);
        }
    }

    fn read(&self) -> AttemptFigures {
        AttemptFigures { took_us: self.took_us.read(), ..self.figures.clone() }
    }
}

impl Counted {
    fn tenant(&mut self, tenant: &TenantName) -> &mut TenantMeter {
        self.tenants.entry(tenant.clone()).or_insert_with(TenantMeter::new)
    }

    fn attempts(&mut self, of: AttemptsOf) -> &mut AttemptMeter {
        if self.attempts.len() < ATTEMPT_SERIES_MAX || self.attempts.contains_key(&of) {
            return self.attempts.entry(of).or_insert_with(AttemptMeter::new);
        }
        self.others.get_or_insert_with(AttemptMeter::new)
    }
}

impl Meters {
    fn counted(&self) -> MutexGuard<'_, Counted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn duplicates(&self, tenant: &TenantName, count: u64) {
        if count > 0 {
            self.counted().tenant(tenant).duplicates += count;
        }
    }

    pub(crate) fn conflict(&self, tenant: &TenantName) {
        self.counted().tenant(tenant).conflicts += 1;
    }

    /// Counts an attempt that was settled, and with it the delivery that it ended, `since` its receipt.
    pub(crate) fn settled(
        &self,
        tenant: &TenantName,
        target: &Target,
        settling: &Settling<'_>,
        since: Option<Duration>,
    ) {
        let of = AttemptsOf { tenant: tenant.clone(), target: target.clone(), release: settling.release };
        let mut counted = self.counted();
        counted.attempts(of).settled(settling);
        if let Some(since) = since
            && let Some(latency) = &mut counted.tenant(tenant).latency_us
        {
            latency.saturating_record(micros(since));
        }
    }

    pub(crate) fn totals(&self, tenant: &TenantName) -> Totals {
        self.counted().tenants.get(tenant).map_or_else(Totals::default, TenantMeter::totals)
    }

    /// Those of each tenant that has any, in the order of names.
    pub(crate) fn tenants(&self) -> Vec<(TenantName, Totals)> {
        let counted = self.counted();
        let mut told: Vec<_> = counted.tenants.iter().map(|(tenant, meter)| (tenant.clone(), meter.totals())).collect();
        told.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        told
    }

    /// What attempts came to, in the order of their names; last, under none, those that are not told apart.
    pub(crate) fn attempts(&self) -> Vec<(Option<AttemptsOf>, AttemptFigures)> {
        let counted = self.counted();
        let told = counted.attempts.iter().map(|(of, meter)| (Some(of.clone()), meter.read()));
        let mut told: Vec<_> = told.collect();
        told.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        told.extend(counted.others.iter().map(|meter| (None, meter.read())));
        told
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_beyond_the_bound_are_counted_together_and_none_is_lost() {
        let (meters, tenant, plugin) = (Meters::default(), "t".parse().unwrap(), "p".parse().unwrap());
        let used = Some(Used { cpu_ns: 5, ..Used::default() });
        let details = Details { used, limits: vec![Code::LimitCpu, Code::LimitMemory], ..Details::default() };
        let retry = Outcome::Retry { at_ms: 0, code: Code::LimitCpu, reason: String::new() };
        for n in 0..ATTEMPT_SERIES_MAX + 7 {
            let release = Some(Digest::of(&n.to_le_bytes()));
            let (failed, details) = (Some(Code::LimitCpu), Some(&details));
            let settling = Settling { release, outcome: &retry, failed, took_us: 60, details };
            meters.settled(&tenant, &plugin, &settling, None);
        }
        let told = meters.attempts();
        assert_eq!(told.len(), ATTEMPT_SERIES_MAX + 1);
        let (of, others) = told.last().unwrap();
        assert_eq!((of, others.retried, others.failed[&Code::LimitCpu]), (&None, 7, 7));
        assert_eq!((others.failed.len(), others.limited[&Code::LimitMemory]), (1, 7));
        assert_eq!((others.took_us.counts[1], others.took_us.sum, others.used.cpu_ns), (7, 420, 35));
        assert!(told.iter().rev().skip(1).all(|(of, one)| of.is_some() && one.retried == 1));
        assert_eq!(meters.totals(&tenant).p50_ms, None, "no delivery ended");
    }
}
