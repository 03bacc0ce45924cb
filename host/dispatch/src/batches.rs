//! What calls of a plugin make of the messages that were received for it.
//!
//! Invariant: what a call published and stored is kept only if each of its events ended ok, in one record frame with the end of all of them.
//! Otherwise nothing of it is, its failed events are settled as failed, and the others are handed over again in another instance: so what
//! is kept never had a failed event beside it. A message that comes again is in a smaller batch, until it is alone: one that breaks every
//! call (a trap, a limit) does not take others to the dead letters.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures_util::FutureExt as _;
use wharf_capability::{AttemptContext, Tape};
use wharf_delivery::{
    Answer, Attempt, ConsumeRequest, Consumed, Details, Failure, OnQuarantine, Outcome, PublishRequest, QueueOp,
    ReadKey, RecordingAt, Refused, RetryPolicy, Standing, TargetRef, Used, Verdict, disposition, hops,
    limits::HOPS_MAX,
};
use wharf_event::{BusName, Code, Event, QueueName, Target, TenantName};
use wharf_recording::{Holds, Item, limits::EVENT_BYTES_MAX};
use wharf_runtime::{BatchEnding, BatchInvocation, BatchItem, BatchReport};

use crate::{
    attempt::{Stuck, queue_for, stuck},
    breaker::Sign,
    calling::Calls,
    clock::rfc3339,
    consuming::Ready,
    contention::Held,
    dispatcher::Dispatcher,
    keeping::{Asker, Ways},
    limits::{BATCH_CALLS_MAX, BATCH_SHRINKS_BY, CONFLICT_RUNS_MAX, CONSUMER_PAUSE},
    meters::Settling,
    partition::{AskError, weigh},
    plugins::Picked,
    quarantine::{Whose, refused},
    queueing::Message,
    recording::Ran,
    slot::Slot,
    turns::Caller,
    values::AttemptValues,
};

/// Messages of one lease are handed over by this.
pub(crate) struct Batches {
    pub(crate) dispatcher: Dispatcher,
    pub(crate) tenant: TenantName,
    pub(crate) queue: QueueName,
    pub(crate) ready: Ready,
    /// For how long messages are leased.
    pub(crate) visibility_ms: u64,
    /// The place of all its calls, one after the other.
    pub(crate) slot: Arc<Slot>,
    /// What calls used that are settled with no message yet: the next one that is settled is charged with it.
    pub(crate) debt: Used,
}

/// What a call came to.
enum Called {
    /// It is settled with its effects.
    Kept,
    /// These failed, by their places, and nothing is kept.
    Failed(Vec<(usize, Failure)>, Box<Spent>),
    /// These are somebody else's by now.
    Over(Vec<wharf_delivery::DeliveryId>),
    /// It was not made, or cannot be settled now.
    Wait,
}

/// What a call took, for the attempts that it was of.
struct Spent {
    duration: Duration,
    details: Details,
}

impl Batches {
    /// Hands over all of them; gives how long to wait until the next lease.
    pub(crate) async fn run(&mut self, messages: Vec<Message>) -> Result<Duration, AskError> {
        let mut by_size: BTreeMap<usize, Vec<Message>> = BTreeMap::new();
        for message in messages {
            by_size.entry(self.size_of(message.receives)).or_default().push(message);
        }
        // The largest first: those that never failed.
        while let Some((size, mut rest)) = by_size.pop_last() {
            while !rest.is_empty() {
                let next = rest.split_off(size.min(rest.len()));
                let batch = std::mem::replace(&mut rest, next);
                if !self.hand_over(batch).await? {
                    rest.extend(by_size.into_values().flatten());
                    self.give_back(rest).await?;
                    return Ok(CONSUMER_PAUSE);
                }
            }
        }
        Ok(Duration::ZERO)
    }

    /// How many messages a batch may have with one that was received so often.
    fn size_of(&self, receives: u32) -> usize {
        let by = BATCH_SHRINKS_BY.saturating_pow(receives.saturating_sub(1));
        (self.ready.by.batch / by).max(1) as usize
    }

