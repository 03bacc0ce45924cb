//! Applying a record: the state after it follows from the state before it and the record, and from nothing else.

use wharf_event::{Code, Event, Position, QueueName, TenantName};

use crate::{
    DeliveryId, DeliveryRow, Record, StatsRow, TargetRef, accept, behind, carry, change, configure, discard, edit,
    erase, fan, fire, keys, models, moves, redrive, redriving, replay,
    rows::{DeadLetterRow, QueueRow, Row},
    seal, settle, sizes,
    tables::{Table, TableError, Tables},
    usage, values,
};

/// A delivery that waits for its next attempt.
#[derive(Clone, Debug)]
pub struct Due {
    /// Which delivery.
    pub id: DeliveryId,
    /// Its row.
    pub row: DeliveryRow,
    /// The event, where the record at hand carried it.
    pub event: Option<Event>,
}

/// What lies before the record that is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum History {
    /// Every record since the log began, or a state that has them all.
    Whole,
    /// The log begins after what some records refer to. What is missing is passed over: it is written again, as it was, before
    /// a `Cleaned` record says that the state is whole.
    Cut,
}

/// Applies one record that stands at `position` in a frame of time `time_ms`, and tells which deliveries now wait.
///
/// # Errors
/// When the state cannot be read. The state is then of no more use.
pub fn apply<T: Tables>(
    record: &Record,
    position: Position,
    time_ms: u64,
    history: History,
    tables: &mut T,
) -> Result<Vec<Due>, TableError> {
    match record {
        Record::Configure { document } => {
            configure::apply(document, position, tables);
            Ok(Vec::new())
        }
        Record::Change { tenant, changes } => {
            change::apply(tenant, changes, position, tables);
            Ok(Vec::new())
        }
        Record::Accept { tenant, bus, event, targets } => {
            accept::apply(tenant, bus, event, targets, position, time_ms, tables)
        }
        Record::Settle { .. } => settle::apply(record, position, time_ms, history, tables),
        Record::Redrive { tenant, queue, deliveries } => redrive::apply(tenant, queue, deliveries, time_ms, tables),
        Record::Discard { tenant, queue, deliveries } => {
            discard::apply(tenant, queue, deliveries, tables)?;
            Ok(Vec::new())
        }
        Record::Edited { tenant, queue, delivery, letter, .. } => {
            edit::apply((tenant, queue), *delivery, letter, tables);
            Ok(Vec::new())
        }
        Record::Carry { rows, .. } => {
            carry::apply(rows, tables)?;
            Ok(Vec::new())
        }
        Record::Rules { version, document } => {
            configure::put(*version, document, tables);
            Ok(Vec::new())
        }
        Record::Cleaned { below_k } => seal::forget(*below_k, tables).map(|()| Vec::new()),
        Record::Sealed(facts) => {
            seal::apply(facts, tables);
            Ok(Vec::new())
        }
        Record::Erase { tenant, rows } => erase::apply(tenant, rows, tables).map(|()| Vec::new()),
        Record::Forgotten { tenant, hour, plugin } => usage::forget(tenant, *hour, plugin, tables).map(|()| Vec::new()),
        Record::Charged { tenant, plugin, calls, used } => {
            usage::charge((tenant, plugin), *calls, used, time_ms, tables).map(|()| Vec::new())
        }
        Record::Served { tenant, writes, .. } => values::apply(tenant, writes, position, tables).map(|()| Vec::new()),
        Record::Model { tenant, step } => models::apply(tenant, step, position, tables).map(|()| Vec::new()),
        Record::Fired { tenant, schedule, state } => {
            fire::apply((tenant, schedule), state.as_ref(), position, tables);
            Ok(Vec::new())
        }
        Record::Replay { tenant, replay, state } => {
            replay::apply((tenant, replay), state.as_ref(), position, tables);
            Ok(Vec::new())
        }
        Record::Redriving { tenant, queue, state } => {
            redriving::apply((tenant, queue), state, position, tables);
            Ok(Vec::new())
        }
        Record::Queue { tenant, queue, moves } => {
            moves::apply((tenant, queue), moves, (position, time_ms, history), tables)
        }
        Record::Fanned { tenant, event, next, targets } => {
            fan::apply((tenant, *event), *next, targets, (time_ms, history), tables)
        }
        Record::Ordered { tenant, to, key, delivery, place } => {
            behind::apply((tenant, to, key), *delivery, *place, (time_ms, history), tables)
        }
        // Time is in the frames. Only what is remembered for a while asks how it came to be.
        Record::Follow { .. } => Ok(Vec::new()),
    }
}

