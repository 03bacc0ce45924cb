//! A host that is made up: one tenant, `acme`, with the buses `default`, `full` (refuses everything) and `slow` (waits until
//! it is let go).
//!
//! Invariant: whatever it accepted is in `events`, so that a test can see that nothing was. It keeps no promise of a real host
//! but that of order.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use tokio::sync::Notify;
use wharf_event::{
    BucketName, BusName, Code, Digest, Event, Grants, ModelName, PluginName, Position, QueueName, ReplayName, RuleName,
    ScheduleName, SchemaName, TenantName,
};
use wharf_gateway::measure::{Family, Kind, Reading};
use wharf_gateway::view::{
    Accepted, BaselineView, BucketView, CallsView, DeadLetterView, DeliveryState, DeliveryView, DiscardView,
    EventDetail, EventView, FeedItem, FieldView, KeyView, LetterFilter, LetterGroupView, LetterGroupsView, ModelDetail,
    PluginDetail, QueueView, QuotaView, QuotasView, RecordingState, RedriveView, ReleaseView, ReplayView, RuleVerdict,
    RuleView, ScheduleView, SchemaView, SigningKeyView, StatsView, TargetRef, TraceCursor, TraceView, TracedEvent,
    UsageItem, UsageView, ValueView, event_json,
};
use wharf_gateway::{
    Archive, AttemptQuery, DeadLetters, DeliveriesQuery, EventQuery, EventRef, Intake, KeyValue, Measures,
    PlainIdentity, Refusal, Usage, UsageBy, UsageQuery, WhichLetters,
};

pub const TIME: &str = "2026-01-31T23:59:59Z";

#[derive(Clone, Default)]
pub struct FakeHost {
    pub events: Arc<Mutex<Vec<Event>>>,
    pub redriven: Arc<Mutex<Vec<WhichLetters>>>,
    /// The rules that were put on the bus `default`.
    pub rules: Arc<Mutex<BTreeMap<RuleName, RuleView>>>,
    /// The replays that were begun.
    pub replays: Arc<Mutex<BTreeMap<ReplayName, ReplayView>>>,
    /// The schedules that were put.
    pub schedules: Arc<Mutex<BTreeMap<ScheduleName, ScheduleView>>>,
    /// The schemas that were put.
    pub schemas: Arc<Mutex<BTreeMap<SchemaName, SchemaView>>>,
    /// What models are held against.
    pub baselines: Arc<Mutex<BTreeMap<ModelName, BaselineView>>>,
    /// The models that were made.
    pub models: Arc<Mutex<BTreeMap<ModelName, ModelDetail>>>,
    /// The plugins that were made.
    pub plugins: Arc<Mutex<BTreeMap<PluginName, PluginDetail>>>,
    /// What each of them is granted.
    pub granted: Arc<Mutex<Grants>>,
    /// The releases of all of them.
    pub releases: Arc<Mutex<BTreeMap<Digest, ReleaseView>>>,
    /// The keys that were registered.
    pub keys: Arc<Mutex<Vec<SigningKeyView>>>,
    /// What vouched for the release that came last.
    pub signatures: Arc<Mutex<Vec<String>>>,
    /// The tenants that were put.
    pub made: Arc<Mutex<BTreeSet<TenantName>>>,
    pub no_default_tenant: bool,
    pub refuses_ready: Arc<Mutex<bool>>,
    /// A request on the bus `slow` has come.
    pub entered: Arc<Notify>,
    /// It may go on.
    pub released: Arc<Notify>,
}

pub fn position(k: usize) -> Position {
    Position { k: u64::try_from(k).unwrap() + 1, i: 0 }
}

pub fn known<T>(found: Option<T>, code: Code) -> Result<T, Refusal> {
    found.ok_or_else(|| Refusal::new(code, "the made-up host has none"))
}

/// What a page has of them.
pub fn paged<T, N: Ord>(all: Vec<T>, name: impl Fn(&T) -> &N, after: Option<&N>, limit: u32) -> Vec<T> {
    all.into_iter().filter(|one| after.is_none_or(|after| name(one) > after)).take(limit as usize).collect()
}

pub fn tenant_is_known(tenant: &TenantName) -> Result<(), Refusal> {
    known((tenant.as_str() == "acme").then_some(()), Code::TenantUnknown)
}

impl FakeHost {
    pub fn accepted(&self) -> usize {
        self.events.lock().unwrap().len()
    }

