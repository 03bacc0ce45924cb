//! The rows of the tables.
//!
//! docs/design/records.md describes the bytes.

use bytes::Bytes;
use wharf_event::{BusName, Code, Position, Target, TenantName};

use crate::{
    DeliveryId, SpentRow, TargetRef, behind,
    codec::{DecodeError, Reader, Writer},
    keys,
    tables::{Table, TableError, Tables},
};

/// A row type: its table and its bytes.
pub(crate) trait Row: Sized {
    const TABLE: Table;
    fn put(&self, w: &mut Writer);
    fn take(r: &mut Reader) -> Result<Self, DecodeError>;

    /// Bytes that it takes, as far as that is easily said. Rows are written with every event, and live as long as they say.
    fn room(&self) -> usize {
        64
    }

    fn encode(&self) -> Vec<u8> {
        let mut w = Writer::with_room(self.room());
        self.put(&mut w);
        w.finish()
    }

    fn decode(bytes: &Bytes) -> Result<Self, TableError> {
        Self::decode_of(Self::TABLE, bytes)
    }

    /// Reads the row of a table that has such rows too.
    fn decode_of(table: Table, bytes: &Bytes) -> Result<Self, TableError> {
        read_of(table, bytes, Self::take)
    }

    fn read(tables: &impl Tables, key: &[u8]) -> Result<Option<Self>, TableError> {
        tables.get(Self::TABLE, key)?.as_ref().map(Self::decode).transpose()
    }
}

/// Reads all of what a row of a table holds.
pub(crate) fn read_of<T>(
    table: Table,
    bytes: &Bytes,
    take: impl FnOnce(&mut Reader) -> Result<T, DecodeError>,
) -> Result<T, TableError> {
    let read = || {
        let mut r = Reader::new(bytes);
        let value = take(&mut r)?;
        r.end()?;
        Ok(value)
    };
    read().map_err(|source| TableError::Row { table: table.name(), source })
}

macro_rules! public_row {
    ($($row:ident)*) => { $(impl $row {
        /// The row under `key`.
        ///
        /// # Errors
        /// When the table cannot be read or the row is damaged.
        pub fn get(tables: &impl Tables, key: &[u8]) -> Result<Option<Self>, TableError> {
            Row::read(tables, key)
        }

        /// Reads the row's bytes.
        ///
        /// # Errors
        /// When the row is damaged.
        pub fn from_bytes(bytes: &Bytes) -> Result<Self, TableError> {
            Row::decode(bytes)
        }
    })* };
}
public_row!(RulesRow DeliveryRow ValueRow BucketRow DeadLetterRow StatsRow SpentRow);

/// The rule set in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RulesRow {
    /// The k of the frame that brought it.
    pub version: u64,
    /// The document, canonical JSON.
    pub document: Bytes,
}

impl Row for RulesRow {
    const TABLE: Table = Table::Rules;
    fn put(&self, w: &mut Writer) {
        w.u64(self.version).bytes(&self.document);
    }
    fn take(r: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self { version: r.u64("version")?, document: r.bytes("document")? })
    }
}

/// What stands for "waits for its time, and somebody has it".
const LEASED: u8 = 2;

/// An unsettled delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryRow {
    /// Whose it is.
    pub tenant: TenantName,
    /// The event's bus.
    pub bus: BusName,
    /// Rule, and who is to have it.
    pub target: TargetRef,
    /// Attempts that were settled.
    pub attempts: u32,
    /// Not before this frame time, in milliseconds.
    pub due_ms: u64,
    /// When the obligation arose: frame time of the event, or of its last redrive.
    pub since_ms: u64,
    /// It waits for its time and not for its turn: it was tried before, was redriven, or arose when later ones may have been gone.
    pub timed: bool,
    /// It is a message of a queue that somebody has, until its time.
    pub leased: bool,
    /// Where its event was carried to; absent while it is where it came in.
    pub place: Option<Position>,
}

impl DeliveryRow {
    /// Its key.
    #[must_use]
    pub fn key(&self, id: DeliveryId) -> Vec<u8> {
        keys::delivery(&self.tenant, &self.target.to, self.timed, id)
    }

    /// The key of its timer.
    #[must_use]
    pub fn timer(&self, id: DeliveryId) -> Vec<u8> {
        keys::timer(self.due_ms, &self.key(id))
    }

