//! An event with everything that came of it, gathered in one walk through the log.
//!
//! Invariant: the walk begins at the event and ends where every delivery of every event that it found is told as the state has it, so
//! what was over long ago is read to its end and no further. It stops earlier where a trace may hold no more, and says so.
//! Each event is told once: only the attempt that settled it in the log publishes it. Of the events before a page no more is held than what is
//! open of them, which leads to those behind.

use std::collections::{BTreeMap, BTreeSet};

use wharf_delivery::{DeadLetterRow, DeliveryId, DeliveryRow, Move, Record, ValueWrite, keys};
use wharf_dispatch::{Dispatcher, Item, LoadFigures, rfc3339};
use wharf_event::{AttributeValue, Code, EDITED_ATTRIBUTE, Position, TenantName};
use wharf_gateway::{
    Refusal,
    limits::{TRACED_DELIVERIES_MAX, TRACED_STEPS_MAX, TRACED_WRITES_MAX},
    view::{DeliveryView, EventView, TraceStep, TraceView, TracedDelivery, TracedEvent, TracedWrite},
};

use super::{
    detail::{Told, attempt_bytes, deliveries, follow, held, no_event, open, reached, waited},
    not_in_archive,
    page::Room,
    search::Asked,
    view::{self, Placed},
};

/// About what the JSON of a step takes beside its texts, in bytes.
const STEP_BYTES: usize = 256;

/// About what the JSON of a delivery takes, its steps aside, in bytes.
const DELIVERY_BYTES: usize = 128;

/// One event that was found.
struct Found {
    event: EventView,
    deliveries: BTreeMap<u16, Told>,
    /// Further deliveries, which are not followed.
    left_out: usize,
    steps: BTreeMap<u16, Vec<TraceStep>>,
    open: BTreeMap<u16, DeliveryRow>,
    /// What the last edit of a delivery that was heard of left in its event.
    edited: BTreeMap<u16, AttributeValue>,
    /// Whether it stands on a page before this one.
    passed: bool,
}

/// Which events are told.
#[derive(Clone, Copy, Debug)]
pub(super) struct TracePage {
    /// How many.
    pub(super) limit: usize,
    /// Those behind this one.
    pub(super) after: Option<Position>,
}

struct Walk<'a> {
    dispatcher: &'a Dispatcher,
    tenant: &'a TenantName,
    found: BTreeMap<Position, Found>,
    /// What is not yet told as the state has it.
    left: BTreeSet<(Position, u16)>,
    events: Room,
    steps: Room,
    after: Option<Position>,
    truncated: bool,
    /// Whether events of the tree are behind this page, or may be.
    goes_on: bool,
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
    let mut walk = Walk {
        dispatcher,
        tenant,
        found: BTreeMap::new(),
        left: BTreeSet::new(),
        events: Room::new(page.limit),
        steps: Room::new(TRACED_STEPS_MAX),
        after: page.after,
        truncated: false,
        goes_on: false,
    };
    let events = view::events(&item);
    walk.add(events.iter().find(|placed| placed.position == root).ok_or_else(|| no_event(root))?)?;
    let mut k = root.k;
    // The log's end is asked for anew: what the state says of a later event may be in a later frame.
    while !walk.left.is_empty() && k <= archive.last_k() {
        asked.still()?;
        for item in archive.frame(k).map_err(|error| not_in_archive(&error))? {
            walk.hear(&item)?;
        }
        k += 1;
    }
    let (load, now_ms) = (dispatcher.load(tenant), dispatcher.now_ms());
    let Walk { found, truncated, goes_on, .. } = walk;
    let events: Vec<_> =
        found.into_values().filter(|found| !found.passed).map(|found| found.told(&load, now_ms)).collect();
    let next = events.last().filter(|_| goes_on).map(|last| last.event.position);
    Ok(TraceView { events, truncated, next })
}

