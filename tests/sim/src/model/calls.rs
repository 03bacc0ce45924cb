//! Judges what becomes of messages that a plugin consumes: each ends once, by a call that had it, with all effects of that call or with none.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use wharf_delivery::{DeliveryId, Outcome, Read, Record, Used, Verdict, WriteRequest};
use wharf_dispatch::Item;
use wharf_event::{Code, Event};

use super::{
    Wrong, life_of,
    log::{Key, Log},
    settles,
};
use crate::{
    batch::{Call, Called},
    client::World,
    observed::Seen,
    rules::{self, GATHER, Gathering, QUEUE},
};

/// Pauses of a queue where nothing else is wished: at most a second after the first attempt, doubled each time.
const FIRST_MS: u64 = 1_000;
const MAX_MS: u64 = 300_000;

/// Calls of each life and tenant that are charged, by the first that is not.
#[derive(Default)]
pub(super) struct Calls {
    charged: BTreeMap<(usize, String), usize>,
    /// Records that were judged with another one of their call.
    judged: BTreeSet<(u64, DeliveryId)>,
    /// Attempts that ended, each with its life.
    ended: BTreeSet<(usize, DeliveryId, u32)>,
}

impl Calls {
    /// Whether an attempt of a message ended in that life.
    pub(super) fn has_ended(&self, life: usize, (message, attempt): (DeliveryId, u32)) -> bool {
        self.ended.contains(&(life, message, attempt))
    }
}

/// A record of the end of a message, and what it says.
type Ended<'a> = (DeliveryId, &'a Item);

pub(super) fn take<'a>(log: &mut Log<'a>, item: &'a Item, seen: &Seen, world: &World, wrong: &mut Wrong) {
    let Record::Settle { tenant, bus, delivery: id, attempt, outcome, published, .. } = &item.record else { return };
    let (at, time_ms) = (item.position, item.time_ms);
    log.tenants.settles(tenant.as_str(), at);
    log.calls.ended.insert((life_of(seen, at.k), *id, attempt.number));
    if !log.calls.judged.remove(&(at.k, *id)) {
        by_a_call(log, item, seen, world, wrong);
    }
    let settled = (*id, attempt.number, outcome);
    if let Err(why) = log.messages.consumed(tenant.as_str(), settled, (at, time_ms), seen) {
        wrong.say(format!("the end of {id} at {at}: {why}"));
    }
    if let Outcome::DeadLetter { queue, .. } = outcome {
        let right = rules::queue(QUEUE);
        wrong.unless(queue.as_str() == right, || format!("{id} went to {queue} at {at}"));
        log.dead(tenant.as_str(), queue.to_string(), *id);
    }
    let consumer = attempt.consumer().map_or("", |plugin| plugin.as_str());
    settles::recorded(item, (*id, attempt), life_of(seen, at.k), seen, wrong);
    log.charged.add((tenant.as_str(), consumer), time_ms, attempt);
    let stats = log.stats.entry(tenant.to_string()).or_default();
    stats.retries += u64::from(matches!(outcome, Outcome::Retry { .. }));
    stats.dead_letters += u64::from(matches!(outcome, Outcome::DeadLetter { .. }));
    stats.published += published.len() as u64;
    settles::keep(log, item, bus.as_str(), world, wrong);
}

/// Finds the call that the record is of, and judges all records of it that stand in its frame.
fn by_a_call(log: &mut Log<'_>, item: &Item, seen: &Seen, world: &World, wrong: &mut Wrong) {
    let Record::Settle { tenant, delivery: id, attempt, .. } = &item.record else { return };
    let (at, life) = (item.position, life_of(seen, item.position.k));
    let of_frame = seen.frames.get(&at.k).into_iter().flatten();
    let ended: Vec<Ended<'_>> = of_frame.filter_map(|item| Some((of_queue(item, tenant.as_str())?, item))).collect();
    let mut why = "there is no such call".to_owned();
    for (number, call) in seen.calls.iter().enumerate() {
        let had = |id: DeliveryId, attempt: u32| call.items.iter().any(|(of, n, _)| (*of, *n) == (id, attempt));
        if call.life != life || call.tenant != tenant.as_str() || !had(*id, attempt.number) {
            continue;
        }
        let number_of =
            |item: &Item| if let Record::Settle { attempt, .. } = &item.record { attempt.number } else { 0 };
        let of_call: Vec<Ended<'_>> = ended.iter().filter(|(id, item)| had(*id, number_of(item))).copied().collect();
        let charged = charged_to(log, seen, number, call);
        match judge(log, &of_call, (call, charged), seen, world) {
            Ok(()) => {
                log.calls.charged.insert((life, tenant.to_string()), number + 1);
                let others = of_call.iter().filter(|(of, _)| of != id).map(|(id, _)| (at.k, *id));
                log.calls.judged.extend(others);
                return;
            }
            Err(error) => why = error,
        }
    }
    wrong.say(format!("the end of {id} as attempt {} at {at}: {why}", attempt.number));
}