    /// Lets one batch be handled, in calls without those that failed. False where nothing more is to be tried for now.
    async fn hand_over(&mut self, mut batch: Vec<Message>) -> Result<bool, AskError> {
        for _ in 0..BATCH_CALLS_MAX {
            batch = self.kept_longer(batch).await?;
            let Some(first) = batch.first() else { return Ok(true) };
            let Some(picked) = self.picked(first) else {
                self.give_back(batch).await?;
                return Ok(false);
            };
            match self.call(&picked, &batch).await? {
                Called::Kept => return Ok(true),
                Called::Over(gone) => batch.retain(|message| !gone.contains(&message.receipt.delivery)),
                Called::Wait => {
                    self.give_back(batch).await?;
                    return Ok(false);
                }
                Called::Failed(failed, spent) => {
                    let mut failed: BTreeMap<_, _> = failed.into_iter().collect();
                    let (mut ended, mut left) = (Vec::new(), Vec::new());
                    for (at, message) in batch.into_iter().enumerate() {
                        match failed.remove(&at) {
                            Some(failure) => ended.push((message, failure)),
                            None => left.push(message),
                        }
                    }
                    self.fail(&picked, ended, &spent).await?;
                    batch = left;
                }
            }
        }
        self.give_back(batch).await?;
        Ok(true)
    }

    /// The release that a batch is handled with, by its first message and that one's ordering key; none where it is quarantined, or its tenant rests.
    fn picked(&self, first: &Message) -> Option<Picked> {
        let attempts = &self.dispatcher.attempts;
        if self.dispatcher.rules().settings(&self.tenant).suspended {
            return None;
        }
        let delivery = first.receipt.delivery.to_key();
        let key = first.row.target.key().map_or(&delivery[..], |key| key.as_str().as_bytes());
        [first.receives == 1, false].into_iter().find_map(|is_first| {
            let picked = self.ready.plugin.pick(None, key, is_first)?;
            let held = attempts.quarantine.holds(&self.tenant, picked.handler.digest());
            (!held || self.ready.plugin.limits.quarantine == OnQuarantine::DeadLetter).then_some(picked)
        })
    }

