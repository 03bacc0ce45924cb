//! Reads the records in order and keeps what they come to.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use wharf_delivery::{
    DeliveryId, HOPS_ATTRIBUTE, LinePlace, ObjectChange, ObjectKind, ReadKey, Record, RedriveState, ReplayState,
    TargetRef, limits::HOPS_MAX,
};
use wharf_dispatch::Item;
use wharf_event::{AttributeValue, Event, Position, QueueName, TenantName};

use super::{
    Wrong,
    book::RuleBook,
    budgets::Budgets,
    calls::{self, Calls},
    delivery::{Delivery, Moment, Standing, Turn},
    edits,
    fans::Fans,
    lines::{self, Line, Lines},
    objects::Objects,
    oracle::Oracle,
    place,
    queue::Messages,
    redrives::Redrives,
    replays::{self, Replays, Then},
    schedules::Schedules,
    settles,
    tenants::{Tenants, Turned},
    usage::Charged,
    web::{self, Web},
};
use crate::{
    client::World,
    observed::{Run, Seen},
    rules,
};

pub(super) type Key = (String, String, String);

/// A bucket: its membership version, and its keys.
pub(super) type Bucket = (Position, BTreeSet<String>);

/// A tenant's figures, in the order of the product's row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Stats {
    pub(super) events: u64,
    pub(super) published: u64,
    pub(super) deliveries: u64,
    pub(super) attempts: u64,
    pub(super) retries: u64,
    pub(super) dead_letters: u64,
    pub(super) redriven: u64,
}

/// Where an event was accepted: its time in a clock without jumps.
pub(super) struct Taken<'a> {
    pub(super) at: Position,
    pub(super) steady_ms: u64,
    pub(super) event: &'a Event,
}

/// What the log comes to.
#[derive(Default)]
pub(super) struct Log<'a> {
    pub(super) deliveries: BTreeMap<DeliveryId, Delivery<'a>>,
    pub(super) accepted: BTreeMap<(String, String, String, String), Vec<Taken<'a>>>,
    pub(super) values: BTreeMap<Key, (Position, Bytes)>,
    /// Every value that ever was, by the version that it had.
    pub(super) written: BTreeMap<(Key, Position), Bytes>,
    pub(super) buckets: BTreeMap<(String, String), Bucket>,
    pub(super) queues: BTreeMap<(String, String), BTreeSet<DeliveryId>>,
    pub(super) stats: BTreeMap<String, Stats>,
    /// Rule sets by version, and the document of each.
    pub(super) configured: BTreeMap<u64, &'a Bytes>,
    pub(super) redrives: Vec<(String, u64)>,
    /// Letters that were let go of, of which queue and how many at a time.
    pub(super) discards: Vec<(String, u64)>,
    pub(super) edited: Vec<(DeliveryId, Position)>,
    pub(super) books: Vec<RuleBook>,
    pub(super) objects: Objects,
    pub(super) charged: Charged,
    pub(super) calls: Calls,
    pub(super) schedules: Schedules,
    pub(super) replays: Replays<'a>,
    pub(super) paced: Redrives,
    pub(super) fans: Fans<'a>,
    pub(super) oracle: Oracle,
    pub(super) budgets: Budgets,
    pub(super) web: Web,
    /// Deliveries that are redriven at some time.
    pub(super) redriven: BTreeSet<DeliveryId>,
    pub(super) messages: Messages<'a>,
    /// The lines of those that are no messages.
    pub(super) lines: Lines,
    pub(super) tenants: Tenants,
    /// The log says of itself that what lies before this frame may go.
    pub(super) cleaned_below_k: u64,
    pub(super) last_ms: u64,
    /// When frame time jumped last.
    pub(super) followed_ms: u64,
    jumps_ms: u64,
}

