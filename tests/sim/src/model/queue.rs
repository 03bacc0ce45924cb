//! Judges queues: who has a message has it alone, and only that one ends it, with the receipt of the lease that lasts; it leaves for a reason
//! that holds.

use std::collections::{BTreeMap, BTreeSet};

use wharf_delivery::{DeliveryId, LinePlace, Move, Outcome, Receipt, Table, TargetRef};
use wharf_event::{AttributeValue, Code, Event, Position};

use super::{
    Wrong,
    lines::{Line, Lines},
    log::Log,
};
use crate::{
    client::World,
    life::Dump,
    observed::Seen,
    queue::Wish,
    rules::{self, QUEUE, Queueing},
};

/// How a message stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stands {
    Waits,
    Dead,
    /// It is nobody's any more.
    Left,
}

/// A message.
#[derive(Clone, Debug)]
struct Message<'a> {
    tenant: &'a str,
    event: &'a Event,
    since_ms: u64,
    stands: Stands,
    receives: u32,
    /// Nobody gets it before then.
    hidden_ms: u64,
    /// The lease that it has, or had last.
    lease: Option<Position>,
    /// Whether it is among those that come in the order of the log: it never was received, and waits for no time.
    is_fresh: bool,
}

/// All messages of all queues.
#[derive(Default)]
pub(super) struct Messages<'a> {
    all: BTreeMap<DeliveryId, Message<'a>>,
    /// What became of the leases: each by its receipt.
    ended: Vec<(Receipt, Move)>,
    /// Who received what, by the receipt.
    leased: BTreeMap<Receipt, &'a Event>,
    /// The group of each, where there are groups.
    pub(super) lines: Lines,
}

/// What a record of a queue comes to.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counted {
    pub(super) leased: u64,
    pub(super) returned: u64,
    pub(super) released: u64,
    pub(super) dead: u64,
}

impl<'a> Messages<'a> {
    pub(super) fn arise(
        &mut self,
        tenant: &'a str,
        (id, target, ordered): (DeliveryId, &TargetRef, bool),
        event: &'a Event,
        (since_ms, late): (u64, bool),
        wrong: &mut Wrong,
    ) {
        let group = match event.extension("partitionkey") {
            Some(AttributeValue::String(group)) => group.clone(),
            _ => String::new(),
        };
        if ordered {
            self.lines.knows(id, (tenant.to_owned(), target.to.to_string(), group.clone()));
        }
        let behind = self.lines.lines_up(id);
        let said = target.order.as_ref().map(|(key, behind)| (key.as_str(), *behind));
        wrong.unless(said == ordered.then_some((group.as_str(), behind)), || {
            format!("{id} comes as {said:?}, and its group is {group}, behind others: {behind}")
        });
        // Those behind others, and those that come later than their event, wait for a time.
        let (stands, receives, hidden_ms, lease, is_fresh) = (Stands::Waits, 0, 0, None, !behind && !late);
        self.all.insert(id, Message { tenant, event, since_ms, stands, receives, hidden_ms, lease, is_fresh });
    }

    /// A record says that it has another place in its group.
    pub(super) fn ordered(
        &mut self,
        line: &Line,
        id: DeliveryId,
        place: LinePlace,
        (at, time_ms): (Position, u64),
        wrong: &mut Wrong,
    ) {
        match self.lines.takes_place(line, id, place) {
            Ok(false) => {}
            Ok(true) => {
                let one = self.all.get_mut(&id).into_iter();
                one.for_each(|one| (one.hidden_ms, one.is_fresh) = (time_ms, false));
            }
            Err(why) => wrong.say(format!("at {at} {why}")),
        }
    }

    pub(super) fn has(&self, id: DeliveryId) -> bool {
        self.all.contains_key(&id)
    }

    /// It came back from the dead letters.
    pub(super) fn redriven(&mut self, id: DeliveryId, time_ms: u64) {
        if let Some(one) = self.all.get_mut(&id) {
            (one.stands, one.receives, one.lease, one.is_fresh) = (Stands::Waits, 0, None, false);
            (one.hidden_ms, one.since_ms) = (time_ms, time_ms);
            self.lines.lines_up(id);
        }
    }