    /// Calls the plugin as often as others change what it reads, and settles what succeeded as a whole.
    async fn call(&mut self, picked: &Picked, batch: &[Message]) -> Result<Called, AskError> {
        let attempts = &self.dispatcher.attempts;
        let everyone = |failure: &Failure| (0..batch.len()).map(|at| (at, failure.clone())).collect();
        let Some(first) = batch.first() else { return Ok(Called::Kept) };
        let ways = self.ways(picked, batch);
        let mut held: Option<(Held, Vec<ReadKey>)> = None;
        for _ in 0..=CONFLICT_RUNS_MAX {
            let tape = attempts.surroundings.recordings.tape();
            let invoked = self.invoke(picked, (first, batch), &ways, (held.is_some(), &tape)).await;
            let mut report = invoked.unwrap_or_else(BatchReport::unstarted);
            let took = report.duration;
            report.details.recording =
                has_failed(&report.ending).and_then(|failed| self.record((picked, batch), took, (&tape, failed)));
            let BatchReport { ending, effects, duration, mut details } = report;
            let used = details.used.unwrap_or_default();
            details.charge(Some(&self.debt).filter(|debt| **debt != Used::default()));
            self.debt.add(&used);
            let mut spent = Spent { duration, details };
            let keys = match ending {
                BatchEnding::Contended(key) => vec![key],
                BatchEnding::Failed(failure) => {
                    self.slot.tell(Sign::of(&failure), Some(&failure));
                    return Ok(Called::Failed(everyone(&failure), Box::new(spent)));
                }
                BatchEnding::Verdicts(verdicts) => {
                    self.slot.tell(Sign::Good, None);
                    let failed = verdicts.into_iter().enumerate().filter_map(|(at, verdict)| match verdict {
                        Verdict::Failed(failure) => Some((at, failure)),
                        Verdict::Ok | Verdict::Filtered(_) => None,
                    });
                    let failed: Vec<_> = failed.collect();
                    if !failed.is_empty() {
                        return Ok(Called::Failed(failed, Box::new(spent)));
                    }
                    let (published, writes, reads) = effects.into_parts();
                    let ended = self.ended(picked, batch.iter().map(|message| (message, Outcome::Ack)), &spent);
                    let request = self.request(ended, &batch.first().map(|first| first.row.bus.clone()));
                    let request = ConsumeRequest { writes, reads, ..request };
                    match self.settle(request, &published).await {
                        Ok(()) => {
                            self.debt = Used::default();
                            self.count(picked, batch, None, &spent);
                            return Ok(Called::Kept);
                        }
                        Err(AskError::Refused(Refused::Conflict { keys })) => keys,
                        Err(AskError::Refused(Refused::LeaseOver { deliveries })) => {
                            return Ok(Called::Over(deliveries));
                        }
                        Err(error) => match stuck(error) {
                            Stuck::Failed(failure) => {
                                spent.details.recording = spent
                                    .details
                                    .recording
                                    .or_else(|| self.record((picked, batch), took, (&tape, true)));
                                return Ok(Called::Failed(everyone(&failure), Box::new(spent)));
                            }
                            Stuck::Held | Stuck::NoRoom(_) => return Ok(Called::Wait),
                            Stuck::Log(error) => return Err(error),
                        },
                    }
                }
            };
            attempts.meters.conflict(&self.tenant);
            held = Some(queue_for(attempts, &self.tenant, held, keys).await);
        }
        let reason = format!("what it read changed under each of {} runs", CONFLICT_RUNS_MAX + 1);
        let spent =
            Spent { duration: Duration::ZERO, details: Details { used: Some(self.debt), ..Details::default() } };
        Ok(Called::Failed(everyone(&Failure::new(Code::Conflict, reason)), Box::new(spent)))
    }

    /// What the plugin may use for a batch, over all runs of the call.
    fn ways(&self, picked: &Picked, batch: &[Message]) -> Ways {
        let grants = picked.granted(&self.dispatcher.rules().settings(&self.tenant).ceiling);
        let queue = Target::Queue(self.queue.clone());
        let messages = batch.iter().map(|message| message.receipt.delivery).collect();
        Ways::new(&self.dispatcher.attempts.calls, grants, Asker::batch(messages), &queue)
    }

    /// Keeps what was recorded of a call, which all of its messages have in common.
    fn record(
        &self,
        (picked, batch): (&Picked, &[Message]),
        took: Duration,
        recorded: (&Tape, bool),
    ) -> Option<RecordingAt> {
        let (plugin, deadline_ms) = (&self.ready.by.plugin, self.ready.plugin.limits.wall_ms);
        let ran = Ran { plugin, release: picked.handler.digest(), deadline_ms, took };
        let mut room = EVENT_BYTES_MAX;
        let mut item = |message: &Message, holds: Holds| Item {
            delivery: message.receipt.delivery,
            rule: message.row.target.rule.to_string(),
            attempt: message.receives,
            max_attempts: self.ready.settings.max_receives.unwrap_or(u32::MAX),
            event: Item::event(&message.event, holds != Holds::Nothing, &mut room),
        };
        let items = |holds| batch.iter().map(|message| item(message, holds)).collect();
        self.dispatcher.attempts.record(&self.tenant, recorded, &ran, items)
    }

