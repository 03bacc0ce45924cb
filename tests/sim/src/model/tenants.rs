//! Judges tenants that are made while the host runs: the turns that each took, what went with it, what was left, who rested.
//!
//! What is not modelled: the archive as the API shows it (the host's adapter leaves out what lies before a tenant; an end-to-end test
//! asks it), and figures that live in memory only.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::Value;
use wharf_delivery::{DeliveryId, ErasedRow, ObjectKind, Record, Table, keys};
use wharf_event::{Position, TenantName};

use super::{
    Wrong,
    delivery::{Moment, Standing, Turn},
    life_of,
    log::Log,
    settles::small_steps_ms,
};
use crate::{
    batch::Call,
    client::World,
    observed::{Run, Seen},
};

/// Within how many milliseconds after a tenant was said to rest attempts still begin that had their turn before: their events are
/// read first, by threads that may be late.
const BEGUN_MS_MAX: u64 = 2_000;

/// Where a tenant stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stands {
    Active { suspended: bool },
    Erasing,
    Gone,
}

/// What a turn means for everything else.
pub(super) enum Turned {
    /// It is closed from now on.
    Closed,
    /// It is said that nothing of it is left.
    Gone,
    Else,
}

/// One name, and all who had it.
#[derive(Default)]
struct Story {
    stands: Option<Stands>,
    since_k: u64,
    /// The last frame with an event that it accepted, or an attempt that it settled.
    last_k: u64,
    /// When it began, or went on.
    woken_ms: Vec<u64>,
    /// Frames in which it was gone, each with the last one that was said to be its.
    gone: Vec<(u64, u64)>,
    /// Frames in which it was closed.
    closed: Vec<u64>,
}

/// Tenants that are made, by name. Those of the configuration are none.
#[derive(Default)]
pub(super) struct Tenants(BTreeMap<String, Story>);

impl Tenants {
    /// Whether a tenant is there: always, if it is none that is made.
    pub(super) fn has(&self, tenant: &str) -> bool {
        self.0.get(tenant).is_none_or(|story| matches!(story.stands, Some(Stands::Active { .. })))
    }

    /// The last frame that belongs to others of its name.
    pub(super) fn since_k(&self, tenant: &str) -> u64 {
        self.0.get(tenant).map_or(0, |story| story.since_k)
    }

    /// When it last began or went on, before a time.
    pub(super) fn woken_ms(&self, tenant: &str, before_ms: u64) -> u64 {
        let woken = self.0.get(tenant).into_iter().flat_map(|story| &story.woken_ms);
        woken.copied().filter(|at_ms| *at_ms <= before_ms).max().unwrap_or(0)
    }

    pub(super) fn accepts(&mut self, tenant: &str, at: Position, wrong: &mut Wrong) {
        let Some(story) = self.0.get_mut(tenant) else { return };
        story.last_k = at.k;
        let takes = story.stands == Some(Stands::Active { suspended: false });
        wrong.unless(takes, || format!("{tenant} is {:?} and accepted an event at {at}", story.stands));
    }

    pub(super) fn settles(&mut self, tenant: &str, at: Position) {
        if let Some(story) = self.0.get_mut(tenant) {
            story.last_k = at.k;
        }
    }

