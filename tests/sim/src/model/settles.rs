//! Judges a settle: its turn, the run behind it, its effects, its time.

use std::collections::BTreeMap;

use bytes::Bytes;
use wharf_delivery::{Attempt, DeliveryId, HOPS_ATTRIBUTE, Outcome, Read, Record, Verdict, WriteOp, WriteRequest};
use wharf_dispatch::Item;
use wharf_event::{Code, Event, Position};
use wharf_runtime::Transformed;

use super::{
    Wrong,
    delivery::{Moment, Standing, Turn},
    life_of,
    log::{Key, Log, Stats},
    usage,
};
use crate::{
    client::World,
    observed::{Ran, Run, Seen},
    recordings,
    rules::{self, Policy, Said},
    sieve::sieved,
};

/// Runs without a conflict that an attempt makes at most, before it counts as failed.
const CONFLICTS_MAX: usize = 30;

/// The largest step of the wall clock that frame time follows at once, in milliseconds.
const SMALL_STEP_MS_MAX: u64 = 300_000;

pub(super) fn take<'a>(
    log: &mut Log<'a>,
    item: &'a Item,
    runs: &BTreeMap<(DeliveryId, u32), Vec<&'a Run>>,
    seen: &Seen,
    world: &World,
    wrong: &mut Wrong,
) {
    let Record::Settle { tenant, bus, delivery: id, target, attempt, outcome, published, .. } = &item.record else {
        return;
    };
    let (at, time_ms) = (item.position, item.time_ms);
    log.tenants.settles(tenant.as_str(), at);
    let Some(delivery) = log.deliveries.get(id) else {
        return wrong.say(format!("the settle at {at} is of {id}, which never arose"));
    };
    let same = (tenant.as_str(), target.rule.as_str(), target.to.name());
    let owed = (delivery.tenant, delivery.rule, delivery.plugin);
    wrong.unless(same == owed, || format!("the settle at {at} is of another target"));
    let standing = delivery.standing();
    let Standing::Waits { attempts, since_ms, .. } = standing else {
        return wrong.say(format!("{id} was settled at {at} and was {standing:?} before"));
    };
    wrong.unless(attempt.number == attempts + 1, || {
        format!("{id}: attempt {} was settled at {at} after {attempts}", attempt.number)
    });
    wrong.unless(log.lines.is_first(*id), || {
        format!("{id} was settled at {at}, and waits behind {:?}", log.lines.of(*id))
    });
    let life = life_of(seen, at.k);
    let of_attempt = runs.get(&(*id, attempt.number)).into_iter().flatten();
    let of_life: Vec<&Run> = of_attempt.copied().filter(|run| run.life == life).collect();
    let panics = panics(seen, life, tenant.as_str(), target.to.name());
    let joined_ms_max = joined_ms_max(item, seen, world);
    let settled = Settled { item, since_ms, world, panics, joined_ms_max };
    wrong.unless(attempt.release.is_none_or(|release| release == rules::release(target.to.name())), || {
        format!("{id}: another release ran at {at}")
    });
    if let Err(why) = settled.judged(log, &of_life) {
        wrong.say(format!("the settle of {id} at {at}: {why} {outcome:?}"));
    }
    recorded(item, (*id, attempt), life, seen, wrong);
    usage::take(log, item, (&of_life, since_ms, joined_ms_max), world, wrong);
    let (number, turn_of) = (attempt.number, |turn| Moment { at, time_ms, turn });
    let turn = match outcome {
        Outcome::Ack | Outcome::Filtered { .. } => Turn::Acked(number),
        Outcome::Retry { at_ms, .. } => Turn::Retried(number, *at_ms),
        Outcome::DeadLetter { .. } => Turn::Dead(number),
    };
    if let Some(delivery) = log.deliveries.get_mut(id) {
        delivery.moments.push(turn_of(turn));
    }
    if turn.ends() {
        log.lines.steps_out(*id);
    }
    if let Outcome::DeadLetter { queue, .. } = outcome {
        let expected = rules::queue(target.to.name());
        let gone = target.to.name();
        wrong.unless(queue.as_str() == expected || queue.as_str() == gone, || format!("{id} went to {queue} at {at}"));
        log.dead(tenant.as_str(), queue.to_string(), *id);
    }
    count(log.stats.entry(tenant.to_string()).or_default(), attempt, outcome, published.len());
    // What the host publishes for a bus that is a target arises there, all else where its cause did.
    let bus = if target.to.bus().is_some() { rules::ASIDE } else { bus.as_str() };
    keep(log, item, bus, world, wrong);
}

