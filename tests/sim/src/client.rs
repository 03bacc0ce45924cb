//! Clients: they send, send again, lie, redrive, change the rules, and read.
//!
//! Invariant: whatever a client is told it tells [`Observed`], and nothing else. A client that waited too long knows nothing.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::time::timeout;
use wharf_delivery::{
    Changed, DiscardRequest, Expected, Object, ObjectKind, ObjectName, ObjectWish, RedriveRequest, RedriveWhich, Table,
    Tables as _, ValueRow, WebhookObject, keys,
};
use wharf_dispatch::{Dispatcher, Releases, RuleSet, Transforms, WebhookInForce};
use wharf_event::{BucketName, BusName, Event, EventBuilder, QueueName, RuleName, TenantName};

use crate::{
    edits,
    observed::{Acked, ChangeTold, Observed, ReadValue, Sent},
    plan::Plan,
    queue::Receiver,
    redrives, replays,
    rng::Rng,
    rules,
    script::{COUNTERS, RAISED, VALUES},
    tides::{self, TIDES},
    web,
};

/// What a client does in one life at most.
const ACTIONS_MAX: u64 = 20;

/// What all clients of a life know.
pub struct World {
    /// The history's seed.
    pub seed: u64,
    /// The history's plan.
    pub plan: Plan,
    /// The handlers.
    pub releases: Releases,
    /// The transforms.
    pub transforms: Transforms,
    /// What is seen.
    pub observed: Observed,
}

impl World {
    /// A rule set, compiled.
    #[must_use]
    pub fn rules(&self, variant: u64) -> Option<RuleSet> {
        RuleSet::new(rules::variant(self.seed, &self.plan, variant)?, &self.releases, &self.transforms).ok()
    }

    /// Puts a rule set into force, if it can be: a rule that was made meanwhile may need what it has not.
    pub async fn configure(&self, dispatcher: &Dispatcher, variant: u64) -> bool {
        let Some(rules) = self.rules(variant) else { return false };
        let told = dispatcher.configure(rules).await;
        self.observed.note(
            || format!("configure {variant}: {told:?}"),
            |seen| seen.configured.extend(told.as_ref().ok().map(|version| (*version, variant))),
        );
        if told.is_ok() {
            self.give_secrets(dispatcher).await;
        }
        told.is_ok()
    }

    /// Gives the webhooks of the configuration a secret, as whoever puts one into force does: without one nothing is sent.
    async fn give_secrets(&self, dispatcher: &Dispatcher) {
        for tenant in rules::TENANTS {
            let (Ok(tenant), Ok(hook)) = (tenant.parse(), rules::HOOK.parse()) else { continue };
            let lacks = |webhook: &Arc<WebhookInForce>| webhook.object.secrets.is_empty();
            if !dispatcher.rules().webhook(&tenant, &hook).is_some_and(lacks) {
                continue;
            }
            let edit = |object: &mut WebhookObject| {
                if object.secrets.is_empty() {
                    object.rotate(rules::secret(), 0);
                }
            };
            let told = dispatcher.edit_webhook(&tenant, &hook, None, edit).await;
            self.observed.note(|| format!("a secret for {tenant}: {}", told.is_ok()), |_| {});
        }
    }
}

/// One client, until it is dropped.
pub struct Client {
    world: Arc<World>,
    dispatcher: Dispatcher,
    rng: Rng,
    name: String,
    sent: u64,
    receiver: Receiver,
}

impl Client {
    /// A client of a life.
    #[must_use]
    pub fn new(world: Arc<World>, dispatcher: Dispatcher, life: usize, number: u64) -> Self {
        let rng = Rng::of(&[world.seed, life as u64, number, 0xC1]);
        Self { world, dispatcher, rng, name: format!("{life}-{number}"), sent: 0, receiver: Receiver::default() }
    }

