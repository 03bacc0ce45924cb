//! One event with its deliveries and their attempts, gathered from the log.
//!
//! Invariant: a page holds at most so many deliveries, of each the newest attempts, and of all so many bytes; where they are more it ends with an
//! earlier delivery. What is told is what the log says up to where the state was when the question came, or later. The search ends
//! where every delivery is known to be as the state has it; it reads no further frames to see that nothing follows.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use wharf_delivery::{
    DeadLetterRow, DeliveryId, DeliveryRow, LinePlace, Move, Outcome, Record, TableError, TargetRef, keys,
};
use wharf_dispatch::{Archive, AskError, Dispatcher, Item, LoadFigures};
use wharf_event::{Code, Position, QueueName, TenantName};
use wharf_gateway::{
    DeliveriesQuery, Refusal,
    limits::ATTEMPTS_TOLD_MAX,
    view::{AttemptView, DeliveryState, DeliveryView, EventDetail},
};

use super::{not_in_archive, page::PAGE_BYTES_MAX, search::Asked, view, was_read};

/// About what the JSON of an attempt takes beside its texts, in bytes.
const ATTEMPT_BYTES: usize = 256;

/// Rows that are read of the state at a time: meanwhile nothing is written to it.
const ROWS_AT_ONCE: usize = 256;

/// One delivery as the log has told it so far.
pub(super) struct Told {
    pub(super) view: DeliveryView,
    /// When the obligation arose: frame time of the event, or of the last redrive.
    since_ms: u64,
    /// Attempts since then.
    attempts: u32,
    /// When it is due next: of a message that was given back it is all that says so.
    due_ms: u64,
    /// Where it lies, if it was given up.
    pub(super) queue: Option<QueueName>,
}

/// The event at `position` with what became of it, a page of that.
pub(super) fn detail(
    asked: &Asked,
    dispatcher: &Dispatcher,
    tenant: &TenantName,
    position: Position,
    query: DeliveriesQuery,
) -> Result<EventDetail, Refusal> {
    let archive = dispatcher.archive();
    let none = || no_event(position);
    let item = archive.record(position).map_err(|error| not_in_archive(&error))?;
    if item.record.tenant() != Some(tenant) {
        return Err(none());
    }
    let placed = view::events(&item).into_iter().find(|placed| placed.position == position).ok_or_else(none)?;
    let told = asked_for(query, placed.targets.len());
    let open = open(dispatcher, tenant, position, placed.targets, &told)?;
    let mut page = Page { told: deliveries(&placed, &told), before: query.attempts_before, bytes: 0 };
    search(asked, archive, position, &mut page, |n, told| {
        Ok(told.is_untried(open.get(&n)) || reached(dispatcher, tenant, position, n, told, &open)?)
    })?;
    let Page { told: mut deliveries, .. } = page;
    held(&open, &mut deliveries, &dispatcher.load(tenant), dispatcher.now_ms());
    let end = deliveries.keys().next_back().map_or(told.start, |last| usize::from(*last) + 1);
    let last = deliveries.keys().next_back().copied();
    let deliveries = deliveries.into_values().map(|told| told.view).collect();
    let next = last.filter(|_| query.only.is_none() && end < placed.targets.len());
    Ok(EventDetail { event: placed.view_with(&(told.start..end))?, deliveries, next })
}

/// The numbers of the deliveries that a page may tell of so many.
fn asked_for(DeliveriesQuery { limit, after, only, .. }: DeliveriesQuery, targets: usize) -> Range<usize> {
    let (first, most) = match only {
        Some(only) => (usize::from(only), 1),
        None => (after.map_or(0, |after| usize::from(after) + 1), limit as usize),
    };
    first.min(targets)..first.saturating_add(most).min(targets)
}

/// A page of deliveries that is being filled.
struct Page {
    told: BTreeMap<u16, Told>,
    /// Only attempts before this one.
    before: Option<Position>,
    /// What their attempts take.
    bytes: usize,
}