/// What a settle published arises on that bus, and what it wrote is so from now on.
pub(super) fn keep<'a>(log: &mut Log<'a>, item: &'a Item, bus: &'a str, world: &World, wrong: &mut Wrong) {
    let Record::Settle { tenant, published, writes, .. } = &item.record else { return };
    let (at, time_ms) = (item.position, item.time_ms);
    for (n, one) in (1..).zip(published) {
        let event_at = Log::event_place(at, n);
        log.arise((tenant.as_str(), bus), &one.event, &one.targets, event_at, at, time_ms, world, wrong);
        log.replays.published((tenant.as_str(), bus), &one.event, (event_at, time_ms));
        let given: Vec<String> = one.given_up.iter().map(ToString::to_string).collect();
        let targets = u16::try_from(one.targets.len()).unwrap_or(u16::MAX);
        log.given_up(tenant.as_str(), &one.event, event_at, (targets, &given), wrong);
    }
    for write in writes {
        let key = (tenant.to_string(), write.bucket.to_string(), write.key.clone());
        log.write(key, at, write.value.clone());
    }
}

/// Whether an event is what the host publishes of another one: the same under an id of its own, one hop further.
fn again(event: &Event, published: &Event, id: DeliveryId) -> bool {
    let of = |event: &Event| {
        let plain = [event.source(), event.kind()].map(str::to_owned);
        let more = [event.subject(), event.time(), event.datacontenttype()].map(|it| it.map(str::to_owned));
        (plain, more, event.data().map(|data| data.bytes().clone()))
    };
    let said = |name: &str| published.extension(name).map(|value| value.to_string());
    let first = event.extension("correlationid").map_or_else(|| event.id().to_owned(), |value| value.to_string());
    let hops = event.extension(HOPS_ATTRIBUTE).and_then(|hops| hops.to_string().parse::<u32>().ok()).unwrap_or(0);
    let wanted = [Some(first), Some(event.id().to_owned()), Some((hops + 1).to_string())];
    of(event) == of(published)
        && published.id() == format!("{id}.1")
        && ["correlationid", "causationid", HOPS_ATTRIBUTE].map(said) == wanted
}

fn count(stats: &mut Stats, attempt: &Attempt, outcome: &Outcome, published: usize) {
    stats.attempts += u64::from(attempt.release.is_some() || attempt.duration_us > 0);
    stats.retries += u64::from(matches!(outcome, Outcome::Retry { .. }));
    stats.dead_letters += u64::from(matches!(outcome, Outcome::DeadLetter { .. }));
    stats.published += published as u64;
}

/// By how much at most frame time jumps with steps of the wall clock that it follows at once: nobody knows which of them lie between two moments.
pub(super) fn small_steps_ms(world: &World) -> u64 {
    let steps = world.plan.steps.iter().filter_map(|step| u64::try_from(step.by_ms).ok());
    steps.filter(|by_ms| *by_ms <= SMALL_STEP_MS_MAX).sum()
}

/// Until when others join the frame of a record. It has the time of its first request; others come while the frame before is being
/// synced, and the wall clock may make a step then that frame time follows at once. The next frame is younger than all of them.
pub(super) fn joined_ms_max(item: &Item, seen: &Seen, world: &World) -> u64 {
    let next = seen.frames.range(item.position.k + 1..).find_map(|(_, items)| items.first());
    let synced_ms = item.time_ms + world.plan.delay_ms_max;
    next.map_or(u64::MAX, |next| next.time_ms).min(synced_ms + small_steps_ms(world)).max(synced_ms)
}

/// How often a plugin's handler panicked in a life.
pub(super) fn panics(seen: &Seen, life: usize, tenant: &str, plugin: &str) -> usize {
    let of_life = seen.runs.iter().filter(|run| run.life == life && matches!(run.ran, Ran::Panicked));
    of_life.filter(|run| run.tenant == tenant && run.plugin == plugin).count()
}

/// A settle record, with what is needed to judge it.
struct Settled<'a> {
    item: &'a Item,
    since_ms: u64,
    world: &'a World,
    /// How often its plugin panicked in that life.
    panics: usize,
    /// Frame time when it was asked for, at the latest.
    joined_ms_max: u64,
}

