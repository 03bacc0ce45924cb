//! Where the rows under a prefix begin, which saves scans from stepping over what was removed there.
//!
//! A removed row stays in the layers until a checkpoint has passed it: a queue of which 100,000 messages were taken since then has as many
//! of them at its head, and whoever looks for the next message would step over them all, each time.
//!
//! Invariant: no row under a prefix stands before its front. A scan without it finds the same, later.

use std::{
    collections::BTreeMap,
    ops::Bound,
    sync::{Mutex, PoisonError},
};

use bytes::Bytes;
use wharf_delivery::Table;

use crate::limits::FRONTS_MAX;

/// The fronts that are known, by prefix.
type OfTable = BTreeMap<Box<[u8]>, Bytes>;

/// The fronts of all tables.
#[derive(Default)]
pub(crate) struct Fronts(Mutex<BTreeMap<Table, OfTable>>);

impl Fronts {
    /// The front of a prefix, if it is known.
    pub(crate) fn of(&self, table: Table, prefix: &[u8]) -> Option<Bytes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&table)?.get(prefix).cloned()
    }

    /// Under a prefix no row stands before `front`, as whoever reads the state just saw.
    pub(crate) fn seen(&self, table: Table, prefix: &[u8], front: Bytes) {
        let mut tables = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fronts = tables.entry(table).or_default();
        if let Some(known) = fronts.get_mut(prefix) {
            *known = front;
            return;
        }
        if fronts.len() >= FRONTS_MAX {
            // They are found again where they are of use.
            fronts.clear();
        }
        fronts.insert(prefix.into(), front);
    }

    /// A row is written under `key`: the fronts of all prefixes that it has are not behind it.
    pub(crate) fn written(&mut self, table: Table, key: &[u8]) {
        let tables = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        let Some(fronts) = tables.get_mut(&table) else { return };
        let mut end = Bound::Included(key);
        // The prefixes of a key stand before it, the longest last; what stands between them and is none has less in common with the key
        // than any that is left.
        while let Some((prefix, front)) = fronts.range_mut::<[u8], _>((Bound::Unbounded, end)).next_back() {
            let common = prefix.iter().zip(key).take_while(|(a, b)| a == b).count();
            let (shared, _) = key.split_at(common);
            if common == prefix.len() {
                if key < front.as_ref() {
                    *front = Bytes::copy_from_slice(key);
                }
                end = Bound::Excluded(shared);
            } else {
                end = Bound::Included(shared);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_that_is_written_lowers_the_fronts_of_its_prefixes_and_of_no_others() {
        let mut fronts = Fronts::default();
        let of = |fronts: &Fronts, prefix: &str| fronts.of(Table::Values, prefix.as_bytes()).unwrap_or_default();
        for prefix in ["", "a", "ab", "abc", "abd", "b"] {
            fronts.seen(Table::Values, prefix.as_bytes(), Bytes::from(format!("{prefix}x")));
        }
        fronts.written(Table::Values, b"abde");
        let now = ["", "a", "ab", "abc", "abd", "b"].map(|prefix| of(&fronts, prefix));
        assert_eq!(now, ["abde", "abde", "abde", "abcx", "abde", "bx"]);
        fronts.written(Table::Values, b"abz");
        fronts.written(Table::Deliveries, b"a");
        assert_eq!(of(&fronts, "ab"), "abde", "it stands behind, and elsewhere");
    }

    #[test]
    fn there_are_only_so_many() {
        let fronts = Fronts::default();
        for n in 0..FRONTS_MAX {
            fronts.seen(Table::Values, &n.to_be_bytes(), Bytes::new());
        }
        fronts.seen(Table::Values, &1usize.to_be_bytes(), Bytes::from_static(b"x"));
        assert!(fronts.of(Table::Values, &0usize.to_be_bytes()).is_some(), "one that is known is no more of them");
        assert_eq!(fronts.of(Table::Values, &1usize.to_be_bytes()).unwrap(), "x");
        fronts.seen(Table::Values, &FRONTS_MAX.to_be_bytes(), Bytes::new());
        assert!(fronts.of(Table::Values, &FRONTS_MAX.to_be_bytes()).is_some());
        assert!(fronts.of(Table::Values, &0usize.to_be_bytes()).is_none());
    }
}