impl Walk<'_> {
    /// Takes an event up, unless the trace is full.
    fn add(&mut self, placed: &Placed<'_>) -> Result<(), Refusal> {
        let told = 0..placed.targets.len().min(TRACED_DELIVERIES_MAX);
        let (position, event) = (placed.position, placed.view_with(&told)?);
        let passed = self.after.is_some_and(|after| position <= after);
        // A delivery is there twice: as a target, and with what came of it.
        if !passed && !self.events.take(Placed::bytes(&event) + told.len() * DELIVERY_BYTES) {
            (self.truncated, self.goes_on) = (true, true);
            return Ok(());
        }
        let left_out = placed.targets.len() - told.len();
        self.truncated |= !passed && left_out > 0;
        let open = open(self.dispatcher, self.tenant, position, placed.targets, &told)?;
        let mut found = Found {
            event,
            deliveries: deliveries(placed, &told),
            left_out,
            steps: BTreeMap::new(),
            open,
            edited: BTreeMap::new(),
            passed,
        };
        for (n, told) in &found.deliveries {
            if let Some(queue) = &told.queue {
                let (time, code) = (rfc3339(placed.time_ms), Code::HopLimit);
                let given_up = TraceStep::GivenUp { time, code, reason: code.title().to_owned(), queue: queue.clone() };
                found.steps.insert(*n, vec![given_up]);
            }
        }
        let numbers: Vec<_> = found.deliveries.keys().copied().collect();
        self.found.insert(position, found);
        numbers.into_iter().try_for_each(|n| self.weigh(position, n))?;
        self.let_go(position);
        Ok(())
    }

    /// Forgets an event of a page before this one of which nothing is left to hear.
    fn let_go(&mut self, event: Position) {
        let is_open = self.left.range((event, 0)..=(event, u16::MAX)).next().is_some();
        if !is_open && self.found.get(&event).is_some_and(|found| found.passed) {
            self.found.remove(&event);
        }
    }

    /// Whether a delivery has to be followed further.
    fn weigh(&mut self, event: Position, n: u16) -> Result<(), Refusal> {
        let Some(found) = self.found.get(&event) else { return Ok(()) };
        let Some(told) = found.deliveries.get(&n) else { return Ok(()) };
        if reached(self.dispatcher, self.tenant, event, n, told, &found.open)? && self.has_edits(found, told, n)? {
            self.left.remove(&(event, n));
        } else {
            self.left.insert((event, n));
        }
        Ok(())
    }

    /// Whether the last edit of a letter was heard of. A letter whose event lies elsewhere was edited, or its event was written again.
    fn has_edits(&self, found: &Found, told: &Told, n: u16) -> Result<bool, Refusal> {
        let Some(queue) = &told.queue else { return Ok(true) };
        let id = DeliveryId { event: found.event.position, n };
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
            let Some(found) = self.found.get_mut(&event) else { continue };
            let mut numbers = follow(item, event, &mut found.deliveries);
            if let Record::Edited { delivery, event, .. } = &item.record {
                let mark = event.extension(EDITED_ATTRIBUTE).cloned();
                found.edited.extend(mark.map(|mark| (delivery.n, mark)));
                numbers.push(delivery.n);
            }
            numbers.retain(|n| found.deliveries.contains_key(n));
            for n in &numbers {
                let n = *n;
                let Some(step) = found.step(item, DeliveryId { event, n }) else { continue };
                if found.passed {
                    continue;
                }
                if !self.steps.take(STEP_BYTES + text_bytes(&step)) {
                    (self.truncated, self.goes_on, self.left) = (true, true, BTreeSet::new());
                    return Ok(());
                }
                found.steps.entry(n).or_default().push(step);
            }
            if matches!(item.record, Record::Settle { .. }) {
                view::events(item).iter().try_for_each(|placed| self.add(placed))?;
            }
            numbers.into_iter().try_for_each(|n| self.weigh(event, n))?;
            self.let_go(event);
        }
        Ok(())
    }
}

/// The events whose deliveries a record is about.
fn about(item: &Item) -> BTreeSet<Position> {
    match &item.record {
        Record::Settle { delivery, .. } | Record::Edited { delivery, .. } => BTreeSet::from([delivery.event]),
        Record::Redrive { deliveries, .. } => deliveries.iter().map(|id| id.event).collect(),
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
                let writes = writes.iter().take(TRACED_WRITES_MAX).map(write).collect();
                Some(TraceStep::Attempt { from, attempt: Box::new(attempt), writes })
            }
            Record::Redrive { queue, .. } => Some(TraceStep::Redriven { time, queue: queue.clone() }),
            Record::Edited { queue, .. } => Some(TraceStep::Edited { time, queue: queue.clone() }),
            Record::Queue { moves, .. } => moves.iter().find(|(id, _)| *id == of).map(|(_, to)| moved(to, time)),
            _ => None,
        }
    }

    fn told(mut self, load: &LoadFigures, now_ms: u64) -> TracedEvent {
        held(&self.open, &mut self.deliveries, load, now_ms);
        let mut steps = self.steps;
        let delivery = |(n, told): (u16, Told)| {
            let steps = steps.remove(&n).unwrap_or_default();
            let DeliveryView { id, rule, to, state, held_by, .. } = told.view;
            TracedDelivery { id, rule, to, state, held_by, steps }
        };
        let deliveries = self.deliveries.into_iter().map(delivery).collect();
        TracedEvent { event: self.event, deliveries, left_out: self.left_out }
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

fn text_bytes(step: &TraceStep) -> usize {
    let TraceStep::Attempt { attempt, writes, .. } = step else { return 0 };
    attempt_bytes(attempt) + writes.iter().map(|of| of.key.len() + of.bucket.as_str().len()).sum::<usize>()
}