    /// Its object became this.
    pub(super) fn turn(
        &mut self,
        tenant: &str,
        document: Option<&Bytes>,
        (at, time_ms): (Position, u64),
        cleaned_below_k: u64,
        wrong: &mut Wrong,
    ) -> Turned {
        let story = self.0.entry(tenant.to_owned()).or_default();
        let document = document.map(|text| serde_json::from_slice::<Value>(text).unwrap_or_default());
        let since_k = document.as_ref().and_then(|document| document.get("since_k")?.as_u64()).unwrap_or(0);
        let next = document.as_ref().map(stands);
        let before = story.stands;
        let same = since_k == story.since_k;
        let may = match (before, next) {
            (None | Some(Stands::Gone), Some(Stands::Active { suspended: false })) => same,
            (Some(Stands::Active { suspended }), Some(Stands::Active { suspended: now })) => same && now != suspended,
            (Some(Stands::Active { .. }), Some(Stands::Erasing)) => true,
            (Some(Stands::Erasing), Some(Stands::Gone)) => (story.last_k..at.k).contains(&since_k),
            // It is forgotten when the log has nothing of it any more.
            (Some(Stands::Gone), None) => story.since_k < cleaned_below_k,
            _ => false,
        };
        wrong.unless(may, || format!("{tenant} was {before:?} and is {next:?} since {since_k} at {at}"));
        story.stands = next;
        match next {
            Some(Stands::Active { suspended }) => {
                if !suspended {
                    story.woken_ms.push(time_ms);
                }
                Turned::Else
            }
            Some(Stands::Erasing) => {
                story.closed.push(at.k);
                Turned::Closed
            }
            Some(Stands::Gone) => {
                story.since_k = since_k;
                story.gone.push((at.k, since_k));
                Turned::Gone
            }
            None => {
                story.since_k = 0;
                Turned::Else
            }
        }
    }

    /// The last frame that belonged to others of its name when frame `k` was the last one.
    fn since_k_at(&self, tenant: &str, k: u64) -> u64 {
        let gone = self.0.get(tenant).into_iter().flat_map(|story| &story.gone);
        gone.take_while(|(at, _)| *at <= k).map(|(_, since_k)| *since_k).max().unwrap_or(0)
    }
}

fn stands(document: &Value) -> Stands {
    match document.get("life").and_then(Value::as_str) {
        None => {
            let suspended = document.pointer("/settings/suspended").and_then(Value::as_bool);
            Stands::Active { suspended: suspended == Some(true) }
        }
        Some("erasing") => Stands::Erasing,
        Some(_) => Stands::Gone,
    }
}

