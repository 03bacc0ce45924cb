//! A lane: what waits for its first attempt by one target of one tenant, in log order.
//!
//! It holds the next of them in memory and knows whether more lie in the state behind those. Invariant: a lane never goes
//! back: what it has taken once, by a message or from the state, it does not take again.

use std::{collections::VecDeque, ops::Bound};

use bytes::Bytes;
use wharf_delivery::{DecodeError, DeliveryId, DeliveryRow, Table, TableError, Tables, keys};
use wharf_event::{Target, TenantName};

use crate::schedule::Waiting;

pub(crate) type LaneKey = (TenantName, Target);

/// Deliveries that wait for their turn.
#[derive(Default)]
pub(crate) struct Lane {
    pub(crate) ready: VecDeque<Waiting>,
    /// How many of them waited for a time.
    pub(crate) timed: usize,
    /// From this timer on some that are due were left in the state, since there was no room.
    pub(crate) overdue: Option<Bytes>,
    /// The last first attempt that was taken.
    last: Option<DeliveryId>,
    /// More lie in the state behind the last one.
    pub(crate) spilled: bool,
}

impl Lane {
    /// A lane of which nothing is in memory.
    pub(crate) fn spilled() -> Self {
        Self { spilled: true, ..Self::default() }
    }

    /// Whether anything waits in it.
    pub(crate) fn has_more(&self) -> bool {
        self.spilled || self.overdue.is_some() || !self.ready.is_empty()
    }

    /// Takes a delivery whose time has come.
    pub(crate) fn push_timed(&mut self, waiting: Waiting) {
        self.timed += 1;
        self.ready.push_back(waiting);
    }

    /// Takes one back that was not tried, to the place that it had.
    pub(crate) fn take_back(&mut self, waiting: Waiting) {
        let place = if waiting.row.timed {
            self.timed += 1;
            0
        } else {
            self.ready.iter().take_while(|other| other.row.timed || other.id < waiting.id).count()
        };
        self.ready.insert(place, waiting);
    }

    /// Leaves a delivery whose time has come in the state.
    pub(crate) fn leave(&mut self, timer: Bytes) {
        if self.overdue.as_ref().is_none_or(|first| timer < *first) {
            self.overdue = Some(timer);
        }
    }

    /// Lets go of everything that waits in memory, and of what it knows of the state.
    pub(crate) fn clear(&mut self) -> VecDeque<Waiting> {
        (self.timed, self.overdue, self.spilled) = (0, None, false);
        std::mem::take(&mut self.ready)
    }

    /// The next one.
    pub(crate) fn pop(&mut self) -> Option<Waiting> {
        let waiting = self.ready.pop_front()?;
        self.timed -= usize::from(waiting.row.timed);
        Some(waiting)
    }

    /// Whether a delivery that arose is to be held: there is room for it, and none before it lies in the state. One that is
    /// not will be paged.
    pub(crate) fn takes(&mut self, id: DeliveryId, room: usize) -> bool {
        if self.spilled || self.last.is_some_and(|last| id <= last) {
            return false;
        }
        self.spilled = self.ready.len() >= room;
        if !self.spilled {
            self.last = Some(id);
        }
        !self.spilled
    }

    /// Takes the next ones from the state of frame `k` until `room` are held, at most a page of so many.
    pub(crate) fn page(
        &mut self,
        key: &LaneKey,
        (room, page_max): (usize, usize),
        (tables, k): (&impl Tables, u64),
    ) -> Result<usize, TableError> {
        let wanted = room.saturating_sub(self.ready.len()).min(page_max);
        let prefix = keys::first_attempts(&key.0, &key.1);
        let last = self.last.map(|last| keys::delivery(&key.0, &key.1, false, last));
        let after = last.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let page = tables.scan(Table::Deliveries, &prefix, after, wanted)?;
        self.spilled = page.len() == wanted;
        let taken = page.len();
        for (key, row) in page {
            let id = id_of(&key)?;
            self.last = Some(id);
            self.ready.push_back(Waiting::read(id, DeliveryRow::from_bytes(&row)?, k));
        }
        Ok(taken)
    }
}

/// What is leased instead of `next`, where a known bug is switched in.
#[cfg(feature = "mutations")]
pub(crate) fn mutated(next: Option<Waiting>, ready: &mut VecDeque<Waiting>, count: &mut usize) -> Option<Waiting> {
    use wharf_delivery::mutation::{Bug, has, leases_twice};
    let next = next?;
    if next.row.timed {
        return Some(next);
    }
    if has(Bug::Order)
        && ready.len() >= 6
        && ready.back().is_some_and(|last| !last.row.timed)
        && let Some(last) = ready.pop_back()
    {
        ready.push_front(next);
        return Some(last);
    }
    if leases_twice(next.id) && next.row.attempts == 0 && next.event.is_some() {
        // Its event is read from the log: only what is held in memory is counted.
        ready.push_back(Waiting::read(next.id, next.row.clone(), 0));
        *count += 1;
    }
    Some(next)
}

/// The lanes for which something lies in the state.
pub(crate) fn lanes(tables: &impl Tables) -> Result<Vec<LaneKey>, TableError> {
    let (mut lanes, mut after) = (Vec::new(), Vec::new());
    while let Some((key, _)) = tables.scan(Table::Deliveries, &[], Bound::Excluded(&after), 1)?.pop() {
        let lane = keys::lane_of(&key).ok_or_else(damaged)?;
        after = keys::lane(&lane.0, &lane.1);
        // Behind every delivery of the lane: their next byte is 0 or 1.
        after.push(2);
        lanes.push(lane);
    }
    Ok(lanes)
}

pub(crate) fn id_of(key: &[u8]) -> Result<DeliveryId, TableError> {
    keys::delivery_of(key).ok_or_else(damaged)
}

fn damaged() -> TableError {
    TableError::Row { table: Table::Deliveries.name(), source: DecodeError::Invalid("key") }
}
