//! Transition: what the state still needs of the log's oldest segments is written again, so that they can go.
//!
//! Whoever reads an old segment asks about what it finds there; the sequencer writes again only what the state still has from
//! that place. The place moves, ids and versions do not: a carried record changes nothing that anybody can see. When all of a
//! segment was asked about, and then the sums over it (counters, depths, memberships) were written too, `Cleaned` says that
//! the log from there on gives the state without what lies before.

use bytes::Bytes;
use wharf_event::{BucketName, Event, Position, QueueName, TenantName};

use crate::{
    BucketRow, DeadLetterRow, DecodeError, DeliveryId, DeliveryRow, Record, RulesRow, StatsRow, TargetRef, ValueRow,
    behind, budgets, keys,
    limits::{CARRIED_EVENTS_MAX, CARRIED_ROWS_MAX},
    models,
    rows::{QueueRow, Row},
    sequencer::{Answer, Decision},
    sizes,
    tables::{Table, TableError, Tables},
    usage, values,
};

/// What may have to be written again.
#[derive(Clone, Debug)]
pub enum CarryRequest {
    /// Events, for those of their deliveries and dead letters that are not settled.
    Events {
        /// Whose they are.
        tenant: TenantName,
        /// At most [`CARRIED_EVENTS_MAX`].
        events: Vec<CarriedEvent>,
    },
    /// Values, control objects, how schedules stand, and what models answered, if these records hold them still.
    Held {
        /// Whose they are.
        tenant: TenantName,
        /// Where they lie now.
        held: Vec<Held>,
        /// Bytes that they and their names take.
        bytes: usize,
    },
    /// The rule set, if it came into force before `below_k`.
    Rules {
        /// The first frame that stays.
        below_k: u64,
    },
    /// Sums over a tenant's rows.
    Sums {
        /// Whose they are.
        tenant: TenantName,
        /// Buckets, for their number of keys and their membership version.
        buckets: Vec<BucketName>,
        /// Dead-letter queues, for their depth.
        queues: Vec<QueueName>,
    },
    /// What attempts used, where it does not lie in the log from `below_k` on.
    Usage {
        /// Whose it is.
        tenant: TenantName,
        /// The keys of its rows, at most [`CARRIED_ROWS_MAX`].
        keys: Vec<Bytes>,
        /// The first frame that stays.
        below_k: u64,
    },
    /// What asking models cost, where it does not lie in the log from `below_k` on.
    Spent {
        /// Whose it is.
        tenant: TenantName,
        /// The keys of its rows, at most [`CARRIED_ROWS_MAX`].
        keys: Vec<Bytes>,
        /// The first frame that stays.
        below_k: u64,
    },
    /// Everything that the state needs of frames before this one was written again.
    Cleaned {
        /// The first frame that stays.
        below_k: u64,
    },
}

/// An event as it lies in an old segment.
#[derive(Clone, Debug)]
pub struct CarriedEvent {
    /// Where it lies now.
    pub from: Position,
    /// The event.
    pub event: Event,
    /// Its deliveries, settled or not, with whom they are for.
    pub deliveries: Vec<(DeliveryId, TargetRef)>,
}

/// A row whose bytes lie in a record.
#[derive(Clone, Debug)]
pub struct Held {
    /// Its table: one whose rows are those of values.
    pub table: Table,
    /// Its key.
    pub key: Bytes,
    /// Where it lies now.
    pub from: Position,
}

/// A row that is written again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CarriedRow {
    /// Its table.
    pub table: Table,
    /// Its key.
    pub key: Bytes,
    /// The row.
    pub row: Bytes,
}

/// The rows of one record.
#[derive(Default)]
struct Rows(Vec<CarriedRow>);

impl Rows {
    fn push(&mut self, table: Table, key: Vec<u8>, row: Vec<u8>) {
        self.0.push(CarriedRow { table, key: key.into(), row: row.into() });
    }
}

pub(crate) fn decide<T: Tables>(request: CarryRequest, base: Position, tables: &T) -> Result<Decision, TableError> {
    let record = match request {
        CarryRequest::Events { tenant, events } => carried_events(tenant, events, base, tables)?,
        CarryRequest::Held { tenant, held, bytes: _ } => carried_held(tenant, held, base, tables)?,
        CarryRequest::Rules { below_k } => {
            let rules = RulesRow::read(tables, &[])?.filter(|rules| rules.version < below_k);
            rules.map(|rules| Record::Rules { version: rules.version, document: rules.document })
        }
        CarryRequest::Sums { tenant, buckets, queues } => Some(carried_sums(tenant, buckets, queues, tables)?),
        CarryRequest::Usage { tenant, keys, below_k } => {
            let rows = usage::carried(keys, below_k, base, tables)?;
            (!rows.is_empty()).then_some(Record::Carry { tenant, events: Vec::new(), rows })
        }
        CarryRequest::Spent { tenant, keys, below_k } => {
            let rows = budgets::carried(keys, below_k, base, tables)?;
            (!rows.is_empty()).then_some(Record::Carry { tenant, events: Vec::new(), rows })
        }
        CarryRequest::Cleaned { below_k } => Some(Record::Cleaned { below_k }),
    };
    Ok(Decision { records: record.into_iter().collect(), answer: Answer::Carried })
}