impl Log<'_> {
    /// Rows went with their tenant: they were there, and its.
    pub(super) fn erase(&mut self, tenant: &str, rows: &[ErasedRow], at: Position, time_ms: u64, wrong: &mut Wrong) {
        let stands = self.tenants.0.get(tenant).and_then(|story| story.stands);
        wrong.unless(stands == Some(Stands::Erasing), || format!("{tenant} is {stands:?}, and it is erased at {at}"));
        for ErasedRow { table, key } in rows {
            let went = self.erase_row(tenant, *table, key, Moment { at, time_ms, turn: Turn::Erased });
            wrong.unless(went == Some(true), || {
                format!("of {tenant} {} {} is erased at {at}, and was not there", table.name(), key.escape_ascii())
            });
        }
    }

    fn erase_row(&mut self, tenant: &str, table: Table, key: &[u8], moment: Moment) -> Option<bool> {
        let of = || keys::first(key).filter(|of: &TenantName| of.as_str() == tenant);
        let names: Vec<String> =
            key.splitn(3, |byte| *byte == 0).map(|name| String::from_utf8_lossy(name).into_owned()).collect();
        let name = |n: usize| names.get(n).cloned();
        let key_of_two = || Some((tenant.to_owned(), name(1)?));
        match table {
            // Of a delivery that goes with it, or went before.
            Table::Timers => Some(keys::lane_of(keys::timer_parts(key)?.1)?.0.as_str() == tenant),
            Table::Hidden => of().map(|_| true),
            Table::Behind => {
                let id = keys::delivery_of(key)?;
                // The mark of a first one, which went before, or one behind others.
                if self.messages.has(id) {
                    return of()
                        .map(|_| self.messages.is_gone(id) || self.messages.erase(tenant, id, table) == Some(true));
                }
                let is_first = self.lines.is_first(id);
                self.lines.steps_out(id);
                let delivery = self.deliveries.get_mut(&id)?;
                let is_gone = delivery.standing() == Standing::Erased;
                let waits = matches!(delivery.standing(), Standing::Waits { .. }) && !is_first;
                if !is_gone {
                    delivery.moments.push(moment);
                }
                of().map(|_| delivery.tenant == tenant && (is_gone || waits))
            }
            Table::Letters | Table::Deliveries | Table::DeadLetters
                if keys::delivery_of(key).is_some_and(|id| self.messages.has(id)) =>
            {
                let id = keys::delivery_of(key)?;
                let listed = table != Table::DeadLetters || self.queues.get_mut(&key_of_two()?)?.remove(&id);
                self.messages.erase(tenant, id, table).map(|went| went && listed)
            }
            Table::Letters => Some(self.deliveries.get(&DeliveryId::from_key(key)?)?.tenant == tenant),
            Table::Deliveries | Table::DeadLetters => {
                let (_, id) = (of()?, keys::delivery_of(key)?);
                let listed = table == Table::Deliveries || self.queues.get_mut(&key_of_two()?)?.remove(&id);
                let delivery = self.deliveries.get_mut(&id)?;
                let waits = matches!(delivery.standing(), Standing::Waits { .. });
                let there = waits == (table == Table::Deliveries) && listed && delivery.tenant == tenant;
                delivery.moments.push(moment);
                let there = there && (table == Table::DeadLetters || self.lines.is_first(id));
                self.lines.steps_out(id);
                Some(there)
            }
            Table::Queues => of().and(self.queues.remove(&key_of_two()?)).map(|letters| letters.is_empty()),
            Table::Values => {
                let key = (of()?.to_string(), name(1)?, name(2)?);
                self.buckets.get_mut(&key_of_two()?)?.1.remove(&key.2);
                Some(self.values.remove(&key).is_some())
            }
            Table::Buckets => of().and(self.buckets.remove(&key_of_two()?)).map(|(_, keys)| keys.is_empty()),
            Table::Objects => {
                let (of, kind, name) = keys::object_parts(key)?;
                let own = kind == ObjectKind::Tenant || of.as_str() != tenant;
                Some(!own && self.objects.erase((tenant, kind, name), moment.at))
            }
            Table::Usage => of().map(|_| self.charged.erase(tenant, key)),
            Table::Stats => of().and(self.stats.remove(tenant)).map(|_| true),
            // Sizes go with what they count.
            Table::Replays => of().and_then(|_| Some(self.replays.erase(tenant, &name(1)?))),
            Table::Redrives => of().and_then(|_| Some(self.paced.erase(&key_of_two()?))),
            Table::Schedules => of().map(|_| self.schedules.erase(tenant)),
            Table::Models => of().and_then(|_| self.budgets.erase(tenant, key).or_else(|| self.oracle.erase(key))),
            Table::Rules | Table::Segments | Table::Sizes | Table::FanOuts => Some(false),
        }
    }

    /// A tenant is said to be gone: nothing is left of it.
    pub(super) fn gone(&mut self, tenant: &str, at: Position, wrong: &mut Wrong) {
        let owed = self.deliveries.values().filter(|delivery| {
            delivery.tenant == tenant && matches!(delivery.standing(), Standing::Waits { .. } | Standing::Dead)
        });
        let letters = self.queues.iter().filter(|((of, _), letters)| of == tenant && !letters.is_empty());
        let keys = self.buckets.iter().filter(|((of, _), (_, keys))| of == tenant && !keys.is_empty());
        let values = self.values.keys().filter(|(of, ..)| of == tenant);
        let objects = self.objects.now().filter(|(of, kind, ..)| *of == tenant && *kind != ObjectKind::Tenant);
        let left = [
            owed.count() + self.messages.left_of(tenant),
            letters.count(),
            keys.count(),
            values.count(),
            objects.count(),
        ];
        let figures = self.stats.contains_key(tenant) || self.charged.has(tenant) || self.schedules.has(tenant);
        let figures = figures || self.replays.has(tenant) || self.paced.has(tenant);
        wrong.unless(left == [0; 5] && !figures, || {
            format!(
                "{tenant} is gone at {at}, and of its deliveries, letters, buckets, values, objects are left {left:?}, of its \
                 figures {figures}"
            )
        });
        self.queues.retain(|(of, _), _| of != tenant);
        self.buckets.retain(|(of, _), _| of != tenant);
    }
}

