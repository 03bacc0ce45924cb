//! What attempts used, summed by tenant, hour and plugin, so that it can be charged.
//!
//! Invariant: the sums are exact. They are made of settle records alone, by the time of their frames, so the same log gives the
//! same sums; a settle adds to one row. A row is complete when its hour is over, since frame time never falls. What is older than
//! [`crate::limits::USAGE_KEPT_HOURS`] is forgotten in pages, by a record that says how far. What anything costs is not known here.

use std::ops::Bound;

use bytes::Bytes;
use wharf_event::{PluginName, Position, TenantName};

use crate::{
    CarriedRow, Quotas, Record, TenantObject, budgets,
    codec::{DecodeError, Reader, Writer},
    keys,
    limits::USAGE_FORGOTTEN_MAX,
    rows::{Row, place_room, put_place, take_place},
    sequencer::{Answer, Decision, Sequencer},
    tables::{Table, TableError, Tables},
};

/// Milliseconds of an hour.
pub(crate) const HOUR_MS: u64 = 3_600_000;

/// An hour of frame time, counted since 1970.
#[must_use]
pub fn hour_of(time_ms: u64) -> u32 {
    u32::try_from(time_ms / HOUR_MS).unwrap_or(u32::MAX)
}

/// What an attempt used: its transforms, and every run of its handler, those included that conflicts made void.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Used {
    /// CPU time, in nanoseconds.
    pub cpu_ns: u64,
    /// Linear memory at its largest times wall time, in KiB times microseconds.
    pub memory_kib_us: u64,
    /// Bytes of the events that guests were given, and of the values and keys that they read.
    pub bytes_in: u64,
    /// Bytes of the events that they published and of the changes that they made, kept or not.
    pub bytes_out: u64,
    /// Work of the host: events published, keys read or listed, keys changed, lines logged.
    pub host_calls: u64,
}

impl Used {
    /// Adds what something else used.
    pub fn add(&mut self, other: &Self) {
        self.cpu_ns = self.cpu_ns.saturating_add(other.cpu_ns);
        self.memory_kib_us = self.memory_kib_us.saturating_add(other.memory_kib_us);
        self.bytes_in = self.bytes_in.saturating_add(other.bytes_in);
        self.bytes_out = self.bytes_out.saturating_add(other.bytes_out);
        self.host_calls = self.host_calls.saturating_add(other.host_calls);
    }

    pub(crate) fn put(&self, w: &mut Writer) {
        w.u64(self.cpu_ns).u64(self.memory_kib_us).u64(self.bytes_in).u64(self.bytes_out).u64(self.host_calls);
    }

    pub(crate) fn take(r: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self {
            cpu_ns: r.u64("cpu time")?,
            memory_kib_us: r.u64("memory time")?,
            bytes_in: r.u64("bytes in")?,
            bytes_out: r.u64("bytes out")?,
            host_calls: r.u64("host calls")?,
        })
    }
}

/// What the attempts of a plugin used in an hour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UsageRow {
    /// Attempts in which a guest ran.
    pub attempts: u64,
    /// What they used together.
    pub used: Used,
    /// The record that it was carried to; absent where it was not, or has changed since.
    pub place: Option<Position>,
}

impl Row for UsageRow {
    const TABLE: Table = Table::Usage;

    fn room(&self) -> usize {
        49 + place_room(self.place)
    }

    fn put(&self, w: &mut Writer) {
        w.u64(self.attempts);
        self.used.put(w);
        put_place(w, self.place);
    }

    fn take(r: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self { attempts: r.u64("attempts")?, used: Used::take(r)?, place: take_place(r)? })
    }
}

/// A row with what its key says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Which hour, counted since 1970.
    pub hour: u32,
    /// Which plugin.
    pub plugin: PluginName,
    /// Its row.
    pub row: UsageRow,
}