fn carried_events(
    tenant: TenantName,
    candidates: Vec<CarriedEvent>,
    base: Position,
    tables: &impl Tables,
) -> Result<Option<Record>, TableError> {
    assert!(candidates.len() <= CARRIED_EVENTS_MAX, "a record's carried events are numbered in one byte");
    let (mut events, mut rows) = (Vec::new(), Rows::default());
    for CarriedEvent { from, event, deliveries } in candidates {
        // The events of a record are numbered from 1, as those that a settle published are.
        let place = Position { k: base.k, i: base.i + 1 + events.len() as u32 };
        let before = rows.0.len();
        for (id, target) in deliveries {
            carried_delivery((&tenant, &target), id, from, place, &mut rows, tables)?;
        }
        if rows.0.len() > before {
            events.push(event);
        }
    }
    assert!(rows.0.len() <= CARRIED_ROWS_MAX, "whoever asks keeps a record's rows within bounds");
    Ok((!events.is_empty()).then_some(Record::Carry { tenant, events, rows: rows.0 }))
}

/// Writes a delivery or dead letter again whose event lies at `from`, with its new place.
fn carried_delivery(
    (tenant, target): (&TenantName, &TargetRef),
    id: DeliveryId,
    from: Position,
    place: Position,
    rows: &mut Rows,
    tables: &impl Tables,
) -> Result<(), TableError> {
    let line = target.key().map(|key| keys::behind(tenant, &target.to, key, id));
    if let (Some(mut row), Some(line)) = (behind::find(tables, tenant, target, id)?, &line) {
        if row.event_at(id) == from {
            row.place = Some(place);
            rows.push(Table::Behind, line.clone(), row.encode());
        }
        return Ok(());
    }
    if let Some(mut row) = DeliveryRow::find(tables, tenant, &target.to, id)? {
        if row.event_at(id) == from {
            row.place = Some(place);
            rows.push(Table::Deliveries, row.key(id), row.encode());
            if let Some(line) = line {
                rows.push(Table::Behind, line, Vec::new());
            }
            if let Some((table, key)) = row.clock(id) {
                let says = tables.get(table, &key)?.unwrap_or_default();
                rows.push(table, key, says.to_vec());
            }
        }
        return Ok(());
    }
    let Some(queue) = letter_queue(tables, id)? else { return Ok(()) };
    let key = keys::dead_letter(tenant, &queue, id);
    if let Some(mut letter) = DeadLetterRow::read(tables, &key)?
        && letter.delivery.event_at(id) == from
    {
        letter.delivery.place = Some(place);
        rows.push(Table::DeadLetters, key, letter.encode());
        rows.push(Table::Letters, id.to_key().into(), queue.as_str().into());
    }
    Ok(())
}

/// The queue of a dead letter; absent when the delivery is none.
fn letter_queue(tables: &impl Tables, id: DeliveryId) -> Result<Option<QueueName>, TableError> {
    let Some(row) = tables.get(Table::Letters, &id.to_key())? else { return Ok(None) };
    let queue = std::str::from_utf8(&row).ok().and_then(|queue| queue.parse().ok());
    let source = DecodeError::Invalid("queue");
    queue.map(Some).ok_or(TableError::Row { table: Table::Letters.name(), source })
}

fn carried_held(
    tenant: TenantName,
    candidates: Vec<Held>,
    base: Position,
    tables: &impl Tables,
) -> Result<Option<Record>, TableError> {
    let mut rows = Rows::default();
    for Held { table, key, from } in candidates {
        if let Some(mut row) = ValueRow::held(tables, table, &key)?.filter(|row| row.held_at() == from) {
            row.place = Some(base);
            rows.push(table, key.into(), row.encode());
        }
    }
    Ok((!rows.0.is_empty()).then_some(Record::Carry { tenant, events: Vec::new(), rows: rows.0 }))
}

fn carried_sums(
    tenant: TenantName,
    buckets: Vec<BucketName>,
    queues: Vec<QueueName>,
    tables: &impl Tables,
) -> Result<Record, TableError> {
    let mut rows = Rows::default();
    for key in buckets.iter().map(|bucket| keys::bucket(&tenant, bucket)) {
        if let Some(row) = BucketRow::read(tables, &key)? {
            rows.push(Table::Buckets, key, row.encode());
        }
    }
    for key in queues.iter().map(|queue| keys::queue(&tenant, queue)) {
        if let Some(row) = QueueRow::read(tables, &key)? {
            rows.push(Table::Queues, key, row.encode());
        }
    }
    let key = keys::tenant(&tenant);
    if let Some(row) = StatsRow::read(tables, &key)? {
        rows.push(Table::Stats, key, row.encode());
    }
    Ok(Record::Carry { tenant, events: Vec::new(), rows: rows.0 })
}

/// Puts what was carried where it was, with its new place. Where the log was trimmed it may not be there yet.
pub(crate) fn apply(rows: &[CarriedRow], tables: &mut impl Tables) -> Result<(), TableError> {
    for CarriedRow { table, key, row } in rows {
        match table {
            Table::Values => values::put(key, row, tables)?,
            Table::Models => models::put(key, row, tables)?,
            Table::Behind if !row.is_empty() => {
                let was = tables.replace(*table, key, Some(row.to_vec()))?;
                if was.is_none() {
                    sizes::waits(&DeliveryRow::decode_of(Table::Behind, row)?, tables)?;
                }
            }
            Table::Deliveries => {
                if tables.replace(*table, key, Some(row.to_vec()))?.is_none() {
                    sizes::waits(&DeliveryRow::decode(row)?, tables)?;
                }
            }
            _ => tables.put(*table, key, row.to_vec()),
        }
    }
    Ok(())
}