impl Page {
    /// Keeps the page within its bounds, now that `item` was told of delivery `n`.
    fn bound(&mut self, item: &Item, n: u16) {
        let Some(told) = self.told.get_mut(&n).filter(|_| matches!(item.record, Record::Settle { .. })) else { return };
        if self.before.is_some_and(|before| item.position >= before) {
            told.view.attempts.pop();
            return;
        }
        self.bytes += told.view.attempts.last().map_or(0, attempt_bytes);
        if told.view.attempts.len() > ATTEMPTS_TOLD_MAX {
            self.bytes = self.bytes.saturating_sub(told.forget_oldest());
        }
        while self.bytes > PAGE_BYTES_MAX {
            let freed = if self.told.len() > 1 {
                self.told.pop_last().map_or(0, |(_, told)| told.view.attempts.iter().map(attempt_bytes).sum())
            } else {
                self.told.values_mut().next().map_or(0, Told::forget_oldest)
            };
            self.bytes = self.bytes.saturating_sub(freed.max(1));
        }
    }
}

/// About so many bytes has an attempt.
pub(super) fn attempt_bytes(attempt: &AttemptView) -> usize {
    let log = attempt.log.iter().map(|line| line.message.len() + line.context.len());
    ATTEMPT_BYTES + log.sum::<usize>() + attempt.published.len() * 16
}

/// That there is no such event.
pub(super) fn no_event(position: Position) -> Refusal {
    Refusal::new(Code::EventUnknown, format!("this tenant has no event at position {position}"))
}

/// These deliveries of an event as they arose.
pub(super) fn deliveries(placed: &view::Placed<'_>, of: &Range<usize>) -> BTreeMap<u16, Told> {
    let told = |(n, target): (u16, &TargetRef)| (n, Told::new(placed.position, n, target, placed));
    (0..).zip(placed.targets).take(of.end).skip(of.start).map(told).collect()
}

/// Whether somebody has a message now is for the state to say: its time may be over. And what holds those back whose time has come.
pub(super) fn held(
    open: &BTreeMap<u16, DeliveryRow>,
    deliveries: &mut BTreeMap<u16, Told>,
    load: &LoadFigures,
    now_ms: u64,
) {
    for (n, row) in open {
        let Some(told) = deliveries.get_mut(n) else { continue };
        if row.target.to.queue().is_some() {
            let is_held = row.leased && row.due_ms > now_ms;
            told.view.state = if is_held { DeliveryState::Running } else { DeliveryState::Waiting };
        } else if row.due_ms <= now_ms {
            let of_target = load.targets.iter().find(|of| of.target == row.target.to).and_then(|of| of.held_by);
            told.view.held_by = of_target.or(load.held_by);
        }
    }
}

/// Follows the deliveries of the event at `position` until each is as the state has it.
fn search(
    asked: &Asked,
    archive: &Archive,
    position: Position,
    page: &mut Page,
    reached: impl Fn(u16, &Told) -> Result<bool, Refusal>,
) -> Result<(), Refusal> {
    let mut left = BTreeSet::new();
    for (n, told) in &page.told {
        if !reached(*n, told)? {
            left.insert(*n);
        }
    }
    for k in position.k..=archive.last_k() {
        if left.is_empty() {
            break;
        }
        asked.still()?;
        for item in archive.frame(k).map_err(|error| not_in_archive(&error))? {
            for n in follow(&item, position, &mut page.told) {
                page.bound(&item, n);
                let is_left = page.told.get(&n).map(|told| reached(n, told)).transpose()? == Some(false);
                if is_left {
                    left.insert(n)
                } else {
                    left.remove(&n)
                };
            }
            // Those that the page has no room for are told on another.
            let end = page.told.keys().next_back().map_or(0, |last| last.saturating_add(1));
            left.retain(|n| *n < end);
        }
    }
    Ok(())
}