    /// Acts a number of times.
    pub async fn run(mut self) {
        for _ in 0..self.rng.between(1, ACTIONS_MAX) {
            let pause_ms = self.rng.below(self.world.plan.pause_ms_max + 1);
            tokio::time::sleep(Duration::from_millis(pause_ms)).await;
            if self.world.plan.tides && self.rng.chance(12) {
                tides::wish(&self.world, &self.dispatcher, &mut self.rng).await;
                continue;
            }
            if self.rng.chance(10) {
                web::act(&self.world, &self.dispatcher, &mut self.rng).await;
                continue;
            }
            if self.rng.chance(20) {
                let (tenant, _) = self.place();
                self.receiver.act(&self.world, &self.dispatcher, &mut self.rng, tenant).await;
                continue;
            }
            match self.rng.below(100) {
                0..=4 => {
                    let (tenant, _) = self.place();
                    replays::act(&self.world, &self.dispatcher, &mut self.rng, tenant).await;
                }
                5..=59 => self.send_new().await,
                60..=74 => self.send_again().await,
                75..=82 => self.send_at_the_same_time().await,
                83..=86 => self.redrive().await,
                87..=88 => {
                    let (tenant, _) = self.place();
                    edits::act(&self.world, &self.dispatcher, &mut self.rng, tenant).await;
                }
                89..=91 => {
                    let variant = self.rng.below(rules::VARIANTS);
                    self.world.configure(&self.dispatcher, variant).await;
                }
                92..=95 => self.change_rule().await,
                _ => self.read().await,
            }
        }
    }

    fn event(&mut self, id: &str) -> Option<Event> {
        let kind = if rules::is_wide(self.world.seed) && self.rng.chance(10) {
            rules::WIDE
        } else if self.rng.chance(1) {
            rules::LOOP
        } else {
            self.rng.pick(&rules::SENT).copied()?
        };
        let filler = "x".repeat(self.rng.below(self.world.plan.payload_bytes_max) as usize);
        // A number and a text are the same key; some have none.
        let key = self
            .rng
            .pick(&["", "\"k\":1,", "\"k\":\"1\",", "\"k\":\"other\",", "\"k\":null,"])
            .copied()
            .unwrap_or_default();
        let data = format!("{{{key}\"n\":{},\"filler\":\"{filler}\"}}", self.rng.bits());
        let event = EventBuilder::new(id, format!("client/{}", self.name), kind).data(Bytes::from(data));
        let group = self.rng.chance(60).then(|| format!("g{}", self.rng.below(3)));
        match group {
            Some(group) => event.extension("partitionkey", group).build().ok(),
            None => event.build().ok(),
        }
    }

    fn place(&mut self) -> (&'static str, &'static str) {
        let tenants = if self.world.plan.tides && self.rng.chance(50) { &TIDES } else { &rules::TENANTS };
        let tenant = self.rng.pick(tenants).copied().unwrap_or("acme");
        (
            tenant,
            ["default", "default", "side", rules::QUEUE_BUS].get(self.rng.below(4) as usize).copied().unwrap_or("side"),
        )
    }

    async fn send_new(&mut self) {
        let (tenant, bus) = self.place();
        let mut batch = Vec::new();
        for _ in 0..self.rng.between(1, 4) {
            self.sent += 1;
            let id = format!("e{}", self.sent);
            batch.extend(self.event(&id).map(|event| Sent { tenant, bus, event }));
        }
        if self.rng.chance(8)
            && let Some(first) = batch.first().cloned()
        {
            // The same event twice in one batch.
            batch.push(first);
        }
        self.send(batch).await;
    }

    /// Something that was sent before: as it was, or with other data under the same id.
    async fn send_again(&mut self) {
        let Some(mut again) = self.sent_before() else { return };
        if self.rng.chance(30) {
            let filler = self.rng.bits();
            let lie = EventBuilder::new(again.event.id(), again.event.source(), again.event.kind());
            again.event = match lie.data(format!("{{\"lie\":{filler}}}")).build() {
                Ok(lie) => lie,
                Err(_) => return,
            };
        }
        self.send(vec![again]).await;
    }