    fn take(&self, event: Event) -> Result<Accepted, Refusal> {
        if event.kind() == "too.many" {
            return Err(Refusal::new(Code::TargetsTooMany, "it matches 1,001 targets"));
        }
        let mut events = self.events.lock().unwrap();
        let first = events.iter().position(|old| (old.source(), old.id()) == (event.source(), event.id()));
        let id = event.id().to_owned();
        let place = first.unwrap_or(events.len());
        if first.is_none() {
            events.push(event);
        }
        Ok(Accepted { id, position: position(place), duplicate: first.is_some() })
    }

    fn views(&self) -> Vec<EventView> {
        let view = |(k, event): (usize, &Event)| EventView {
            position: position(k),
            time: TIME.to_owned(),
            bus: "default".parse().unwrap(),
            event: event_json(event).unwrap(),
            deliveries: vec![TargetRef {
                rule: "all".parse().unwrap(),
                to: "stats".parse().unwrap(),
                n: 0,
                given_up: None,
            }],
            parent: None,
        };
        self.events.lock().unwrap().iter().enumerate().map(view).collect()
    }
}

impl Intake for FakeHost {
    fn default_tenant(&self) -> Option<TenantName> {
        (!self.no_default_tenant).then(|| "acme".parse().unwrap())
    }

    async fn accept(
        &self,
        tenant: &TenantName,
        bus: &BusName,
        events: Vec<Event>,
    ) -> Result<Vec<Result<Accepted, Refusal>>, Refusal> {
        tenant_is_known(tenant)?;
        match bus.as_str() {
            "default" => {}
            "full" => return Err(Refusal::new(Code::Overloaded, "the made-up host is full").retry_after_s(7)),
            "slow" => {
                self.entered.notify_one();
                self.released.notified().await;
            }
            _ => return Err(Refusal::new(Code::BusUnknown, "the made-up host has no such bus")),
        }
        Ok(events.into_iter().map(|event| self.take(event)).collect())
    }

    fn plain_identity(&self) -> PlainIdentity {
        PlainIdentity { id: "made-up-1".to_owned(), time: TIME.to_owned() }
    }

    fn ready(&self) -> Result<(), Refusal> {
        known((!*self.refuses_ready.lock().unwrap()).then_some(()), Code::NotReady)
    }
}

impl Measures for FakeHost {
    async fn measures(&self) -> Vec<Family> {
        let accepted = self.accepted() as u64;
        vec![Family::of_one(Kind::Counter, "made_up_total", "Events.", Reading::Count(accepted))]
    }
}

impl Archive for FakeHost {
    type Feed = BoxStream<'static, FeedItem>;

    async fn events(&self, tenant: &TenantName, query: EventQuery) -> Result<Vec<EventView>, Refusal> {
        tenant_is_known(tenant)?;
        let EventQuery { limit, before, kind_prefix } = query;
        let prefix = format!("\"type\":\"{}", kind_prefix.unwrap_or_default());
        let wanted =
            |view: &EventView| before.is_none_or(|before| view.position < before) && view.event.get().contains(&prefix);
        Ok(self.views().into_iter().rev().filter(wanted).take(limit.try_into().unwrap()).collect())
    }

    async fn event(
        &self,
        tenant: &TenantName,
        event: EventRef,
        query: DeliveriesQuery,
    ) -> Result<EventDetail, Refusal> {
        tenant_is_known(tenant)?;
        let place = match event {
            EventRef::Position(wanted) => (0..self.accepted()).find(|k| position(*k) == wanted),
            EventRef::Id(id) => self.events.lock().unwrap().iter().position(|event| event.id() == id),
        };
        let place = known(place, Code::EventUnknown)?;
        let delivery = DeliveryView {
            id: "1-0.0".to_owned(),
            rule: "all".parse().unwrap(),
            to: "stats".parse().unwrap(),
            state: DeliveryState::DeadLettered,
            held_by: None,
            attempts: Vec::new(),
            attempts_before: query.attempts_before,
        };
        let event = self.views().swap_remove(place);
        Ok(EventDetail { event, deliveries: vec![delivery], next: query.only.or(query.after) })
    }

    async fn calls(&self, tenant: &TenantName, event: EventRef, query: AttemptQuery) -> Result<CallsView, Refusal> {
        let EventDetail { event, .. } = self.event(tenant, event, DeliveriesQuery::default()).await?;
        let attempt = query.attempt.unwrap_or(1);
        if attempt > 2 {
            return Err(Refusal::new(Code::AttemptUnknown, "there are two"));
        }
        let delivery = format!("{}.{}", event.position, query.delivery.unwrap_or(0));
        let (position, state) = (event.position, RecordingState::None);
        Ok(CallsView { delivery, attempt, position, state, recording: None })
    }