impl<'a> Log<'a> {
    pub(super) fn read(seen: &'a Seen, world: &World, wrong: &mut Wrong) -> Self {
        let mut log = Self::default();
        for item in seen.frames.values().flatten() {
            if let Record::Redrive { deliveries, .. } = &item.record {
                log.redriven.extend(deliveries);
            }
        }
        let mut runs: BTreeMap<(DeliveryId, u32), Vec<&Run>> = BTreeMap::new();
        for run in &seen.runs {
            runs.entry((run.delivery, run.attempt)).or_default().push(run);
        }
        for (k, items) in &seen.frames {
            for (n, item) in items.iter().enumerate() {
                let at = Position { k: *k, i: (n as u32) << 8 };
                wrong
                    .unless(item.position == at, || format!("a record stands at {} and should at {at}", item.position));
                log.paced.comes(&item.record);
                log.take(item, &runs, seen, world, wrong);
            }
            for lines in [&log.lines, &log.messages.lines] {
                lines.settled(*k, |tenant| log.tenants.has(tenant), wrong);
            }
        }
        log
    }

    fn take(
        &mut self,
        item: &'a Item,
        runs: &BTreeMap<(DeliveryId, u32), Vec<&'a Run>>,
        seen: &Seen,
        world: &World,
        wrong: &mut Wrong,
    ) {
        let (at, time_ms) = (item.position, item.time_ms);
        wrong.unless(time_ms >= self.last_ms, || format!("frame time fell to {time_ms} at {at}"));
        self.last_ms = time_ms;
        match &item.record {
            Record::Configure { document } => self.configure(document, at),
            Record::Accept { tenant, bus, event, targets } => {
                self.tenants.accepts(tenant.as_str(), at, wrong);
                self.schedules.accepts(tenant.as_str(), event, at);
                self.replays.comes((tenant.as_str(), bus.as_str()), event, targets, (at, time_ms));
                let identity = (tenant.to_string(), bus.to_string(), event.source().to_owned(), event.id().to_owned());
                self.remember(identity, Taken { at, steady_ms: time_ms - self.jumps_ms, event }, world, wrong);
                self.stats.entry(tenant.to_string()).or_default().events += 1;
                self.arise((tenant.as_str(), bus.as_str()), event, targets, at, at, time_ms, world, wrong);
            }
            Record::Settle { target, .. } if target.to.queue().is_some() => calls::take(self, item, seen, world, wrong),
            Record::Settle { .. } => settles::take(self, item, runs, seen, world, wrong),
            Record::Redrive { tenant, queue, deliveries } => {
                self.redrive((tenant.as_str(), queue.as_str()), deliveries, (at, time_ms), wrong);
            }
            Record::Discard { tenant, queue, deliveries } => {
                self.discard((tenant.as_str(), queue.as_str()), deliveries, (at, time_ms), wrong);
            }
            Record::Edited { .. } => edits::take(self, item, seen, wrong),
            Record::Change { tenant, changes } => self.change(tenant.as_str(), changes, at, time_ms, wrong),
            Record::Queue { tenant, moves, .. } => {
                let was_gone = self.books.iter().any(|book| !book.has_queue(tenant.as_str()));
                let about = (seen, world, was_gone);
                let (counted, dead) = self.messages.take(tenant.as_str(), moves, (at, time_ms), about, wrong);
                let stats = self.stats.entry(tenant.to_string()).or_default();
                stats.attempts = (stats.attempts + counted.leased).saturating_sub(counted.returned);
                stats.retries += counted.released;
                stats.dead_letters += counted.dead;
                dead.into_iter().for_each(|(id, queue)| self.dead(tenant.as_str(), queue, id));
            }
            Record::Ordered { tenant, to, key, delivery, place } => {
                let line = (tenant.to_string(), to.to_string(), key.to_string());
                self.ordered(&line, to.queue().is_some(), (*delivery, *place), (at, time_ms), wrong);
            }
            Record::Follow { by_ms } => (self.jumps_ms, self.followed_ms) = (self.jumps_ms + by_ms, time_ms),
            Record::Erase { tenant, rows } => self.erase(tenant.as_str(), rows, at, time_ms, wrong),
            Record::Cleaned { below_k } => self.cleaned_below_k = self.cleaned_below_k.max(*below_k),
            // What is carried changes nothing that anybody can see: the rest of the model shows that.
            Record::Carry { .. } | Record::Rules { .. } | Record::Sealed(_) => {}
            Record::Fired { tenant, schedule, state } => {
                let (time, stands) = ((at, time_ms), state.as_ref());
                self.schedules.turn((tenant.as_str(), schedule.as_str()), stands, time, world, wrong);
            }
            Record::Replay { tenant, replay, state } => {
                self.replay((tenant.as_str(), replay.as_str()), state.as_ref(), (at, time_ms), (seen, world), wrong);
            }
            Record::Redriving { tenant, queue, state } => self.paced((tenant, queue), state, at, seen, wrong),
            Record::Fanned { tenant, event, next, targets } => {
                let step = self.fans.goes_on((tenant.as_str(), *event), (*next, targets), wrong);
                if let Some((of, arose, before)) = step {
                    self.owe((tenant.as_str(), of, *event), (before, targets), arose, world, wrong);
                }
            }
            Record::Model { tenant, step } => {
                self.oracle.take(step, at, wrong);
                let of = (super::life_of(seen, at.k), tenant.as_str());
                self.budgets.take(of, step, (at, time_ms), world.seed, wrong);
            }
            Record::Charged { tenant, plugin, calls, used } => {
                wrong.unless(plugin.as_str() == rules::WEB, || format!("{plugin} is charged for requests at {at}"));
                self.charged.add_requests((super::life_of(seen, at.k), tenant.as_str()), time_ms, *calls, used);
            }
            Record::Served { .. } => web::take(self, item, seen, wrong),
            Record::Forgotten { .. } => wrong.say("what was used is forgotten, and no history is that long"),
        }
    }