    /// The row that says when its time comes, if it waits for that: a timer, or that of a queue's message.
    pub(crate) fn clock(&self, id: DeliveryId) -> Option<(Table, Vec<u8>)> {
        if !self.timed {
            return None;
        }
        Some(match self.target.to.queue() {
            None => (Table::Timers, self.timer(id)),
            Some(_) => {
                let key = keys::hidden(&self.tenant, &self.target.to, self.leased, self.due_ms, id);
                (Table::Hidden, key)
            }
        })
    }

    /// Where its event is read.
    #[must_use]
    pub fn event_at(&self, id: DeliveryId) -> Position {
        self.place.unwrap_or(id.event)
    }

    /// The unsettled delivery `id` to `target`, whether it was tried or not.
    ///
    /// # Errors
    /// When the table cannot be read or the row is damaged.
    pub fn find(
        tables: &impl Tables,
        tenant: &TenantName,
        target: &Target,
        id: DeliveryId,
    ) -> Result<Option<Self>, TableError> {
        for timed in [false, true] {
            if let Some(row) = Self::read(tables, &keys::delivery(tenant, target, timed, id))? {
                return Ok(Some(row));
            }
        }
        Ok(None)
    }
}

impl DeliveryRow {
    /// Whether a delivery is unsettled, be it behind others.
    ///
    /// # Errors
    /// As [`DeliveryRow::find`].
    pub fn waits(
        tables: &impl Tables,
        tenant: &TenantName,
        target: &TargetRef,
        id: DeliveryId,
    ) -> Result<bool, TableError> {
        Ok(Self::waiting(tables, tenant, target, id)?.is_some())
    }

    /// The unsettled delivery `id`, be it behind others.
    ///
    /// # Errors
    /// As [`DeliveryRow::find`].
    pub fn waiting(
        tables: &impl Tables,
        tenant: &TenantName,
        target: &TargetRef,
        id: DeliveryId,
    ) -> Result<Option<Self>, TableError> {
        match Self::find(tables, tenant, &target.to, id)? {
            Some(row) => Ok(Some(row)),
            None => behind::find(tables, tenant, target, id),
        }
    }
}

impl Row for DeliveryRow {
    const TABLE: Table = Table::Deliveries;
    fn room(&self) -> usize {
        let names = [self.tenant.as_str(), self.bus.as_str()];
        names.iter().map(|name| 4 + name.len()).sum::<usize>() + self.target.room() + 22 + place_room(self.place)
    }
    fn put(&self, w: &mut Writer) {
        w.str(self.tenant.as_str()).str(self.bus.as_str());
        self.target.put(w);
        w.u32(self.attempts).u64(self.due_ms).u64(self.since_ms);
        w.u8(if self.leased { LEASED } else { u8::from(self.timed) });
        put_place(w, self.place);
    }
    fn take(r: &mut Reader) -> Result<Self, DecodeError> {
        let (tenant, bus) = (r.parse("tenant")?, r.parse("bus")?);
        let target = TargetRef::take(r)?;
        let (attempts, due_ms, since_ms) = (r.u32("attempts")?, r.u64("due")?, r.u64("since")?);
        let waits = r.u8("timed")?;
        let (timed, leased) = (matches!(waits, 1 | LEASED), waits == LEASED);
        Ok(Self { tenant, bus, target, attempts, due_ms, since_ms, timed, leased, place: take_place(r)? })
    }
}

pub(crate) fn put_place(w: &mut Writer, place: Option<Position>) {
    match place {
        Some(place) => w.u8(1).position(place),
        None => w.u8(0),
    };
}

pub(crate) fn place_room(place: Option<Position>) -> usize {
    if place.is_some() { 12 } else { 0 }
}

pub(crate) fn take_place(r: &mut Reader) -> Result<Option<Position>, DecodeError> {
    Ok(if r.u8("has place")? == 1 { Some(r.position("place")?) } else { None })
}

/// A value with its version, or a control object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueRow {
    /// Where it was written.
    pub version: Position,
    /// The value.
    pub value: Bytes,
    /// Where it was carried to; absent while it is where it was written.
    pub place: Option<Position>,
}

impl ValueRow {
    /// The row under `key` of one of the tables that hold values.
    ///
    /// # Errors
    /// When the table cannot be read or the row is damaged.
    pub fn held(tables: &impl Tables, table: Table, key: &[u8]) -> Result<Option<Self>, TableError> {
        tables.get(table, key)?.map(|row| Self::decode_of(table, &row)).transpose()
    }