    async fn invoke(
        &self,
        picked: &Picked,
        (first, batch): (&Message, &[Message]),
        ways: &Ways,
        (holds, tape): (bool, &Tape),
    ) -> Result<BatchReport, Failure> {
        let (attempts, Ready { settings, by, plugin }) = (&self.dispatcher.attempts, &self.ready);
        let rules = self.dispatcher.rules();
        let release = picked.handler.digest();
        if attempts.quarantine.holds(&self.tenant, release) {
            return Err(refused(release));
        }
        let (shared, contention) = (Arc::clone(&attempts.shared), Arc::clone(&attempts.contention));
        let context = AttemptContext {
            tenant: self.tenant.clone(),
            plugin: by.plugin.clone(),
            occasion: first.receipt.delivery.into(),
            event: first.event.clone(),
            received: first.event.clone(),
            config: Arc::clone(&plugin.config),
            llm: Arc::clone(&ways.llm),
            infer: attempts.calls.inferring(batch.iter().all(|message| message.receives == 1)),
            secrets: Arc::<Calls>::clone(&attempts.calls),
            grants: Arc::clone(&ways.grants),
            values: Arc::new(AttemptValues { shared, contention, holds }),
            http: Arc::clone(&ways.http),
            time: rfc3339(attempts.clock.now_ms()),
            clock_ms: None,
            tape: tape.clone(),
        };
        let item = |message: &Message| BatchItem {
            event: message.event.clone(),
            delivery: message.receipt.delivery,
            rule: message.row.target.rule.to_string(),
            attempt: message.receives,
            max_attempts: settings.max_receives.unwrap_or(u32::MAX),
        };
        let invocation = BatchInvocation { context, items: batch.iter().map(item).collect(), limits: plugin.limits };
        let target = self.target();
        let whose = Whose { tenant: &self.tenant, plugin: &by.plugin, release };
        let (of_tenant, of_target) = rules.shares(&self.tenant, &target);
        let caller = Caller {
            tenant: self.tenant.clone(),
            target,
            weights: (of_tenant.weight, of_target.weight),
            steps_back: false,
        };
        let called = Arc::clone(&picked.handler);
        let call = attempts.turns.take(caller, async move { called.handle_batch(invocation).await }.boxed());
        attempts.quarantine.guard(whose, || attempts.surroundings.clock.monotonic(), call).await
    }

    fn target(&self) -> Target {
        Target::Plugin(self.ready.by.plugin.clone())
    }

    /// The attempts of messages that a call ended: what it used is divided among them, and what it said is told with the first.
    fn ended<'a>(
        &self,
        picked: &Picked,
        ended: impl ExactSizeIterator<Item = (&'a Message, Outcome)>,
        spent: &Spent,
    ) -> Vec<Consumed> {
        let shares = ended.len() as u64;
        let duration_us = u64::try_from(spent.duration.as_micros()).unwrap_or(u64::MAX);
        let consumed = |(at, (message, outcome)): (usize, (&Message, Outcome))| {
            let details = Some(Arc::new(share(&spent.details, at as u64, shares)));
            let release = Some(picked.handler.digest());
            let attempt = Attempt { number: message.receives, release, duration_us, details };
            Consumed { receipt: message.receipt, attempt, outcome }
        };
        ended.enumerate().map(consumed).collect()
    }

    fn request(&self, ended: Vec<Consumed>, bus: &Option<BusName>) -> ConsumeRequest {
        let rules = self.dispatcher.rules();
        // Nobody listens to the bus of those that were sent straight to the queue.
        let bus = bus.clone().filter(BusName::is_plain).or_else(|| rules.main_bus(&self.tenant));
        let quotas = match &bus {
            Some(bus) => rules.quotas_on(&self.tenant, bus),
            None => rules.settings(&self.tenant).quotas,
        };
        ConsumeRequest {
            tenant: self.tenant.clone(),
            queue: self.queue.clone(),
            consumer: self.target(),
            ended,
            bus,
            reads: Vec::new(),
            rules_version: rules.version_of(&self.tenant),
            published: Vec::new(),
            writes: Vec::new(),
            quotas,
            publish_per_s: self.ready.plugin.limits.publish_per_s,
        }
    }

