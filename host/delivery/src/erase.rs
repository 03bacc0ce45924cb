//! Transition: what there is of a tenant goes, a page of rows at a time.
//!
//! Whoever asks has closed the tenant, and names the record that did: it has no rules any more, so nothing is accepted for it, and its
//! deliveries go first, so that no attempt that still runs can settle. Where that record is not what holds any more, nothing goes: somebody
//! else came to the end, and the name may be another tenant's. A page begins behind the one before it, so rows that went are not met again; what
//! came in between (a redrive) is found when whoever asks begins once more. The tenant's own object stays: it
//! says what is being done, and afterwards that it was.
//!
//! A record names the keys that go. Which ones those are is decided once, and does not depend on what a shorter log has of the
//! rows before.

use std::ops::Bound;

use bytes::Bytes;
use wharf_event::{Position, TenantName};

use crate::{
    DeliveryId, DeliveryRow, FanOut, ObjectKind, ObjectName, Record, ValueRow,
    apply::change_stats,
    codec::{DecodeError, Reader, Writer},
    keys,
    limits::{ERASED_BYTES_MAX, ERASED_READ_BYTES_MAX, ERASED_READ_ROWS, ERASED_ROWS_MAX},
    models,
    rows::Row,
    sequencer::{Answer, Decision, Sequencer},
    sizes,
    tables::{Table, TableError, Tables},
    values,
};

/// The wish that the next page of what there is of a tenant goes.
#[derive(Clone, Debug)]
pub struct EraseRequest {
    /// Which tenant: one that is closed.
    pub tenant: TenantName,
    /// The version of its object that says so.
    pub closed_at: Position,
    /// Rows of a page: at least two, since a row may take another one with it, and at most [`ERASED_ROWS_MAX`].
    pub rows_max: usize,
    /// What the page before ended with; nothing for the first one.
    pub behind: Option<ErasedRow>,
}

/// A row that goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErasedRow {
    /// Its table.
    pub table: Table,
    /// Its key.
    pub key: Bytes,
}

/// Tables whose rows begin with their tenant, in the order in which they are emptied. Timers, hidden ones, letters and sizes go with
/// the rows that they belong to.
const OF_TENANTS: [Table; 14] = [
    Table::FanOuts,
    Table::Deliveries,
    Table::Behind,
    Table::Models,
    Table::DeadLetters,
    Table::Queues,
    Table::Values,
    Table::Buckets,
    Table::Objects,
    Table::Usage,
    Table::Schedules,
    Table::Replays,
    Table::Redrives,
    Table::Stats,
];

pub(crate) fn decide<T: Tables>(
    sequencer: &mut Sequencer,
    EraseRequest { tenant, closed_at, rows_max, behind }: EraseRequest,
    tables: &T,
) -> Result<Decision, TableError> {
    let own = keys::object(&tenant, ObjectKind::Tenant, &ObjectName::from(&tenant));
    if ValueRow::held(tables, Table::Objects, &own)?.is_none_or(|row| row.version != closed_at) {
        return Ok(Decision { records: Vec::new(), answer: Answer::Erased { behind: None, left: false } });
    }
    let rows_max = rows_max.clamp(2, ERASED_ROWS_MAX);
    let mut page = Page { rows_max, rows: Vec::new(), bytes: 0, read_bytes: 0, deliveries: 0, last: behind };
    let begun = page.last.as_ref().and_then(|last| OF_TENANTS.iter().position(|table| *table == last.table));
    let mut ended = true;
    for table in OF_TENANTS.into_iter().skip(begun.unwrap_or(0)) {
        #[cfg(feature = "mutations")]
        if crate::mutation::passes_over(table) {
            continue;
        }
        ended = page.fill(table, &tenant, &own, tables)?;
        if !ended {
            break;
        }
    }
    let behind = page.last.filter(|_| !ended);
    let left = !page.rows.is_empty();
    sequencer.pending = sequencer.pending.saturating_sub(page.deliveries);
    // Whoever has the name next begins anew.
    sequencer.rates.forget(&tenant);
    sequencer.hours.forget(&tenant);
    sequencer.heads.forget(&tenant);
    sequencer.answered.forget(&tenant);
    let records = if left { vec![Record::Erase { tenant, rows: page.rows }] } else { Vec::new() };
    Ok(Decision { records, answer: Answer::Erased { behind, left } })
}

/// Rows of one record.
struct Page {
    rows_max: usize,
    rows: Vec<ErasedRow>,
    bytes: usize,
    read_bytes: usize,
    deliveries: u64,
    /// The last row that was looked at.
    last: Option<ErasedRow>,
}

