//! Pages of rows, bounded in rows and in bytes.
//!
//! Invariant: a page has at least one row unless there is none after its beginning, so an empty page is the end and a short one
//! is not: whoever wants the rest asks again from the last row. The state is locked for [`ROWS_PER_STEP`] rows at a time; a
//! page is therefore no snapshot, though each of its rows is durable.

use std::ops::Bound;

use bytes::Bytes;
use wharf_delivery::{Table, Tables as _};
use wharf_dispatch::Dispatcher;
use wharf_gateway::Refusal;

use super::was_read;

/// Bytes of a page, before JSON escapes what has to be escaped. One row may be larger; it is a page of its own then.
pub(super) const PAGE_BYTES_MAX: usize = 4 << 20;

/// Rows that are read while the state is locked.
const ROWS_PER_STEP: usize = 32;

/// How much more a page may hold.
pub(super) struct Room {
    rows: usize,
    bytes: usize,
}

impl Room {
    /// An empty page for at most `rows`.
    pub(super) fn new(rows: usize) -> Self {
        Self { rows, bytes: PAGE_BYTES_MAX }
    }

    /// Whether the page takes no more rows.
    pub(super) fn is_full(&self) -> bool {
        self.rows == 0 || self.bytes == 0
    }

    /// Rows that it takes at most.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// Takes a row of so many bytes, unless it is one too many: a first row always fits.
    pub(super) fn take(&mut self, bytes: usize) -> bool {
        let first = self.bytes == PAGE_BYTES_MAX;
        if self.is_full() || (bytes > self.bytes && !first) {
            // What comes after a row that was left out is left out as well.
            self.bytes = 0;
            return false;
        }
        // A row without bytes is none that a page could be made of; counting one keeps `first` true to its word.
        self.bytes = self.bytes.saturating_sub(bytes.max(1));
        self.rows -= 1;
        true
    }
}

/// Whether a name is on the page behind `after`.
pub(super) fn is_behind<N: Ord>(name: &N, after: Option<&N>) -> bool {
    after.is_none_or(|after| name > after)
}

/// The rows of `table` whose keys begin with `prefix` and lie above `after`, as many as there is room for.
pub(super) async fn rows(
    dispatcher: &Dispatcher,
    table: Table,
    prefix: &[u8],
    mut after: Option<Bytes>,
    mut room: Room,
) -> Result<Vec<(Bytes, Bytes)>, Refusal> {
    let mut page = Vec::new();
    loop {
        let limit = room.rows().min(ROWS_PER_STEP);
        let from = after.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let step = was_read(dispatcher.read(|state| state.scan(table, prefix, from, limit)).await)?;
        let last = step.len() < limit;
        after = step.last().map(|(key, _)| key.clone());
        for (key, row) in step {
            if !room.take(key.len() + row.len()) {
                return Ok(page);
            }
            page.push((key, row));
        }
        if last || room.is_full() {
            return Ok(page);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_takes_a_first_row_of_any_size_and_then_what_fits() {
        let taken = |rows, sizes: &[usize]| {
            let mut room = Room::new(rows);
            sizes.iter().map(|bytes| room.take(*bytes)).collect::<Vec<_>>()
        };
        let max = PAGE_BYTES_MAX;
        assert_eq!(taken(9, &[max + 1, 1]), [true, false]);
        assert_eq!(taken(9, &[max - 1, 2, 1]), [true, false, false], "a page has no gaps");
        assert_eq!(taken(9, &[max - 1, 1, 1]), [true, true, false]);
        assert_eq!(taken(2, &[0, 0, 0]), [true, true, false]);
    }
}