    /// Settles; matches what was published again when the rules change meanwhile.
    async fn settle(&self, mut request: ConsumeRequest, published: &[Event]) -> Result<(), AskError> {
        let attempts = &self.dispatcher.attempts;
        let mut turn = None;
        loop {
            let rules = self.dispatcher.rules();
            let mut bytes = 0;
            let matched = |event: &Event| {
                let on = request.bus.as_ref();
                let targets = on.and_then(|bus| rules.targets(&self.tenant, bus, event).ok()).unwrap_or_default();
                let queue = |target: &TargetRef| rules.dead_letter(&self.tenant, target);
                let queues = if hops(event) > HOPS_MAX { targets.iter().map(queue).collect() } else { Vec::new() };
                weigh(&mut bytes, event, &targets)?;
                Ok(PublishRequest { event: event.clone(), targets, queues })
            };
            let published = published.iter().map(matched).collect::<Result<_, AskError>>()?;
            (request.published, request.rules_version) = (published, rules.version_of(&self.tenant));
            match attempts.partition.consume(request.clone()).await {
                Ok(Answer::Settled(_)) => return Ok(()),
                Ok(_) => return Err(AskError::Stopping),
                Err(AskError::Refused(Refused::StaleRules)) if turn.is_none() => {
                    turn = Some(attempts.configuring.read().await);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Settles messages as failed, without effects.
    async fn fail(&mut self, picked: &Picked, failed: Vec<(Message, Failure)>, spent: &Spent) -> Result<(), AskError> {
        let mut failed = failed;
        while !failed.is_empty() {
            let outcomes = failed.iter().map(|(message, failure)| (message, self.outcome(message, failure)));
            let outcomes: Vec<_> = outcomes.collect();
            let ended = self.ended(picked, outcomes.clone().into_iter(), spent);
            match self.settle(self.request(ended, &None), &[]).await {
                Ok(()) => {
                    self.debt = Used::default();
                    for ((message, failure), (_, outcome)) in failed.iter().zip(&outcomes) {
                        self.tell(message, failure, outcome);
                        self.count(picked, std::slice::from_ref(message), Some((failure, outcome)), spent);
                    }
                    return Ok(());
                }
                // Those are tried again by whoever has them now.
                Err(AskError::Refused(Refused::LeaseOver { deliveries })) => {
                    failed.retain(|(message, _)| !deliveries.contains(&message.receipt.delivery));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// What follows from a failure: a queue has the pauses of the default policy, and its own bounds.
    fn outcome(&self, message: &Message, failure: &Failure) -> Outcome {
        let (settings, attempts) = (&self.ready.settings, &self.dispatcher.attempts);
        let most = settings.max_receives.unwrap_or(u32::MAX);
        let policy = RetryPolicy { attempts: most, age_ms: u64::MAX, ..RetryPolicy::default() };
        disposition(
            &Verdict::Failed(failure.clone()),
            Standing {
                attempt: message.receives,
                since_ms: message.row.since_ms,
                now_ms: attempts.clock.now_ms(),
                policy: &policy,
                queue: &settings.dead_letter,
                on_quarantine: self.ready.plugin.limits.quarantine,
                random: attempts.surroundings.random.bits(),
            },
        )
    }

    fn tell(&self, message: &Message, failure: &Failure, outcome: &Outcome) {
        let ends = if matches!(outcome, Outcome::Retry { .. }) { "to be tried again" } else { "given up" };
        let delivery = message.receipt.delivery;
        tracing::info!(
            tenant = %self.tenant, target = %self.target(), queue = %self.queue, event = %delivery.event, %delivery,
            attempt = message.receives, code = %failure.code, "an event of a batch failed, {ends}: {}", failure.reason
        );
    }

    /// Counts attempts that are settled, and how long their deliveries took if that was their end.
    fn count(&self, picked: &Picked, batch: &[Message], failed: Option<(&Failure, &Outcome)>, spent: &Spent) {
        let (attempts, release) = (&self.dispatcher.attempts, picked.handler.digest());
        let took_us = u64::try_from(spent.duration.as_micros()).unwrap_or(u64::MAX);
        let outcome = failed.map_or(&Outcome::Ack, |(_, outcome)| outcome);
        let retried = matches!(outcome, Outcome::Retry { .. });
        for (at, message) in batch.iter().enumerate() {
            let details = share(&spent.details, at as u64, batch.len() as u64);
            let code = failed.map(|(failure, _)| failure.code);
            let settling = Settling { release: Some(release), outcome, failed: code, took_us, details: Some(&details) };
            let waited_ms = attempts.clock.now_ms().saturating_sub(message.row.since_ms);
            let since = (!retried).then(|| Duration::from_millis(waited_ms));
            attempts.meters.settled(&self.tenant, &self.target(), &settling, since);
            if let (Some(since_ms), 1) = (picked.trial, message.receives) {
                attempts.trials.count(
                    (&self.tenant, &self.ready.by.plugin),
                    (since_ms, release),
                    failed.is_some(),
                    took_us,
                );
            }
        }
    }

    /// Keeps the messages for another call, if what is left of their leases is too short for one; without those that are gone.
    async fn kept_longer(&self, mut batch: Vec<Message>) -> Result<Vec<Message>, AskError> {
        let now_ms = self.dispatcher.now_ms();
        let wanted_ms = now_ms.saturating_add(u64::from(self.ready.plugin.limits.wall_ms));
        if batch.iter().all(|message| message.until_ms > wanted_ms) {
            return Ok(batch);
        }
        let receipts = batch.iter().map(|message| message.receipt).collect();
        let op = QueueOp::Extend { receipts, visibility_ms: self.visibility_ms };
        let moved = self.dispatcher.moved(&self.tenant, &self.queue, self.ready.settings.terms(), op).await?;
        let mut good = moved.good.into_iter();
        batch.retain(|_| good.next().unwrap_or(false));
        batch.iter_mut().for_each(|message| message.until_ms = now_ms.saturating_add(self.visibility_ms));
        Ok(batch)
    }

    /// Messages go back as if nobody had had them.
    async fn give_back(&self, batch: Vec<Message>) -> Result<(), AskError> {
        if batch.is_empty() {
            return Ok(());
        }
        let op = QueueOp::Return(batch.iter().map(|message| message.receipt).collect());
        self.dispatcher.moved(&self.tenant, &self.queue, self.ready.settings.terms(), op).await.map(drop)
    }
}

/// Whether a call failed for any of its messages; absent where it is made again.
fn has_failed(ending: &BatchEnding) -> Option<bool> {
    match ending {
        BatchEnding::Contended(_) => None,
        BatchEnding::Failed(_) => Some(true),
        BatchEnding::Verdicts(verdicts) => Some(verdicts.iter().any(|verdict| *verdict != Verdict::Ok)),
    }
}

/// One of so many shares of what a call used; the first has what is left, and what the call said.
fn share(of: &Details, at: u64, shares: u64) -> Details {
    let shares = shares.max(1);
    let part = |whole: u64| whole / shares + if at == 0 { whole % shares } else { 0 };
    let used = of.used.map(|used| Used {
        cpu_ns: part(used.cpu_ns),
        memory_kib_us: part(used.memory_kib_us),
        bytes_in: part(used.bytes_in),
        bytes_out: part(used.bytes_out),
        host_calls: part(used.host_calls),
    });
    let log = if at == 0 { of.log.clone() } else { wharf_delivery::LogTail::default() };
    Details {
        cpu_us: part(of.cpu_us),
        memory_bytes: of.memory_bytes,
        limits: of.limits.clone(),
        log,
        used,
        consumer: None,
        recording: of.recording,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shares_of_a_call_are_all_that_it_used() {
        let used = Used { cpu_ns: 100, memory_kib_us: 7, bytes_in: 3, bytes_out: 0, host_calls: 2 };
        let whole = Details { cpu_us: 11, used: Some(used), ..Details::default() };
        let mut sum = Used::default();
        (0..3).for_each(|at| sum.add(&share(&whole, at, 3).used.unwrap()));
        assert_eq!(sum, used);
        assert_eq!((0..3).map(|at| share(&whole, at, 3).cpu_us).sum::<u64>(), 11);
    }
}