    /// It is a dead letter no more.
    pub(super) fn discarded(&mut self, id: DeliveryId) {
        self.all.get_mut(&id).into_iter().for_each(|one| one.stands = Stands::Left);
    }

    /// It is a dead letter, and has another event from now on.
    pub(super) fn edited(&mut self, id: DeliveryId, event: &'a Event) {
        self.all.get_mut(&id).into_iter().for_each(|one| one.event = event);
    }

    /// It went to the dead letters at once.
    pub(super) fn dead(&mut self, id: DeliveryId) {
        self.all.get_mut(&id).into_iter().for_each(|one| one.stands = Stands::Dead);
        self.lines.steps_out(id);
    }

    /// It goes with its tenant: whether it was there.
    pub(super) fn erase(&mut self, tenant: &str, id: DeliveryId, table: Table) -> Option<bool> {
        let one = self.all.get_mut(&id)?;
        let there = if table == Table::DeadLetters { Stands::Dead } else { Stands::Waits };
        let went = one.stands == there && one.tenant == tenant;
        if table == Table::Letters {
            return Some(one.tenant == tenant);
        }
        one.stands = Stands::Left;
        self.lines.steps_out(id);
        Some(went)
    }

    pub(super) fn is_gone(&self, id: DeliveryId) -> bool {
        self.all.get(&id).is_some_and(|one| one.stands == Stands::Left)
    }

    pub(super) fn waiting(&self) -> u64 {
        self.all.values().filter(|one| one.stands == Stands::Waits).count() as u64
    }

    pub(super) fn left_of(&self, tenant: &str) -> usize {
        self.all.values().filter(|one| one.tenant == tenant && one.stands != Stands::Left).count()
    }

    /// A record moved messages. Gives those that are dead letters now, each with its queue.
    pub(super) fn take(
        &mut self,
        tenant: &str,
        moves: &[(DeliveryId, Move)],
        (at, time_ms): (Position, u64),
        (seen, world, was_gone): (&Seen, &World, bool),
        wrong: &mut Wrong,
    ) -> (Counted, Vec<(DeliveryId, String)>) {
        let gathered_for_ms = rules::gathering(world.seed).map(|_| rules::gathered_for_ms(world.seed));
        let judge = Judge { queueing: rules::queueing(world.seed), gathered_for_ms, seen, at, time_ms, was_gone };
        let (mut counted, mut dead) = (Counted::default(), Vec::new());
        for (id, to) in moves {
            let Some(one) = self.all.get_mut(id).filter(|one| one.tenant == tenant && one.stands == Stands::Waits)
            else {
                wrong.say(format!("{id} is {to:?} at {at}, and is in no queue of {tenant}"));
                continue;
            };
            if let Err(why) = judge.may(*id, one, to) {
                wrong.say(format!("{id} is {to:?} at {at}: {why}; it was {one:?}"));
            }
            let is_first = self.lines.is_first(*id);
            wrong.unless(is_first != matches!(to, Move::PurgedBehind(_)), || {
                format!("{id} is {to:?} at {at}, and is the first of its group: {is_first}")
            });
            let receipt = one.lease.map(|lease| Receipt { delivery: *id, lease });
            if !matches!(to, Move::Lease(_)) {
                self.ended.extend(receipt.map(|receipt| (receipt, to.clone())));
            }
            one.is_fresh = false;
            match to {
                Move::Lease(until_ms) => {
                    counted.leased += 1;
                    (one.receives, one.hidden_ms, one.lease) = (one.receives + 1, *until_ms, Some(at));
                    self.leased.insert(Receipt { delivery: *id, lease: at }, one.event);
                }
                Move::Extend(until_ms) => one.hidden_ms = *until_ms,
                Move::Delay(until_ms) => {
                    counted.released += u64::from(one.lease.is_some());
                    (one.hidden_ms, one.lease) = (*until_ms, None);
                }
                Move::Return => {
                    counted.returned += 1;
                    (one.receives, one.hidden_ms, one.lease) = (one.receives.saturating_sub(1), time_ms, None);
                }
                Move::Done | Move::Expired | Move::Purged | Move::PurgedBehind(_) => one.stands = Stands::Left,
                Move::GivenUp { queue, .. } => {
                    counted.dead += 1;
                    one.stands = Stands::Dead;
                    dead.push((*id, queue.to_string()));
                }
            }
            if to.leaves() {
                self.lines.steps_out(*id);
            }
        }
        self.in_order(tenant, moves, at, wrong);
        (counted, dead)
    }

