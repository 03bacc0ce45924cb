//! The key-value rows: how they are written, and how many bytes a tenant has of them.
//!
//! Invariant: whoever writes or removes a value does it here, so the size of the tenant is that of the rows that are there (sizes.rs).

use bytes::Bytes;
use wharf_event::{Position, TenantName};

use crate::{
    QuotaSpent, Quotas, ValueRow, ValueWrite,
    codec::DecodeError,
    keys,
    rows::{BucketRow, Row},
    sizes,
    tables::{Table, TableError, Tables},
};

/// How many bytes come, and how many go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Growth {
    more: u64,
    less: u64,
}

impl Growth {
    fn change(&mut self, key: usize, before: Option<usize>, after: Option<usize>) {
        self.less += before.map_or(0, |value| (key + value) as u64);
        self.more += after.map_or(0, |value| (key + value) as u64);
    }
}

/// The quota that a tenant would exceed by these changes. One that takes less room than before is never too much.
pub(crate) fn beyond(
    tenant: &TenantName,
    writes: &[ValueWrite],
    quotas: &Quotas,
    tables: &impl Tables,
) -> Result<Option<QuotaSpent>, TableError> {
    if writes.is_empty() {
        return Ok(None);
    }
    let (has, most) = (sizes::value_bytes(tables, tenant)?, quotas.kv_bytes());
    let comes = |write: &ValueWrite| write.value.as_ref().map_or(0, |value| (write.key.len() + value.len()) as u64);
    if has.saturating_add(writes.iter().map(comes).sum()) <= most {
        return Ok(None);
    }
    let mut growth = Growth::default();
    for ValueWrite { bucket, key, value } in writes {
        let before = ValueRow::get(tables, &keys::value(tenant, bucket, key))?;
        growth.change(key.len(), before.map(|row| row.value.len()), value.as_ref().map(Bytes::len));
    }
    let bytes = has.saturating_add(growth.more).saturating_sub(growth.less);
    Ok((growth.more > growth.less && bytes > most).then_some(QuotaSpent::Values { bytes, most }))
}

/// Makes the changes of a record that stands at `position`.
pub(crate) fn apply(
    tenant: &TenantName,
    writes: &[ValueWrite],
    position: Position,
    tables: &mut impl Tables,
) -> Result<(), TableError> {
    let mut growth = Growth::default();
    for write in writes {
        let key = keys::value(tenant, &write.bucket, &write.key);
        let row = write.value.as_ref().map(|value| ValueRow { version: position, value: value.clone(), place: None });
        let before = replace(&key, row.map(|row| row.encode()), tables)?;
        growth.change(write.key.len(), before, write.value.as_ref().map(Bytes::len));
        let (was, is) = (before.is_some(), write.value.is_some());
        if was != is {
            let bucket_key = keys::bucket(tenant, &write.bucket);
            let keys = BucketRow::get(tables, &bucket_key)?.unwrap_or_default().keys;
            let keys = if was { keys.saturating_sub(1) } else { keys + 1 };
            tables.put(Table::Buckets, &bucket_key, BucketRow { membership: position, keys }.encode());
        }
    }
    sizes::values(tenant, growth.more, growth.less, tables)
}

/// Puts a row that was carried.
pub(crate) fn put(key: &[u8], row: &Bytes, tables: &mut impl Tables) -> Result<(), TableError> {
    let after = ValueRow::from_bytes(row)?.value.len();
    let before = replace(key, Some(row.to_vec()), tables)?;
    grown(key, before, Some(after), tables)
}

/// Removes a row, and nothing of its bucket's.
pub(crate) fn remove(key: &[u8], tables: &mut impl Tables) -> Result<(), TableError> {
    let before = replace(key, None, tables)?;
    grown(key, before, None, tables)
}

/// Writes a row, or removes it; tells how many bytes its value had.
fn replace(key: &[u8], row: Option<Vec<u8>>, tables: &mut impl Tables) -> Result<Option<usize>, TableError> {
    let before = tables.replace(Table::Values, key, row)?;
    Ok(before.as_ref().map(ValueRow::from_bytes).transpose()?.map(|row| row.value.len()))
}

fn grown(key: &[u8], before: Option<usize>, after: Option<usize>, tables: &mut impl Tables) -> Result<(), TableError> {
    let (Some(tenant), Some(name)) = (keys::first(key), keys::third(key)) else {
        let source = DecodeError::Invalid("key of a value");
        return Err(TableError::Row { table: Table::Values.name(), source });
    };
    let mut growth = Growth::default();
    growth.change(name.len(), before, after);
    sizes::values(&tenant, growth.more, growth.less, tables)
}
