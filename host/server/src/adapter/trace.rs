//! An event with everything that came of it, gathered in one walk through the log.
//!
//! Invariant: the walk begins at the event and ends where every delivery of every event that it found is told as the state has it, so
//! what was over long ago is read to its end and no further.
//! Each event is found once: only the attempt that settled it in the log publishes it. A page is a stretch of the tree in the order of events,
//! their deliveries and the steps of those; where it has no room for more it ends earlier, and the next one goes on from there. Of what is before
//! a page no more is held than what is open of it, which leads to what is behind.

use std::collections::BTreeSet;

use wharf_delivery::{DeadLetterRow, DeliveryId, Move, Record, ValueWrite, keys};
use wharf_dispatch::{Dispatcher, Item, rfc3339};
use wharf_event::{Code, EDITED_ATTRIBUTE, Position, TenantName};
use wharf_gateway::{
    Refusal,
    limits::{TRACED_DELIVERIES_MAX, TRACED_OPEN_MAX},
    view::{TraceCursor, TraceStep, TraceView, TracedWrite},
};

use super::{
    detail::{Told, deliveries, follow, no_event, open, reached, waited},
    not_in_archive,
    page::Room,
    search::Asked,
    trace_page::{Found, Page},
    view::{self, Placed},
};

/// About what the JSON of a delivery takes, its steps aside, in bytes.
const DELIVERY_BYTES: usize = 128;

/// Which part of a trace is told.
#[derive(Clone, Copy, Debug)]
pub(super) struct TracePage {
    /// Events at most.
    pub(super) limit: usize,
    /// Steps of all deliveries at most, but one at least.
    pub(super) steps: usize,
    /// What is behind this.
    pub(super) after: Option<TraceCursor>,
}

#[cfg(test)]
mod tests;

struct Walk<'a> {
    dispatcher: &'a Dispatcher,
    tenant: &'a TenantName,
    page: Page,
    events: Room,
}

/// The event at `root` with everything that came of it, a page of it.
pub(super) fn trace(
    asked: &Asked,
    dispatcher: &Dispatcher,
    tenant: &TenantName,
    root: Position,
    page: TracePage,
) -> Result<TraceView, Refusal> {
    let archive = dispatcher.archive();
    let item = archive.record(root).map_err(|error| not_in_archive(&error))?;
    if item.record.tenant() != Some(tenant) {
        return Err(no_event(root));
    }
    let TracePage { limit, steps, after } = page;
    let mut walk = Walk { dispatcher, tenant, page: Page::behind(after, steps), events: Room::new(limit) };
    let events = view::events(&item);
    walk.add(events.iter().find(|placed| placed.position == root).ok_or_else(|| no_event(root))?)?;
    let mut k = root.k;
    // The log's end is asked for anew: what the state says of a later event may be in a later frame.
    while !walk.page.left.is_empty() && k <= archive.last_k() {
        asked.still()?;
        for item in archive.frame(k).map_err(|error| not_in_archive(&error))? {
            walk.hear(&item)?;
        }
        k += 1;
    }
    let (load, now_ms, next) = (dispatcher.load(tenant), dispatcher.now_ms(), walk.page.next());
    let is_full = walk.page.is_full;
    let events = walk.page.found.into_values().filter_map(|found| found.told(&load, now_ms)).collect();
    Ok(TraceView { events, truncated: is_full, next })
}

impl Walk<'_> {
    /// Takes an event up, unless it is behind the page.
    fn add(&mut self, placed: &Placed<'_>) -> Result<(), Refusal> {
        let (position, total) = (placed.position, placed.targets.len());
        if self.page.is_full || self.page.is_too_wide(TRACED_OPEN_MAX) {
            return Ok(());
        }
        let first = self.page.after.map_or(0, |after| after.passed(position, total));
        let is_passed = first == total && self.page.after.is_some_and(|after| position <= after.event);
        let end = total.min(first + TRACED_DELIVERIES_MAX);
        let event = if is_passed { None } else { Some(placed.view_with(&(first..end))?) };
        // A delivery is there twice: as a target, and with what came of it.
        let bytes = event.as_ref().map(|event| Placed::bytes(event) + (end - first) * DELIVERY_BYTES);
        if bytes.is_some_and(|bytes| !self.events.take(bytes)) {
            self.page.close();
            return Ok(());
        }
        // What came of deliveries before those is behind an event that the page does not tell to its end.
        let followed = if end < total { first..end } else { 0..end };
        let open = open(self.dispatcher, self.tenant, position, placed.targets, &followed)?;
        let found =
            Found { event, deliveries: deliveries(placed, &followed), first, end, total, open, ..Found::default() };
        let (numbers, given_up): (Vec<_>, _) = (found.deliveries.keys().copied().collect(), given_up(&found, placed));
        self.page.found.insert(position, found);
        given_up.into_iter().for_each(|(n, told)| self.page.tell(DeliveryId { event: position, n }, position, told));
        numbers.into_iter().try_for_each(|n| self.weigh(position, n))?;
        self.page.let_go(position);
        if end < total {
            self.page.close();
        }
        Ok(())
    }

    /// Whether a delivery has to be followed further.
    fn weigh(&mut self, event: Position, n: u16) -> Result<(), Refusal> {
        let Some(found) = self.page.found.get(&event) else { return Ok(()) };
        let Some(told) = found.deliveries.get(&n).filter(|_| !self.page.is_full || found.tells(n)) else {
            return Ok(());
        };
        let is_told = reached(self.dispatcher, self.tenant, event, n, told, &found.open)?
            && self.has_edits((found, event), told, n)?;
        if !is_told {
            self.page.left.insert((event, n));
            return Ok(());
        }
        self.page.left.remove(&(event, n));
        if let Some(found) = self.page.found.get_mut(&event).filter(|found| !found.tells(n)) {
            found.deliveries.remove(&n);
            found.open.remove(&n);
        }
        Ok(())
    }

    /// Whether the last edit of a letter was heard of. A letter whose event lies elsewhere was edited, or its event was written again.
    fn has_edits(&self, (found, event): (&Found, Position), told: &Told, n: u16) -> Result<bool, Refusal> {
        let Some(queue) = &told.queue else { return Ok(true) };
        let id = DeliveryId { event, n };
        let letter = waited(
            self.dispatcher.read(|state| DeadLetterRow::get(state, &keys::dead_letter(self.tenant, queue, id))),
        )?;
        let Some(place) = letter.and_then(|letter| letter.delivery.place) else { return Ok(true) };
        // What cannot be read any more is no reason to look further.
        let event = self.dispatcher.archive().event(place).ok();
        Ok(event.is_none_or(|event| event.extension(EDITED_ATTRIBUTE) == found.edited.get(&n)))
    }

    fn hear(&mut self, item: &Item) -> Result<(), Refusal> {
        for event in about(item) {
            let Some(found) = self.page.found.get_mut(&event) else { continue };
            let mut numbers = follow(item, event, &mut found.deliveries);
            if let Record::Edited { delivery, event, .. } = &item.record {
                let mark = event.extension(EDITED_ATTRIBUTE).cloned();
                found.edited.extend(mark.map(|mark| (delivery.n, mark)));
                numbers.push(delivery.n);
            }
            numbers.retain(|n| found.deliveries.contains_key(n));
            let step = |n: &u16| {
                let of = DeliveryId { event, n: *n };
                Some((of, found.step(item, of)?))
            };
            let steps: Vec<_> = numbers.iter().filter_map(step).collect();
            steps.into_iter().for_each(|(of, told)| self.page.tell(of, item.position, told));
            if matches!(item.record, Record::Settle { .. }) {
                view::events(item).iter().try_for_each(|placed| self.add(placed))?;
            }
            numbers.into_iter().try_for_each(|n| self.weigh(event, n))?;
            self.page.let_go(event);
        }
        Ok(())
    }
}

