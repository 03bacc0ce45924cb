//! A page of a trace while it is filled: which events, deliveries and steps it tells, and where it ends.
//!
//! Invariant: it is a stretch of the tree in the order of events, their deliveries and the steps of those. Where it has no room for what belongs to
//! it, it ends earlier; it never has a gap, and the next one goes on from where it ended.

use std::collections::{BTreeMap, BTreeSet};

use wharf_delivery::{DeliveryId, DeliveryRow};
use wharf_dispatch::LoadFigures;
use wharf_event::{AttributeValue, Position};
use wharf_gateway::view::{DeliveryView, EventView, TraceCursor, TraceStep, TracedDelivery, TracedEvent};

use super::{
    detail::{Told, attempt_bytes, held},
    page::PAGE_BYTES_MAX,
};

/// About what the JSON of a step takes beside its texts, in bytes.
const STEP_BYTES: usize = 256;

/// The same of a key that was written.
const WRITE_BYTES: usize = 64;

/// One event that was found.
#[derive(Default)]
pub(super) struct Found {
    /// The event, with those of its deliveries that the page tells; absent where it stands on a page before.
    pub(super) event: Option<EventView>,
    /// Those that are followed: of a page before, those that are not told as the state has them yet.
    pub(super) deliveries: BTreeMap<u16, Told>,
    /// The first that the page tells.
    pub(super) first: usize,
    /// The one behind the last that it tells.
    pub(super) end: usize,
    /// How many there are.
    pub(super) total: usize,
    pub(super) steps: BTreeMap<u16, Vec<Step>>,
    pub(super) open: BTreeMap<u16, DeliveryRow>,
    /// What the last edit of a delivery that was heard of left in its event.
    pub(super) edited: BTreeMap<u16, AttributeValue>,
}

/// What happened to a delivery, by the record that says so.
pub(super) struct Step {
    pub(super) position: Position,
    pub(super) bytes: usize,
    pub(super) told: TraceStep,
}

/// A page, and what is followed for it.
#[derive(Default)]
pub(super) struct Page {
    pub(super) found: BTreeMap<Position, Found>,
    /// What is not yet told as the state has it.
    pub(super) left: BTreeSet<(Position, u16)>,
    pub(super) after: Option<TraceCursor>,
    /// Steps that it may have.
    steps_max: usize,
    /// Whether there is more behind it.
    pub(super) is_full: bool,
    /// Whether no page has what is behind it.
    is_cut: bool,
    /// The steps that it has, and their bytes.
    steps: (usize, usize),
    /// The last step that is told, of the one delivery that it has, where more are behind that.
    last_step: Option<Position>,
}

impl Page {
    /// An empty page that begins behind this, for so many steps.
    pub(super) fn behind(after: Option<TraceCursor>, steps_max: usize) -> Self {
        Self { after, steps_max, ..Self::default() }
    }

    /// There is more than the page has. So what came of those on pages before is on none but a later one.
    pub(super) fn close(&mut self) {
        self.is_full = true;
        self.found.retain(|_, found| found.event.is_some());
        self.left.retain(|(event, n)| self.found.get(event).is_some_and(|found| found.tells(*n)));
    }

    /// Whether more is open at a time than is followed. Then it is the last page.
    pub(super) fn is_too_wide(&mut self, most: usize) -> bool {
        if self.left.len() > most {
            self.is_cut = true;
            self.close();
        }
        self.is_cut
    }

    /// Forgets an event of a page before this one of which nothing is left to hear.
    pub(super) fn let_go(&mut self, event: Position) {
        if self.found.get(&event).is_some_and(|found| found.event.is_none() && found.deliveries.is_empty()) {
            self.found.remove(&event);
        }
    }

