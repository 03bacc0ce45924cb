//! Lines: deliveries of one ordering key to one target. The first of a line is as any other; those behind it wait, the oldest is next.
//!
//! It is kept as the records tell of it, and what a record says of a place is held against it. When handlers ran is held against it by [`check`].

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use wharf_delivery::{DeliveryId, LinePlace};
use wharf_event::{AttributeValue, Event};

use super::{
    Wrong,
    delivery::{Delivery, Moment, Turn},
    life_of,
    log::Log,
    settles::joined_ms_max,
};
use crate::{
    client::World,
    observed::{Run, Seen},
    rules::{BY_DATA, BY_PARTITION},
};

/// Whose, to which target, and the key.
pub(super) type Line = (String, String, String);

#[derive(Debug, Default)]
struct InLine {
    first: Option<DeliveryId>,
    behind: BTreeSet<DeliveryId>,
}

/// All lines of some targets.
#[derive(Default)]
pub(super) struct Lines {
    lines: BTreeMap<Line, InLine>,
    of: BTreeMap<DeliveryId, Line>,
    /// Those in which some wait, and nobody is the first.
    headless: BTreeSet<Line>,
}

impl Lines {
    /// It belongs to a line, wherever it is.
    pub(super) fn knows(&mut self, id: DeliveryId, line: Line) {
        self.of.insert(id, line);
    }

    pub(super) fn of(&self, id: DeliveryId) -> Option<&Line> {
        self.of.get(&id)
    }

    /// Whether it waits behind nobody.
    pub(super) fn is_first(&self, id: DeliveryId) -> bool {
        let line = self.of.get(&id).and_then(|line| self.lines.get(line));
        line.is_none_or(|line| line.first == Some(id))
    }

    /// It takes its place in its line: whether that is behind others.
    pub(super) fn lines_up(&mut self, id: DeliveryId) -> bool {
        let Some(line) = self.of.get(&id) else { return false };
        let line = self.lines.entry(line.clone()).or_default();
        let behind = line.first.is_some() || !line.behind.is_empty();
        if behind {
            line.behind.insert(id);
        } else {
            line.first = Some(id);
        }
        behind
    }

    /// It is in its line no more.
    pub(super) fn steps_out(&mut self, id: DeliveryId) {
        let Some(of) = self.of.get(&id) else { return };
        let Some(line) = self.lines.get_mut(of) else { return };
        line.first.take_if(|first| *first == id);
        line.behind.remove(&id);
        if line.first.is_none() && !line.behind.is_empty() {
            self.headless.insert(of.clone());
        } else {
            self.headless.remove(of);
        }
    }

    /// A record says that it has another place in its line. Gives whether it comes to its turn by that, and says what is wrong with it.
    pub(super) fn takes_place(&mut self, line: &Line, id: DeliveryId, place: LinePlace) -> Result<bool, String> {
        if self.of.get(&id) != Some(line) {
            return Err(format!("{id} is {place:?} of {line:?}, and is not of it"));
        }
        let of = self.lines.entry(line.clone()).or_default();
        let wrong = format!("{id} is {place:?}, and should not: {of:?}");
        match place {
            LinePlace::First if of.first == Some(id) => Ok(false),
            LinePlace::First => {
                let is_next = of.first.is_none() && of.behind.first() == Some(&id);
                of.behind.remove(&id);
                of.first = Some(id);
                self.headless.remove(line);
                if is_next { Ok(true) } else { Err(wrong) }
            }
            LinePlace::Behind if of.behind.contains(&id) => Ok(false),
            LinePlace::Behind => Err(wrong),
        }
    }

    /// A frame is over: nobody waits behind nobody, but of tenants that go.
    pub(super) fn settled(&self, k: u64, has: impl Fn(&str) -> bool, wrong: &mut Wrong) {
        for line in self.headless.iter().filter(|(tenant, ..)| has(tenant)) {
            wrong.say(format!(
                "after frame {k} some wait in {line:?}, and none is the first: {:?}",
                self.lines.get(line)
            ));
        }
    }
}

/// The key that an event has for a target which orders by this.
pub(super) fn key(event: &Event, by: &str) -> Option<String> {
    match by {
        BY_PARTITION => match event.extension("partitionkey")? {
            AttributeValue::String(key) => Some(key.clone()),
            _ => None,
        },
        BY_DATA => {
            let data: Value = serde_json::from_slice(event.data()?.bytes()).ok()?;
            match data.get("k")? {
                Value::Null => None,
                Value::String(key) => Some(key.clone()),
                other => Some(other.to_string()),
            }
        }
        _ => None,
    }
}