impl Settled<'_> {
    /// It follows from a run of that life, or from what else may end an attempt of its target.
    fn judged(&self, log: &Log<'_>, runs: &[&Run]) -> Result<(), String> {
        let Record::Settle { target, attempt, outcome, .. } = &self.item.record else { return Ok(()) };
        match (attempt.release, outcome) {
            (Some(_), Outcome::Filtered { .. }) => self.filtered(log),
            (Some(_), _) => self.by_a_run(log, runs).or_else(|why| self.by_the_sieve(log).map_err(|()| why)),
            (None, _) if target.to.bus().is_some() => self.by_the_host(log),
            (None, _) if self.without_a_run(log, runs) => Ok(()),
            (None, _) if target.to.webhook().is_some() => self.by_a_run(log, runs),
            (None, outcome) => Err(format!("it tells of no run, and there was one to tell of: {outcome:?}")),
        }
    }

    /// Some run of that attempt ended so, with exactly these effects, and read what was current.
    fn by_a_run(&self, log: &Log<'_>, runs: &[&Run]) -> Result<(), String> {
        let mut why = "there is no run that ended".to_owned();
        for run in runs {
            let Ran::Ended { verdict, published, writes, reads } = &run.ran else { continue };
            let told = self
                .reads_are_current(log, reads)
                .and_then(|()| self.effects_are(log, verdict, published, writes))
                .and_then(|()| self.outcome_follows(log, run.frame_ms, verdict));
            match told {
                Ok(()) => return Ok(()),
                Err(error) => why = error,
            }
        }
        Err(why)
    }

    /// What the rule's transform makes of the event, where it has one.
    fn sieved(&self, log: &Log<'_>) -> Option<Transformed> {
        let Record::Settle { tenant, target, delivery, .. } = &self.item.record else { return None };
        let (sieves, _) = log.sieving(tenant.as_str(), target.rule.as_str());
        let event = log.deliveries.get(delivery).filter(|_| sieves)?.event;
        Some(sieved(self.world.seed, event))
    }

    /// The transform leaves the event out, and so there is nothing of it.
    fn filtered(&self, log: &Log<'_>) -> Result<(), String> {
        let Record::Settle { published, writes, .. } = &self.item.record else { return Ok(()) };
        let nothing = published.is_empty() && writes.is_empty();
        let out = matches!(self.sieved(log), Some(Transformed::Filtered));
        if nothing && out { Ok(()) } else { Err("it is filtered, and no transform said so".to_owned()) }
    }

    /// The transform failed, so the handler was not called.
    fn by_the_sieve(&self, log: &Log<'_>) -> Result<(), ()> {
        let Some(Transformed::Failed(failure)) = self.sieved(log) else { return Err(()) };
        let verdict = Verdict::Failed(failure);
        self.effects_are(log, &verdict, &[], &[]).map_err(drop)?;
        self.outcome_follows(log, self.since_ms, &verdict).map_err(drop)
    }

    /// Whether the plugin had panicked so often that it is not run any more, as this settle says, and its deliveries do not wait
    /// for better times.
    fn is_quarantined(&self, plugin: &str, outcome: &Outcome) -> Option<bool> {
        let said = match outcome {
            Outcome::Retry { code, .. } => *code == Code::ReleaseQuarantined,
            Outcome::DeadLetter { code: Code::RetriesSpent, reason, .. } => {
                reason.contains(Code::ReleaseQuarantined.as_str())
            }
            Outcome::DeadLetter { code, .. } => *code == Code::ReleaseQuarantined,
            Outcome::Ack | Outcome::Filtered { .. } => false,
        };
        let waits = rules::waits(self.world.seed, plugin);
        said.then_some(!waits && self.panics >= self.world.plan.host_faults_max as usize)
    }

    /// No handler came to a verdict: it panicked or had too often, its target was gone, or others were always faster.
    fn without_a_run(&self, log: &Log<'_>, runs: &[&Run]) -> bool {
        let Record::Settle { target, outcome, published, writes, .. } = &self.item.record else { return false };
        let gone = matches!(outcome, Outcome::DeadLetter { code: Code::TargetGone, .. });
        let was_gone = self.was_gone(log);
        let panicked = runs.iter().any(|run| matches!(run.ran, Ran::Panicked));
        let effects = !published.is_empty() || !writes.is_empty() || *outcome == Outcome::Ack;
        let spent = runs.len() > CONFLICTS_MAX;
        // What a run saw may have changed under it; then it is made again, and by now the release may be quarantined. A redriven
        // delivery counts its attempts anew: runs before it was given up so, and runs after that, are other attempts.
        let came_to_nothing = |run: &&Run| match &run.ran {
            _ if run.frame_ms < self.since_ms || run.frame_ms >= self.item.time_ms => true,
            Ran::Ended { reads, writes, .. } => {
                !reads.is_empty() || writes.iter().any(|write| matches!(write.op, WriteOp::Add(_)))
            }
            Ran::Cut | Ran::Contended => true,
            Ran::Panicked => false,
        };
        let had_too_often =
            self.is_quarantined(target.to.name(), outcome).map(|right| right && runs.iter().all(came_to_nothing));
        !effects && if gone { was_gone } else { had_too_often.unwrap_or(panicked || spent) }
    }

    /// A bus is the target: the event is published there once more, or the target was gone. Nothing else can go wrong.
    fn by_the_host(&self, log: &Log<'_>) -> Result<(), String> {
        let Record::Settle { delivery: id, outcome, published, writes, .. } = &self.item.record else { return Ok(()) };
        let gone = matches!(outcome, Outcome::DeadLetter { code: Code::TargetGone, .. });
        let Some(event) = log.deliveries.get(id).map(|delivery| delivery.event) else { return Ok(()) };
        let right = match (outcome, &published[..]) {
            (Outcome::Ack, [one]) => again(event, &one.event, *id) && one.given_up.len() <= one.targets.len(),
            _ => gone && published.is_empty() && self.was_gone(log),
        };
        if right && writes.is_empty() { Ok(()) } else { Err(format!("{outcome:?}, publishing {published:?}")) }
    }

    fn reads_are_current(&self, log: &Log<'_>, reads: &[Read]) -> Result<(), String> {
        let Record::Settle { tenant, .. } = &self.item.record else { return Ok(()) };
        for Read { key, version } in reads {
            let now = log.version_of(tenant.as_str(), key);
            if now != *version {
                return Err(format!("its run read {key:?} at {version}, and {now} was current"));
            }
        }
        Ok(())
    }

    fn effects_are(
        &self,
        log: &Log<'_>,
        verdict: &Verdict,
        published: &[wharf_event::Event],
        writes: &[WriteRequest],
    ) -> Result<(), String> {
        let Record::Settle { tenant, published: recorded, writes: written, .. } = &self.item.record else {
            return Ok(());
        };
        let (published, writes) = if *verdict == Verdict::Ok { (published, writes) } else { (&[][..], &[][..]) };
        if !recorded.iter().map(|one| &one.event).eq(published) {
            return Err(format!("{} events are published, and its run published {}", recorded.len(), published.len()));
        }
        let expected = come_to(log, tenant.as_str(), writes);
        let of_record = written
            .iter()
            .map(|write| ((tenant.to_string(), write.bucket.to_string(), write.key.clone()), write.value.clone()));
        let recorded: BTreeMap<Key, Option<Bytes>> = of_record.collect();
        if recorded != expected {
            return Err(format!("it writes {recorded:?}, and its run's effects come to {expected:?}"));
        }
        Ok(())
    }

    fn outcome_follows(&self, log: &Log<'_>, began_ms: u64, verdict: &Verdict) -> Result<(), String> {
        let mut wrong = String::new();
        for policy in self.policies(log) {
            match self.outcome_follows_by(began_ms, verdict, policy) {
                Ok(()) => return Ok(()),
                Err(why) => wrong = why,
            }
        }
        Err(wrong)
    }

    /// Whether its target was gone at some time since it arose.
    fn was_gone(&self, log: &Log<'_>) -> bool {
        let Record::Settle { tenant, target, delivery, .. } = &self.item.record else { return false };
        let arose = log.deliveries.get(delivery).map(|delivery| delivery.arose).unwrap_or(Position::ZERO);
        log.was_gone_since(arose, tenant.as_str(), target.rule.as_str(), target.to.name())
    }

    /// The target's policy, and where it was gone meanwhile the default one.
    fn policies(&self, log: &Log<'_>) -> Vec<Policy> {
        let Record::Settle { target, .. } = &self.item.record else { return Vec::new() };
        let gone = self.was_gone(log);
        let default = Policy {
            first_ms: 1_000,
            max_ms: 300_000,
            attempts: 185,
            age_ms: 24 * 3_600_000,
            concurrency: 0,
            doubles: true,
            halves: 0,
            said: Said::Nothing,
        };
        let own = rules::policy(self.world.seed, target.to.name());
        if gone { vec![default, own] } else { vec![own] }
    }

    fn outcome_follows_by(&self, began_ms: u64, verdict: &Verdict, policy: Policy) -> Result<(), String> {
        let Record::Settle { outcome, attempt, .. } = &self.item.record else { return Ok(()) };
        let failure = match (verdict, outcome) {
            (Verdict::Ok, Outcome::Ack) => return Ok(()),
            (Verdict::Failed(failure), outcome) if *outcome != Outcome::Ack => failure,
            _ => return Err(format!("its run said {verdict:?}, and it is {outcome:?}")),
        };
        let (own_ms, attempts) = of_outcome(policy, failure.code, attempt.number);
        let (least_ms, most_ms) = failure.retry_after_ms.map_or(own_ms, |ms| (ms, ms));
        let (from_ms, to_ms) = (began_ms + least_ms, self.joined_ms_max + most_ms);
        let spent = attempt.number >= attempts;
        let is_5xx = failure.status.is_some_and(|status| (500..600).contains(&status));
        let never = failure.code == Code::HandlerReject
            || (failure.code == Code::HandlerTrap && policy.said == Said::NoTraps)
            || (is_5xx && matches!(policy.said, Said::Thrice(_)));
        let may_be_old = to_ms.saturating_sub(self.since_ms) > policy.age_ms;
        let follows = match outcome {
            Outcome::Retry { at_ms, code, .. } => {
                !spent && *code == failure.code && (from_ms..=to_ms).contains(at_ms) && !never
            }
            Outcome::DeadLetter { code: Code::RetriesSpent, .. } => !never && (spent || may_be_old),
            Outcome::DeadLetter { code: Code::TargetGone, .. } => false,
            Outcome::DeadLetter { code, .. } => never && *code == failure.code,
            Outcome::Ack | Outcome::Filtered { .. } => false,
        };
        if follows {
            Ok(())
        } else {
            Err(format!("attempt {} of {policy:?} failed with {failure:?} and is {outcome:?}", attempt.number))
        }
    }
}