/// The message that a record ends, if it is one of that tenant's queue.
fn of_queue(item: &Item, of: &str) -> Option<DeliveryId> {
    let Record::Settle { tenant, delivery, target, .. } = &item.record else { return None };
    (target.to.queue().is_some() && tenant.as_str() == of).then_some(*delivery)
}

/// What a call that ends messages is charged with: all that was called since the last that did. None where somebody else may have that
/// debt, since the queue was gone meanwhile.
fn charged_to(log: &Log<'_>, seen: &Seen, number: usize, call: &Call) -> Option<[u64; 5]> {
    let unsure = log.books.iter().any(|book| !book.has_queue(&call.tenant)) || log.was_gone(&call.tenant, GATHER);
    let from = log.calls.charged.get(&(call.life, call.tenant.clone())).copied().unwrap_or(0);
    let since = seen.calls.get(from..=number).unwrap_or_default();
    let own = since.iter().filter(|of| of.life == call.life && of.tenant == call.tenant);
    let ended = own.filter(|of| !matches!(of.called, Called::Cut));
    let sum = ended.fold(Used::default(), |mut sum, of| {
        sum.add(&of.used);
        sum
    });
    (!unsure).then(|| numbers(&sum))
}

fn numbers(used: &Used) -> [u64; 5] {
    [used.cpu_ns, used.memory_kib_us, used.bytes_in, used.bytes_out, used.host_calls]
}

