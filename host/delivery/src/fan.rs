//! Transition: an event that is owed to very many comes to be owed to the next of them.
//!
//! Who it is owed to is decided when it is accepted or published, and stands in its record. But no record lets more deliveries arise than
//! [`TARGETS_AT_ONCE`]: behind those the event has one row that says how far it came, and later records let the rest arise, in the order of the
//! targets. Invariant: each arises once, since a record goes on from where the row stands; all of them count as waiting from the beginning.
//! Deliveries with an ordering key are among the first, so that they take their places before those of events that come later; records of hosts
//! of before may have others, which take their places when they arise.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Bound,
};

use bytes::Bytes;
use wharf_event::{BusName, Position, QueueName, TenantName};

use crate::{
    DecodeError, DeliveryId, DeliveryRow, Due, Move, Record, TargetRef,
    apply::{History, insert_deliveries},
    behind::Lines,
    codec::Writer,
    keys,
    limits::{TARGETS_AT_ONCE, TARGETS_PER_EVENT_MAX},
    rows::read_of,
    sequencer::{Answer, Decision, Refused},
    sizes,
    tables::{Table, TableError, Tables},
};

/// How far an event came that is owed to more than arise at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FanOut {
    /// The bus that it arose on.
    pub bus: BusName,
    /// When it was accepted or published, in milliseconds since 1970.
    pub since_ms: u64,
    /// The number of the next target.
    pub next: u16,
    /// How many targets it has.
    pub total: u16,
}

impl FanOut {
    /// Deliveries that are to arise.
    #[must_use]
    pub fn left(&self) -> u64 {
        u64::from(self.total.saturating_sub(self.next))
    }

    /// How far an event came; absent where all of its deliveries arose.
    ///
    /// # Errors
    /// When the table cannot be read or the row is damaged.
    pub fn get(tables: &impl Tables, tenant: &TenantName, event: Position) -> Result<Option<Self>, TableError> {
        tables.get(Table::FanOuts, &keys::fan_out(tenant, event))?.map(|row| Self::of_row(&row)).transpose()
    }

    /// Events of all tenants whose deliveries did not all arise yet, at most so many, behind a key; with their keys.
    ///
    /// # Errors
    /// When the table cannot be read or a key or row is damaged.
    pub fn page(
        tables: &impl Tables,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Bytes, TenantName, Position, Self)>, TableError> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let rows = tables.scan(Table::FanOuts, &[], from, limit)?;
        let read = |(key, row): (Bytes, Bytes)| {
            let (tenant, event) = keys::fan_out_parts(&key).ok_or_else(|| damaged("key"))?;
            Ok((key, tenant, event, Self::of_row(&row)?))
        };
        rows.into_iter().map(read).collect()
    }

    /// Reads a row of [`Table::FanOuts`].
    ///
    /// # Errors
    /// When it is damaged.
    pub fn of_row(row: &Bytes) -> Result<Self, TableError> {
        read_of(Table::FanOuts, row, |r| {
            Ok(Self { bus: r.parse("bus")?, since_ms: r.u64("since")?, next: r.u16("next")?, total: r.u16("total")? })
        })
    }

    fn encode(&self) -> Vec<u8> {
        let mut w = Writer::with_room(64);
        w.str(self.bus.as_str()).u64(self.since_ms).u16(self.next).u16(self.total);
        w.finish()
    }
}

/// The wish that the next deliveries of an event arise.
#[derive(Clone, Debug)]
pub struct FanRequest {
    /// Whose it is.
    pub tenant: TenantName,
    /// The event, where it was accepted or published.
    pub event: Position,
    /// How far it is taken to have come.
    pub next: u16,
    /// Who it is owed to from there on: at most [`TARGETS_AT_ONCE`], as its record has them.
    pub targets: Vec<TargetRef>,
    /// Queues among them whose messages wait before anybody can receive them, and for how long, in milliseconds.
    pub delays: HashMap<QueueName, u64>,
}

/// Whether an event has more targets than it may have: those with ordering keys arise with it, before events that come behind it.
#[must_use]
pub fn is_too_wide(targets: &[TargetRef]) -> bool {
    let arising_later = targets.get(TARGETS_AT_ONCE..).unwrap_or_default();
    targets.len() > TARGETS_PER_EVENT_MAX || arising_later.iter().any(|target| target.key().is_some())
}

/// The first of an event's targets, whose deliveries arise with it.
pub(crate) fn first(targets: &[TargetRef]) -> &[TargetRef] {
    targets.get(..TARGETS_AT_ONCE).unwrap_or(targets)
}