    /// Letters are tried again; those of a key take their places once more.
    fn redrive(
        &mut self,
        (tenant, queue): (&str, &str),
        deliveries: &[DeliveryId],
        (at, time_ms): (Position, u64),
        wrong: &mut Wrong,
    ) {
        let letters = self.queues.entry((tenant.to_owned(), queue.to_owned())).or_default();
        for id in deliveries {
            wrong.unless(letters.remove(id), || format!("{id} was redriven at {at}, and was no letter of {queue}"));
            if let Some(delivery) = self.deliveries.get_mut(id) {
                delivery.moments.push(Moment { at, time_ms, turn: Turn::Redriven });
            }
            self.lines.lines_up(*id);
            self.messages.redriven(*id, time_ms);
        }
        self.stats.entry(tenant.to_owned()).or_default().redriven += deliveries.len() as u64;
        self.redrives.push((format!("{tenant} {queue}"), deliveries.len() as u64));
    }

    fn discard(
        &mut self,
        (tenant, queue): (&str, &str),
        deliveries: &[DeliveryId],
        (at, time_ms): (Position, u64),
        wrong: &mut Wrong,
    ) {
        let letters = self.queues.entry((tenant.to_owned(), queue.to_owned())).or_default();
        for id in deliveries {
            wrong.unless(letters.remove(id), || format!("{id} was let go of at {at}, and was no letter of {queue}"));
            if let Some(delivery) = self.deliveries.get_mut(id) {
                delivery.moments.push(Moment { at, time_ms, turn: Turn::Discarded });
            }
            self.messages.discarded(*id);
        }
        self.discards.push((format!("{tenant} {queue}"), deliveries.len() as u64));
    }

    /// A delivery takes another place among those of its key.
    fn ordered(
        &mut self,
        line: &Line,
        is_message: bool,
        (id, place): (DeliveryId, LinePlace),
        (at, time_ms): (Position, u64),
        wrong: &mut Wrong,
    ) {
        if is_message {
            return self.messages.ordered(line, id, place, (at, time_ms), wrong);
        }
        if let Err(why) = self.lines.takes_place(line, id, place) {
            wrong.say(format!("at {at} {why}"));
        }
        let first = self.deliveries.get_mut(&id).filter(|_| place == LinePlace::First);
        first.into_iter().for_each(|first| first.moments.push(Moment { at, time_ms, turn: Turn::First }));
    }

    /// A configuration comes into force, beside the control objects of tenants that are there.
    fn configure(&mut self, document: &'a Bytes, at: Position) {
        let mut book = RuleBook::read(document);
        book.at = at;
        for (tenant, kind, name, _, document) in self.objects.now() {
            if self.tenants.has(tenant) {
                put(&mut book, tenant, kind, name, Some(document));
            }
        }
        self.books.push(book);
        self.configured.insert(at.k, document);
    }

