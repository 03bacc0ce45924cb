//! Judges when handlers ran, and on what.

use std::collections::BTreeMap;

use wharf_delivery::DeliveryId;
use wharf_runtime::Transformed;

use super::{
    Wrong,
    delivery::{Delivery, Standing, Turn},
    life_of,
    log::Log,
};
use crate::{
    client::World,
    observed::{Ran, Run, Seen},
    rules,
    sieve::sieved,
};

/// Attempts that a plugin makes at a time where nothing says otherwise.
const DEFAULT_CONCURRENCY: usize = 32;

/// How long after its time an attempt begins at most, while the process runs: a pause of the scheduler, what runs before it
/// in its lane, and a small step of the wall clock.
const LATE_MS_MAX: u64 = 60_000 + 300_000 + 300_000;

/// A plugin of a tenant, in one life.
type Lane<'a> = (usize, &'a str, &'a str);

pub(super) fn check(seen: &Seen, world: &World, log: &Log<'_>, wrong: &mut Wrong) {
    let mut by_attempt: BTreeMap<(usize, DeliveryId, u32), Vec<&Run>> = BTreeMap::new();
    let mut firsts: BTreeMap<Lane<'_>, Vec<(DeliveryId, u64)>> = BTreeMap::new();
    let mut lanes: BTreeMap<Lane<'_>, Vec<&Run>> = BTreeMap::new();
    for run in &seen.runs {
        let Some(delivery) = log.deliveries.get(&run.delivery) else {
            wrong.say(format!("a handler ran for {}, which never arose", run.delivery));
            continue;
        };
        on_the_right_thing(run, delivery, world, log, wrong);
        in_its_time(run, delivery, seen, log, wrong);
        by_attempt.entry((run.life, run.delivery, run.attempt)).or_default().push(run);
        lanes.entry((run.life, delivery.tenant, delivery.plugin)).or_default().push(run);
        // Those that came behind others of their key waited for a time.
        if run.attempt == 1 && !delivery.was_redriven() && !delivery.came_behind {
            let lane = firsts.entry((run.life, delivery.tenant, delivery.plugin)).or_default();
            if lane.iter().all(|(id, _)| *id != run.delivery) {
                lane.push((run.delivery, run.began));
            }
        }
    }
    for ((life, id, attempt), runs) in &by_attempt {
        let redriven = log.deliveries.get(id).is_some_and(Delivery::was_redriven);
        one_at_a_time(runs, redriven, || format!("attempt {attempt} of {id} in life {life}"), wrong);
    }
    for ((life, tenant, plugin), began) in &firsts {
        // A plugin that is not there has the default bound.
        let gone = log.was_gone(tenant, plugin);
        let concurrency =
            if gone { DEFAULT_CONCURRENCY } else { rules::policy(world.seed, plugin).concurrency as usize };
        in_log_order(began, concurrency, || format!("{tenant}/{plugin} in life {life}"), wrong);
        let lane = lanes.get(&(*life, *tenant, *plugin)).map(Vec::as_slice).unwrap_or_default();
        let most = at_a_time(lane);
        wrong.unless(most <= concurrency, || {
            format!("{tenant}/{plugin} in life {life} ran {most} at a time, and {concurrency} are allowed")
        });
    }
}

fn on_the_right_thing(run: &Run, delivery: &Delivery<'_>, world: &World, log: &Log<'_>, wrong: &mut Wrong) {
    let same = (run.tenant.as_str(), run.plugin.as_str()) == (delivery.tenant, delivery.plugin);
    wrong.unless(same, || format!("a handler of {}/{} ran for {}", run.tenant, run.plugin, run.delivery));
    let had: Vec<_> = delivery.had(run.frame_ms).collect();
    wrong.unless(had.contains(&&run.received), || format!("another event was received for {}", run.delivery));
    let (sieves, passes) = log.sieving(delivery.tenant, delivery.rule);
    let plain = passes && run.event == run.received;
    let changed = || matches!(sieved(world.seed, &run.received), Transformed::Event(event) if event == run.event);
    wrong.unless(plain || sieves && changed(), || format!("a handler was given another event for {}", run.delivery));
}

