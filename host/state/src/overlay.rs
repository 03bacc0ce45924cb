//! Changes that the store below does not have yet, in key order.
//!
//! A row that was inserted here, into a place known to be empty, and then removed again leaves nothing: most deliveries
//! live shorter than the pause between two checkpoints.

use std::{
    collections::{BTreeMap, btree_map},
    ops::Bound,
};

use bytes::Bytes;
use wharf_delivery::Table;

/// Memory that an entry takes beside its bytes: two `Bytes`, the tree's share.
const ENTRY_OVERHEAD_BYTES: usize = 96;

/// What became of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// Written; there was none below.
    Fresh(Bytes),
    /// Written; there may be another below.
    Changed(Bytes),
    /// Removed; there may be one below.
    Removed,
}

impl Entry {
    pub(crate) fn row(&self) -> Option<&Bytes> {
        match self {
            Entry::Fresh(row) | Entry::Changed(row) => Some(row),
            Entry::Removed => None,
        }
    }

    fn known(&self) -> Known {
        self.row().map_or(Known::Absent, |row| Known::Present(row.clone()))
    }

    /// There may be another row below.
    fn fresh_no_more(&mut self) {
        if let Entry::Fresh(row) = self {
            *self = Entry::Changed(std::mem::take(row));
        }
    }

    fn bytes(&self, key: &[u8]) -> usize {
        ENTRY_OVERHEAD_BYTES + key.len() + self.row().map_or(0, Bytes::len)
    }
}

/// What changes say of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// It is there, and it was this.
    Present(Bytes),
    /// It is not.
    Absent,
    /// They say nothing: the store below has to be asked.
    Unknown,
}

/// The changes of all tables.
#[derive(Debug, Default)]
pub(crate) struct Overlay {
    tables: BTreeMap<Table, BTreeMap<Bytes, Entry>>,
    bytes: usize,
}

impl Overlay {
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.tables.values().all(BTreeMap::is_empty)
    }

    pub(crate) fn get(&self, table: Table, key: &[u8]) -> Option<&Entry> {
        self.tables.get(&table)?.get(key)
    }

    pub(crate) fn rows(&self, table: Table) -> impl Iterator<Item = (&Bytes, &Entry)> {
        self.tables.get(&table).into_iter().flatten()
    }

    pub(crate) fn range(&self, table: Table, from: Bound<&[u8]>) -> btree_map::Range<'_, Bytes, Entry> {
        static EMPTY: BTreeMap<Bytes, Entry> = BTreeMap::new();
        self.tables.get(&table).unwrap_or(&EMPTY).range::<[u8], _>((from, Bound::Unbounded))
    }

    /// Writes a row whose key is known to be absent.
    pub(crate) fn insert(&mut self, table: Table, key: &[u8], row: Vec<u8>) {
        let entry = Entry::Fresh(row.into());
        self.bytes += entry.bytes(key);
        let rows = self.tables.entry(table).or_default();
        let Some(was) = rows.insert(Bytes::copy_from_slice(key), entry) else { return };
        self.bytes -= was.bytes(key);
        // Where a removal stands, the store below may still have the old row: then the new one only changes it.
        if !matches!(was, Entry::Fresh(_))
            && let Some(place) = rows.get_mut(key)
        {
            place.fresh_no_more();
        }
    }

    /// Writes a row, and tells what was there.
    pub(crate) fn put(&mut self, table: Table, key: &[u8], row: Vec<u8>) -> Known {
        let rows = self.tables.entry(table).or_default();
        // Most rows are written again and again, so their keys are kept.
        let Some(place) = rows.get_mut(key) else {
            let entry = Entry::Changed(row.into());
            self.bytes += entry.bytes(key);
            rows.insert(Bytes::copy_from_slice(key), entry);
            return Known::Unknown;
        };
        let known = place.known();
        let entry =
            if matches!(place, Entry::Fresh(_)) { Entry::Fresh(row.into()) } else { Entry::Changed(row.into()) };
        self.bytes = self.bytes + entry.bytes(key) - place.bytes(key);
        *place = entry;
        known
    }

    /// Removes a row, and tells what was there.
    pub(crate) fn remove(&mut self, table: Table, key: &[u8]) -> Known {
        let rows = self.tables.entry(table).or_default();
        let was = rows.remove(key);
        self.bytes -= was.as_ref().map_or(0, |was| was.bytes(key));
        if !matches!(was, Some(Entry::Fresh(_))) {
            self.bytes += Entry::Removed.bytes(key);
            rows.insert(Bytes::copy_from_slice(key), Entry::Removed);
        }
        was.map_or(Known::Unknown, |was| was.known())
    }
}