/// Between which bounds the pause after an attempt lies, in milliseconds, and how many attempts there are, by the policy and what
/// it says of the outcome.
fn of_outcome(policy: Policy, code: Code, number: u32) -> ((u64, u64), u32) {
    let traps = code == Code::HandlerTrap;
    let grown_ms = if policy.doubles { policy.first_ms << (number - 1).min(40) } else { policy.first_ms };
    let most_ms = grown_ms.min(policy.max_ms);
    let own = ((most_ms * policy.halves / 2, most_ms), policy.attempts);
    match policy.said {
        Said::Thrice(ms) if code == Code::HandlerRetry => ((ms, ms), policy.attempts.min(3)),
        Said::AtOnce if !traps => ((0, 0), policy.attempts),
        Said::Nothing | Said::NoTraps | Said::Thrice(_) | Said::AtOnce => own,
    }
}

/// What changes come to, as the values are now.
pub(super) fn come_to(log: &Log<'_>, tenant: &str, writes: &[WriteRequest]) -> BTreeMap<Key, Option<Bytes>> {
    let of_run = |write: &WriteRequest| {
        let key: Key = (tenant.to_owned(), write.bucket.to_string(), write.key.clone());
        let before = log.values.get(&key).map(|(_, value)| value);
        (key, after(before, &write.op))
    };
    writes.iter().map(of_run).collect()
}

/// A key's value after a change.
fn after(before: Option<&Bytes>, op: &WriteOp) -> Option<Bytes> {
    match op {
        WriteOp::Set(value) => Some(value.clone()),
        WriteOp::Delete => None,
        WriteOp::Add(delta) => {
            let number = before.and_then(|value| std::str::from_utf8(value).ok()?.parse::<i64>().ok()).unwrap_or(0);
            Some(Bytes::from((number + delta).to_string()))
        }
    }
}

/// What a settle names for a recording was made of its attempt, in its life.
pub(super) fn recorded(
    item: &Item,
    (id, attempt): (DeliveryId, &Attempt),
    life: usize,
    seen: &Seen,
    wrong: &mut Wrong,
) {
    let Some(named) = attempt.recording() else { return };
    let made = usize::try_from(named.offset).ok().filter(|number| recordings::at(*number) == *named);
    let made = made.and_then(|number| seen.recorded.get(number));
    let is_own = made.is_some_and(|made| made.life == life && made.of.contains(&(id, attempt.number)));
    wrong.unless(is_own, || format!("the settle of {id} at {} names {named:?}, which is of {made:?}", item.position));
}