    /// A plugin that consumes the queue ended one that it has.
    pub(super) fn consumed(
        &mut self,
        tenant: &str,
        (id, number, outcome): (DeliveryId, u32, &Outcome),
        (at, time_ms): (Position, u64),
        seen: &Seen,
    ) -> Result<(), String> {
        let waits = |one: &&mut Message<'_>| one.tenant == tenant && one.stands == Stands::Waits;
        let Some(one) = self.all.get_mut(&id).filter(waits) else { return Err(format!("it is not {tenant}'s")) };
        let held = one.lease.filter(|_| one.hidden_ms > time_ms);
        let receipt = held.map(|lease| Receipt { delivery: id, lease });
        let by_a_client = |receipt| seen.queues.received.iter().any(|(_, of, _)| *of == receipt);
        let first = self.lines.is_first(id);
        let right = receipt.is_some_and(|receipt| !by_a_client(receipt)) && one.receives == number && first;
        let why = format!("attempt {number} at {at} is {outcome:?}, and it was {one:?}, first of its group: {first}");
        (one.lease, one.is_fresh) = (None, false);
        match outcome {
            Outcome::Retry { at_ms, .. } => one.hidden_ms = *at_ms,
            Outcome::DeadLetter { .. } => one.stands = Stands::Dead,
            Outcome::Ack | Outcome::Filtered { .. } => one.stands = Stands::Left,
        }
        if one.stands != Stands::Waits {
            self.lines.steps_out(id);
        }
        if right { Ok(()) } else { Err(why) }
    }

    /// Whether it was received with that event at some time.
    pub(super) fn was_leased(&self, id: DeliveryId, event: &Event) -> bool {
        let of = |position| Receipt { delivery: id, lease: position };
        let (first, last) = (of(Position::ZERO), of(Position { k: u64::MAX, i: u32::MAX }));
        self.leased.range(first..=last).any(|(_, leased)| *leased == event)
    }

    /// Of those that nobody had yet the oldest come first.
    fn in_order(&self, tenant: &str, moves: &[(DeliveryId, Move)], at: Position, wrong: &mut Wrong) {
        let first = |id: &DeliveryId| self.all.get(id).is_some_and(|one| one.receives == 1 && one.lease == Some(at));
        let leased = moves.iter().filter(|(id, to)| matches!(to, Move::Lease(_)) && first(id));
        let Some((last, _)) = leased.max_by_key(|(id, _)| *id) else { return };
        let passed =
            self.all.range(..last).find(|(_, one)| one.tenant == tenant && one.stands == Stands::Waits && one.is_fresh);
        wrong.unless(passed.is_none(), || format!("{last} is received at {at}, before {passed:?}"));
    }
}

/// What a move is judged by.
struct Judge<'a> {
    queueing: Queueing,
    /// For how long the plugin that consumes the queue has messages, if one does.
    gathered_for_ms: Option<u64>,
    seen: &'a Seen,
    at: Position,
    time_ms: u64,
    /// Whether the queue was gone at some time.
    was_gone: bool,
}