    fn sent_before(&mut self) -> Option<Sent> {
        let seen = self.world.observed.seen();
        // Mostly something recent: the window is short.
        let recent = seen.sent.len().saturating_sub(10);
        let from = if self.rng.chance(70) { recent } else { 0 };
        seen.sent.get(from..).and_then(|sent| self.rng.pick(sent).cloned())
    }

    async fn send_at_the_same_time(&mut self) {
        let Some(again) = self.sent_before() else { return };
        self.sent += 1;
        let fresh = format!("e{}", self.sent);
        let event = if self.rng.chance(50) { self.event(&fresh) } else { Some(again.event.clone()) };
        let Some(event) = event else { return };
        let one = Sent { event, ..again };
        let wait = self.patience();
        let world = &self.world;
        let once = || send(world, &self.dispatcher, vec![one.clone()], None, wait);
        futures_util::future::join3(once(), once(), once()).await;
    }

    fn patience(&mut self) -> Duration {
        Duration::from_millis(if self.rng.chance(10) { 0 } else { 10_000 })
    }

    async fn send(&mut self, batch: Vec<Sent>) {
        let wait = self.patience();
        let delays = !rules::queueing(self.world.seed).ordered && self.rng.chance(20);
        let delay_ms = delays.then(|| self.rng.between(1, 5_000));
        send(&self.world, &self.dispatcher, batch, delay_ms, wait).await;
    }

    async fn redrive(&mut self) {
        let (tenant, _) = self.place();
        let Some(plugin) = self.rng.pick(&rules::PLUGINS) else { return };
        let of_queue = if self.rng.chance(20) { rules::QUEUE.to_owned() } else { rules::queue(rules::QUEUE) };
        let queue = if self.rng.chance(30) { of_queue } else { rules::queue(plugin) };
        let (Ok(tenant), Ok(queue)) = (tenant.parse::<TenantName>(), queue.parse::<QueueName>()) else {
            return;
        };
        if self.rng.chance(50) {
            return redrives::act(&self.world, &self.dispatcher, &mut self.rng, (&tenant, &queue)).await;
        }
        let which = if self.rng.chance(60) {
            RedriveWhich::After(None)
        } else {
            let prefix = keys::queue(&tenant, &queue);
            let from = std::ops::Bound::Unbounded;
            let letters = self.dispatcher.read(|state| state.scan(Table::DeadLetters, &prefix, from, 20)).await;
            let Ok(Ok(letters)) = letters else { return };
            let ids: Vec<_> = letters.iter().filter_map(|(key, _)| keys::delivery_of(key)).collect();
            RedriveWhich::Ids(self.rng.pick(&ids).into_iter().copied().collect())
        };
        if self.rng.chance(45) {
            let request = DiscardRequest { tenant: tenant.clone(), queue: queue.clone(), which };
            let told = timeout(Duration::from_secs(10), self.dispatcher.discard(request)).await;
            let moved = told.as_ref().ok().and_then(|told| told.as_ref().ok()).map(|discarded| discarded.moved);
            return self.world.observed.note(
                || format!("discard {tenant} {queue}: {told:?}"),
                |seen| seen.discarded.extend(moved.map(|moved| (format!("{tenant} {queue}"), moved))),
            );
        }
        let request = RedriveRequest { tenant: tenant.clone(), queue: queue.clone(), which };
        let told = timeout(Duration::from_secs(10), self.dispatcher.redrive(request)).await;
        let moved = told.as_ref().ok().and_then(|told| told.as_ref().ok()).map(|redriven| redriven.moved);
        self.world.observed.note(
            || format!("redrive {tenant} {queue}: {told:?}"),
            |seen| seen.redriven.extend(moved.map(|moved| (format!("{tenant} {queue}"), moved))),
        );
    }

