//! How much a tenant has: bytes of its keys and values and of what models answered, and deliveries that wait for each of its targets, and of each of its
//! buses.
//!
//! Invariant: a size is that of the rows that are there, whatever record brought them: whoever writes or removes such a row says so
//! here, and a size of nothing has no row. So sizes are never carried: rows that come back bring theirs along, and the same rows have the
//! same sizes. What is too much is not known here.

use std::ops::Bound;

use wharf_event::{BusName, Target, TenantName};

use crate::{
    DeliveryRow,
    codec::{DecodeError, Reader, Writer},
    keys,
    rows::Row,
    tables::{Table, TableError, Tables},
};

/// A size: bytes, or deliveries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct SizeRow(u64);

impl Row for SizeRow {
    const TABLE: Table = Table::Sizes;

    fn room(&self) -> usize {
        size_of::<u64>()
    }

    fn put(&self, w: &mut Writer) {
        w.u64(self.0);
    }

    fn take(r: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self(r.u64("size")?))
    }
}

/// Bytes of a tenant's keys and values.
///
/// # Errors
/// When the table cannot be read or the row is damaged.
pub fn value_bytes(tables: &impl Tables, tenant: &TenantName) -> Result<u64, TableError> {
    Ok(SizeRow::read(tables, &keys::tenant(tenant))?.unwrap_or_default().0)
}

/// Bytes of what models answered for deliveries of a tenant that are not settled.
///
/// # Errors
/// As [`value_bytes`].
pub fn answer_bytes(tables: &impl Tables, tenant: &TenantName) -> Result<u64, TableError> {
    Ok(SizeRow::read(tables, &keys::answers_size(tenant))?.unwrap_or_default().0)
}

/// Deliveries that wait for a target.
///
/// # Errors
/// As [`value_bytes`].
pub fn backlog(tables: &impl Tables, tenant: &TenantName, target: &Target) -> Result<u64, TableError> {
    Ok(SizeRow::read(tables, &keys::lane(tenant, target))?.unwrap_or_default().0)
}

/// Deliveries that wait of events of a bus, those among them that did not arise yet.
///
/// # Errors
/// As [`value_bytes`].
pub fn bus_backlog(tables: &impl Tables, tenant: &TenantName, bus: &BusName) -> Result<u64, TableError> {
    Ok(SizeRow::read(tables, &keys::bus_size(tenant, bus))?.unwrap_or_default().0)
}

/// Deliveries that wait for each target of a tenant for which any do, by its text.
///
/// # Errors
/// As [`value_bytes`].
pub fn backlogs(tables: &impl Tables, tenant: &TenantName) -> Result<Vec<(Target, u64)>, TableError> {
    let rows = tables.scan(Table::Sizes, &keys::tenant(tenant), Bound::Unbounded, usize::MAX)?;
    let of_targets = rows.iter().filter_map(|(key, row)| Some((keys::second(key)?, row)));
    of_targets.map(|(target, row)| Ok((target, SizeRow::decode(row)?.0))).collect()
}

/// Bytes of values come and go.
pub(crate) fn values(tenant: &TenantName, more: u64, less: u64, tables: &mut impl Tables) -> Result<(), TableError> {
    change(&keys::tenant(tenant), more, less, tables)
}

/// Bytes of what models answered come and go.
pub(crate) fn answers(tenant: &TenantName, more: u64, less: u64, tables: &mut impl Tables) -> Result<(), TableError> {
    change(&keys::answers_size(tenant), more, less, tables)
}

/// A delivery waits that did not.
pub(crate) fn waits(row: &DeliveryRow, tables: &mut impl Tables) -> Result<(), TableError> {
    change(&keys::lane(&row.tenant, &row.target.to), 1, 0, tables)?;
    change(&keys::bus_size(&row.tenant, &row.bus), 1, 0, tables)
}

/// A delivery of an event of this bus waits no more.
pub(crate) fn waits_no_more(
    (tenant, bus, target): (&TenantName, &BusName, &Target),
    tables: &mut impl Tables,
) -> Result<(), TableError> {
    change(&keys::lane(tenant, target), 0, 1, tables)?;
    change(&keys::bus_size(tenant, bus), 0, 1, tables)
}

/// Deliveries of an event of this bus are to arise, or are not any more: they count as waiting of it meanwhile.
pub(crate) fn fans(
    (tenant, bus): (&TenantName, &BusName),
    more: u64,
    less: u64,
    tables: &mut impl Tables,
) -> Result<(), TableError> {
    change(&keys::bus_size(tenant, bus), more, less, tables)
}

fn change(key: &[u8], more: u64, less: u64, tables: &mut impl Tables) -> Result<(), TableError> {
    if more == less {
        return Ok(());
    }
    let before = SizeRow::read(tables, key)?.unwrap_or_default().0;
    match before.saturating_add(more).saturating_sub(less) {
        0 => tables.remove(Table::Sizes, key),
        size => tables.put(Table::Sizes, key, SizeRow(size).encode()),
    }
    Ok(())
}
