//! What a running host measures of itself, by tenant, since its start.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use hdrhistogram::Histogram;
use wharf_event::TenantName;

/// Time from receipt to settlement that is still told apart: an hour.
const LATENCY_US_MAX: u64 = 3_600_000_000;

struct Meter {
    duplicates: u64,
    conflicts: u64,
    latency_us: Option<Histogram<u64>>,
}

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

/// The meters of all tenants.
#[derive(Default)]
pub(crate) struct Meters(Mutex<HashMap<TenantName, Meter>>);

impl Meters {
    fn change(&self, tenant: &TenantName, change: impl FnOnce(&mut Meter)) {
        let mut meters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let new =
            || Meter { duplicates: 0, conflicts: 0, latency_us: Histogram::new_with_bounds(1, LATENCY_US_MAX, 3).ok() };
        change(meters.entry(tenant.clone()).or_insert_with(new));
    }

    pub(crate) fn duplicates(&self, tenant: &TenantName, count: u64) {
        if count > 0 {
            self.change(tenant, |meter| meter.duplicates += count);
        }
    }

    pub(crate) fn conflict(&self, tenant: &TenantName) {
        self.change(tenant, |meter| meter.conflicts += 1);
    }

    pub(crate) fn settled(&self, tenant: &TenantName, after: Duration) {
        let us = u64::try_from(after.as_micros()).unwrap_or(u64::MAX);
        self.change(tenant, |meter| {
            if let Some(latency) = &mut meter.latency_us {
                latency.saturating_record(us);
            }
        });
    }

    pub(crate) fn totals(&self, tenant: &TenantName) -> Totals {
        let meters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(meter) = meters.get(tenant) else { return Totals::default() };
        let quantile = |q| {
            let latency = meter.latency_us.as_ref().filter(|latency| !latency.is_empty())?;
            #[allow(clippy::cast_precision_loss, reason = "microseconds of at most an hour are exact in a double")]
            Some(latency.value_at_quantile(q) as f64 / 1_000.0)
        };
        Totals {
            duplicates: meter.duplicates,
            conflicts: meter.conflicts,
            p50_ms: quantile(0.5),
            p99_ms: quantile(0.99),
        }
    }
}