    fn replay(
        &mut self,
        named: (&str, &str),
        state: Option<&ReplayState>,
        time: (Position, u64),
        (seen, world): (&Seen, &World),
        wrong: &mut Wrong,
    ) {
        let (book, since_k) = (self.books.last(), self.tenants.since_k(named.0));
        let ordered = rules::queueing(world.seed).ordered;
        let then = Then { book, since_k, cleaned_below_k: self.cleaned_below_k, ordered };
        self.replays.turn(named, state, time, then, seen, wrong);
    }

    fn paced(
        &mut self,
        (tenant, queue): (&TenantName, &QueueName),
        state: &RedriveState,
        at: Position,
        seen: &Seen,
        wrong: &mut Wrong,
    ) {
        let lie = self.queues.get(&(tenant.to_string(), queue.to_string())).cloned().unwrap_or_default();
        self.paced.turn((tenant.as_str(), queue.as_str()), state, at, &lie, seen, wrong);
    }

    /// Control objects change. What a tenant that is closed had is not in force any more, whatever there is of it.
    fn change(&mut self, tenant: &str, changes: &[ObjectChange], at: Position, time_ms: u64, wrong: &mut Wrong) {
        let mut book = self.books.last().cloned().unwrap_or_default();
        book.at = at;
        for ObjectChange { kind, name, document } in changes {
            let (name, document) = (name.as_str(), document.as_ref());
            self.objects.change((tenant, *kind, name), at, document, wrong);
            if *kind != ObjectKind::Tenant {
                wrong
                    .unless(self.tenants.has(tenant), || format!("{tenant} is closed, and its {name} changed at {at}"));
                put(&mut book, tenant, *kind, name, document);
                continue;
            }
            match self.tenants.turn(tenant, document, (at, time_ms), self.cleaned_below_k, wrong) {
                Turned::Closed => book.close(tenant),
                Turned::Gone => self.gone(tenant, at, wrong),
                Turned::Else => {}
            }
        }
        self.books.push(book);
    }

    /// An identity is taken once within the window, by one tenant of its name.
    fn remember(
        &mut self,
        identity: (String, String, String, String),
        taken: Taken<'a>,
        world: &World,
        wrong: &mut Wrong,
    ) {
        let before = self.accepted.entry(identity.clone()).or_default();
        if let Some(last) = before.last() {
            let apart_ms = taken.steady_ms.saturating_sub(last.steady_ms);
            let of_another = last.at.k <= self.tenants.since_k(&identity.0);
            wrong.unless(of_another || replays::is_marked(taken.event) || apart_ms > world.plan.window_ms, || {
                format!("{identity:?} was taken at {} and again at {}, {apart_ms} ms later", last.at, taken.at)
            });
        }
        before.push(taken);
    }

    /// Deliveries arise, to whom the rules in force say.
    #[allow(clippy::too_many_arguments, reason = "an event, where it came from, and whom it is owed to")]
    pub(super) fn arise(
        &mut self,
        (tenant, bus): (&'a str, &'a str),
        event: &'a Event,
        targets: &'a [TargetRef],
        event_at: Position,
        record_at: Position,
        time_ms: u64,
        world: &World,
        wrong: &mut Wrong,
    ) {
        let book = self.books.last();
        let owed = match book {
            _ if bus == rules::QUEUE_BUS => vec![(rules::QUEUE, rules::QUEUE)],
            Some(book) => book.targets(tenant, bus, event.kind()),
            None => Vec::new(),
        };
        let said: Vec<_> = targets.iter().map(|target| (target.rule.as_str(), target.to.name())).collect();
        // Whom a replay means is judged with it.
        let of_replay = replays::is_marked(event) && event_at == record_at;
        wrong.unless(of_replay || owed == said, || {
            format!("the event at {event_at} is owed to {said:?} and should be to {owed:?}")
        });
        self.stats.entry(tenant.to_owned()).or_default().deliveries += targets.len() as u64;
        let arose = (record_at, time_ms);
        let first = self.fans.begin((tenant, event, event_at), targets, arose);
        self.owe((tenant, event, event_at), (0, first), arose, world, wrong);
    }