impl Judge<'_> {
    fn may(&self, id: DeliveryId, one: &Message<'_>, to: &Move) -> Result<(), &'static str> {
        let held = one.lease.filter(|_| one.hidden_ms > self.time_ms);
        let receipt = held.map(|lease| Receipt { delivery: id, lease });
        let wished = |wish: Wish| receipt.is_some_and(|receipt| self.seen.queues.wished.contains(&(receipt, wish)));
        // What no client was told of may be the plugin's that consumes the queue.
        let gathers = receipt.is_some_and(|receipt| {
            self.gathered_for_ms.is_some() && self.seen.queues.received.iter().all(|(_, of, _)| *of != receipt)
        });
        let for_ms = |until_ms: u64| until_ms.wrapping_sub(self.time_ms);
        let is_spent = one.receives >= self.queueing.max_receives;
        let holds = match to {
            Move::Lease(until_ms) => {
                let ms = for_ms(*until_ms);
                let of_queue = ms == self.queueing.visibility_ms || self.gathered_for_ms == Some(ms);
                let said = of_queue || self.seen.queues.visible_ms.contains(&ms);
                said && one.hidden_ms <= self.time_ms && !is_spent
            }
            Move::Delay(until_ms) if one.lease.is_none() => {
                // It was sent so, in this frame.
                id.event.k == self.at.k && self.seen.queues.delayed_ms.contains(&for_ms(*until_ms))
            }
            Move::Delay(until_ms) => wished(Wish::Release(for_ms(*until_ms))) && !is_spent,
            Move::Extend(until_ms) if gathers && self.gathered_for_ms == Some(for_ms(*until_ms)) => true,
            Move::Extend(until_ms) => wished(Wish::Extend(for_ms(*until_ms))),
            Move::Return => gathers || wished(Wish::Return),
            Move::Done => wished(Wish::Ack),
            Move::Expired => held.is_none() && one.since_ms + self.queueing.retention_ms <= self.time_ms,
            Move::Purged | Move::PurgedBehind(_) => self.seen.queues.emptied.iter().any(|tenant| tenant == one.tenant),
            Move::GivenUp { code: Code::TargetGone, queue, .. } => self.was_gone && queue.as_str() == QUEUE,
            Move::GivenUp { queue, .. } => {
                let released = self
                    .seen
                    .queues
                    .wished
                    .iter()
                    .any(|(of, wish)| Some(*of) == receipt && matches!(wish, Wish::Release(_)));
                is_spent && (held.is_none() || released) && queue.as_str() == rules::queue(QUEUE)
            }
        };
        if holds { Ok(()) } else { Err("nobody may do that") }
    }
}

/// What clients were told of queues, and what is left in the end.
pub(super) fn check(seen: &Seen, log: &Log<'_>, dump: &Dump, wrong: &mut Wrong) {
    let messages = &log.messages;
    let mut given = BTreeSet::new();
    for (tenant, receipt, event) in &seen.queues.received {
        wrong.unless(given.insert(*receipt), || format!("{receipt} was given twice"));
        let one = messages.all.get(&receipt.delivery);
        let is_right = one.is_some_and(|one| one.tenant == tenant);
        wrong.unless(is_right && messages.leased.get(receipt).is_some_and(|leased| *leased == event), || {
            format!("{receipt} was given to somebody at {tenant}, and that is not so")
        });
    }
    let mut ended = messages.ended.clone();
    for (receipt, wish) in &seen.queues.told {
        let fits = |to: &Move| match wish {
            Wish::Ack => *to == Move::Done,
            Wish::Release(_) => matches!(to, Move::Delay(_) | Move::GivenUp { .. }),
            Wish::Extend(_) => matches!(to, Move::Extend(_)),
            Wish::Return => *to == Move::Return,
        };
        match ended.iter().position(|(of, to)| of == receipt && fits(to)) {
            Some(at) => drop(ended.swap_remove(at)),
            None => wrong.say(format!("{wish:?} of {receipt} was said to be done, and is not in the log")),
        }
    }
    let left = [Table::Hidden, Table::Behind].map(|table| dump.get(&table).map_or(0, Vec::len));
    wrong.unless(left == [0, 0], || format!("hidden and behind others in the end are {left:?}"));
}
