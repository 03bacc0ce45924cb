//! Deliveries to one target with one ordering key, one behind the other.
//!
//! The first of them is a delivery like any other: it waits for its turn or its time, is tried again, and is settled. The others wait behind
//! it, and nobody who looks for work sees them; when the first one leaves, the next by its id takes its place, and waits for a time that has
//! come: those that came after it may be gone already. Invariant: as long as a delivery of a key waits, exactly one of them has no row here but
//! the mark of the first. Who waits behind others, and who takes a place, is decided and stands in the records: a shorter log may not know of
//! those before.

use std::{collections::HashSet, ops::Bound};

use bytes::Bytes;
use wharf_event::{OrderingKey, Target, TenantName};

use crate::{
    DecodeError, DeliveryId, DeliveryRow, Due, Record, TargetRef,
    apply::{History, insert_timed},
    codec::{Reader, Writer},
    keys,
    rows::Row as _,
    tables::{Table, TableError, Tables},
};

/// Where a delivery is among those of its key from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinePlace {
    /// It is the first.
    First,
    /// It waits behind others.
    Behind,
}

/// Finds the places of deliveries that arise from one request.
pub(crate) struct Lines<'a, T> {
    tenant: &'a TenantName,
    tables: &'a T,
    /// Deliveries that leave by the same request.
    leaving: &'a [DeliveryId],
    begun: HashSet<(Target, OrderingKey)>,
}

impl<'a, T: Tables> Lines<'a, T> {
    pub(crate) fn new(tenant: &'a TenantName, leaving: &'a [DeliveryId], tables: &'a T) -> Self {
        Self { tenant, tables, leaving, begun: HashSet::new() }
    }

    /// Says of each target whether its delivery waits behind others.
    pub(crate) fn place(&mut self, targets: &mut [TargetRef]) -> Result<(), TableError> {
        for target in targets {
            let Some((key, is_behind)) = &mut target.order else { continue };
            let begun = !self.begun.insert((target.to.clone(), key.clone()));
            *is_behind = begun || first(self.tables, (self.tenant, &target.to, key), self.leaving)?.is_some();
        }
        Ok(())
    }
}

/// The first delivery of a key but for those that leave, of which a key has one at most.
fn first(
    tables: &impl Tables,
    (tenant, to, key): (&TenantName, &Target, &OrderingKey),
    leaving: &[DeliveryId],
) -> Result<Option<DeliveryId>, TableError> {
    let line = tables.scan(Table::Behind, &keys::line(tenant, to, key), Bound::Unbounded, 2)?;
    let ids = line.iter().map(|(place, _)| keys::delivery_of(place).ok_or_else(|| damaged("key")));
    Ok(ids.collect::<Result<Vec<_>, _>>()?.into_iter().find(|id| !leaving.contains(id)))
}

/// The record by which the next delivery of a key takes the place of one that leaves; none where there is none.
pub(crate) fn next(
    tenant: &TenantName,
    target: &TargetRef,
    leaving: DeliveryId,
    tables: &impl Tables,
) -> Result<Option<Record>, TableError> {
    let Some(key) = target.key() else { return Ok(None) };
    let next = first(tables, (tenant, &target.to, key), &[leaving])?;
    #[cfg(feature = "mutations")]
    let next = mutated(next, (tenant, &target.to, key), leaving, tables)?;
    Ok(next.map(|id| ordered(tenant, target, key, id, LinePlace::First)))
}

/// What is next instead of the oldest, where a known bug is switched in.
#[cfg(feature = "mutations")]
fn mutated(
    next: Option<DeliveryId>,
    (tenant, to, key): (&TenantName, &Target, &OrderingKey),
    leaving: DeliveryId,
    tables: &impl Tables,
) -> Result<Option<DeliveryId>, TableError> {
    if !crate::mutation::turns_around(to) {
        return Ok(next);
    }
    let line = tables.scan(Table::Behind, &keys::line(tenant, to, key), Bound::Unbounded, usize::MAX)?;
    let last = line.last().and_then(|(place, _)| keys::delivery_of(place));
    Ok(last.filter(|last| *last != leaving).or(next))
}

/// The record by which a delivery that comes back takes its place among those of its key; none where it has no key.
pub(crate) fn back(
    tenant: &TenantName,
    target: &TargetRef,
    id: DeliveryId,
    begun: &mut HashSet<(Target, OrderingKey)>,
    tables: &impl Tables,
) -> Result<Option<Record>, TableError> {
    let Some(key) = target.key() else { return Ok(None) };
    let is_first = begun.insert((target.to.clone(), key.clone()));
    let is_first = is_first && first(tables, (tenant, &target.to, key), &[])?.is_none();
    Ok(Some(ordered(tenant, target, key, id, if is_first { LinePlace::First } else { LinePlace::Behind })))
}

fn ordered(tenant: &TenantName, target: &TargetRef, key: &OrderingKey, id: DeliveryId, place: LinePlace) -> Record {
    Record::Ordered { tenant: tenant.clone(), to: target.to.clone(), key: key.clone(), delivery: id, place }
}

/// Lets a delivery that arises take its place: whether it waits for its turn, and not behind others.
pub(crate) fn arises(id: DeliveryId, row: &DeliveryRow, tables: &mut impl Tables) -> bool {
    let Some((key, is_behind)) = &row.target.order else { return true };
    let says = if *is_behind { row.encode() } else { Vec::new() };
    tables.insert(Table::Behind, &keys::behind(&row.tenant, &row.target.to, key, id), says);
    !is_behind
}