fn judge(
    log: &Log<'_>,
    ended: &[Ended<'_>],
    (call, charged): (&Call, Option<[u64; 5]>),
    seen: &Seen,
    world: &World,
) -> Result<(), String> {
    let mut sum = Used::default();
    let (mut acked, mut last) = (0, None);
    for (_, item) in ended {
        let Record::Settle { attempt, outcome, .. } = &item.record else { continue };
        let plugin = attempt.consumer().map(|plugin| plugin.as_str());
        if plugin != Some(GATHER) || attempt.release != Some(rules::release(GATHER)) {
            return Err(format!("it is of {plugin:?}, with the release {:?}", attempt.release));
        }
        attempt.used().into_iter().for_each(|used| sum.add(used));
        acked += usize::from(*outcome == Outcome::Ack);
        last = Some(*item);
    }
    if charged.is_some_and(|charged| charged != numbers(&sum)) {
        return Err(format!("it is charged with {sum:?}, and should be with {charged:?}"));
    }
    let is_last = |item: &Item| last.is_some_and(|last| last.position == item.position);
    for (_, item) in ended.iter().filter(|(_, item)| acked == 0 || !is_last(item)) {
        effects_are(log, item, (&[], &[]))?;
    }
    match (&call.called, acked) {
        (_, 0) => ended.iter().try_for_each(|(id, item)| failed(*id, item, call, seen, world)),
        (Called::Ended { verdicts, published, writes, reads }, _) if acked == ended.len() => {
            let good = verdicts.iter().all(|verdict| *verdict == Verdict::Ok);
            if !good || ended.len() != call.items.len() {
                return Err(format!("{acked} messages are done, of a call with {} of {verdicts:?}", call.items.len()));
            }
            reads_are_current(log, &call.tenant, reads)?;
            last.map_or(Ok(()), |last| effects_are(log, last, (published, writes)))
        }
        (called, _) => Err(format!("{acked} of {} are done, by a call that ended as {called:?}", ended.len())),
    }
}

/// The message failed in that call, and what becomes of it follows.
fn failed(id: DeliveryId, item: &Item, call: &Call, seen: &Seen, world: &World) -> Result<(), String> {
    let Record::Settle { attempt, outcome, .. } = &item.record else { return Ok(()) };
    let at = call.items.iter().position(|(of, ..)| *of == id);
    let failure = match (&call.called, at) {
        (Called::Failed(failure), _) => failure,
        (Called::Ended { verdicts, .. }, Some(at)) => match verdicts.get(at) {
            Some(Verdict::Failed(failure)) => failure,
            other => return Err(format!("it failed, and its verdict is {other:?}")),
        },
        (called, _) => return Err(format!("it failed, and its call ended as {called:?}")),
    };
    let spent = attempt.number >= rules::queueing(world.seed).max_receives;
    let never = failure.code == Code::HandlerReject;
    let most_ms = (FIRST_MS << (attempt.number - 1).min(20)).min(MAX_MS);
    let (least_ms, most_ms) = failure.retry_after_ms.map_or((0, most_ms), |ms| (ms, ms));
    let (from_ms, to_ms) = (call.frame_ms + least_ms, settles::joined_ms_max(item, seen, world) + most_ms);
    let follows = match outcome {
        Outcome::Retry { at_ms, code, .. } => {
            !spent && !never && *code == failure.code && (from_ms..=to_ms).contains(at_ms)
        }
        Outcome::DeadLetter { code: Code::RetriesSpent, .. } => spent && !never,
        Outcome::DeadLetter { code, .. } => never && *code == failure.code,
        Outcome::Ack | Outcome::Filtered { .. } => false,
    };
    let why = || format!("{failure:?} of attempt {} is {outcome:?}, from {from_ms} to {to_ms}", attempt.number);
    if follows { Ok(()) } else { Err(why()) }
}

fn reads_are_current(log: &Log<'_>, tenant: &str, reads: &[Read]) -> Result<(), String> {
    match reads.iter().find(|read| log.version_of(tenant, &read.key) != read.version) {
        Some(Read { key, version }) => Err(format!("its call read {key:?} at {version}, and another was current")),
        None => Ok(()),
    }
}

/// The record has exactly these effects.
fn effects_are(log: &Log<'_>, item: &Item, (published, writes): (&[Event], &[WriteRequest])) -> Result<(), String> {
    let Record::Settle { tenant, published: recorded, writes: written, .. } = &item.record else { return Ok(()) };
    if !recorded.iter().map(|one| &one.event).eq(published) {
        return Err(format!("{} events are published, and should be {}", recorded.len(), published.len()));
    }
    let expected = settles::come_to(log, tenant.as_str(), writes);
    let of_record = written.iter().map(|write| {
        let key: Key = (tenant.to_string(), write.bucket.to_string(), write.key.clone());
        (key, write.value.clone())
    });
    let recorded: BTreeMap<Key, Option<Bytes>> = of_record.collect();
    if recorded == expected { Ok(()) } else { Err(format!("it writes {recorded:?}, and should {expected:?}")) }
}

/// Calls were of messages that were leased for them, as few as they may be, one of a group at a time, and one call at a time.
pub(super) fn check(seen: &Seen, world: &World, log: &Log<'_>, wrong: &mut Wrong) {
    let Some(Gathering { batch, .. }) = rules::gathering(world.seed) else {
        return wrong.unless(seen.calls.is_empty(), || "something was called that no queue has".to_owned());
    };
    let mut under_way: BTreeMap<(usize, &str), &Call> = BTreeMap::new();
    for call in &seen.calls {
        let what = || format!("the call of {} at {} with {} messages", call.tenant, call.frame_ms, call.items.len());
        for (id, attempt, event) in &call.items {
            let most = (batch / 10_u32.saturating_pow(attempt - 1)).max(1) as usize;
            wrong.unless(call.items.len() <= most, || format!("{}: at attempt {attempt} at most {most}", what()));
            let leased = log.messages.was_leased(*id, event);
            wrong.unless(leased, || format!("{}: {id} was not received with that event", what()));
        }
        let mut groups = BTreeSet::new();
        let lines = call.items.iter().filter_map(|(id, ..)| log.messages.lines.of(*id));
        let alone = lines.into_iter().all(|line| groups.insert(line));
        wrong.unless(alone, || format!("{}: two are of one group", what()));
        // A queue that is made anew has another consumer, and that of before ends what it began.
        let was_gone = log.books.iter().any(|book| !book.has_queue(&call.tenant));
        let before = under_way.insert((call.life, call.tenant.as_str()), call);
        let over = before.is_none_or(|before| before.ended.is_some_and(|ended| ended < call.began));
        wrong.unless(over || was_gone, || format!("{} began before the last one ended", what()));
    }
}