/// The same, to be given their places.
pub(crate) fn first_mut(targets: &mut [TargetRef]) -> &mut [TargetRef] {
    let at_once = targets.len().min(TARGETS_AT_ONCE);
    targets.split_at_mut(at_once).0
}

/// Remembers that an event has further targets, if it has.
pub(crate) fn begin(
    tenant: &TenantName,
    bus: &BusName,
    targets: &[TargetRef],
    (event, time_ms): (Position, u64),
    tables: &mut impl Tables,
) -> Result<(), TableError> {
    let next = first(targets).len();
    if next < targets.len() {
        let number = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
        let (next, total) = (number(next), number(targets.len()));
        let row = FanOut { bus: bus.clone(), since_ms: time_ms, next, total };
        tables.insert(Table::FanOuts, &keys::fan_out(tenant, event), row.encode());
        sizes::fans((tenant, bus), row.left(), 0, tables)?;
    }
    Ok(())
}

pub(crate) fn decide<T: Tables>(request: FanRequest, tables: &T) -> Result<Result<Decision, Refused>, TableError> {
    let FanRequest { tenant, event, next, mut targets, delays } = request;
    let stands = FanOut::get(tables, &tenant, event)?;
    let len = targets.len();
    let fits = |of: &FanOut| {
        of.next == next && (1..=TARGETS_AT_ONCE as u64).contains(&(len as u64)) && len as u64 <= of.left()
    };
    let Some(stands) = stands.filter(fits) else { return Ok(Err(Refused::Gone)) };
    Lines::new(&tenant, &[], tables).place(&mut targets)?;
    let mut moves = BTreeMap::<_, Vec<_>>::new();
    for (n, target) in (next..).zip(&targets) {
        let queue = target.to.queue().filter(|_| !target.is_behind());
        if let Some((queue, delay_ms)) = queue.and_then(|queue| delays.get_key_value(queue)) {
            let until = Move::Delay(stands.since_ms.saturating_add(*delay_ms));
            moves.entry(queue).or_default().push((DeliveryId { event, n }, until));
        }
    }
    let delayed = moves.into_iter().map(|(queue, moves)| {
        let (tenant, queue) = (tenant.clone(), queue.clone());
        Record::Queue { tenant, queue, moves }
    });
    let delayed: Vec<_> = delayed.collect();
    let records = std::iter::once(Record::Fanned { tenant, event, next, targets }).chain(delayed).collect();
    Ok(Ok(Decision { records, answer: Answer::Noted }))
}

pub(crate) fn apply(
    (tenant, event): (&TenantName, Position),
    next: u16,
    targets: &[TargetRef],
    (time_ms, history): (u64, History),
    tables: &mut impl Tables,
) -> Result<Vec<Due>, TableError> {
    let Some(mut stands) = FanOut::get(tables, tenant, event)? else {
        return match history {
            // Where the log begins behind the event, what is still owed of it is written again.
            History::Cut => Ok(Vec::new()),
            History::Whole => Err(damaged("the event of a fan-out")),
        };
    };
    if stands.next != next {
        return Err(damaged("how far a fan-out came"));
    }
    let due = |(n, target): (u16, &TargetRef)| Due {
        id: DeliveryId { event, n },
        row: DeliveryRow {
            tenant: tenant.clone(),
            bus: stands.bus.clone(),
            target: target.clone(),
            attempts: 0,
            // Those of later events may be gone already: it waits for a time, which has come, and not for its turn.
            due_ms: time_ms,
            since_ms: stands.since_ms,
            timed: true,
            leased: false,
            place: None,
        },
        event: None,
    };
    let arising = (next..).zip(targets).map(due).collect();
    let step = u16::try_from(targets.len()).unwrap_or(u16::MAX);
    #[cfg(feature = "mutations")]
    let step = crate::mutation::step(step);
    let before = stands.left();
    stands.next = next.saturating_add(step);
    sizes::fans((tenant, &stands.bus), 0, before.saturating_sub(stands.left()), tables)?;
    let (key, row) = (keys::fan_out(tenant, event), (stands.left() > 0).then(|| stands.encode()));
    match row {
        Some(row) => tables.put(Table::FanOuts, &key, row),
        None => tables.remove(Table::FanOuts, &key),
    }
    insert_deliveries(arising, tables)
}

fn damaged(what: &'static str) -> TableError {
    TableError::Row { table: Table::FanOuts.name(), source: DecodeError::Invalid(what) }
}