    /// Makes, replaces, removes or switches a rule of its own kind.
    async fn change_rule(&mut self) {
        let (tenant, bus) = self.place();
        let number = self.rng.below(rules::MADE);
        let (Ok(of), Ok(rule)) = (tenant.parse::<TenantName>(), rules::made(number).parse::<RuleName>()) else {
            return;
        };
        let bus = if bus == rules::QUEUE_BUS { "side" } else { bus };
        let document = rules::made_rule(self.world.seed, bus, &mut self.rng).filter(|_| self.rng.chance(70));
        let name = ObjectName::from(&rule);
        let found = self.dispatcher.read(|state| Object::get(state, &of, ObjectKind::Rule, &name)).await;
        let version = found.ok().and_then(Result::ok).flatten().map(|object| object.version);
        let expected = match self.rng.below(10) {
            0 => Expected::Absent,
            1 => Expected::Present,
            2..=4 => version.map_or(Expected::Any, Expected::Version),
            _ => Expected::Any,
        };
        let wish = ObjectWish { kind: ObjectKind::Rule, name, document: document.clone(), expected };
        let told = timeout(self.patience(), self.dispatcher.change(&of, vec![wish])).await;
        let answered = |told: &Changed| {
            let (tenant, name) = (tenant.to_owned(), rule.to_string());
            let kind = ObjectKind::Rule;
            told.objects.first().map(|fate| ChangeTold { tenant, kind, name, document, expected, fate: *fate })
        };
        self.world.observed.note(
            || format!("change {tenant} {rule}: {told:?}"),
            |seen| seen.changed.extend(told.as_ref().ok().and_then(|told| told.as_ref().ok()).and_then(answered)),
        );
    }

    async fn read(&mut self) {
        let (tenant, _) = self.place();
        let Some((bucket, key)) = self.rng.pick(&[(COUNTERS, "c0"), (VALUES, "k1"), (RAISED, "r0")]).copied() else {
            return;
        };
        let (Ok(of), Ok(name)) = (tenant.parse::<TenantName>(), bucket.parse::<BucketName>()) else { return };
        let (place, asked_k) = (keys::value(&of, &name, key), self.dispatcher.archive().last_k());
        let told = timeout(Duration::from_secs(10), self.dispatcher.read(|state| ValueRow::get(state, &place))).await;
        let Ok(Ok(Ok(row))) = told else { return };
        let found = row.map(|row| (row.version, row.value.to_vec()));
        let (tenant, bucket, key) = (tenant.to_owned(), bucket.to_owned(), key.to_owned());
        let value = ReadValue { tenant, bucket, key, found, asked_k };
        self.world.observed.note(|| format!("read {value:?}"), |seen| seen.values.push(value.clone()));
    }
}

/// Sends a batch, to a queue perhaps delayed, and notes what is told.
async fn send(world: &World, dispatcher: &Dispatcher, batch: Vec<Sent>, delay_ms: Option<u64>, wait: Duration) {
    let Some(Sent { tenant, bus, .. }) = batch.first().cloned() else { return };
    let (Ok(of), Ok(on)) = (tenant.parse(), bus.parse::<BusName>()) else { return };
    let ids = || batch.iter().map(|sent| format!("{}/{}", sent.event.source(), sent.event.id())).collect::<Vec<_>>();
    world.observed.note(|| format!("send {tenant} {bus} {:?}", ids()), |seen| seen.sent.extend(batch.iter().cloned()));
    let events = batch.iter().map(|sent| sent.event.clone()).collect();
    let asked_k = dispatcher.archive().last_k();
    let told = match on.queue() {
        None => timeout(wait, dispatcher.accept(&of, &on, events)).await.map(|told| told.map_err(Into::into)),
        Some(queue) => {
            world.observed.note(|| format!("delayed {delay_ms:?}"), |seen| seen.queues.delayed_ms.extend(delay_ms));
            timeout(wait, dispatcher.send(&of, &queue, events, delay_ms)).await
        }
    };
    let answers = told.as_ref().ok().and_then(|told| told.as_ref().ok());
    world.observed.note(
        || format!("told of {:?}: {told:?}", ids()),
        |seen| {
            for (sent, answer) in batch.iter().zip(answers.into_iter().flatten()) {
                if let Ok(accepted) = answer {
                    let (position, duplicate) = (accepted.position, accepted.duplicate);
                    seen.acked.push(Acked { sent: sent.clone(), position, duplicate, asked_k });
                }
            }
        },
    );
}