    /// The record that holds it now.
    #[must_use]
    pub fn held_at(&self) -> Position {
        self.place.unwrap_or(self.version)
    }
}

impl Row for ValueRow {
    const TABLE: Table = Table::Values;
    fn room(&self) -> usize {
        17 + self.value.len() + place_room(self.place)
    }
    fn put(&self, w: &mut Writer) {
        w.position(self.version).bytes(&self.value);
        put_place(w, self.place);
    }
    fn take(r: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self { version: r.position("version")?, value: r.bytes("value")?, place: take_place(r)? })
    }
}

/// A bucket: its membership version changes whenever a key comes or goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BucketRow {
    /// The record that last added or removed a key.
    pub membership: Position,
    /// How many keys there are.
    pub keys: u64,
}

impl Row for BucketRow {
    const TABLE: Table = Table::Buckets;
    fn put(&self, w: &mut Writer) {
        w.position(self.membership).u64(self.keys);
    }
    fn take(r: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self { membership: r.position("membership")?, keys: r.u64("keys")? })
    }
}

/// A delivery that was given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetterRow {
    /// The delivery as it was.
    pub delivery: DeliveryRow,
    /// Why.
    pub code: Code,
    /// Why, in words.
    pub reason: String,
    /// Frame time of the settle, in milliseconds.
    pub at_ms: u64,
}

impl DeadLetterRow {
    /// What its last attempt ended with.
    #[must_use]
    pub fn cause(&self) -> Code {
        crate::retry::cause(self.code, &self.reason)
    }
}

impl Row for DeadLetterRow {
    const TABLE: Table = Table::DeadLetters;
    fn put(&self, w: &mut Writer) {
        self.delivery.put(w);
        w.str(self.code.as_str()).str(&self.reason).u64(self.at_ms);
    }
    fn take(r: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self {
            delivery: DeliveryRow::take(r)?,
            code: r.parse("code")?,
            reason: r.str("reason")?,
            at_ms: r.u64("at")?,
        })
    }
}

/// How many dead letters a queue holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct QueueRow {
    pub(crate) depth: u64,
}

impl Row for QueueRow {
    const TABLE: Table = Table::Queues;
    fn put(&self, w: &mut Writer) {
        w.u64(self.depth);
    }
    fn take(r: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self { depth: r.u64("depth")? })
    }
}

/// A tenant's counters since its first event, exact over crashes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StatsRow {
    /// Events received, duplicates not counted.
    pub events: u64,
    /// Events published by handlers.
    pub published: u64,
    /// Deliveries that arose, redriven ones not counted again.
    pub deliveries: u64,
    /// Attempts that were settled.
    pub attempts: u64,
    /// Attempts that ended in a retry.
    pub retries: u64,
    /// Deliveries that were given up.
    pub dead_letters: u64,
    /// Dead letters that became deliveries again.
    pub redriven: u64,
    /// Deliveries unsettled now.
    pub pending: u64,
}

impl Row for StatsRow {
    const TABLE: Table = Table::Stats;
    fn put(&self, w: &mut Writer) {
        w.u64(self.events).u64(self.published).u64(self.deliveries).u64(self.attempts);
        w.u64(self.retries).u64(self.dead_letters).u64(self.redriven).u64(self.pending);
    }
    fn take(r: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self {
            events: r.u64("events")?,
            published: r.u64("published")?,
            deliveries: r.u64("deliveries")?,
            attempts: r.u64("attempts")?,
            retries: r.u64("retries")?,
            dead_letters: r.u64("dead letters")?,
            redriven: r.u64("redriven")?,
            pending: r.u64("pending")?,
        })
    }
}

impl DeadLetterRow {
    /// How many dead letters `queue` of `tenant` holds; absent when it never held one.
    ///
    /// # Errors
    /// When the table cannot be read or the row is damaged.
    pub fn depth(
        tables: &impl Tables,
        tenant: &TenantName,
        queue: &wharf_event::QueueName,
    ) -> Result<Option<u64>, TableError> {
        Ok(QueueRow::read(tables, &keys::queue(tenant, queue))?.map(|row| row.depth))
    }

    /// Reads the depth out of a row of [`Table::Queues`].
    ///
    /// # Errors
    /// When the row is damaged.
    pub fn depth_of(row: &Bytes) -> Result<u64, TableError> {
        Ok(QueueRow::decode(row)?.depth)
    }
}