    /// Tells a step of a delivery, which a record says, if it is on the page. Where there is no room for it the page ends earlier.
    pub(super) fn tell(&mut self, of: DeliveryId, position: Position, told: TraceStep) {
        let Some(found) = self.found.get_mut(&of.event) else { return };
        let is_before = self.after.is_some_and(|after| after.has_step(of.event, of.n, position));
        if !found.tells(of.n) || is_before || self.last_step.is_some() {
            return;
        }
        let bytes = STEP_BYTES + text_bytes(&told);
        found.steps.entry(of.n).or_default().push(Step { position, bytes, told });
        self.steps = (self.steps.0 + 1, self.steps.1 + bytes);
        while self.steps.0 > 1 && (self.steps.0 > self.steps_max || self.steps.1 > PAGE_BYTES_MAX) {
            self.shorten();
        }
    }

    /// Leaves the end of the page to the next one: its last event, of one event the last delivery, of one delivery the last step.
    fn shorten(&mut self) {
        self.close();
        let (count, last) = (self.found.len(), self.found.pop_last());
        let Some((event, mut found)) = last else { return };
        let mut gone: Vec<Step> = Vec::new();
        if count > 1 {
            gone.extend(found.steps.into_values().flatten());
            self.left.retain(|(of, _)| *of != event);
        } else if found.end > found.first + 1 {
            found.end -= 1;
            let n = u16::try_from(found.end).unwrap_or(u16::MAX);
            gone.extend(found.steps.remove(&n).unwrap_or_default());
            found.deliveries.remove(&n);
            found.event.as_mut().map(|event| event.deliveries.pop());
            self.left.remove(&(event, n));
            self.found.insert(event, found);
        } else {
            let steps = found.steps.values_mut().next_back();
            let last = steps.and_then(|steps| steps.pop().map(|last| (last, steps.last().map(|step| step.position))));
            if let Some((last, before)) = last {
                gone.push(last);
                self.last_step = before;
            }
            self.found.insert(event, found);
        }
        self.steps.0 -= gone.len().min(self.steps.0);
        self.steps.1 -= gone.iter().map(|step| step.bytes).sum::<usize>().min(self.steps.1);
    }

    /// Where the page behind this one begins, if there is one.
    pub(super) fn next(&self) -> Option<TraceCursor> {
        let (event, found) = self.found.last_key_value().filter(|_| self.is_full && !self.is_cut)?;
        let last = found.end.checked_sub(1).and_then(|last| u16::try_from(last).ok());
        let is_open = self.last_step.is_some() || found.end < found.total;
        Some(TraceCursor { event: *event, delivery: last.filter(|_| is_open), step: self.last_step })
    }
}

impl Found {
    /// Whether a delivery of it is on the page.
    pub(super) fn tells(&self, n: u16) -> bool {
        self.event.is_some() && (self.first..self.end).contains(&usize::from(n))
    }

    /// The number of the first delivery that is on the page.
    pub(super) fn told_from(&self) -> u16 {
        u16::try_from(self.first).unwrap_or(u16::MAX)
    }

    /// What the page tells of it.
    pub(super) fn told(mut self, load: &LoadFigures, now_ms: u64) -> Option<TracedEvent> {
        let event = self.event.take()?;
        held(&self.open, &mut self.deliveries, load, now_ms);
        let first = self.told_from();
        let mut steps = self.steps;
        let delivery = |(n, told): (u16, Told)| {
            let steps = steps.remove(&n).unwrap_or_default().into_iter().map(|step| step.told).collect();
            let DeliveryView { id, rule, to, state, held_by, .. } = told.view;
            TracedDelivery { id, rule, to, state, held_by, steps }
        };
        // Those before are followed, and told on the page before.
        let deliveries = self.deliveries.split_off(&first).into_iter().map(delivery).collect();
        Some(TracedEvent { event, deliveries })
    }
}