/// An attempt begins after its time and soon after it, and never where the log had settled the delivery.
fn in_its_time(run: &Run, delivery: &Delivery<'_>, seen: &Seen, log: &Log<'_>, wrong: &mut Wrong) {
    let Some(life) = seen.lives.get(run.life - 1) else { return };
    let what = || format!("attempt {} of {} in life {}", run.attempt, run.delivery, run.life);
    if delivery.arose.k <= life.last_k {
        let may_run = match delivery.standing_at(life.last_k) {
            Standing::Waits { attempts, .. } => run.attempt > attempts || redriven_within(delivery, run.life, seen),
            Standing::Acked | Standing::Erased => false,
            Standing::Dead | Standing::Gone => redriven_within(delivery, run.life, seen),
        };
        wrong.unless(may_run, || format!("{} ran, though the log had settled it before", what()));
    }
    // Of what came before this attempt the last that fits; a redriven delivery has several of the same number.
    let before = delivery.moments.iter().filter(|moment| life_of(seen, moment.at.k) <= run.life);
    let due = before.filter_map(|moment| match moment.turn {
        Turn::Retried(number, at_ms) if number + 1 == run.attempt => Some(at_ms),
        // Of a key it may have to wait for others first, and has when another record says that it is the first.
        Turn::Redriven if run.attempt == 1 && log.lines.of(run.delivery).is_none() => Some(moment.time_ms),
        Turn::First if run.attempt == 1 => Some(moment.time_ms),
        _ => None,
    });
    let mut due: Vec<u64> = due.collect();
    if run.attempt == 1 && !delivery.came_behind {
        due.push(delivery.arose_ms);
    }
    let Some(earliest) = due.iter().min() else {
        return wrong.say(format!("{} ran, and no attempt before it was settled", what()));
    };
    wrong.unless(run.frame_ms >= *earliest, || format!("{} ran at {} and was due at {earliest}", what(), run.frame_ms));
    let woken_ms = log.tenants.woken_ms(delivery.tenant, run.frame_ms);
    let latest = due.iter().max().copied().unwrap_or(0).max(life.began_ms).max(woken_ms);
    wrong.unless(run.frame_ms <= latest + LATE_MS_MAX + log.jumps_ms(), || {
        format!("{} ran at {} and could have at {latest}", what(), run.frame_ms)
    });
}

fn redriven_within(delivery: &Delivery<'_>, life: usize, seen: &Seen) -> bool {
    delivery.moments.iter().any(|moment| moment.turn == Turn::Redriven && life_of(seen, moment.at.k) == life)
}

/// Two runs of one attempt are never at once, and the second has a reason: what the first read may have changed.
fn one_at_a_time(runs: &[&Run], redriven: bool, what: impl Fn() -> String, wrong: &mut Wrong) {
    for pair in runs.windows(2) {
        let [first, second] = pair else { continue };
        let over = first.ended.is_some_and(|ended| ended < second.began);
        wrong.unless(over, || format!("{} ran twice at once", what()));
        let again = match &first.ran {
            Ran::Contended => true,
            Ran::Ended { reads, .. } => !reads.is_empty(),
            Ran::Cut | Ran::Panicked => false,
        };
        wrong.unless(again || redriven, || format!("{} ran twice, and the first run read nothing", what()));
    }
}

/// First attempts begin in log order: when one does, those before it that have not are at most as many as may be between
/// their lease and their beginning, beside it.
fn in_log_order(began: &[(DeliveryId, u64)], concurrency: usize, what: impl Fn() -> String, wrong: &mut Wrong) {
    for (n, (id, _)) in began.iter().enumerate() {
        let passed = began.get(n + 1..).unwrap_or_default().iter().filter(|(later, _)| later < id).count();
        wrong.unless(passed < concurrency, || {
            format!("{}: {id} began before {passed} that are before it in the log, of {concurrency} at a time", what())
        });
    }
}

/// How many runs there were at a time at most.
fn at_a_time(runs: &[&Run]) -> usize {
    let running =
        |at: u64| runs.iter().filter(|run| run.began <= at && run.ended.is_none_or(|ended| ended > at)).count();
    runs.iter().map(|run| running(run.began)).max().unwrap_or(0)
}
