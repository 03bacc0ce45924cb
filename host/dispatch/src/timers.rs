//! Deliveries that wait for a time, the next ones due in memory, the others in the state.
//!
//! Invariant: every timer of the state that is earlier than the horizon is in memory or was taken.

use std::{collections::BTreeMap, ops::Bound};

use bytes::Bytes;
use wharf_delivery::{DeliveryId, DeliveryRow, Table, TableError, Tables, keys};

use crate::{
    lane::id_of,
    limits::{TIMERS_MAX, TIMERS_PAGE},
};

/// The timers of a partition.
pub(crate) struct Timers {
    next: BTreeMap<Bytes, (DeliveryId, DeliveryRow)>,
    /// From this key on timers lie in the state only; absent when all are in memory.
    horizon: Option<Bytes>,
}

impl Timers {
    /// None in memory yet.
    pub(crate) fn unread() -> Self {
        Self { next: BTreeMap::new(), horizon: Some(Bytes::new()) }
    }

    /// Takes in a delivery that arose.
    pub(crate) fn insert(&mut self, id: DeliveryId, row: DeliveryRow) {
        let key = Bytes::from(row.timer(id));
        if self.horizon.as_ref().is_some_and(|horizon| key >= *horizon) {
            return;
        }
        self.next.insert(key, (id, row));
        if self.next.len() > TIMERS_MAX
            && let Some((last, _)) = self.next.pop_last()
        {
            self.horizon = Some(last);
        }
    }

    /// The next delivery that is due at `now_ms`.
    pub(crate) fn due(&mut self, now_ms: u64) -> Option<(DeliveryId, DeliveryRow)> {
        let first = self.next.first_entry()?;
        if keys::timer_parts(first.key()).is_some_and(|(due_ms, _)| due_ms > now_ms) {
            return None;
        }
        Some(first.remove())
    }

    /// When the next one is due, in milliseconds since 1970.
    pub(crate) fn next_ms(&self) -> Option<u64> {
        self.next.first_key_value().and_then(|(key, _)| keys::timer_parts(key)).map(|(due_ms, _)| due_ms)
    }

    /// Whether none is in memory and some may lie in the state.
    pub(crate) fn is_spent(&self) -> bool {
        self.next.is_empty() && self.horizon.is_some()
    }

    /// Takes the next ones from the state.
    pub(crate) fn page(&mut self, tables: &impl Tables) -> Result<(), TableError> {
        let Some(horizon) = self.horizon.take() else { return Ok(()) };
        let page = tables.scan(Table::Timers, &[], Bound::Included(&horizon), TIMERS_PAGE)?;
        if page.len() == TIMERS_PAGE
            && let Some((last, _)) = page.last()
        {
            // The key right behind the last one.
            self.horizon = Some([last.as_ref(), &[0]].concat().into());
        }
        for (key, _) in page {
            let Some((_, delivery)) = keys::timer_parts(&key) else { continue };
            // Timer and delivery come and go in one record, so both are there.
            if let Some(row) = DeliveryRow::get(tables, delivery)? {
                self.next.insert(key.clone(), (id_of(delivery)?, row));
            }
        }
        Ok(())
    }
}