impl UsageRow {
    /// Reads the row's bytes.
    ///
    /// # Errors
    /// When the row is damaged.
    pub fn from_bytes(bytes: &Bytes) -> Result<Self, TableError> {
        Row::decode(bytes)
    }

    /// Whether it has to be written again before the frames below `below_k` may go.
    #[must_use]
    pub fn needs_carrying(&self, below_k: u64) -> bool {
        self.place.is_none_or(|place| place.k < below_k)
    }
}

impl Usage {
    /// A page of a tenant's usage, by hour and plugin: that of hours before `to_hour` which lies above `after`.
    ///
    /// # Errors
    /// When the table cannot be read or a row is damaged.
    pub fn page(
        tables: &impl Tables,
        tenant: &TenantName,
        after: Bound<(u32, &PluginName)>,
        to_hour: u32,
        limit: usize,
    ) -> Result<Vec<Self>, TableError> {
        let key = |(hour, plugin): (u32, &PluginName)| keys::usage(tenant, hour, plugin);
        let after = after.map(key);
        Self::above(tables, tenant, after.as_ref().map(Vec::as_slice), to_hour, limit)
    }

    /// The same from the beginning of an hour on.
    ///
    /// # Errors
    /// As [`Usage::page`].
    pub fn page_from(
        tables: &impl Tables,
        tenant: &TenantName,
        from_hour: u32,
        to_hour: u32,
        limit: usize,
    ) -> Result<Vec<Self>, TableError> {
        Self::above(tables, tenant, Bound::Included(&keys::usage_hour(tenant, from_hour)), to_hour, limit)
    }

    /// What all plugins of a tenant used in an hour.
    ///
    /// # Errors
    /// As [`Usage::page`].
    pub fn of_hour(tables: &impl Tables, tenant: &TenantName, hour: u32) -> Result<Used, TableError> {
        let mut used = Used::default();
        let rows = Self::page_from(tables, tenant, hour, hour.saturating_add(1), usize::MAX)?;
        rows.iter().for_each(|usage| used.add(&usage.row.used));
        Ok(used)
    }

    fn above(
        tables: &impl Tables,
        tenant: &TenantName,
        after: Bound<&[u8]>,
        to_hour: u32,
        limit: usize,
    ) -> Result<Vec<Self>, TableError> {
        let rows = tables.scan(Table::Usage, &keys::tenant(tenant), after, limit)?;
        let usage = |(key, row): &(Bytes, Bytes)| {
            let source = DecodeError::Invalid("hour and plugin");
            let (hour, plugin) =
                keys::usage_parts(key).ok_or(TableError::Row { table: Table::Usage.name(), source })?;
            Ok(Self { hour, plugin, row: Row::decode(row)? })
        };
        let before = |usage: &Result<Self, TableError>| usage.as_ref().map_or(true, |usage| usage.hour < to_hour);
        rows.iter().map(usage).take_while(before).collect()
    }
}

/// Adds an attempt to the sums of its hour.
pub(crate) fn apply(
    (tenant, plugin): (&TenantName, &PluginName),
    used: &Used,
    time_ms: u64,
    tables: &mut impl Tables,
) -> Result<(), TableError> {
    charge((tenant, plugin), 1, used, time_ms, tables)
}

/// Adds calls to the sums of their hour.
pub(crate) fn charge(
    (tenant, plugin): (&TenantName, &PluginName),
    calls: u64,
    used: &Used,
    time_ms: u64,
    tables: &mut impl Tables,
) -> Result<(), TableError> {
    let key = keys::usage(tenant, hour_of(time_ms), plugin);
    let mut row = UsageRow::read(tables, &key)?.unwrap_or_default();
    row.attempts = row.attempts.saturating_add(calls);
    row.used.add(used);
    row.place = None;
    tables.put(Table::Usage, &key, row.encode());
    Ok(())
}

