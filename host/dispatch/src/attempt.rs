//! One attempt from its start to its settlement.
//!
//! A conflict is no failure: the attempt runs again at once, on the same release, alone on the keys that changed under it,
//! and is not counted. Whatever else goes wrong, a panic of the host included, becomes a failure that the target's policy
//! decides about: no delivery is left without a settlement while the log takes one.

use std::{
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures_util::FutureExt as _;
use tokio::sync::mpsc;
use wharf_capability::{AttemptContext, Effects, Tape};
use wharf_delivery::{DeliveryRow, Details, Failure, OnQuarantine, ReadKey, Refused, TargetRef, Verdict};
use wharf_event::{ChannelName, Code, Event, PluginName, Position, REPLAY_ATTRIBUTE, TenantName};
use wharf_runtime::{Ending, Invocation, Report};

use crate::{
    archive::Archive,
    bells::Bells,
    breakers::Breakers,
    calling::Calls,
    charging::Charges,
    clock::{FrameClock, rfc3339},
    contention::{Contention, Held},
    forwarding,
    health::{Health, News},
    keeping::{Asker, Ways},
    lane::LaneKey,
    limits::CONFLICT_RUNS_MAX,
    meters::Meters,
    notices::Notice,
    partition::{AskError, Partition, chain},
    pauses::{NoRoom, Pauses},
    places::Places,
    plugins::{Picked, Plugin, Shelf},
    quarantine::{Quarantine, Whose, refused},
    recording::{Ran, most},
    replaying::Replays,
    rules::RuleSet,
    schedule::Waiting,
    seats::Seats,
    sending,
    serving::Crowds,
    settling::{Settlement, settle},
    shared::Shared,
    slot::Slot,
    surroundings::{Surroundings, blocking},
    transform::{self, Passed},
    trials::Trials,
    turns::{Caller, Turns},
    values::AttemptValues,
    watched as watch,
};

/// What every attempt needs.
pub(crate) struct Attempts {
    pub(crate) partition: Partition,
    pub(crate) shared: Arc<Shared>,
    pub(crate) rules: watch::Sender<Arc<RuleSet>>,
    /// Whoever has it for writing changes the rules: one at a time, from before a change is sequenced until it is in use. Who
    /// was matched with older ones has it for reading and asks again: so nobody is overtaken by change after change.
    pub(crate) configuring: tokio::sync::RwLock<()>,
    pub(crate) archive: Archive,
    pub(crate) contention: Arc<Contention>,
    pub(crate) clock: Arc<FrameClock>,
    pub(crate) surroundings: Surroundings,
    pub(crate) meters: Arc<Meters>,
    pub(crate) quarantine: Quarantine,
    pub(crate) breakers: Arc<Breakers>,
    pub(crate) places: Mutex<Places>,
    pub(crate) turns: Arc<Turns>,
    /// What the host itself has to tell.
    pub(crate) notices: mpsc::UnboundedSender<Notice>,
    pub(crate) trials: Trials<PluginName>,
    pub(crate) health: Health,
    /// What has to be done about webhooks.
    pub(crate) news: mpsc::UnboundedSender<News>,
    pub(crate) shelf: Shelf,
    /// For those who wait for messages of queues.
    pub(crate) bells: Bells,
    /// For those who consume queues.
    pub(crate) seats: Seats,
    /// Lanes for whose events there is no room.
    pub(crate) pauses: Pauses,
    pub(crate) replays: Replays,
    /// For the requests of guests.
    pub(crate) calls: Arc<Calls>,
    /// Requests of routes.
    pub(crate) crowds: Crowds,
    /// What they used.
    pub(crate) charges: Arc<Charges>,
}

impl Attempts {
    pub(crate) fn places(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the deliveries to a plugin wait because its release is quarantined.
    pub(crate) fn is_held(&self, rules: &RuleSet, (tenant, target): &LaneKey) -> bool {
        let of = target.plugin().and_then(|plugin| rules.plugin(tenant, plugin));
        let of = of.filter(|plugin| plugin.limits.quarantine == OnQuarantine::Wait);
        // Further attempts are the stable release's, whatever is on trial beside it.
        let stable = of.and_then(|plugin| plugin.pick(None, &[], false));
        stable.is_some_and(|picked| self.quarantine.holds(tenant, picked.handler.digest()))
    }
}

/// Why an attempt did not come to a settlement.
pub(crate) enum Stuck {
    /// It is to be settled as failed, for this reason and without effects.
    Failed(Failure),
    /// It was not tried, and waits on: its release is quarantined.
    Held,
    /// There is no room for what it published: it waits until there may be.
    NoRoom(NoRoom),
    /// The log takes nothing more. The delivery stays as it is, and is tried again after a restart.
    Log(AskError),
}

/// Tries a delivery once and settles it.
pub(crate) async fn run(attempts: &Attempts, waiting: Waiting, slot: &Arc<Slot>) {
    let mut spent = waiting.used_before().map(|used| Arc::new(Details { used: Some(*used), ..Details::default() }));
    let ended = AssertUnwindSafe(deliver(attempts, &waiting, slot, &mut spent)).catch_unwind().await;
    let stuck = match ended {
        Ok(Ok(())) => return,
        Ok(Err(stuck)) => stuck,
        Err(_) => {
            let reason = "the host failed in this attempt; that is a defect of the host";
            Stuck::Failed(Failure::new(Code::Internal, reason))
        }
    };
    let settled = match stuck {
        Stuck::Failed(failure) => {
            let settlement = Settlement::failed(attempts, &waiting, failure, spent.take());
            settle(attempts, &waiting, &settlement, slot).await
        }
        Stuck::Held => {
            attempts.rest_held(&waiting);
            return slot.give_back(unsettled(waiting, spent));
        }
        Stuck::NoRoom(room) => {
            attempts.rest(&waiting, room);
            return slot.give_back(unsettled(waiting, spent));
        }
        Stuck::Log(error) => Err(error),
    };
    if let Err(error) = settled {
        tracing::error!(delivery = %waiting.id, "an attempt cannot be settled: {error}");
    }
}

/// What waits again: its runs so far are charged with the one that comes to something.
fn unsettled(waiting: Waiting, spent: SoFar) -> Waiting {
    let void = spent.and_then(|spent| spent.used).unwrap_or_default();
    Waiting { void, ..waiting }
}

/// What guests have used and said so far in an attempt, for a settlement that tells of no run.
pub(crate) type SoFar = Option<Arc<Details>>;

async fn deliver(attempts: &Attempts, waiting: &Waiting, slot: &Arc<Slot>, spent: &mut SoFar) -> Result<(), Stuck> {
    let received = match &waiting.event {
        // What came by the message of its frame comes once.
        Some(event) if waiting.asked.is_some() => event.clone(),
        held => match (waits_at(attempts, waiting)?, held) {
            (None, _) => return Ok(()),
            (Some(_), Some(event)) => event.clone(),
            (Some(place), None) => read(attempts, waiting, place).await?,
        },
    };
    if received.extension(REPLAY_ATTRIBUTE).is_some() {
        slot.replays();
    }
    let rules = Arc::clone(&attempts.rules.borrow());
    let TargetRef { rule, to, .. } = &waiting.row.target;
    let target = rules.resolve(&waiting.row.tenant, &waiting.row.target);
    if let (Some(_), Some(name)) = (target, to.webhook())
        && let Some(webhook) = rules.webhook(&waiting.row.tenant, name)
    {
        return sending::send(attempts, waiting, slot, (&rules, name, webhook), received, spent).await;
    }
    if let (Some(_), Some(_)) = (target, to.bus()) {
        let ended = forwarding::forward(attempts, waiting, slot, &rules, received, spent).await;
        return ended.map_err(|stuck| within_age(attempts, waiting, &rules, stuck));
    }
    let plugin = to.plugin().and_then(|name| Some((name, rules.plugin(&waiting.row.tenant, name)?)));
    let (Some(target), Some((name, plugin))) = (target, plugin) else {
        let reason = format!("rule `{rule}` or its target `{to}` is no longer there");
        return Err(Stuck::Failed(Failure::new(Code::TargetGone, reason)));
    };
    // Within one attempt it is the same release, however often a conflict makes it run again.
    let picked = picked(attempts, waiting, (&plugin, target.channel.as_ref()))?;
    let Picked { handler, trial, .. } = &picked;
    let ended = handle(attempts, waiting, slot, (&rules, (name, &plugin), &picked), received, spent).await;
    let ended = match ended {
        // It was quarantined since it was picked.
        Err(Stuck::Failed(Failure { code: Code::ReleaseQuarantined, .. }))
            if plugin.limits.quarantine == OnQuarantine::Wait =>
        {
            return Err(Stuck::Held);
        }
        ended => ended,
    };
    // It was the release's attempt, though it comes to no verdict.
    if let (Err(Stuck::Failed(_)), Some(since_ms), 0) = (&ended, *trial, waiting.row.attempts) {
        attempts.trials.count((&waiting.row.tenant, name), (since_ms, handler.digest()), true, 0);
    }
    ended
}

/// The release of an attempt: the same for all of an ordering key, and the stable one where that on trial is quarantined.
fn picked(
    attempts: &Attempts,
    waiting: &Waiting,
    (plugin, channel): (&Plugin, Option<&ChannelName>),
) -> Result<Picked, Stuck> {
    let (mut refusal, delivery) = (None, waiting.id.to_key());
    let key = waiting.row.target.key().map_or(&delivery[..], |key| key.as_str().as_bytes());
    // Further attempts are the stable release's.
    for is_first in [waiting.row.attempts == 0, false] {
        let Some(picked) = plugin.pick(channel, key, is_first) else {
            return Err(Stuck::Failed(Failure::new(Code::Internal, "its release is not ready; that is a defect")));
        };
        let release = picked.handler.digest();
        if !attempts.quarantine.holds(&waiting.row.tenant, release) {
            return Ok(picked);
        }
        refusal = Some(refused(release));
    }
    match refusal.filter(|_| plugin.limits.quarantine == OnQuarantine::DeadLetter) {
        Some(refusal) => Err(Stuck::Failed(refusal)),
        None => Err(Stuck::Held),
    }
}

/// Lets a release handle an event, as often as others change what it reads, and settles.
async fn handle(
    attempts: &Attempts,
    waiting: &Waiting,
    slot: &Arc<Slot>,
    (rules, plugin, picked): (&RuleSet, (&PluginName, &Plugin), &Picked),
    received: Event,
    spent: &mut SoFar,
) -> Result<(), Stuck> {
    let Picked { handler, trial, .. } = picked;
    let Passed { event: passed, took: transforming, details: mut used } =
        transform::pass(attempts, waiting, rules, &received).await;
    let event = match passed {
        Ok(event) => event,
        Err(verdict) => {
            let (release, spent) = (handler.digest(), (transforming, Arc::new(used)));
            // It says nothing of a release on trial: the handler was not called.
            let settlement = Settlement::tried(attempts, waiting, release, &verdict, Effects::default(), spent);
            let settlement = settlement.uncalled();
            return settle(attempts, waiting, &settlement, slot).await.map_err(stuck);
        }
    };
    *spent = used.used.is_some().then(|| Arc::new(used.clone()));
    let grants = picked.granted(&rules.settings(&waiting.row.tenant).ceiling);
    let ways = Ways::new(&attempts.calls, grants, Asker::Delivery(waiting.id), &waiting.row.target.to);
    let mut held: Option<(Held, Vec<ReadKey>)> = None;
    for run in 0..=CONFLICT_RUNS_MAX {
        let tape = attempts.surroundings.recordings.tape();
        let with = (held.is_some(), &tape);
        let Report { ending, effects, duration, details } =
            invoke(attempts, waiting, rules, (plugin, picked), (&received, &event), &ways, with).await?;
        let mut told = used.clone();
        told.add(&details);
        // If this run comes to nothing, the next one is charged with it.
        used.charge(details.used.as_ref());
        let (release, deadline_ms) = (handler.digest(), plugin.1.limits.wall_ms);
        let ran = Ran { plugin: plugin.0, release, deadline_ms, took: duration };
        let record = |failed| attempts.record_attempt(waiting, rules, &event, (&tape, failed), &ran);
        if let Ending::Verdict(verdict) = &ending {
            told.recording = record(matches!(verdict, Verdict::Failed(_)));
        }
        let told = Arc::new(told);
        *spent = Some(Arc::clone(&told));
        let keys = match ending {
            Ending::Contended(key) => vec![key],
            Ending::Verdict(verdict) => {
                let took = (transforming + duration, Arc::clone(&told));
                let settlement = Settlement::tried(attempts, waiting, release, &verdict, effects, took);
                let settlement = settlement.on_trial(*trial);
                match settle(attempts, waiting, &settlement, slot).await {
                    Ok(()) => return Ok(()),
                    Err(AskError::Refused(Refused::Conflict { keys })) => keys,
                    Err(error) => {
                        let stuck = within_age(attempts, waiting, rules, stuck(error));
                        if told.recording.is_none() && matches!(stuck, Stuck::Failed(_)) {
                            *spent = Some(Arc::new(Details { recording: record(true), ..(*told).clone() }));
                        }
                        return Err(stuck);
                    }
                }
            }
        };
        attempts.meters.conflict(&waiting.row.tenant);
        if run == CONFLICT_RUNS_MAX {
            break;
        }
        held = Some(queue_for(attempts, &waiting.row.tenant, held, keys).await);
    }
    let reason = format!("what it read changed under each of {} runs", CONFLICT_RUNS_MAX + 1);
    Err(Stuck::Failed(Failure::new(Code::Conflict, reason)))
}

/// The event, from the log.
async fn read(attempts: &Attempts, waiting: &Waiting, mut place: Position) -> Result<Event, Stuck> {
    loop {
        // What was paged from the state may be in the frame that is being synced.
        if !attempts.shared.durable(place.k).await {
            return Err(Stuck::Log(AskError::Stopping));
        }
        let archive = attempts.archive.clone();
        // Reading may take a while where the log's index is not in memory yet: guests must not wait for it.
        let read = blocking(attempts.surroundings.threads.as_ref(), move || archive.event(place)).await;
        let error = match read {
            Some(Ok(event)) => return Ok(event),
            Some(Err(error)) => chain(&error),
            None => "the thread that read it ended".to_owned(),
        };
        // It may have been carried to another place meanwhile.
        match waits_at(attempts, waiting)? {
            Some(now) if now != place => place = now,
            _ => return Err(Stuck::Failed(Failure::new(Code::Internal, format!("the event cannot be read: {error}")))),
        }
    }
}

/// Where the event of a delivery is; absent when it does not wait for this attempt. What was paged from the state may come a
/// second time, by the message of the frame that it was in.
fn waits_at(attempts: &Attempts, waiting: &Waiting) -> Result<Option<Position>, Stuck> {
    let Waiting { id, row, .. } = waiting;
    let found = DeliveryRow::find(&attempts.shared.read().state, &row.tenant, &row.target.to, *id);
    let found = found.map_err(|error| {
        // Nobody would have its turn for it again.
        let error = format!("the state cannot be read: {}", chain(&error));
        attempts.shared.fail(error.clone());
        Stuck::Log(AskError::Failed(error))
    })?;
    let same = |found: &DeliveryRow| (found.attempts, found.due_ms) == (row.attempts, row.due_ms);
    Ok(found.filter(same).map(|found| found.event_at(*id)))
}

/// What a refused settle means for its attempt.
pub(crate) fn stuck(error: AskError) -> Stuck {
    match &error {
        AskError::TooLarge { .. } | AskError::Refused(Refused::TooManyTargets { .. }) => {
            Stuck::Failed(Failure::new(Code::LimitPublish, format!("what it published is too much: {error}")))
        }
        AskError::Refused(Refused::Quota(spent)) => match NoRoom::of(spent) {
            Some(room) => Stuck::NoRoom(room),
            None => Stuck::Failed(Failure::new(spent.code(), spent.to_string())),
        },
        AskError::Refused(Refused::Overloaded) => Stuck::NoRoom(NoRoom::of_host()),
        _ => Stuck::Log(error),
    }
}

/// A delivery waits for room as long as its policy lets it grow old, and fails then.
fn within_age(attempts: &Attempts, waiting: &Waiting, rules: &RuleSet, stuck: Stuck) -> Stuck {
    let Stuck::NoRoom(room) = stuck else { return stuck };
    let row = &waiting.row;
    let policy = rules.resolve(&row.tenant, &row.target).map(|target| target.retry.age_ms);
    let since_ms = row.since_ms.max(rules.resumed_ms(&row.tenant));
    if attempts.clock.now_ms().saturating_sub(since_ms) <= policy.unwrap_or_default() {
        return Stuck::NoRoom(room);
    }
    Stuck::Failed(room.failure())
}

/// Holds the keys that changed and those held before, which are let go first: so keys are always taken in one order.
pub(crate) async fn queue_for(
    attempts: &Attempts,
    tenant: &TenantName,
    held: Option<(Held, Vec<ReadKey>)>,
    mut keys: Vec<ReadKey>,
) -> (Held, Vec<ReadKey>) {
    if let Some((held, before)) = held {
        drop(held);
        keys.extend(before);
    }
    (attempts.contention.hold(tenant, keys.clone()).await, keys)
}

async fn invoke(
    attempts: &Attempts,
    waiting: &Waiting,
    rules: &RuleSet,
    ((name, plugin), picked): ((&PluginName, &Plugin), &Picked),
    (received, event): (&Event, &Event),
    ways: &Ways,
    (holds, tape): (bool, &Tape),
) -> Result<Report, Stuck> {
    let (row, handler) = (&waiting.row, &picked.handler);
    let values =
        AttemptValues { shared: Arc::clone(&attempts.shared), contention: Arc::clone(&attempts.contention), holds };
    let context = AttemptContext {
        tenant: row.tenant.clone(),
        plugin: name.clone(),
        occasion: waiting.id.into(),
        event: event.clone(),
        received: received.clone(),
        config: Arc::clone(&plugin.config),
        llm: Arc::clone(&ways.llm),
        infer: attempts.calls.inferring(row.attempts == 0),
        secrets: Arc::<Calls>::clone(&attempts.calls),
        grants: Arc::clone(&ways.grants),
        values: Arc::new(values),
        http: Arc::clone(&ways.http),
        time: rfc3339(attempts.clock.now_ms()),
        clock_ms: None,
        tape: tape.clone(),
    };
    let invocation = Invocation {
        context,
        rule: row.target.rule.to_string(),
        attempt: row.attempts + 1,
        max_attempts: most(rules, waiting),
        limits: plugin.limits,
        reuse: plugin.reuse(plugin.limits.reuse),
    };
    let (tenant, clock) = (&row.tenant, &attempts.surroundings.clock);
    let whose = Whose { tenant, plugin: name, release: handler.digest() };
    let caller = Caller::of(row, received, rules);
    let called = Arc::clone(handler);
    let call = attempts.turns.take(caller, async move { called.handle(invocation).await }.boxed());
    attempts.quarantine.guard(whose, || clock.monotonic(), call).await.map_err(Stuck::Failed)
}
