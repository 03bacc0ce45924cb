//! Transition: dead letters become deliveries again, with their id and history, and a fresh retry policy.

use wharf_event::{QueueName, TenantName};

use crate::{
    DeadLetterRow, DeliveryId, Due, Record,
    apply::change_stats,
    limits::REDRIVE_PAGE,
    rows::{QueueRow, Row, keys},
    sequencer::{Answer, Decision, Refused, Sequencer},
    tables::{Table, TableError, Tables},
};

/// The wish to try dead letters again.
#[derive(Clone, Debug)]
pub struct RedriveRequest {
    /// Whose they are.
    pub tenant: TenantName,
    /// The queue that they are in.
    pub queue: QueueName,
    /// Which ones; empty = the oldest page.
    pub deliveries: Vec<DeliveryId>,
}

/// What one record of a redrive moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Redriven {
    /// How many dead letters became deliveries.
    pub moved: u64,
    /// How many the queue still holds.
    pub left: u64,
}

pub(crate) fn decide<T: Tables>(
    sequencer: &mut Sequencer,
    request: RedriveRequest,
    tables: &T,
) -> Result<Result<Decision, Refused>, TableError> {
    let RedriveRequest { tenant, queue, mut deliveries } = request;
    deliveries.sort_unstable();
    deliveries.dedup();
    let Some(depth) = DeadLetterRow::depth(tables, &tenant, &queue)? else {
        return Ok(Err(Refused::UnknownQueue));
    };
    let deliveries = if deliveries.is_empty() {
        let prefix = keys::queue(&tenant, &queue);
        let page = tables.scan(Table::DeadLetters, &prefix, std::ops::Bound::Unbounded, REDRIVE_PAGE)?;
        page.iter().filter_map(|(key, _)| DeadLetterRow::id_of(key)).collect()
    } else {
        for id in &deliveries {
            if DeadLetterRow::read(tables, &keys::dead_letter(&tenant, &queue, *id))?.is_none() {
                return Ok(Err(Refused::UnknownDeadLetter { id: *id }));
            }
        }
        deliveries
    };
    let moved = deliveries.len() as u64;
    sequencer.pending += moved;
    let answer = Answer::Redriven(Redriven { moved, left: depth.saturating_sub(moved) });
    let records = if moved == 0 { Vec::new() } else { vec![Record::Redrive { tenant, queue, deliveries }] };
    Ok(Ok(Decision { records, answer }))
}

pub(crate) fn apply(
    tenant: &TenantName,
    queue: &QueueName,
    deliveries: &[DeliveryId],
    time_ms: u64,
    tables: &mut impl Tables,
) -> Result<Vec<Due>, TableError> {
    let mut due = Vec::with_capacity(deliveries.len());
    for id in deliveries {
        let key = keys::dead_letter(tenant, queue, *id);
        let Some(dead) = DeadLetterRow::read(tables, &key)? else { continue };
        tables.remove(Table::DeadLetters, &key);
        let mut row = dead.delivery;
        (row.attempts, row.due_ms, row.since_ms) = (0, time_ms, time_ms);
        tables.put(Table::Deliveries, &id.to_key(), row.encode());
        due.push(Due { id: *id, row, event: None });
    }
    let moved = due.len() as u64;
    let queue_key = keys::queue(tenant, queue);
    let depth = QueueRow::read(tables, &queue_key)?.unwrap_or_default().depth;
    tables.put(Table::Queues, &queue_key, QueueRow { depth: depth.saturating_sub(moved) }.encode());
    change_stats(tenant, tables, |stats| {
        stats.redriven += moved;
        stats.pending += moved;
    })?;
    Ok(due)
}