    async fn trace(
        &self,
        tenant: &TenantName,
        event: EventRef,
        limit: u32,
        after: Option<TraceCursor>,
    ) -> Result<TraceView, Refusal> {
        let EventDetail { event, .. } = self.event(tenant, event, DeliveriesQuery::default()).await?;
        let traced = TracedEvent { event, deliveries: Vec::new() };
        Ok(TraceView { events: vec![traced], truncated: limit == 1, next: after })
    }

    async fn feed(&self, tenant: &TenantName, from: Option<Position>) -> Result<Self::Feed, Refusal> {
        tenant_is_known(tenant)?;
        let old = self.views().into_iter().filter(move |view| from.is_some_and(|from| view.position >= from));
        let items: Vec<_> = old.map(|event| FeedItem::Received { event }).collect();
        Ok(stream::iter(items).chain(stream::pending()).boxed())
    }

    async fn explain(
        &self,
        tenant: &TenantName,
        _: &BusName,
        event: Event,
        (after, _): (Option<RuleName>, u32),
    ) -> Result<Vec<RuleVerdict>, Refusal> {
        tenant_is_known(tenant)?;
        if after.is_some() {
            return Ok(Vec::new());
        }
        let mismatch = FieldView {
            pointer: "/type".to_owned(),
            wanted: "[\"never\"]".to_owned(),
            saw: format!("{:?}", event.kind()),
        };
        Ok(vec![RuleVerdict {
            rule: "never".parse().unwrap(),
            matched: false,
            evidence: Vec::new(),
            mismatch: Some(mismatch),
            plugins: vec!["stats".parse().unwrap()],
            webhooks: Vec::new(),
            buses: Vec::new(),
            topics: Vec::new(),
            queues: Vec::new(),
        }])
    }

    async fn stats(&self, tenant: &TenantName) -> Result<StatsView, Refusal> {
        tenant_is_known(tenant)?;
        Ok(StatsView { events: self.accepted().try_into().unwrap(), p50_ms: Some(0.5), ..StatsView::default() })
    }
}

impl Usage for FakeHost {
    async fn quotas(&self, tenant: &TenantName) -> Result<QuotasView, Refusal> {
        tenant_is_known(tenant)?;
        Ok(QuotasView { kv_bytes: QuotaView { used: 7, most: Some(8) }, ..QuotasView::default() })
    }

    async fn usage(&self, tenant: &TenantName, query: UsageQuery) -> Result<UsageView, Refusal> {
        tenant_is_known(tenant)?;
        let by = if query.by == UsageBy::Hour { "hour" } else { "plugin" };
        let plugin = query.plugin.as_ref().map(PluginName::as_str);
        // Whatever was asked for is told, so that a test can see it.
        let asked = [query.from.as_deref(), query.to.as_deref(), Some(by), plugin, query.after.as_deref()];
        let from = asked.map(|text| text.unwrap_or("-")).join(" ");
        Ok(UsageView { from, items: vec![UsageItem { attempts: 7, ..UsageItem::default() }], ..UsageView::default() })
    }
}

/// The keys of the bucket `stats`.
pub const KEYS: &[(&str, &[u8])] =
    &[("a", b"1"), ("repo/wharf/wharf", b"17"), ("100% é?", b"yes"), ("raw", b"\xff\x00")];

fn key_view((key, value): &(&str, &[u8])) -> KeyView {
    KeyView { key: (*key).to_owned(), value: ValueView::of(value), version: position(0) }
}

impl KeyValue for FakeHost {
    async fn buckets(
        &self,
        tenant: &TenantName,
        after: Option<BucketName>,
        limit: u32,
    ) -> Result<Vec<BucketView>, Refusal> {
        tenant_is_known(tenant)?;
        let all = vec![BucketView { bucket: "stats".parse().unwrap(), keys: KEYS.len().try_into().unwrap() }];
        Ok(paged(all, |one| &one.bucket, after.as_ref(), limit))
    }

    async fn list(
        &self,
        tenant: &TenantName,
        bucket: &BucketName,
        after: Option<String>,
        limit: u32,
    ) -> Result<Vec<KeyView>, Refusal> {
        tenant_is_known(tenant)?;
        known((bucket.as_str() == "stats").then_some(()), Code::BucketUnknown)?;
        let skip = after.map_or(0, |after| KEYS.iter().take_while(|(key, _)| *key != after).count() + 1);
        Ok(KEYS.iter().skip(skip).take(limit.try_into().unwrap()).map(key_view).collect())
    }