/// The wish to charge calls that are of no delivery.
#[derive(Clone, Debug)]
pub struct ChargeRequest {
    /// Whose they are.
    pub tenant: TenantName,
    /// Which plugin's.
    pub plugin: PluginName,
    /// How many.
    pub calls: u64,
    /// What they used together.
    pub used: Used,
    /// What the tenant may use an hour.
    pub quotas: Quotas,
}

/// Charges calls, and says whether the tenant has used up what it may use this hour.
pub(crate) fn decide_charge(
    sequencer: &mut Sequencer,
    request: ChargeRequest,
    now_ms: u64,
    tables: &impl Tables,
) -> Result<Decision, TableError> {
    let ChargeRequest { tenant, plugin, calls, used, quotas } = request;
    // What it used before goes with it, and so does this.
    if TenantObject::is_closed(tables, &tenant)? {
        return Ok(Decision { records: Vec::new(), answer: Answer::Charged { spent: None } });
    }
    // What is known of the hour is known before this is part of it.
    sequencer.hours.spent(&tenant, &quotas, now_ms, tables)?;
    sequencer.hours.charge(&tenant, &used, now_ms);
    let answer = Answer::Charged { spent: sequencer.hours.spent(&tenant, &quotas, now_ms, tables)? };
    Ok(Decision { records: vec![Record::Charged { tenant, plugin, calls, used }], answer })
}

/// The wish to forget what a tenant used long ago.
#[derive(Clone, Debug)]
pub struct ForgetRequest {
    /// Whose it is.
    pub tenant: TenantName,
    /// The first hour that stays.
    pub from_hour: u32,
}

pub(crate) fn decide<T: Tables>(request: ForgetRequest, tables: &T) -> Result<Decision, TableError> {
    let ForgetRequest { tenant, from_hour } = request;
    let page = Usage::page_from(tables, &tenant, 0, from_hour, USAGE_FORGOTTEN_MAX)?;
    let models = budgets::forget(&tenant, from_hour, tables)?;
    let records = page.last().map(|last| Record::Forgotten { tenant, hour: last.hour, plugin: last.plugin.clone() });
    Ok(Decision { records: records.into_iter().chain(models).collect(), answer: Answer::Noted })
}

/// Removes what a tenant used up to and with that hour and plugin: as many rows as whoever decided saw there, or fewer.
pub(crate) fn forget(
    tenant: &TenantName,
    hour: u32,
    plugin: &PluginName,
    tables: &mut impl Tables,
) -> Result<(), TableError> {
    remove_to(Table::Usage, &keys::tenant(tenant), &keys::usage(tenant, hour, plugin), tables)
}

/// Removes the rows under `prefix` up to and with `last`, in one page.
pub(crate) fn remove_to(table: Table, prefix: &[u8], last: &[u8], tables: &mut impl Tables) -> Result<(), TableError> {
    let rows = tables.scan(table, prefix, Bound::Unbounded, USAGE_FORGOTTEN_MAX)?;
    for (key, _) in rows.iter().take_while(|(key, _)| key.as_ref() <= last) {
        tables.remove(table, key);
    }
    Ok(())
}