/// What clients were told of tenants, and what they met of those who had the name before.
pub(super) fn check(seen: &Seen, world: &World, log: &Log<'_>, wrong: &mut Wrong) {
    for acked in &seen.acked {
        let (tenant, since_k) = (acked.sent.tenant, log.tenants.since_k_at(acked.sent.tenant, acked.asked_k));
        wrong.unless(acked.position.k > since_k, || {
            format!(
                "an event of {tenant} was said to be at {}, and what lies up to {since_k} is another's",
                acked.position
            )
        });
    }
    for read in &seen.values {
        let since_k = log.tenants.since_k_at(&read.tenant, read.asked_k);
        let version = read.found.as_ref().map(|(version, _)| *version);
        wrong.unless(version.is_none_or(|version| version.k > since_k), || {
            format!("{read:?}: what lies up to {since_k} is another's")
        });
    }
    for (tenant, told_k, to_the_end) in &seen.deleted {
        let story = log.tenants.0.get(tenant);
        let there = story.is_some_and(|story| match to_the_end {
            true => story.gone.iter().any(|(at, _)| at <= told_k),
            false => story.closed.iter().any(|at| at <= told_k),
        });
        wrong.unless(there, || format!("at frame {told_k} {tenant} was said to be deleted, and is not"));
    }
    rests(seen, world, log, wrong);
    for (tenant, story) in &log.tenants.0 {
        let ended = !matches!(story.stands, Some(Stands::Erasing | Stands::Active { suspended: true }));
        wrong.unless(ended, || format!("{tenant} is {:?} in the end", story.stands));
    }
}

/// Nothing of a tenant begins while it rests.
fn rests(seen: &Seen, world: &World, log: &Log<'_>, wrong: &mut Wrong) {
    let begun_ms_max = BEGUN_MS_MAX + small_steps_ms(world) + log.jumps_ms();
    let mut firsts: BTreeMap<(usize, DeliveryId, u32), &Run> = BTreeMap::new();
    for run in &seen.runs {
        // Runs that are made again belong to an attempt that began before.
        firsts.entry((run.life, run.delivery, run.attempt)).or_insert(run);
    }
    let mut calls: BTreeMap<_, &Call> = BTreeMap::new();
    for call in &seen.calls {
        calls.entry((call.life, call.items.first().map(|(id, attempt, _)| (*id, *attempt)))).or_insert(call);
    }
    for rest in seen.rests.all() {
        let begins = |call: &&&Call| call.began > rest.from && rest.until.is_none_or(|until| call.began < until);
        let late_ms = rest.from_ms + begun_ms_max;
        let mut of_tenant = calls.values().filter(|call| call.tenant == rest.tenant).filter(begins);
        if let Some(call) = of_tenant.find(|call| call.frame_ms > late_ms) {
            wrong.say(format!("{} rests since {}, and was called at {}", rest.tenant, rest.from_ms, call.frame_ms));
        }
        let within = |run: &&&Run| {
            run.tenant == rest.tenant && run.began > rest.from && rest.until.is_none_or(|until| run.began < until)
        };
        let late = |run: &&&Run| run.frame_ms > rest.from_ms + begun_ms_max;
        if let Some(run) = firsts.values().filter(within).find(late) {
            let (tenant, from_ms) = (&rest.tenant, rest.from_ms);
            wrong.say(format!("{tenant} rests since {from_ms}, and {} ran at {}", run.delivery, run.frame_ms));
        }
    }
}

/// Tenants that were deleted to the end: in which life each was closed, and in which it was gone.
pub(super) fn deleted(seen: &Seen) -> Vec<(usize, usize)> {
    let (mut closed, mut deleted) = (BTreeMap::new(), Vec::new());
    for item in seen.frames.values().flatten() {
        let Record::Change { tenant, changes } = &item.record else { continue };
        let own = changes.iter().filter(|change| change.kind == ObjectKind::Tenant);
        for document in own.filter_map(|change| change.document.as_ref()) {
            let life = life_of(seen, item.position.k);
            match stands(&serde_json::from_slice(document).unwrap_or_default()) {
                Stands::Erasing => _ = closed.insert(tenant.clone(), life),
                Stands::Gone => deleted.extend(closed.remove(tenant).map(|from| (from, life))),
                Stands::Active { .. } => {}
            }
        }
    }
    deleted
}
