//! What a host tells of itself to those who watch it: what it counted since its start, and what its state says now.
//!
//! Invariant: reading it costs the same however much waits: it looks at one row of each lane, and at sums. It names no format of
//! any monitoring system.

use std::ops::Bound;

use wharf_delivery::{DeadLetterRow, DeliveryRow, StatsRow, Table, TableError, Tables, keys, sizes};
use wharf_event::{QueueName, Target, TenantName};

use crate::{
    lane::lanes,
    meters::{AttemptFigures, AttemptsOf, FrameFigures, Totals},
};

/// What was counted since the start.
#[derive(Clone, Debug)]
pub struct Figures {
    /// What attempts came to; last, under none, those that are not told apart.
    pub attempts: Vec<(Option<AttemptsOf>, AttemptFigures)>,
    /// How frames were written.
    pub frames: FrameFigures,
    /// Totals of each tenant that has any.
    pub tenants: Vec<(TenantName, Totals)>,
}

/// What the state says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StateFigures {
    /// Each tenant that ever had an event, in the order of names.
    pub tenants: Vec<TenantFigures>,
    /// Each target for which something waits.
    pub lanes: Vec<LaneFigures>,
    /// Each dead-letter queue that ever held a letter.
    pub queues: Vec<QueueFigures>,
}

/// A tenant's counters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantFigures {
    /// Which tenant.
    pub tenant: TenantName,
    /// Exact over crashes.
    pub stats: StatsRow,
    /// Bytes of its keys and values.
    pub kv_bytes: u64,
}

/// What waits for a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaneFigures {
    /// Whose target.
    pub tenant: TenantName,
    /// Which target.
    pub target: Target,
    /// How many deliveries.
    pub pending: u64,
    /// Since when the oldest event waits for it, whether it was tried or not: frame time in milliseconds.
    pub since_ms: u64,
}

/// A dead-letter queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueFigures {
    /// Whose.
    pub tenant: TenantName,
    /// Which queue.
    pub queue: QueueName,
    /// Letters in it.
    pub depth: u64,
}

/// What the state says now.
pub(crate) fn of_state(tables: &impl Tables) -> Result<StateFigures, TableError> {
    let all = |table| tables.scan(table, &[], Bound::Unbounded, usize::MAX);
    let mut figures = StateFigures::default();
    for (key, row) in all(Table::Stats)? {
        let Some(tenant) = keys::first(&key) else { continue };
        let (stats, kv_bytes) = (StatsRow::from_bytes(&row)?, sizes::value_bytes(tables, &tenant)?);
        figures.tenants.push(TenantFigures { tenant, stats, kv_bytes });
    }
    for (key, row) in all(Table::Queues)? {
        let (Some(tenant), Some(queue)) = (keys::first(&key), keys::second(&key)) else { continue };
        figures.queues.push(QueueFigures { tenant, queue, depth: DeadLetterRow::depth_of(&row)? });
    }
    for (tenant, target) in lanes(tables)? {
        let mut since_ms = u64::MAX;
        // Both kinds are kept in log order, so the first row of each is of its oldest event.
        for timed in [false, true] {
            let prefix = [keys::lane(&tenant, &target), vec![u8::from(timed)]].concat();
            for (_, row) in tables.scan(Table::Deliveries, &prefix, Bound::Unbounded, 1)? {
                since_ms = since_ms.min(DeliveryRow::from_bytes(&row)?.since_ms);
            }
        }
        let pending = sizes::backlog(tables, &tenant, &target)?;
        figures.lanes.push(LaneFigures { tenant, target, pending, since_ms });
    }
    Ok(figures)
}