impl Told {
    fn new(event: Position, n: u16, target: &TargetRef, placed: &view::Placed<'_>) -> Self {
        // Beyond the hop limit a delivery is given up without an attempt.
        let queue = placed.given_up.get(usize::from(n)).cloned();
        let view = DeliveryView {
            id: DeliveryId { event, n }.to_string(),
            rule: target.rule.clone(),
            to: target.to.clone(),
            state: if queue.is_some() { DeliveryState::DeadLettered } else { DeliveryState::Waiting },
            held_by: None,
            attempts: Vec::new(),
            attempts_before: None,
        };
        Self { view, since_ms: placed.time_ms, attempts: 0, due_ms: placed.time_ms, queue }
    }

    /// Whether it waits without an attempt since it came or was sent again, as the state has it. It may have been received and given back, which
    /// is none.
    fn is_untried(&self, row: Option<&DeliveryRow>) -> bool {
        let is_as_in = |row: &DeliveryRow| (row.since_ms, row.attempts) == (self.since_ms, 0);
        self.queue.is_none() && self.attempts == 0 && row.is_some_and(is_as_in)
    }

    /// Leaves its oldest attempt out, which had so many bytes.
    fn forget_oldest(&mut self) -> usize {
        let attempts = &mut self.view.attempts;
        let bytes = if attempts.is_empty() { 0 } else { attempt_bytes(&attempts.remove(0)) };
        self.view.attempts_before = attempts.first().map(|first| first.position);
        bytes
    }

    /// What became of it as a message of a queue.
    fn moved(&mut self, to: &Move, time_ms: u64) {
        (self.view.state, self.queue) = match to {
            Move::Lease(_) | Move::Extend(_) => (DeliveryState::Running, None),
            Move::Delay(_) | Move::Return => (DeliveryState::Waiting, None),
            Move::Done => (DeliveryState::Settled, None),
            Move::Expired | Move::Purged | Move::PurgedBehind(_) => (DeliveryState::Dropped, None),
            Move::GivenUp { queue, .. } => (DeliveryState::DeadLettered, Some(queue.clone())),
        };
        match to {
            Move::Lease(until_ms) => (self.attempts, self.due_ms) = (self.attempts + 1, *until_ms),
            Move::Extend(until_ms) | Move::Delay(until_ms) => self.due_ms = *until_ms,
            Move::Return => (self.attempts, self.due_ms) = (self.attempts.saturating_sub(1), time_ms),
            _ => {}
        }
    }
}

/// What the state says of those of these deliveries that have not ended.
pub(super) fn open(
    dispatcher: &Dispatcher,
    tenant: &TenantName,
    event: Position,
    targets: &[TargetRef],
    of: &Range<usize>,
) -> Result<BTreeMap<u16, DeliveryRow>, Refusal> {
    let (mut open, mut first) = (BTreeMap::new(), u16::try_from(of.start).unwrap_or(u16::MAX));
    for some in targets.get(of.clone()).unwrap_or_default().chunks(ROWS_AT_ONCE) {
        let rows: Vec<_> = waited(dispatcher.read(|state| {
            let row = |(n, target): (u16, &TargetRef)| {
                let row = DeliveryRow::waiting(state, tenant, target, DeliveryId { event, n });
                row.map(|row| row.map(|row| (n, row))).transpose()
            };
            (first..).zip(some).filter_map(row).collect()
        }))?;
        open.extend(rows);
        first = first.saturating_add(u16::try_from(some.len()).unwrap_or(u16::MAX));
    }
    Ok(open)
}

/// Whether a delivery is told as far as the state has it. A message that was received, given back, received and given back again within one
/// millisecond is to the state what it was after the first time: the second is not told then.
pub(super) fn reached(
    dispatcher: &Dispatcher,
    tenant: &TenantName,
    event: Position,
    n: u16,
    told: &Told,
    open: &BTreeMap<u16, DeliveryRow>,
) -> Result<bool, Refusal> {
    let as_in = |row: &DeliveryRow| row.since_ms == told.since_ms && row.attempts == told.attempts;
    match (told.view.state, &told.queue) {
        (DeliveryState::Settled | DeliveryState::Filtered | DeliveryState::Dropped, _) => Ok(true),
        // A letter that is not there as it was told has been sent again since.
        (DeliveryState::DeadLettered, Some(queue)) => {
            let key = keys::dead_letter(tenant, queue, DeliveryId { event, n });
            let letter = waited(dispatcher.read(|state| DeadLetterRow::get(state, &key)))?;
            Ok(letter.is_some_and(|letter| as_in(&letter.delivery)))
        }
        _ => Ok(open.get(&n).is_some_and(|row| {
            let is_message = row.target.to.queue().is_some();
            let is_running = told.view.state == DeliveryState::Running;
            as_in(row) && (!is_message || (row.due_ms, row.leased) == (told.due_ms, is_running))
        })),
    }
}