/// The rows of those keys that have to be written again, at their new place.
pub(crate) fn carried(
    keys: Vec<Bytes>,
    below_k: u64,
    base: Position,
    tables: &impl Tables,
) -> Result<Vec<CarriedRow>, TableError> {
    let mut rows = Vec::with_capacity(keys.len());
    for key in keys {
        if let Some(mut row) = UsageRow::read(tables, &key)?.filter(|row| row.needs_carrying(below_k)) {
            row.place = Some(base);
            rows.push(CarriedRow { table: Table::Usage, key, row: row.encode().into() });
        }
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use wharf_event::Digest;

    use super::*;
    use crate::{Attempt, DeliveryId, Details, Outcome, RecordKind, RecordingAt, TargetRef};

    fn used() -> Used {
        Used { cpu_ns: 0x0102, memory_kib_us: 3, bytes_in: 4, bytes_out: 5, host_calls: 6 }
    }

    fn recording() -> RecordingAt {
        RecordingAt { segment: 7, offset: 16, bytes: 9, digest: Digest([5; 32]) }
    }

    fn settle(details: Option<Details>) -> Record {
        let details = details.map(Arc::new);
        Record::Settle {
            tenant: "t".parse().unwrap(),
            bus: "b".parse().unwrap(),
            delivery: DeliveryId { event: Position { k: 1, i: 0 }, n: 0 },
            target: TargetRef::new("r".parse().unwrap(), "p".parse().unwrap()),
            attempt: Attempt { number: 1, release: Some(Digest::of(b"r")), duration_us: 1, details },
            outcome: Outcome::Ack,
            published: Vec::new(),
            writes: Vec::new(),
        }
    }

    #[test]
    fn a_settle_has_the_kind_of_what_it_tells_and_each_kind_reads_back() {
        let (told, metered) = (Details::default(), Details { used: Some(used()), ..Details::default() });
        let consumed = Details { consumer: Some("sums".parse().unwrap()), ..metered.clone() };
        let [recorded, both] =
            [&metered, &consumed].map(|of| Details { recording: Some(recording()), ..Details::clone(of) });
        let cases = [
            (None, RecordKind::Settle),
            (Some(told), RecordKind::Settled),
            (Some(metered), RecordKind::Metered),
            (Some(consumed), RecordKind::Consumed),
            (Some(recorded), RecordKind::Recorded),
            (Some(both), RecordKind::Recorded),
        ];
        for (details, kind) in cases {
            let record = settle(details.clone());
            assert_eq!(record.kind(), kind);
            let Record::Settle { attempt, .. } = Record::decode(kind, &record.encode().into()).unwrap() else {
                panic!("another record")
            };
            assert_eq!(attempt.details.as_deref(), details.as_ref());
        }
    }

    #[test]
    fn the_bytes_are_those_that_logs_on_disk_hold() {
        let metered = settle(Some(Details { used: Some(used()), ..Details::default() })).encode();
        let number = |n: u8| [n, 0, 0, 0, 0, 0, 0, 0];
        let sums = [[2, 1, 0, 0, 0, 0, 0, 0], number(3), number(4), number(5), number(6)].concat();
        assert!(metered.ends_with(&sums));
        let consumer = Some("sums".parse().unwrap());
        let consumed = Details { used: Some(used()), consumer, ..Details::default() };
        assert_eq!(settle(Some(consumed.clone())).encode(), [&metered[..], b"\x04\0\0\0sums"].concat());
        let place = [&number(7)[..], &number(16), b"\x09\0\0\0", &[5; 32]].concat();
        let recorded = |of: Details| settle(Some(Details { recording: Some(recording()), ..of })).encode();
        assert_eq!(recorded(consumed.clone()), [&metered[..], b"\x01\x04\0\0\0sums", &place].concat());
        let nobody = Details { consumer: None, ..consumed };
        assert_eq!(recorded(nobody), [&metered[..], b"\0", &place].concat());
        let row = UsageRow { attempts: 7, used: used(), place: Some(Position { k: 8, i: 256 }) };
        let place = [&[1][..], &number(8), &[0, 1, 0, 0]].concat();
        assert_eq!(row.encode(), [&number(7)[..], &sums, &place].concat());
        let charged =
            Record::Charged { tenant: "t".parse().unwrap(), plugin: "p".parse().unwrap(), calls: 9, used: used() };
        assert_eq!(charged.encode(), [&b"\x01\0\0\0t\x01\0\0\0p"[..], &number(9), &sums].concat());
        let forgotten = Record::Forgotten { tenant: "t".parse().unwrap(), hour: 500_000, plugin: "p".parse().unwrap() };
        assert_eq!(forgotten.encode(), b"\x01\0\0\0t\x20\xa1\x07\0\x01\0\0\0p");
    }
}
