//! Deliveries that wait for a time, the next ones due in memory, the others in the state.
//!
//! Invariant: every timer of the state that is earlier than the horizon is in memory, was taken, or was left to its lane, which
//! knows from where on. One that was taken is not taken again while it is under way, however often it is told.

use std::{
    collections::{BTreeMap, HashSet},
    ops::Bound,
};

use bytes::Bytes;
use wharf_delivery::{DeliveryId, DeliveryRow, Table, TableError, Tables, keys};

use crate::{
    held::Held,
    lane::{Lane, LaneKey, id_of},
    schedule::Waiting,
};

/// A timer's key, and how many attempts its delivery had.
pub(crate) type Taken = (Bytes, u32);

/// The timers of a partition.
pub(crate) struct Timers {
    next: BTreeMap<Bytes, (DeliveryId, DeliveryRow)>,
    /// From this key on timers lie in the state only; absent when all are in memory.
    horizon: Option<Bytes>,
    /// Those that wait in a lane's memory or run, with the attempts before: a retry may be due in the very millisecond of the
    /// attempt that asked for it.
    taken: HashSet<Taken>,
    held: Held,
}

impl Timers {
    /// None in memory yet.
    pub(crate) fn unread(held: Held) -> Self {
        Self { next: BTreeMap::new(), horizon: Some(Bytes::new()), taken: HashSet::new(), held }
    }

    /// Takes in a delivery that arose.
    pub(crate) fn insert(&mut self, id: DeliveryId, row: DeliveryRow) {
        let key = Bytes::from(row.timer(id));
        if self.horizon.as_ref().is_some_and(|horizon| key >= *horizon) {
            return;
        }
        self.next.insert(key, (id, row));
        if self.next.len() > self.held.timers
            && let Some((last, _)) = self.next.pop_last()
        {
            self.horizon = Some(last);
        }
    }

    /// The next timer that is due at `now_ms` and not under way.
    pub(crate) fn due(&mut self, now_ms: u64) -> Option<(Bytes, DeliveryId, DeliveryRow)> {
        loop {
            let first = self.next.first_entry()?;
            if keys::timer_parts(first.key()).is_some_and(|(due_ms, _)| due_ms > now_ms) {
                return None;
            }
            let (key, (id, row)) = first.remove_entry();
            let taken = (key, row.attempts);
            if !self.taken.contains(&taken) {
                return Some((taken.0, id, row));
            }
        }
    }

    /// This timer is under way from now on.
    pub(crate) fn take(&mut self, taken: Taken) {
        self.taken.insert(taken);
    }

    /// The attempt of a timed delivery has ended.
    pub(crate) fn ended(&mut self, taken: &Taken) {
        self.taken.remove(taken);
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
        let page = tables.scan(Table::Timers, &[], Bound::Included(&horizon), self.held.timers_page)?;
        if page.len() == self.held.timers_page
            && let Some((last, _)) = page.last()
        {
            self.horizon = Some(behind(last));
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

    /// Gives a lane the timers that were left for it in the state of frame `k`, up to `room` and to those due at `now_ms`; at most a page
    /// is looked at. Says how many it took.
    pub(crate) fn refill(
        &mut self,
        of: &LaneKey,
        lane: &mut Lane,
        (room, now_ms): (usize, u64),
        (tables, k): (&impl Tables, u64),
    ) -> Result<usize, TableError> {
        let Some(from) = lane.overdue.take() else { return Ok(0) };
        let page = tables.scan(Table::Timers, &[], Bound::Included(&from), self.held.lane_page)?;
        let (full, before) = (page.len() == self.held.lane_page, lane.timed);
        for (key, _) in page {
            let Some((due_ms, delivery)) = keys::timer_parts(&key) else { continue };
            if due_ms > now_ms {
                return Ok(lane.timed - before);
            }
            if lane.timed >= room {
                lane.overdue = Some(key);
                return Ok(lane.timed - before);
            }
            lane.overdue = Some(behind(&key));
            if keys::lane_of(delivery).as_ref() != Some(of) {
                continue;
            }
            if let Some(row) = DeliveryRow::get(tables, delivery)?
                && self.taken.insert((key.clone(), row.attempts))
            {
                lane.push_timed(Waiting::read(id_of(delivery)?, row, k));
            }
        }
        if !full {
            lane.overdue = None;
        }
        Ok(lane.timed - before)
    }
}

/// The key right behind `key`.
fn behind(key: &[u8]) -> Bytes {
    [key, &[0]].concat().into()
}
