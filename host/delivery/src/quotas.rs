//! What a tenant may have and do as a whole, and which of it is used up.
//!
//! Invariant: a quota is checked where a request is decided, against the state with every request decided before it. Whoever asks says
//! which quotas hold, as with the rules; what is in the log already is never judged again.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use wharf_event::{BusName, Code, Target, TenantName};

use crate::{
    Usage, Used, hour_of,
    limits::{TENANT_PENDING_MAX, UPLOAD_BYTES_PER_TENANT, VALUE_BYTES_PER_TENANT},
    tables::{TableError, Tables},
    usage::HOUR_MS,
};

/// Nanoseconds of a millisecond.
const MS_NS: u64 = 1_000_000;

/// The quotas of a tenant, where they are not the defaults.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Quotas {
    /// Bytes of its keys and values.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kv_bytes: Option<u64>,
    /// Bytes of the components and models that it keeps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upload_bytes: Option<u64>,
    /// Deliveries that may wait.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backlog: Option<u32>,
    /// Events received a second; as many as come where it is not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receive_per_s: Option<u32>,
    /// Events published by its plugins a second; as many as they like where it is not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub publish_per_s: Option<u32>,
    /// Milliseconds of CPU time that its plugins may use in an hour; as many as they need where it is not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_ms_per_hour: Option<u64>,
    /// Bytes that they may be given and give in an hour; as many as they like where it is not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_per_hour: Option<u64>,
    /// Host calls that they may make in an hour, lines of their logs among them; as many as they like where it is not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_calls_per_hour: Option<u64>,
    /// Deliveries that may wait of the bus that the events of a request arise on, where that is said. It is the bus's and no quota of the tenant's: whoever
    /// asks puts it beside these.
    #[serde(skip)]
    pub of_bus: Option<u32>,
}

/// What is bounded by the hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hourly {
    /// Milliseconds of CPU time.
    CpuMs,
    /// Bytes in and out.
    Bytes,
    /// Host calls.
    HostCalls,
}

impl Quotas {
    /// Whether nothing is said.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Bytes of its keys and values.
    #[must_use]
    pub fn kv_bytes(&self) -> u64 {
        self.kv_bytes.unwrap_or(VALUE_BYTES_PER_TENANT)
    }

    /// Bytes of the components and models that it keeps.
    #[must_use]
    pub fn upload_bytes(&self) -> u64 {
        self.upload_bytes.unwrap_or(UPLOAD_BYTES_PER_TENANT)
    }

    /// Deliveries that may wait.
    #[must_use]
    pub fn backlog(&self) -> u32 {
        self.backlog.unwrap_or(TENANT_PENDING_MAX)
    }
}

/// A backlog up to which plugins may still publish: what is under way has some room above admission.
pub(crate) fn with_room(backlog: u64) -> u64 {
    backlog.saturating_add(backlog / 5)
}

/// Which quota is used up, of the tenant or of one of its plugins.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuotaSpent {
    /// Deliveries that wait.
    #[error("{waiting} deliveries{} wait, and {most} may", whose(of.as_ref()))]
    Backlog {
        /// The target, if it is its.
        of: Option<Target>,
        /// How many wait.
        waiting: u64,
        /// How many may.
        most: u64,
    },
    /// Deliveries that wait of events of a bus.
    #[error("{waiting} deliveries of bus `{bus}` wait, and {most} may")]
    BusBacklog {
        /// Which bus.
        bus: BusName,
        /// How many wait.
        waiting: u64,
        /// How many may.
        most: u64,
    },
    /// Events received.
    #[error("{per_s} events a second are taken of the tenant; the next in {after_ms} ms")]
    Receive {
        /// How many a second.
        per_s: u32,
        /// When the same may be taken.
        after_ms: u64,
    },
    /// Events published.
    #[error("{per_s} events a second may be published{}; the next in {after_ms} ms", whose(of.as_ref()))]
    Publish {
        /// The target, if it is its.
        of: Option<Target>,
        /// How many a second.
        per_s: u32,
        /// When the same may be published.
        after_ms: u64,
    },
    /// Keys and values.
    #[error("the tenant would have {bytes} bytes of keys and values, and {most} are allowed")]
    Values {
        /// How many it would have.
        bytes: u64,
        /// How many it may.
        most: u64,
    },
    /// What attempts use in an hour.
    #[error("the tenant's plugins used their {most} {} of this hour; the next begins in {}", what.unit(), told(*after_ms))]
    Hour {
        /// What.
        what: Hourly,
        /// How much an hour.
        most: u64,
        /// When the next hour begins.
        after_ms: u64,
    },
}

