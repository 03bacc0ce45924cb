//! What an old record may still be needed for: events that are owed to somebody, and values and control objects that nobody has
//! replaced.
//!
//! It says what was written there, not whether the state still has it: that is decided where the state is known.

use bytes::Bytes;
use wharf_event::{Event, Position, TenantName};

use crate::{
    CarriedEvent, CarriedRow, DeadLetterRow, DeliveryId, DeliveryRow, Held, ModelStep, ObjectChange, Record, TargetRef,
    ValueWrite, keys,
    rows::Row,
    tables::{Table, TableError},
};

/// Events, values and objects of one record.
#[derive(Clone, Debug)]
pub struct Remains {
    /// Whose they are.
    pub tenant: TenantName,
    /// Events, with everyone that they were owed to.
    pub events: Vec<CarriedEvent>,
    /// Values, control objects, how schedules stand, and what models answered.
    pub held: Vec<Held>,
}

impl Remains {
    /// Those of a record that stands at `position`; absent when it can have none.
    ///
    /// # Errors
    /// When a carried row is damaged.
    pub fn of(record: &Record, position: Position) -> Result<Option<Self>, TableError> {
        let remains = match record {
            Record::Accept { tenant, event, targets, .. } => Self {
                tenant: tenant.clone(),
                events: owed(position, event, targets).into_iter().collect(),
                held: Vec::new(),
            },
            Record::Settle { tenant, published, writes, .. } => {
                let place = |n| Position { k: position.k, i: position.i + n };
                let events = (1..).zip(published);
                let events = events.flat_map(|(n, published)| owed(place(n), &published.event, &published.targets));
                Self { tenant: tenant.clone(), events: events.collect(), held: values(tenant, writes, position) }
            }
            Record::Served { tenant, writes, .. } => {
                Self { tenant: tenant.clone(), events: Vec::new(), held: values(tenant, writes, position) }
            }
            Record::Edited { tenant, delivery, event, letter, .. } => {
                let target = DeadLetterRow::decode(letter)?.delivery.target;
                let event =
                    CarriedEvent { from: position, event: event.clone(), deliveries: vec![(*delivery, target)] };
                Self { tenant: tenant.clone(), events: vec![event], held: Vec::new() }
            }
            Record::Carry { tenant, events, rows } => carried(tenant, events, rows, position)?,
            Record::Change { tenant, changes } => {
                let put = changes.iter().filter(|change| change.document.is_some());
                let key = |change: &ObjectChange| keys::object(tenant, change.kind, &change.name);
                let objects = put.map(|change| held(Table::Objects, key(change), position)).collect();
                Self { tenant: tenant.clone(), events: Vec::new(), held: objects }
            }
            Record::Fired { tenant, schedule, state: Some(_) } => {
                let row = held(Table::Schedules, keys::schedule(tenant, schedule), position);
                Self { tenant: tenant.clone(), events: Vec::new(), held: vec![row] }
            }
            Record::Replay { tenant, replay, state: Some(_) } => {
                let row = held(Table::Replays, keys::replay(tenant, replay), position);
                Self { tenant: tenant.clone(), events: Vec::new(), held: vec![row] }
            }
            Record::Redriving { tenant, queue, .. } => {
                let row = held(Table::Redrives, keys::queue(tenant, queue), position);
                Self { tenant: tenant.clone(), events: Vec::new(), held: vec![row] }
            }
            Record::Model { tenant, step: ModelStep::Answered { delivery, call, .. } } => {
                let row = held(Table::Models, keys::answer(tenant, *delivery, *call), position);
                Self { tenant: tenant.clone(), events: Vec::new(), held: vec![row] }
            }
            Record::Model { tenant, step: ModelStep::Shared { delivery, messages } } => {
                let row =
                    |message: &DeliveryId| held(Table::Models, keys::share(tenant, *message, *delivery), position);
                Self { tenant: tenant.clone(), events: Vec::new(), held: messages.iter().map(row).collect() }
            }
            Record::Model { .. }
            | Record::Fired { state: None, .. }
            | Record::Replay { state: None, .. }
            | Record::Configure { .. }
            | Record::Redrive { .. }
            | Record::Discard { .. }
            | Record::Queue { .. }
            | Record::Ordered { .. }
            | Record::Fanned { .. }
            | Record::Rules { .. }
            | Record::Cleaned { .. }
            | Record::Follow { .. }
            | Record::Erase { .. }
            | Record::Forgotten { .. }
            | Record::Charged { .. }
            | Record::Sealed(_) => return Ok(None),
        };
        Ok((!remains.events.is_empty() || !remains.held.is_empty()).then_some(remains))
    }
}

/// Values that were stored.
fn values(tenant: &TenantName, writes: &[ValueWrite], position: Position) -> Vec<Held> {
    let written = writes.iter().filter(|write| write.value.is_some());
    written.map(|write| held(Table::Values, keys::value(tenant, &write.bucket, &write.key), position)).collect()
}

fn held(table: Table, key: impl Into<Bytes>, from: Position) -> Held {
    Held { table, key: key.into(), from }
}

/// An event at its first place; none when nobody was owed it.
fn owed(position: Position, event: &Event, targets: &[TargetRef]) -> Option<CarriedEvent> {
    let delivery = |(n, target): (u16, &TargetRef)| (DeliveryId { event: position, n }, target.clone());
    let deliveries: Vec<_> = (0..).zip(targets).map(delivery).collect();
    (!deliveries.is_empty()).then(|| CarriedEvent { from: position, event: event.clone(), deliveries })
}

/// What was carried once is carried again with the same rows.
fn carried(
    tenant: &TenantName,
    events: &[Event],
    rows: &[CarriedRow],
    position: Position,
) -> Result<Remains, TableError> {
    let place = |n| Position { k: position.k, i: position.i + n };
    let event =
        |(n, event): (u32, &Event)| CarriedEvent { from: place(n), event: event.clone(), deliveries: Vec::new() };
    let mut events: Vec<CarriedEvent> = (1..).zip(events).map(event).collect();
    let mut values = Vec::new();
    for CarriedRow { table, key, row } in rows {
        let delivery = match table {
            Table::Deliveries => Some(DeliveryRow::decode(row)?),
            Table::Behind if !row.is_empty() => Some(DeliveryRow::decode_of(Table::Behind, row)?),
            Table::DeadLetters => Some(DeadLetterRow::decode(row)?.delivery),
            Table::Values | Table::Objects | Table::Schedules | Table::Replays | Table::Redrives => {
                values.push(held(*table, key.clone(), position));
                None
            }
            // Sums are asked about by themselves.
            Table::Models if keys::spent_parts(key).is_none() => {
                values.push(held(*table, key.clone(), position));
                None
            }
            _ => None,
        };
        let Some((row, id)) = delivery.zip(keys::delivery_of(key)) else { continue };
        // A record has at most 200 events, and its rows come in their order.
        if let Some(event) = events.iter_mut().find(|event| Some(event.from) == row.place) {
            event.deliveries.push((id, row.target));
        }
    }
    events.retain(|event| !event.deliveries.is_empty());
    Ok(Remains { tenant: tenant.clone(), events, held: values })
}
