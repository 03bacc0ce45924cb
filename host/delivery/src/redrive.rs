//! Transition: dead letters become deliveries again, with their id and history, and a fresh retry policy.

use std::{collections::HashSet, ops::Bound};

use wharf_event::{QueueName, TenantName};

use crate::{
    DeadLetterRow, DeliveryId, Due, Record,
    apply::{change_stats, insert_timed},
    behind,
    codec::{DecodeError, Reader, Writer},
    keys,
    limits::REDRIVE_PAGE,
    rows::{QueueRow, Row},
    sequencer::{Answer, Decision, Refused, Sequencer},
    sizes,
    tables::{Table, TableError, Tables},
};

/// The wish to try dead letters again.
#[derive(Clone, Debug)]
pub struct RedriveRequest {
    /// Whose they are.
    pub tenant: TenantName,
    /// The queue that they are in.
    pub queue: QueueName,
    /// Which ones.
    pub which: RedriveWhich,
}

/// Which dead letters to try again.
#[derive(Clone, Debug)]
pub enum RedriveWhich {
    /// These; all of them or none.
    Ids(Vec<DeliveryId>),
    /// The oldest page of those after this one. A letter that comes back is behind the cursor, so it goes out once.
    After(Option<DeliveryId>),
}

/// What one record of a redrive moved, or one that lets letters go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Redriven {
    /// How many dead letters left the queue.
    pub moved: u64,
    /// The last of them; none when there was nothing to move.
    pub last: Option<DeliveryId>,
}

/// The letters that are meant, which all lie in the queue.
pub(crate) fn meant(
    (tenant, queue): (&TenantName, &QueueName),
    which: RedriveWhich,
    tables: &impl Tables,
) -> Result<Result<Vec<DeliveryId>, Refused>, TableError> {
    if DeadLetterRow::depth(tables, tenant, queue)?.is_none() {
        return Ok(Err(Refused::UnknownQueue));
    }
    Ok(Ok(match which {
        RedriveWhich::Ids(mut ids) => {
            ids.sort_unstable();
            ids.dedup();
            for id in &ids {
                if DeadLetterRow::read(tables, &keys::dead_letter(tenant, queue, *id))?.is_none() {
                    return Ok(Err(Refused::UnknownDeadLetter { id: *id }));
                }
            }
            ids
        }
        RedriveWhich::After(after) => {
            let after = after.map(|id| keys::dead_letter(tenant, queue, id));
            let from = after.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
            let page = tables.scan(Table::DeadLetters, &keys::queue(tenant, queue), from, REDRIVE_PAGE)?;
            page.iter().filter_map(|(key, _)| keys::delivery_of(key)).collect()
        }
    }))
}

pub(crate) fn decide<T: Tables>(
    sequencer: &mut Sequencer,
    request: RedriveRequest,
    tables: &T,
) -> Result<Result<Decision, Refused>, TableError> {
    let RedriveRequest { tenant, queue, which } = request;
    let deliveries = match meant((&tenant, &queue), which, tables)? {
        Ok(deliveries) => deliveries,
        Err(refused) => return Ok(Err(refused)),
    };
    // They take their places behind those of their keys.
    let (mut places, mut begun) = (Vec::new(), HashSet::new());
    for id in &deliveries {
        if let Some(dead) = DeadLetterRow::read(tables, &keys::dead_letter(&tenant, &queue, *id))? {
            places.extend(behind::back(&tenant, &dead.delivery.target, *id, &mut begun, tables)?);
        }
    }
    let moved = deliveries.len() as u64;
    sequencer.pending += moved;
    let answer = Answer::Redriven(Redriven { moved, last: deliveries.last().copied() });
    let redrive = (moved > 0).then_some(Record::Redrive { tenant, queue, deliveries });
    let records = redrive.into_iter().chain(places).collect();
    Ok(Ok(Decision { records, answer }))
}

pub(crate) fn apply(
    tenant: &TenantName,
    queue: &QueueName,
    deliveries: &[DeliveryId],
    time_ms: u64,
    tables: &mut impl Tables,
) -> Result<Vec<Due>, TableError> {
    let (mut due, mut moved) = (Vec::with_capacity(deliveries.len()), 0);
    for id in deliveries {
        let key = keys::dead_letter(tenant, queue, *id);
        let Some(dead) = DeadLetterRow::read(tables, &key)? else { continue };
        tables.remove(Table::DeadLetters, &key);
        tables.remove(Table::Letters, &id.to_key());
        let mut row = dead.delivery;
        // By its time, not by its turn: deliveries of a lane are taken in log order, and those behind it may be gone.
        (row.attempts, row.due_ms, row.since_ms) = (0, time_ms, time_ms);
        (row.timed, row.leased) = (true, false);
        sizes::waits(&row, tables)?;
        moved += 1;
        insert_timed(*id, &row, tables);
        due.push(Due { id: *id, row, event: None });
    }
    let queue_key = keys::queue(tenant, queue);
    let depth = QueueRow::read(tables, &queue_key)?.unwrap_or_default().depth;
    tables.put(Table::Queues, &queue_key, QueueRow { depth: depth.saturating_sub(moved) }.encode());
    change_stats(tenant, tables, |stats| {
        stats.redriven += moved;
        stats.pending += moved;
    })?;
    Ok(due)
}

/// Those that are sent again, or let go of.
pub(crate) fn put(record: &Record, w: &mut Writer) {
    if let Record::Redrive { tenant, queue, deliveries } | Record::Discard { tenant, queue, deliveries } = record {
        w.str(tenant.as_str()).str(queue.as_str()).count(deliveries.len());
        for id in deliveries {
            w.delivery(*id);
        }
    }
}

pub(crate) fn take(r: &mut Reader) -> Result<Record, DecodeError> {
    let (tenant, queue) = (r.parse("tenant")?, r.parse("queue")?);
    Ok(Record::Redrive { tenant, queue, deliveries: r.list("deliveries", |r| r.delivery("delivery"))? })
}