/// A time to wait, in whole seconds, or from two minutes on in minutes; never shorter than it is.
fn told(ms: u64) -> String {
    match ms.div_ceil(1_000) {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds => format!("{} min", seconds.div_ceil(60)),
    }
}

impl Hourly {
    const ALL: [Self; 3] = [Self::CpuMs, Self::Bytes, Self::HostCalls];

    fn unit(self) -> &'static str {
        match self {
            Hourly::CpuMs => "ms of CPU time",
            Hourly::Bytes => "bytes in and out",
            Hourly::HostCalls => "host calls",
        }
    }

    fn code(self) -> Code {
        match self {
            Hourly::CpuMs => Code::QuotaCpu,
            Hourly::Bytes => Code::QuotaBytes,
            Hourly::HostCalls => Code::QuotaCalls,
        }
    }

    /// How much of it was used.
    #[must_use]
    pub fn of(self, used: &Used) -> u64 {
        match self {
            Hourly::CpuMs => used.cpu_ns / MS_NS,
            Hourly::Bytes => used.bytes_in.saturating_add(used.bytes_out),
            Hourly::HostCalls => used.host_calls,
        }
    }

    /// How much of it may be, where that is bounded.
    fn most(self, quotas: &Quotas) -> Option<u64> {
        match self {
            Hourly::CpuMs => quotas.cpu_ms_per_hour,
            Hourly::Bytes => quotas.bytes_per_hour,
            Hourly::HostCalls => quotas.host_calls_per_hour,
        }
    }
}

fn whose(of: Option<&Target>) -> String {
    of.map_or_else(|| " of the tenant".to_owned(), |of| format!(" of {} `{}`", of.kind(), of.name()))
}

impl QuotaSpent {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            QuotaSpent::Backlog { .. } | QuotaSpent::BusBacklog { .. } => Code::QuotaBacklog,
            QuotaSpent::Receive { .. } => Code::QuotaReceive,
            QuotaSpent::Publish { .. } => Code::QuotaPublish,
            QuotaSpent::Values { .. } => Code::QuotaKv,
            QuotaSpent::Hour { what, .. } => what.code(),
        }
    }

    /// After how many milliseconds the same may do, where that is known.
    #[must_use]
    pub fn after_ms(&self) -> Option<u64> {
        match self {
            QuotaSpent::Receive { after_ms, .. }
            | QuotaSpent::Publish { after_ms, .. }
            | QuotaSpent::Hour { after_ms, .. } => Some(*after_ms),
            QuotaSpent::Backlog { .. } | QuotaSpent::BusBacklog { .. } | QuotaSpent::Values { .. } => None,
        }
    }
}

/// What attempts used in this hour, of tenants that have a quota of it: read of the rows of usage once, and counted on from there.
#[derive(Debug, Default)]
pub(crate) struct Hours(HashMap<TenantName, (u32, Used)>);

impl Hours {
    /// Which quota of an hour is used up.
    pub(crate) fn spent(
        &mut self,
        tenant: &TenantName,
        quotas: &Quotas,
        now_ms: u64,
        tables: &impl Tables,
    ) -> Result<Option<QuotaSpent>, TableError> {
        if Hourly::ALL.into_iter().all(|what| what.most(quotas).is_none()) {
            return Ok(None);
        }
        let hour = hour_of(now_ms);
        let used = match self.0.get(tenant) {
            Some((of, used)) if *of == hour => *used,
            _ => {
                let used = Usage::of_hour(tables, tenant, hour)?;
                self.0.insert(tenant.clone(), (hour, used));
                used
            }
        };
        let after_ms = HOUR_MS - now_ms % HOUR_MS;
        let met = |what: Hourly| what.most(quotas).filter(|most| what.of(&used) >= *most).map(|most| (what, most));
        let met = Hourly::ALL.into_iter().find_map(met);
        Ok(met.map(|(what, most)| QuotaSpent::Hour { what, most, after_ms }))
    }

    /// Counts what an attempt used.
    pub(crate) fn charge(&mut self, tenant: &TenantName, used: &Used, now_ms: u64) {
        if let Some((_, sum)) = self.0.get_mut(tenant).filter(|(hour, _)| *hour == hour_of(now_ms)) {
            sum.add(used);
        }
    }

    /// Nothing is known of a tenant any more.
    pub(crate) fn forget(&mut self, tenant: &TenantName) {
        self.0.remove(tenant);
    }
}