impl Page {
    fn push(&mut self, table: Table, key: Bytes) {
        self.bytes += key.len();
        self.rows.push(ErasedRow { table, key });
    }

    fn is_full(&self) -> bool {
        // Two, since a row may take another one with it.
        let is_read = self.read_bytes >= ERASED_READ_BYTES_MAX;
        self.rows.len() + 2 > self.rows_max || self.bytes >= ERASED_BYTES_MAX || is_read
    }

    /// Adds what a table has of a tenant behind the last row, all but its `own` object: whether that was all.
    fn fill(
        &mut self,
        table: Table,
        tenant: &TenantName,
        own: &[u8],
        tables: &impl Tables,
    ) -> Result<bool, TableError> {
        loop {
            let last = self.last.as_ref().filter(|last| last.table == table);
            let after = last.map_or(Bound::Unbounded, |last| Bound::Excluded(last.key.as_ref()));
            let rows = tables.scan(table, &keys::tenant(tenant), after, ERASED_READ_ROWS)?;
            let is_end = rows.len() < ERASED_READ_ROWS;
            for (key, row) in rows {
                if self.is_full() {
                    return Ok(false);
                }
                self.read_bytes += row.len();
                self.last = Some(ErasedRow { table, key: key.clone() });
                if table != Table::Objects || key != own {
                    self.take(table, key, &row)?;
                }
            }
            if is_end {
                return Ok(true);
            }
        }
    }

    /// Adds a row, and what belongs to it.
    fn take(&mut self, table: Table, key: Bytes, row: &Bytes) -> Result<(), TableError> {
        self.deliveries += u64::from(table == Table::Behind && !row.is_empty());
        if table == Table::FanOuts {
            self.deliveries += FanOut::of_row(row)?.left();
        }
        if table == Table::Deliveries {
            self.deliveries += 1;
            let row = DeliveryRow::decode(row)?;
            if let Some((table, key)) = keys::delivery_of(&key).and_then(|id| row.clock(id)) {
                self.push(table, key.into());
            }
        }
        if let Some(id) = keys::delivery_of(&key).filter(|_| table == Table::DeadLetters) {
            self.push(Table::Letters, DeliveryId::to_key(id).to_vec().into());
        }
        self.push(table, key);
        Ok(())
    }
}

pub(crate) fn apply(tenant: &TenantName, rows: &[ErasedRow], tables: &mut impl Tables) -> Result<(), TableError> {
    let (mut deliveries, mut gone) = (0, false);
    for ErasedRow { table, key } in rows {
        match (table, keys::lane_of(key)) {
            (Table::Values, _) => values::remove(key, tables)?,
            (Table::Models, _) => models::remove(key, tables)?,
            (Table::Deliveries | Table::Behind, Some((tenant, target))) => {
                let was = tables.replace(*table, key, None)?;
                // The mark of a first one says nothing, and is no delivery.
                if let Some(row) = was.filter(|row| !row.is_empty()) {
                    let bus = DeliveryRow::decode_of(*table, &row)?.bus;
                    sizes::waits_no_more((&tenant, &bus, &target), tables)?;
                    deliveries += 1;
                }
            }
            // What did not arise yet counts as waiting.
            (Table::FanOuts, _) => {
                let was = tables.replace(*table, key, None)?;
                if let Some(of) = was.map(|row| FanOut::of_row(&row)).transpose()? {
                    sizes::fans((tenant, &of.bus), 0, of.left(), tables)?;
                    deliveries += of.left();
                }
            }
            // Its counters go with the last page.
            (Table::Stats, _) => gone = true,
            _ => tables.remove(*table, key),
        }
    }
    if deliveries > 0 {
        change_stats(tenant, tables, |stats| stats.pending = stats.pending.saturating_sub(deliveries))?;
    }
    if gone {
        tables.remove(Table::Stats, &keys::tenant(tenant));
    }
    Ok(())
}

pub(crate) fn put(rows: &[ErasedRow], w: &mut Writer) {
    w.count(rows.len());
    for ErasedRow { table, key } in rows {
        w.u8(table.number()).bytes(key);
    }
}

pub(crate) fn take(r: &mut Reader) -> Result<ErasedRow, DecodeError> {
    let table = Table::from_number(r.u8("table")?).ok_or(DecodeError::Invalid("table"))?;
    Ok(ErasedRow { table, key: r.bytes("key")? })
}