/// What a delivery is about, for the functions below.
pub(crate) struct Arising<'a> {
    pub(crate) tenant: &'a TenantName,
    pub(crate) bus: &'a wharf_event::BusName,
    pub(crate) event: &'a Event,
    pub(crate) position: Position,
    pub(crate) time_ms: u64,
}

impl Arising<'_> {
    /// The rows of deliveries of an event, numbered in the order of its targets.
    pub(crate) fn deliveries(&self, targets: &[TargetRef]) -> Vec<Due> {
        let due = |(n, target): (u16, &TargetRef)| Due {
            id: DeliveryId { event: self.position, n },
            row: DeliveryRow {
                tenant: self.tenant.clone(),
                bus: self.bus.clone(),
                target: target.clone(),
                attempts: 0,
                due_ms: self.time_ms,
                since_ms: self.time_ms,
                timed: false,
                leased: false,
                place: None,
            },
            event: Some(self.event.clone()),
        };
        (0..).zip(targets).map(due).collect()
    }
}

/// Writes deliveries that arose, and gives those that wait for their turn, and not behind others.
pub(crate) fn insert_deliveries(due: Vec<Due>, tables: &mut impl Tables) -> Result<Vec<Due>, TableError> {
    let mut waiting = Vec::with_capacity(due.len());
    for delivery in due {
        sizes::waits(&delivery.row, tables)?;
        if behind::arises(delivery.id, &delivery.row, tables) {
            insert_waiting(delivery.id, &delivery.row, tables);
            waiting.push(delivery);
        }
    }
    Ok(waiting)
}

/// Removes a delivery, and the row of its time if it has one.
pub(crate) fn remove_delivery(id: DeliveryId, row: &DeliveryRow, tables: &mut impl Tables) {
    tables.remove(Table::Deliveries, &row.key(id));
    if let Some((table, key)) = row.clock(id) {
        tables.remove(table, &key);
    }
}

/// Writes a delivery that waits for its time. There is none under that key: whoever calls has removed it.
pub(crate) fn insert_timed(id: DeliveryId, row: &DeliveryRow, tables: &mut impl Tables) {
    insert_clocked(id, row, Vec::new(), tables);
}

/// Writes a delivery that waits, for its turn or for its time.
fn insert_waiting(id: DeliveryId, row: &DeliveryRow, tables: &mut impl Tables) {
    if row.timed {
        return insert_timed(id, row, tables);
    }
    tables.insert(Table::Deliveries, &row.key(id), row.encode());
}

/// As [`insert_timed`], with what the row of its time says.
pub(crate) fn insert_clocked(id: DeliveryId, row: &DeliveryRow, says: Vec<u8>, tables: &mut impl Tables) {
    let clock = row.clock(id);
    assert!(clock.is_some(), "a delivery with a row of its time is one that waits for it");
    tables.insert(Table::Deliveries, &row.key(id), row.encode());
    if let Some((table, key)) = clock {
        tables.insert(table, &key, says);
    }
}

pub(crate) fn change_stats(
    tenant: &TenantName,
    tables: &mut impl Tables,
    change: impl FnOnce(&mut StatsRow),
) -> Result<(), TableError> {
    let key = keys::tenant(tenant);
    let mut stats = StatsRow::read(tables, &key)?.unwrap_or_default();
    change(&mut stats);
    tables.put(Table::Stats, &key, stats.encode());
    Ok(())
}

/// Moves a delivery to its dead-letter queue. The caller removes the delivery's row, if it had one.
pub(crate) fn dead_letter(
    id: DeliveryId,
    row: DeliveryRow,
    (queue, code, reason): (&QueueName, Code, &str),
    time_ms: u64,
    tables: &mut impl Tables,
) -> Result<(), TableError> {
    let queue_key = keys::queue(&row.tenant, queue);
    let depth = QueueRow::read(tables, &queue_key)?.unwrap_or_default().depth;
    tables.put(Table::Queues, &queue_key, QueueRow { depth: depth + 1 }.encode());
    let key = keys::dead_letter(&row.tenant, queue, id);
    let dead = DeadLetterRow { delivery: row, code, reason: reason.to_owned(), at_ms: time_ms };
    tables.put(Table::DeadLetters, &key, dead.encode());
    tables.put(Table::Letters, &id.to_key(), queue.as_str().into());
    Ok(())
}