fn text_bytes(step: &TraceStep) -> usize {
    let TraceStep::Attempt { attempt, writes, .. } = step else { return 0 };
    attempt_bytes(attempt)
        + writes.iter().map(|of| WRITE_BYTES + of.key.len() + of.bucket.as_str().len()).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use wharf_gateway::limits::TRACED_STEPS_MAX;

    use super::*;

    fn position(k: u64) -> Position {
        Position { k, i: 0 }
    }

    /// A page behind `after` with events at 1-0 and on, of which so many deliveries of so many are told.
    fn page(after: Option<&str>, events: &[(usize, usize)]) -> Page {
        let mut page = Page::behind(after.map(|after| after.parse().unwrap()), TRACED_STEPS_MAX);
        for (k, (end, total)) in (1..).zip(events) {
            let event = format!(
                r#"{{"position": "{k}-0", "time": "", "bus": "b", "event": {{}}, "deliveries": [{}]}}"#,
                (0..*end).map(|n| format!(r#"{{"rule": "r", "target": "p", "n": {n}}}"#)).collect::<Vec<_>>().join(",")
            );
            let event = Some(serde_json::from_str(&event).unwrap());
            page.found.insert(position(k), Found { event, end: *end, total: *total, ..Found::default() });
            page.left.extend((0..*end).map(|n| (position(k), u16::try_from(n).unwrap())));
        }
        page
    }

    /// Tells so many steps of a delivery, by records from `from` on.
    fn tell(page: &mut Page, (k, n): (u64, u16), from: u64, count: usize) {
        for record in (from..).take(count) {
            let told = TraceStep::Returned { time: String::new() };
            page.tell(DeliveryId { event: position(k), n }, position(record), told);
        }
    }

    /// Where the next page begins, and what the page has: of each event the deliveries, and their steps.
    fn seen(page: &Page) -> (String, Vec<(usize, usize)>) {
        let of = |found: &Found| {
            (found.event.as_ref().unwrap().deliveries.len(), found.steps.values().map(Vec::len).sum::<usize>())
        };
        (page.next().map(|next| next.to_string()).unwrap_or_default(), page.found.values().map(of).collect())
    }

    #[test]
    fn a_page_without_room_for_a_step_ends_earlier_and_the_next_one_goes_on_from_there() {
        let mut page = page(None, &[(2, 2), (1, 1), (0, 0)]);
        tell(&mut page, (1, 0), 10, TRACED_STEPS_MAX - 5_000);
        tell(&mut page, (1, 1), 10, 5_000);
        assert_eq!(seen(&page), (String::new(), vec![(2, TRACED_STEPS_MAX), (1, 0), (0, 0)]));
        tell(&mut page, (2, 0), 20_000, 1);
        assert_eq!(seen(&page), ("1-0".to_owned(), vec![(2, TRACED_STEPS_MAX)]), "by events");
        assert_eq!(page.left.len(), 2, "what is on a further page is not followed");
        tell(&mut page, (1, 1), 20_001, 1);
        assert_eq!(seen(&page), ("1-0.0".to_owned(), vec![(1, 5_000)]), "then by deliveries");
        tell(&mut page, (1, 0), 30_000, 5_003);
        assert_eq!(seen(&page), ("1-0.0@34999-0".to_owned(), vec![(1, TRACED_STEPS_MAX)]), "then by steps");
        assert!(page.left.contains(&(position(1), 0)), "it is followed to its end, so that its state is right");
    }

    #[test]
    fn where_too_much_is_open_at_a_time_the_page_is_the_last() {
        let mut page = page(None, &[(2, 2), (1, 1)]);
        assert!(!page.is_too_wide(3));
        assert!(page.is_too_wide(2) && page.is_full);
        assert_eq!(seen(&page), (String::new(), vec![(2, 0), (1, 0)]), "there is no next one");
        page.left.clear();
        assert!(page.is_too_wide(2), "what comes later is not taken up either");
    }

    #[test]
    fn a_page_behind_a_step_has_those_behind_it() {
        let mut page = page(Some("1-0.0@12-0"), &[(1, 2)]);
        tell(&mut page, (1, 0), 10, 5);
        assert_eq!(seen(&page), (String::new(), vec![(1, 2)]));
        page.close();
        assert_eq!(seen(&page).0, "1-0.0");
    }
}
