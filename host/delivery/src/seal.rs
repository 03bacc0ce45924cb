//! Transition: a segment of the log is full, and what it holds was counted. Retention decides by these facts when it may go.

use std::collections::BTreeMap;

use wharf_event::{BusName, TenantName};

use crate::{
    codec::{DecodeError, Reader, Writer},
    rows::Row,
    tables::{Table, TableError, Tables},
};

/// What a full segment holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SegmentFacts {
    /// Its first frame.
    pub first_k: u64,
    /// Its last frame.
    pub last_k: u64,
    /// Time of its last frame of records, in milliseconds; 0 where it has none.
    pub last_ms: u64,
    /// Bytes of all its records.
    pub bytes: u64,
    /// Bytes of records that were carried into it.
    pub carried_bytes: u64,
    /// Bytes of the events of each bus, received and published.
    pub by_bus: BTreeMap<(TenantName, BusName), u64>,
}

impl SegmentFacts {
    /// Those of all full segments, the oldest first.
    ///
    /// # Errors
    /// When the table cannot be read or a row is damaged.
    pub fn all(tables: &impl Tables) -> Result<Vec<Self>, TableError> {
        let rows = tables.scan(Table::Segments, &[], std::ops::Bound::Unbounded, usize::MAX)?;
        rows.iter().map(|(_, row)| Self::decode(row)).collect()
    }
}

impl Row for SegmentFacts {
    const TABLE: Table = Table::Segments;

    fn put(&self, w: &mut Writer) {
        w.u64(self.first_k).u64(self.last_k).u64(self.last_ms).u64(self.bytes).u64(self.carried_bytes);
        w.count(self.by_bus.len());
        for ((tenant, bus), bytes) in &self.by_bus {
            w.str(tenant.as_str()).str(bus.as_str()).u64(*bytes);
        }
    }

    fn take(r: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self {
            first_k: r.u64("first")?,
            last_k: r.u64("last")?,
            last_ms: r.u64("last time")?,
            bytes: r.u64("bytes")?,
            carried_bytes: r.u64("carried bytes")?,
            by_bus: r
                .list("buses", |r| Ok(((r.parse("tenant")?, r.parse("bus")?), r.u64("bytes of a bus")?)))?
                .into_iter()
                .collect(),
        })
    }
}

pub(crate) fn apply(facts: &SegmentFacts, tables: &mut impl Tables) {
    tables.put(Table::Segments, &facts.first_k.to_be_bytes(), facts.encode());
}

/// Forgets the segments that lie wholly below `below_k`.
pub(crate) fn forget(below_k: u64, tables: &mut impl Tables) -> Result<(), TableError> {
    for facts in SegmentFacts::all(tables)?.iter().filter(|facts| facts.last_k < below_k) {
        tables.remove(Table::Segments, &facts.first_k.to_be_bytes());
    }
    Ok(())
}