/// The first steps of an event beyond the hop limit.
fn given_up(of: &Found, placed: &Placed<'_>) -> Vec<(u16, TraceStep)> {
    let step = |(n, told): (&u16, &Told)| {
        let (time, code, queue) = (rfc3339(placed.time_ms), Code::HopLimit, told.queue.clone()?);
        Some((*n, TraceStep::GivenUp { time, code, reason: code.title().to_owned(), queue }))
    };
    of.deliveries.iter().filter_map(step).collect()
}

/// The events whose deliveries a record is about.
fn about(item: &Item) -> BTreeSet<Position> {
    match &item.record {
        Record::Settle { delivery, .. } | Record::Edited { delivery, .. } | Record::Ordered { delivery, .. } => {
            BTreeSet::from([delivery.event])
        }
        Record::Fanned { event, .. } => BTreeSet::from([*event]),
        Record::Redrive { deliveries, .. } | Record::Discard { deliveries, .. } => {
            deliveries.iter().map(|id| id.event).collect()
        }
        Record::Queue { moves, .. } => moves.iter().map(|(id, _)| id.event).collect(),
        _ => BTreeSet::new(),
    }
}

impl Found {
    /// What a record that was followed says of a delivery.
    fn step(&mut self, item: &Item, of: DeliveryId) -> Option<TraceStep> {
        let time = rfc3339(item.time_ms);
        match &item.record {
            Record::Settle { writes, .. } => {
                // It stands in its step alone.
                let attempt = self.deliveries.get_mut(&of.n)?.view.attempts.pop()?;
                let from = rfc3339(item.time_ms.saturating_sub(attempt.duration_us / 1_000));
                let writes = writes.iter().map(write).collect();
                Some(TraceStep::Attempt { from, attempt: Box::new(attempt), writes })
            }
            Record::Redrive { queue, .. } => Some(TraceStep::Redriven { time, queue: queue.clone() }),
            Record::Discard { queue, .. } => Some(TraceStep::Discarded { time, queue: queue.clone() }),
            Record::Edited { queue, .. } => Some(TraceStep::Edited { time, queue: queue.clone() }),
            Record::Queue { moves, .. } => moves.iter().find(|(id, _)| *id == of).map(|(_, to)| moved(to, time)),
            _ => None,
        }
    }
}

fn write(of: &ValueWrite) -> TracedWrite {
    let bytes = of.value.as_ref().map(|value| value.len() as u64);
    TracedWrite { bucket: of.bucket.clone(), key: of.key.clone(), bytes }
}

/// What became of a message, as a step.
pub(super) fn moved(to: &Move, time: String) -> TraceStep {
    match to {
        Move::Lease(until_ms) => TraceStep::Received { time, until: rfc3339(*until_ms) },
        Move::Extend(until_ms) => TraceStep::Extended { time, until: rfc3339(*until_ms) },
        Move::Delay(until_ms) => TraceStep::Released { time, until: rfc3339(*until_ms) },
        Move::Return => TraceStep::Returned { time },
        Move::Done => TraceStep::Acked { time },
        Move::Expired => TraceStep::Expired { time },
        Move::Purged | Move::PurgedBehind(_) => TraceStep::Purged { time },
        Move::GivenUp { queue, code, reason } => {
            TraceStep::GivenUp { time, code: *code, reason: reason.clone(), queue: queue.clone() }
        }
    }
}