/// What is read of the state, on a thread that may block.
pub(super) fn waited<T>(read: impl Future<Output = Result<Result<T, TableError>, AskError>>) -> Result<T, Refusal> {
    was_read(tokio::runtime::Handle::current().block_on(read))
}

/// Of these deliveries those that are followed are due from that time on.
fn due(numbers: &[u16], time_ms: u64, deliveries: &mut BTreeMap<u16, Told>) -> Vec<u16> {
    let followed = numbers.iter().copied().filter(|n| {
        deliveries.get_mut(n).is_some_and(|of| {
            of.due_ms = time_ms;
            true
        })
    });
    followed.collect()
}

/// Brings the deliveries of the event at `event` up to what a record says of them, and gives those that it names.
pub(super) fn follow(item: &Item, event: Position, deliveries: &mut BTreeMap<u16, Told>) -> Vec<u16> {
    match &item.record {
        Record::Settle { delivery, attempt, outcome, published, writes, .. } if delivery.event == event => {
            let Some(of) = deliveries.get_mut(&delivery.n) else { return Vec::new() };
            of.view.attempts.push(view::attempt(item, attempt, outcome, published, writes.len()));
            of.attempts = attempt.number;
            (of.view.state, of.queue) = match outcome {
                Outcome::Ack => (DeliveryState::Settled, None),
                Outcome::Filtered { .. } => (DeliveryState::Filtered, None),
                Outcome::Retry { at_ms, .. } => {
                    of.due_ms = *at_ms;
                    (DeliveryState::Waiting, None)
                }
                Outcome::DeadLetter { queue, .. } => (DeliveryState::DeadLettered, Some(queue.clone())),
            };
            vec![delivery.n]
        }
        Record::Redrive { deliveries: redriven, .. } => {
            let redriven = redriven.iter().filter(|id| id.event == event).map(|id| id.n);
            let redriven: Vec<_> = redriven.collect();
            for n in &redriven {
                if let Some(of) = deliveries.get_mut(n) {
                    (of.view.state, of.queue) = (DeliveryState::Waiting, None);
                    (of.since_ms, of.attempts, of.due_ms) = (item.time_ms, 0, item.time_ms);
                }
            }
            redriven
        }
        Record::Discard { deliveries: gone, .. } => {
            let gone: Vec<_> = gone.iter().filter(|id| id.event == event).map(|id| id.n).collect();
            for n in &gone {
                if let Some(of) = deliveries.get_mut(n) {
                    (of.view.state, of.queue) = (DeliveryState::Dropped, None);
                }
            }
            gone
        }
        Record::Queue { moves, .. } => {
            let moves = moves.iter().filter(|(id, _)| id.event == event);
            let moved = |(id, to): &(DeliveryId, Move)| {
                deliveries.get_mut(&id.n)?.moved(to, item.time_ms);
                Some(id.n)
            };
            moves.filter_map(moved).collect()
        }
        // They come to their turn, or arise, later than their event.
        Record::Ordered { delivery, place: LinePlace::First, .. } if delivery.event == event => {
            due(&[delivery.n], item.time_ms, deliveries)
        }
        Record::Fanned { event: of, next, targets, .. } if *of == event => {
            let numbers: Vec<_> = (*next..).take(targets.len()).collect();
            due(&numbers, item.time_ms, deliveries)
        }
        _ => Vec::new(),
    }
}