    /// Deliveries arise of an event, from the target of this number on.
    fn owe(
        &mut self,
        (tenant, event, event_at): (&'a str, &'a Event, Position),
        (before, targets): (usize, &'a [TargetRef]),
        (record_at, time_ms): (Position, u64),
        world: &World,
        wrong: &mut Wrong,
    ) {
        for (n, target) in (u16::try_from(before).unwrap_or(u16::MAX)..).zip(targets) {
            if target.to.queue().is_some() {
                let id = DeliveryId { event: event_at, n };
                let ordered = rules::queueing(world.seed).ordered;
                self.messages.arise(tenant, (id, target, ordered), event, (time_ms, before > 0), wrong);
                continue;
            }
            let id = DeliveryId { event: event_at, n };
            // Only what is published is given up: what a replay brings again goes on from where it was.
            let stays = record_at == event_at || hops(event) <= HOPS_MAX;
            let came_behind = self.in_line(tenant, (id, target, stays), event, wrong);
            let delivery = Delivery {
                tenant,
                rule: target.rule.as_str(),
                plugin: target.to.name(),
                event,
                edits: vec![(event_at, event)],
                arose: record_at,
                arose_ms: time_ms,
                came_behind,
                moments: Vec::new(),
            };
            self.deliveries.insert(id, delivery);
        }
    }

    /// A delivery that arises takes its place among those of its key: whether that is behind others. One that is given up at once takes none.
    fn in_line(
        &mut self,
        tenant: &str,
        (id, target, stays): (DeliveryId, &TargetRef, bool),
        event: &Event,
        wrong: &mut Wrong,
    ) -> bool {
        let by = self.books.last().and_then(|book| book.order_by(tenant, target.rule.as_str(), target.to.name()));
        let key = by.and_then(|by| lines::key(event, by));
        if let Some(key) = &key {
            self.lines.knows(id, (tenant.to_owned(), target.to.to_string(), key.clone()));
        }
        let behind = stays && self.lines.lines_up(id);
        let said = target.order.as_ref().map(|(key, behind)| (key.as_str(), *behind));
        wrong.unless(said == key.as_ref().map(|key| (key.as_str(), behind)), || {
            format!("{id} comes as {said:?}, and its key is {key:?}, behind others: {behind}")
        });
        behind
    }

    /// An event that hops too often goes to its targets' dead-letter queues at once; any other goes to none.
    pub(super) fn given_up(
        &mut self,
        tenant: &str,
        event: &Event,
        event_at: Position,
        (targets, given): (u16, &[String]),
        wrong: &mut Wrong,
    ) {
        let hops = hops(event);
        let ids =
            self.deliveries.range(DeliveryId { event: event_at, n: 0 }..=DeliveryId { event: event_at, n: u16::MAX });
        let mut ids: Vec<(DeliveryId, String)> =
            ids.map(|(id, delivery)| (*id, rules::queue(delivery.plugin))).collect();
        let messages = (0..targets).map(|n| DeliveryId { event: event_at, n }).filter(|id| self.messages.has(*id));
        ids.extend(messages.map(|id| (id, rules::queue(rules::QUEUE))));
        ids.sort_unstable();
        let beyond = hops > HOPS_MAX;
        let queues: Vec<&String> = if beyond { ids.iter().map(|(_, queue)| queue).collect() } else { Vec::new() };
        wrong.unless(given.iter().eq(queues), || {
            format!("the event at {event_at} is hop {hops} and is given up: {given:?}")
        });
        if beyond {
            self.stats.entry(tenant.to_owned()).or_default().dead_letters += ids.len() as u64;
            for (id, queue) in ids {
                self.dead(tenant, queue, id);
                self.messages.dead(id);
                if let Some(delivery) = self.deliveries.get_mut(&id) {
                    let moment = Moment { at: delivery.arose, time_ms: delivery.arose_ms, turn: Turn::Dead(0) };
                    delivery.moments.push(moment);
                }
            }
        }
    }

    pub(super) fn dead(&mut self, tenant: &str, queue: String, id: DeliveryId) {
        self.queues.entry((tenant.to_owned(), queue)).or_default().insert(id);
        self.paced.given_up(id, self.last_ms);
    }

    /// One change of a key.
    pub(super) fn write(&mut self, key: Key, at: Position, value: Option<Bytes>) {
        let bucket = self.buckets.entry((key.0.clone(), key.1.clone())).or_default();
        let changed = if value.is_some() { bucket.1.insert(key.2.clone()) } else { bucket.1.remove(&key.2) };
        if changed {
            bucket.0 = at;
        }
        match value {
            Some(value) => {
                self.written.insert((key.clone(), at), value.clone());
                self.values.insert(key, (at, value));
            }
            None => {
                self.values.remove(&key);
            }
        }
    }

    /// The version that a key or listing has now.
    pub(super) fn version_of(&self, tenant: &str, key: &ReadKey) -> Position {
        let now = match key {
            ReadKey::Value(bucket, key) => {
                let value = self.values.get(&(tenant.to_owned(), bucket.to_string(), key.clone()));
                value.map(|(version, _)| *version)
            }
            ReadKey::Listing(bucket) => {
                let bucket = self.buckets.get(&(tenant.to_owned(), bucket.to_string()));
                bucket.map(|(membership, _)| *membership)
            }
        };
        now.unwrap_or(Position::ZERO)
    }

    /// Whether the events of a rule were transformed at some time, and whether they were not.
    pub(super) fn sieving(&self, tenant: &str, rule: &str) -> (bool, bool) {
        let mut sieves = self.books.iter().map(|book| book.sieves(tenant, rule));
        (sieves.clone().any(|sieves| sieves), sieves.any(|sieves| !sieves))
    }

    /// Whether a plugin was gone at some time, while its tenant was there.
    pub(super) fn was_gone(&self, tenant: &str, plugin: &str) -> bool {
        self.books.iter().any(|book| book.lacks(tenant, plugin))
    }

    /// Whether a target was gone at some time since its delivery arose.
    pub(super) fn was_gone_since(&self, arose: Position, tenant: &str, rule: &str, plugin: &str) -> bool {
        let first = self.books.partition_point(|book| book.at <= arose).saturating_sub(1);
        self.books.iter().skip(first).any(|book| !book.has(tenant, rule, plugin))
    }

    pub(super) fn unsettled(&self) -> u64 {
        let waits = |delivery: &&Delivery| matches!(delivery.standing(), Standing::Waits { .. });
        self.deliveries.values().filter(waits).count() as u64 + self.messages.waiting()
    }

    /// How far frame time jumped in all, in milliseconds.
    pub(super) fn jumps_ms(&self) -> u64 {
        self.jumps_ms
    }

    pub(super) fn event_place(at: Position, n: usize) -> Position {
        place(at, n)
    }
}

/// A control object that is in force from now on, or no longer. (Buses are only listened on.)
fn put(book: &mut RuleBook, tenant: &str, kind: ObjectKind, name: &str, document: Option<&Bytes>) {
    match (kind, document) {
        (ObjectKind::Rule, Some(document)) => {
            book.put(tenant, name, &serde_json::from_slice(document).unwrap_or_default());
        }
        (ObjectKind::Rule, None) => book.remove(tenant, name),
        (ObjectKind::Plugin, Some(_)) => book.put_plugin(tenant, name),
        // Of one of the configuration only what is kept of it is here.
        (ObjectKind::Webhook, Some(document)) if has_settings(document) => book.put_plugin(tenant, name),
        (ObjectKind::Queue, Some(_)) => book.put_queue(tenant),
        (ObjectKind::Schedule, document) => {
            let document = document.and_then(|document| serde_json::from_slice(document).ok());
            book.aim(tenant, &document.unwrap_or_default());
        }
        _ => {}
    }
}

fn hops(event: &Event) -> u32 {
    match event.extension(HOPS_ATTRIBUTE) {
        Some(AttributeValue::Integer(hops)) => u32::try_from(*hops).unwrap_or(0),
        _ => 0,
    }
}

fn has_settings(webhook: &[u8]) -> bool {
    serde_json::from_slice::<serde_json::Value>(webhook).is_ok_and(|webhook| webhook.get("settings").is_some())
}