    async fn get(&self, tenant: &TenantName, bucket: &BucketName, key: &str) -> Result<KeyView, Refusal> {
        tenant_is_known(tenant)?;
        known((bucket.as_str() == "stats").then_some(()), Code::BucketUnknown)?;
        known(KEYS.iter().find(|(other, _)| *other == key).map(key_view), Code::KeyUnknown)
    }
}

impl DeadLetters for FakeHost {
    async fn queues(
        &self,
        tenant: &TenantName,
        after: Option<QueueName>,
        limit: u32,
    ) -> Result<Vec<QueueView>, Refusal> {
        tenant_is_known(tenant)?;
        let all = vec![QueueView { queue: "failed".parse().unwrap(), depth: 1 }];
        Ok(paged(all, |one| &one.queue, after.as_ref(), limit))
    }

    async fn letters(
        &self,
        tenant: &TenantName,
        queue: &QueueName,
        filter: LetterFilter,
        after: Option<String>,
        _: u32,
    ) -> Result<Vec<DeadLetterView>, Refusal> {
        let letter = self.letter(tenant, queue, "1-0.0").await?;
        Ok(if after.is_none() && filter.is_empty() { vec![letter] } else { Vec::new() })
    }

    async fn groups(
        &self,
        tenant: &TenantName,
        queue: &QueueName,
        filter: LetterFilter,
        after: Option<String>,
        limit: u32,
    ) -> Result<LetterGroupsView, Refusal> {
        let letter = self.letter(tenant, queue, "1-0.0").await?;
        let DeadLetterView { to, code, cause, reason, time, id, error, .. } = letter;
        let first = time.clone();
        let group = LetterGroupView { to, code, cause, reason, count: 1, first, last: time, sample: id, error };
        // What was asked for is told, so that a test can see it.
        let (others, next) = (filter.since.is_some().into(), after.map(|after| format!("{after} {limit}")));
        Ok(LetterGroupsView { groups: vec![group], others, next })
    }

    async fn letter(&self, tenant: &TenantName, queue: &QueueName, id: &str) -> Result<DeadLetterView, Refusal> {
        tenant_is_known(tenant)?;
        known((queue.as_str() == "failed").then_some(()), Code::QueueUnknown)?;
        let event = known(self.views().into_iter().next().filter(|_| id == "1-0.0"), Code::DeadLetterUnknown)?;
        Ok(DeadLetterView {
            id: id.to_owned(),
            queue: queue.clone(),
            rule: "all".parse().unwrap(),
            to: "stats".parse().unwrap(),
            event,
            code: Code::RetriesSpent,
            cause: Code::HandlerTrap,
            reason: "3 attempts of 3".to_owned(),
            error: "line 50 always fails".to_owned(),
            attempts: 3,
            time: TIME.to_owned(),
            edited: None,
            original: None,
            history: Vec::new(),
            truncated: false,
        })
    }

    async fn edit(
        &self,
        tenant: &TenantName,
        queue: &QueueName,
        id: &str,
        changes: Bytes,
    ) -> Result<DeadLetterView, Refusal> {
        let letter = self.letter(tenant, queue, id).await?;
        let event = Event::from_json(&Bytes::copy_from_slice(letter.event.event.get().as_bytes())).unwrap();
        event.edited(&changes).map_err(|error| Refusal::new(error.code(), error.to_string()))?;
        Ok(DeadLetterView { edited: Some(TIME.to_owned()), ..letter })
    }

    async fn discard(
        &self,
        tenant: &TenantName,
        queue: &QueueName,
        which: WhichLetters,
        dry_run: bool,
    ) -> Result<DiscardView, Refusal> {
        let RedriveView { redriven: discarded, matching } = self.redrive(tenant, queue, which, dry_run).await?;
        Ok(DiscardView { discarded, matching })
    }

    async fn redrive(
        &self,
        tenant: &TenantName,
        queue: &QueueName,
        which: WhichLetters,
        dry_run: bool,
    ) -> Result<RedriveView, Refusal> {
        tenant_is_known(tenant)?;
        known((queue.as_str() == "failed").then_some(()), Code::QueueUnknown)?;
        if dry_run {
            return Ok(RedriveView { redriven: 0, matching: Some(1) });
        }
        self.redriven.lock().unwrap().push(which);
        Ok(RedriveView { redriven: 1, matching: None })
    }
}