/// When somebody was the first of its line: from a frame and its time on, until another one, with the last moment of that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hold {
    pub(super) from: (u64, u64),
    pub(super) until: Option<(u64, u64)>,
}

/// A run in a line: its life and frame time, whose it is, and its beginning and end among all.
#[derive(Clone, Copy, Debug)]
struct InTurn {
    life: usize,
    frame_ms: u64,
    id: DeliveryId,
    began: u64,
    ended: Option<u64>,
}

/// Of a line one delivery at a time is under way, and none begins before the one that is before it has left for good.
pub(super) fn check(seen: &Seen, world: &World, log: &Log<'_>, wrong: &mut Wrong) {
    let mut under_way: BTreeMap<(usize, &Line), InTurn> = BTreeMap::new();
    for Run { life, delivery: id, frame_ms, began, ended, .. } in &seen.runs {
        let (Some(line), Some(delivery)) = (log.lines.of(*id), log.deliveries.get(id)) else { continue };
        let run = InTurn { life: *life, frame_ms: *frame_ms, id: *id, began: *began, ended: *ended };
        let holds = delivery.holds(|at| last_ms(at, seen, world));
        wrong.unless(run.is_within(&holds, |k| life_of(seen, k)), || {
            format!("{id} ran at {frame_ms} in life {life}, and was the first of {line:?} {holds:?}")
        });
        let before = under_way.get(&(*life, line)).copied();
        // What a tenant that is gone began may go on, while one of its name begins.
        let is_gone = |of: InTurn| {
            let moments = log.deliveries.get(&of.id).map(|delivery| delivery.moments.as_slice()).unwrap_or_default();
            moments.iter().any(|moment| run.is_behind_erasure(moment, |k| life_of(seen, k)))
        };
        let is_alone = before.is_none_or(|before| before.lets_pass(&run) || is_gone(before));
        wrong.unless(is_alone, || format!("{id} ran in life {life} beside {before:?}, and both are of {line:?}"));
        under_way.insert((*life, line), before.filter(|before| before.outlasts(&run)).unwrap_or(run));
    }
}

/// The last moment of what is in a frame.
fn last_ms(k: u64, seen: &Seen, world: &World) -> u64 {
    let first = seen.frames.get(&k).and_then(|items| items.first());
    first.map_or(u64::MAX, |item| joined_ms_max(item, seen, world))
}

impl InTurn {
    /// Whether it began while its delivery was the first.
    fn is_within(&self, holds: &[Hold], life_of: impl Fn(u64) -> usize) -> bool {
        holds.iter().any(|Hold { from: (from_k, from_ms), until }| {
            let begun = life_of(*from_k) <= self.life && *from_ms <= self.frame_ms;
            // What a life did behind its last durable frame may be later than the first frame of the next one.
            let until = until.map(|(k, ms)| (life_of(k), ms));
            begun && until.is_none_or(|(life, ms)| life > self.life || life == self.life && ms >= self.frame_ms)
        })
    }

    /// Whether another one may begin then: it is of the same delivery, or this one is over.
    fn lets_pass(&self, next: &Self) -> bool {
        self.id == next.id || self.ended.is_some_and(|ended| ended < next.began)
    }

    /// Whether a later one of the same delivery ends before this one does.
    fn outlasts(&self, next: &Self) -> bool {
        self.id == next.id && self.ended.is_none_or(|ended| next.ended.is_some_and(|next| next < ended))
    }

    /// Whether it began when the delivery to which that happened had gone with its tenant.
    fn is_behind_erasure(&self, moment: &Moment, life_of: impl Fn(u64) -> usize) -> bool {
        moment.turn == Turn::Erased && moment.time_ms <= self.frame_ms && life_of(moment.at.k) <= self.life
    }
}

impl Delivery<'_> {
    /// When it was the first of its line; `last_ms` says until when there are things in a frame.
    fn holds(&self, last_ms: impl Fn(u64) -> u64) -> Vec<Hold> {
        let mut holds = Vec::new();
        let mut from = (!self.came_behind).then_some((self.arose.k, self.arose_ms));
        for moment in &self.moments {
            if moment.turn.begins() {
                from = from.or(Some((moment.at.k, moment.time_ms)));
            } else if moment.turn.ends()
                && let Some(from) = from.take()
            {
                // What a tenant that goes began may go on, and what was about to begin may begin; nothing that comes of it is kept.
                let until_ms = if moment.turn == Turn::Erased { u64::MAX } else { last_ms(moment.at.k) };
                holds.push(Hold { from, until: Some((moment.at.k, until_ms)) });
            }
        }
        holds.extend(from.map(|from| Hold { from, until: None }));
        holds
    }
}

