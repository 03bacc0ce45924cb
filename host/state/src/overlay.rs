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

    fn bytes(&self, key: &[u8]) -> usize {
        ENTRY_OVERHEAD_BYTES + key.len() + self.row().map_or(0, Bytes::len)
    }
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

    pub(crate) fn insert(&mut self, table: Table, key: &[u8], row: Vec<u8>) {
        // Where a removal stands, the store below may still have the old row: then the new one only changes it.
        let was = |was: Option<&Entry>| match was {
            None | Some(Entry::Fresh(_)) => Entry::Fresh(row.into()),
            Some(_) => Entry::Changed(row.into()),
        };
        self.set(table, key, was);
    }

    pub(crate) fn put(&mut self, table: Table, key: &[u8], row: Vec<u8>) {
        let was = |was: Option<&Entry>| match was {
            Some(Entry::Fresh(_)) => Entry::Fresh(row.into()),
            _ => Entry::Changed(row.into()),
        };
        self.set(table, key, was);
    }

    pub(crate) fn remove(&mut self, table: Table, key: &[u8]) {
        let fresh = matches!(self.get(table, key), Some(Entry::Fresh(_)));
        if !fresh {
            self.set(table, key, |_| Entry::Removed);
        } else if let Some(old) = self.tables.entry(table).or_default().remove(key) {
            self.bytes -= old.bytes(key);
        }
    }

    /// Sets an entry by what was there. Most rows are written again and again, so their keys are kept.
    fn set(&mut self, table: Table, key: &[u8], entry: impl FnOnce(Option<&Entry>) -> Entry) {
        let rows = self.tables.entry(table).or_default();
        if let Some(place) = rows.get_mut(key) {
            let entry = entry(Some(place));
            self.bytes = self.bytes + entry.bytes(key) - place.bytes(key);
            *place = entry;
        } else {
            let entry = entry(None);
            self.bytes += entry.bytes(key);
            rows.insert(Bytes::copy_from_slice(key), entry);
        }
    }
}