/// A delivery that was the first of its key leaves.
pub(crate) fn leaves(tenant: &TenantName, target: &TargetRef, id: DeliveryId, tables: &mut impl Tables) {
    if let Some(key) = target.key() {
        tables.remove(Table::Behind, &keys::behind(tenant, &target.to, key, id));
    }
}

/// A delivery takes another place among those of its key.
pub(crate) fn apply(
    (tenant, to, key): (&TenantName, &Target, &OrderingKey),
    id: DeliveryId,
    place: LinePlace,
    (time_ms, history): (u64, History),
    tables: &mut impl Tables,
) -> Result<Vec<Due>, TableError> {
    let at = keys::behind(tenant, to, key, id);
    match place {
        LinePlace::First => {
            let Some(row) = tables.get(Table::Behind, &at)?.filter(|row| !row.is_empty()) else {
                // It came back, and is where it is to be, or the log begins behind it.
                if DeliveryRow::find(tables, tenant, to, id)?.is_some() {
                    tables.put(Table::Behind, &at, Vec::new());
                } else if history == History::Whole {
                    return Err(damaged("the delivery that takes a place"));
                }
                return Ok(Vec::new());
            };
            let mut row = DeliveryRow::decode_of(Table::Behind, &row)?;
            (row.timed, row.due_ms) = (true, time_ms);
            tables.put(Table::Behind, &at, Vec::new());
            insert_timed(id, &row, tables);
            Ok(vec![Due { id, row, event: None }])
        }
        LinePlace::Behind => {
            match (DeliveryRow::find(tables, tenant, to, id)?, history) {
                (Some(row), _) => {
                    crate::apply::remove_delivery(id, &row, tables);
                    tables.put(Table::Behind, &at, row.encode());
                }
                (None, History::Cut) => {}
                (None, History::Whole) => return Err(damaged("the delivery that goes behind others")),
            }
            Ok(Vec::new())
        }
    }
}

/// The row of a delivery that waits behind others.
pub(crate) fn find(
    tables: &impl Tables,
    tenant: &TenantName,
    target: &TargetRef,
    id: DeliveryId,
) -> Result<Option<DeliveryRow>, TableError> {
    let Some(key) = target.key() else { return Ok(None) };
    let row = tables.get(Table::Behind, &keys::behind(tenant, &target.to, key, id))?;
    // The first one's is empty.
    row.filter(|row| !row.is_empty()).map(|row| DeliveryRow::decode_of(Table::Behind, &row)).transpose()
}

/// A page of deliveries that wait behind others, and the key that it ended with where there may be more.
pub type BehindPage = (Vec<(DeliveryId, DeliveryRow)>, Option<Bytes>);

/// Deliveries that wait behind others, of so many rows behind the key `after`.
///
/// # Errors
/// When the table cannot be read or a row is damaged.
pub fn behind(
    tables: &impl Tables,
    tenant: &TenantName,
    target: &Target,
    after: Option<&[u8]>,
    limit: usize,
) -> Result<BehindPage, TableError> {
    let lane = keys::lane(tenant, target);
    let from = after.map_or(Bound::Unbounded, Bound::Excluded);
    let rows = tables.scan(Table::Behind, &lane, from, limit)?;
    let last = rows.last().filter(|_| rows.len() >= limit).map(|(place, _)| place.clone());
    let waits = rows.iter().filter(|(_, row)| !row.is_empty());
    let read = |(place, row): &(Bytes, Bytes)| {
        let id = keys::delivery_of(place).ok_or_else(|| damaged("key"))?;
        Ok((id, DeliveryRow::decode_of(Table::Behind, row)?))
    };
    Ok((waits.map(read).collect::<Result<_, TableError>>()?, last))
}

/// Deliveries of one key, the oldest first, of those behind `after` at most so many: each with its place.
///
/// # Errors
/// When the table cannot be read or a row is damaged.
pub fn line(
    tables: &impl Tables,
    (tenant, target, key): (&TenantName, &Target, &OrderingKey),
    after: Option<DeliveryId>,
    limit: usize,
) -> Result<Vec<(DeliveryId, DeliveryRow, LinePlace)>, TableError> {
    let after = after.map(|after| keys::behind(tenant, target, key, after));
    let from = after.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
    let mut line = Vec::new();
    for (place, row) in tables.scan(Table::Behind, &keys::line(tenant, target, key), from, limit)? {
        let id = keys::delivery_of(&place).ok_or_else(|| damaged("key"))?;
        if row.is_empty() {
            let first = DeliveryRow::find(tables, tenant, target, id)?;
            line.push((id, first.ok_or_else(|| damaged("the first of a key"))?, LinePlace::First));
        } else {
            line.push((id, DeliveryRow::decode_of(Table::Behind, &row)?, LinePlace::Behind));
        }
    }
    Ok(line)
}

pub(crate) fn put(key: &OrderingKey, delivery: DeliveryId, place: LinePlace, w: &mut Writer) {
    w.str(key.as_str()).delivery(delivery).u8(u8::from(place == LinePlace::Behind));
}

pub(crate) fn take(r: &mut Reader) -> Result<Record, DecodeError> {
    let (tenant, to) = (r.parse("tenant")?, r.parse("target")?);
    let (key, delivery) = (OrderingKey::of(&r.str("key")?), r.delivery("delivery")?);
    let place = match r.u8("place")? {
        0 => LinePlace::First,
        1 => LinePlace::Behind,
        _ => return Err(DecodeError::Invalid("place")),
    };
    Ok(Record::Ordered { tenant, to, key, delivery, place })
}

fn damaged(what: &'static str) -> TableError {
    TableError::Row { table: Table::Behind.name(), source: DecodeError::Invalid(what) }
}