#[cfg(test)]
mod tests {
    use wharf_event::{EventBuilder, Position};

    use super::*;

    fn id(k: u64) -> DeliveryId {
        DeliveryId { event: Position { k, i: 0 }, n: 0 }
    }

    fn line() -> Line {
        ("acme".to_owned(), "keep".to_owned(), "g1".to_owned())
    }

    #[test]
    fn of_those_that_wait_the_oldest_is_next_and_only_when_the_first_has_left() {
        let mut lines = Lines::default();
        (1..=3).for_each(|k| lines.knows(id(k), line()));
        assert_eq!([1, 2, 3].map(|k| lines.lines_up(id(k))), [false, true, true]);
        assert_eq!([1, 2, 3].map(|k| lines.is_first(id(k))), [true, false, false]);
        assert!(lines.takes_place(&line(), id(4), LinePlace::First).is_err(), "it is of no line");
        lines.steps_out(id(1));
        assert_eq!(lines.headless.len(), 1, "somebody has to come to its turn");
        assert_eq!(lines.takes_place(&line(), id(2), LinePlace::First), Ok(true));
        assert!(lines.headless.is_empty());
        assert!(lines.takes_place(&line(), id(3), LinePlace::First).is_err(), "another one is the first");
        let mut lines = Lines::default();
        (1..=3).for_each(|k| lines.knows(id(k), line()));
        (1..=3).for_each(|k| _ = lines.lines_up(id(k)));
        lines.steps_out(id(1));
        assert!(lines.takes_place(&line(), id(3), LinePlace::First).is_err(), "another one is before it");
    }

    #[test]
    fn a_run_is_within_the_time_that_its_delivery_is_the_first_and_beside_none_of_its_line() {
        let life_of = |k: u64| if k <= 10 { 1 } else { 2 };
        let run = |life, frame_ms| InTurn { life, frame_ms, id: id(1), began: 5, ended: Some(8) };
        let ended = [Hold { from: (4, 400), until: Some((9, 900)) }];
        let within = |life, ms, holds: &[Hold]| run(life, ms).is_within(holds, life_of);
        assert_eq!([399, 400, 900, 901].map(|ms| within(1, ms, &ended)), [false, true, true, false]);
        assert!(!within(2, 800, &ended), "it had left in the life before");
        assert!(within(1, 9_000, &[Hold { from: (4, 400), until: Some((11, 900)) }]), "that it ran is not in the log");
        let open = [ended[0], Hold { from: (12, 1_200), until: None }];
        assert_eq!([within(1, 1_300, &open), within(2, 1_300, &open)], [false, true]);

        let next = |id, began| InTurn { id, began, ..run(1, 500) };
        assert!(run(1, 500).lets_pass(&next(id(2), 9)) && run(1, 500).lets_pass(&next(id(1), 6)));
        assert!(!run(1, 500).lets_pass(&next(id(2), 7)));
        let endless = InTurn { ended: None, ..run(1, 500) };
        assert!(!endless.lets_pass(&next(id(2), 9)), "it goes on");
        let short = |id| InTurn { id, began: 6, ended: Some(7), ..run(1, 500) };
        assert!(run(1, 500).outlasts(&short(id(1))) && endless.outlasts(&short(id(1))));
        assert!(!short(id(1)).outlasts(&run(1, 500)) && !run(1, 500).outlasts(&endless));
        assert!(!endless.outlasts(&short(id(2))), "it is another one's");

        let turn = |k, time_ms, turn| Moment { at: Position { k, i: 0 }, time_ms, turn };
        let is_behind = |life, ms, moment| run(life, ms).is_behind_erasure(&moment, life_of);
        assert_eq!([499, 500].map(|ms| is_behind(1, ms, turn(5, 500, Turn::Erased))), [false, true]);
        assert_eq!([1, 2].map(|life| is_behind(life, 500, turn(11, 500, Turn::Erased))), [false, true]);
        assert!(!is_behind(1, 500, turn(5, 500, Turn::Acked(1))));
    }

    #[test]
    fn a_key_is_a_text_or_what_is_written_there() {
        let event =
            |data: &'static str| EventBuilder::new("i", "s", "t").extension("partitionkey", "p").data(data).build();
        let key = |data, by| key(&event(data).unwrap(), by);
        assert_eq!(key("{}", BY_PARTITION).as_deref(), Some("p"));
        let of = |data| key(data, BY_DATA);
        assert_eq!([of(r#"{"k":1}"#), of(r#"{"k":"1"}"#)].map(|key| key.as_deref() == Some("1")), [true; 2]);
        assert_eq!([of("{}"), of(r#"{"k":null}"#), of("[1]")], [None, None, None]);
    }
}
