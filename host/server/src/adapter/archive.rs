//! Port: reading what happened.

use std::time::{Duration, Instant};

use wharf_delivery::{StatsRow, keys};
use wharf_dispatch::{Archive, LoadFigures, TargetLoad};
use wharf_event::{BusName, Code, Event, Position, RuleName, TenantName};
use wharf_gateway::{
    AttemptQuery, DeliveriesQuery, EventQuery, EventRef, Refusal,
    limits::TRACED_STEPS_MAX,
    view::{
        CallsView, EventDetail, EventView, LoadView, PluginLoadView, RuleVerdict, StatsView, TraceCursor, TraceView,
        WebhookLoadView,
    },
};

use super::{
    HostAdapter, blocking,
    detail::detail,
    feed, not_in_archive,
    page::Room,
    recordings, rules,
    search::Asked,
    trace::{TracePage, trace},
    unknown,
    view::{self, Placed},
    was_read,
};

/// How long a page of events is searched for once it has a row: rare types come in short pages, not in late ones.
const PAGE_TIME_MAX: Duration = Duration::from_secs(2);

impl wharf_gateway::Archive for HostAdapter {
    type Feed = feed::Feed;

    async fn events(&self, tenant: &TenantName, query: EventQuery) -> Result<Vec<EventView>, Refusal> {
        self.known(tenant)?;
        let own = self.own(tenant);
        // Events of one type may be anywhere.
        let may_be_far = query.kind_prefix.is_some();
        let search = move |asked: &Asked| newest(asked, &own, &query);
        if may_be_far { self.searches.run(tenant, search).await } else { self.searches.look(tenant, search).await }
    }

    async fn event(
        &self,
        tenant: &TenantName,
        event: EventRef,
        query: DeliveriesQuery,
    ) -> Result<EventDetail, Refusal> {
        self.known(tenant)?;
        let (dispatcher, own) = (self.dispatcher.clone(), self.own(tenant));
        let may_be_far = matches!(event, EventRef::Id(_));
        let search = move |asked: &Asked| detail(asked, &dispatcher, &own.tenant, own.place(asked, &event)?, query);
        if may_be_far { self.searches.run(tenant, search).await } else { self.searches.look(tenant, search).await }
    }

    async fn calls(&self, tenant: &TenantName, event: EventRef, query: AttemptQuery) -> Result<CallsView, Refusal> {
        self.known(tenant)?;
        let (dispatcher, recorder, own) = (self.dispatcher.clone(), self.recorder.clone(), self.own(tenant));
        let may_be_far = matches!(event, EventRef::Id(_));
        let search = move |asked: &Asked| {
            let position = own.place(asked, &event)?;
            recordings::calls(asked, (&dispatcher, recorder.as_deref()), &own.tenant, position, query)
        };
        if may_be_far { self.searches.run(tenant, search).await } else { self.searches.look(tenant, search).await }
    }

    async fn trace(
        &self,
        tenant: &TenantName,
        event: EventRef,
        limit: u32,
        after: Option<TraceCursor>,
    ) -> Result<TraceView, Refusal> {
        self.known(tenant)?;
        let (dispatcher, own) = (self.dispatcher.clone(), self.own(tenant));
        let may_be_far = matches!(event, EventRef::Id(_));
        let page = TracePage { limit: limit as usize, steps: TRACED_STEPS_MAX, after };
        let search = move |asked: &Asked| trace(asked, &dispatcher, &own.tenant, own.place(asked, &event)?, page);
        if may_be_far { self.searches.run(tenant, search).await } else { self.searches.look(tenant, search).await }
    }

    async fn feed(&self, tenant: &TenantName, from: Option<Position>) -> Result<Self::Feed, Refusal> {
        self.known(tenant)?;
        if let Some(failure) = self.dispatcher.failure() {
            return Err(Refusal::new(
                Code::LogFailed,
                format!("nothing comes on a feed any more, since the log failed: {failure}"),
            ));
        }
        feed::follow(self.dispatcher.clone(), tenant.clone(), from)
    }

    async fn explain(
        &self,
        tenant: &TenantName,
        bus: &BusName,
        event: Event,
        (after, limit): (Option<RuleName>, u32),
    ) -> Result<Vec<RuleVerdict>, Refusal> {
        let (set, tenant, bus) = (self.dispatcher.rules(), tenant.clone(), bus.clone());
        blocking(move || {
            let verdicts = set.explain(&tenant, &bus, &event, after.as_ref()).map_err(|error| unknown(&error))?;
            let (mut room, mut page) = (Room::new(limit as usize), Vec::new());
            for verdict in verdicts.map(|(rule, verdict)| rules::told(rule, verdict)) {
                if !room.take(rules::verdict_bytes(&verdict)) {
                    break;
                }
                page.push(verdict);
                if room.is_full() {
                    break;
                }
            }
            Ok(page)
        })
        .await
    }

    async fn stats(&self, tenant: &TenantName) -> Result<StatsView, Refusal> {
        self.known(tenant)?;
        let row = self.dispatcher.read(|state| StatsRow::get(state, &keys::tenant(tenant))).await;
        let row = was_read(row)?.unwrap_or_default();
        let totals = self.dispatcher.totals(tenant);
        let mut faults = self.dispatcher.faults();
        faults.retain(|faults| faults.quarantined && faults.tenant == *tenant);
        Ok(StatsView {
            events: row.events,
            duplicates: totals.duplicates,
            deliveries: row.deliveries,
            attempts: row.attempts,
            published: row.published,
            retries: row.retries,
            dead_letters: row.dead_letters,
            pending: row.pending,
            conflicts: totals.conflicts,
            p50_ms: totals.p50_ms,
            p99_ms: totals.p99_ms,
            quarantined: faults.iter().map(|faults| faults.release).collect(),
            load: load(self.dispatcher.load(tenant)),
        })
    }
}

fn load(of: LoadFigures) -> LoadView {
    let plugin = |of: &TargetLoad| {
        let TargetLoad { target, running, running_max, held_by } = of.clone();
        Some(PluginLoadView { plugin: target.plugin()?.clone(), running, running_max, held_by })
    };
    let webhook = |of: &TargetLoad| {
        let TargetLoad { target, running, running_max, held_by } = of.clone();
        Some(WebhookLoadView { webhook: target.webhook()?.clone(), running, running_max, held_by })
    };
    LoadView {
        running: of.running,
        running_max: of.running_max,
        memory_mib: of.memory_mib,
        memory_mib_max: of.memory_mib_max,
        weight: of.weight,
        waiting_for_cpu: of.waiting_for_cpu.try_into().unwrap_or(u64::MAX),
        held_by: of.held_by,
        plugins: of.targets.iter().filter_map(plugin).collect(),
        webhooks: of.targets.iter().filter_map(webhook).collect(),
    }
}

/// The part of the archive in which a tenant's events may lie.
#[derive(Clone)]
struct Own {
    archive: Archive,
    tenant: TenantName,
    /// The last frame that belongs to others, who may have had its name.
    since_k: u64,
}

impl HostAdapter {
    fn own(&self, tenant: &TenantName) -> Own {
        let since_k = self.dispatcher.rules().since_k(tenant);
        Own { archive: self.dispatcher.archive().clone(), tenant: tenant.clone(), since_k }
    }
}

impl Own {
    fn must_be(&self, position: Position) -> Result<Position, Refusal> {
        if position.k > self.since_k {
            return Ok(position);
        }
        Err(Refusal::new(Code::EventUnknown, format!("this tenant has no event at position {position}")))
    }

    /// Where an event is.
    fn place(&self, asked: &Asked, event: &EventRef) -> Result<Position, Refusal> {
        match event {
            EventRef::Position(position) => self.must_be(*position),
            EventRef::Id(id) => find(asked, self, id),
        }
    }

    /// Frames down to the oldest, from the newest or from `before` on.
    fn backwards(&self, before: Option<Position>) -> impl Iterator<Item = u64> + use<> {
        let (first_k, last_k) = (self.archive.first_k().max(self.since_k + 1), self.archive.last_k());
        (first_k..=before.map_or(last_k, |before| before.k.min(last_k))).rev()
    }
}

/// A page of events. It is empty only where there is none: until it has a row it is searched for to the log's beginning.
fn newest(asked: &Asked, own: &Own, query: &EventQuery) -> Result<Vec<EventView>, Refusal> {
    let Own { archive, tenant, .. } = own;
    let (mut room, mut found, began) = (Room::new(query.limit as usize), Vec::new(), Instant::now());
    let wanted = |placed: &Placed<'_>| {
        let before = query.before.is_none_or(|before| placed.position < before);
        before && query.kind_prefix.as_ref().is_none_or(|prefix| placed.event.kind().starts_with(prefix.as_str()))
    };
    for k in own.backwards(query.before) {
        asked.still()?;
        if room.is_full() || (!found.is_empty() && began.elapsed() > PAGE_TIME_MAX) {
            break;
        }
        let items = archive.frame(k).map_err(|error| not_in_archive(&error))?;
        for item in items.iter().rev().filter(|item| item.record.tenant() == Some(tenant)) {
            for placed in view::events(item).iter().rev().filter(|placed| wanted(placed)) {
                let view = placed.view()?;
                if !room.take(Placed::bytes(&view)) {
                    return Ok(found);
                }
                found.push(view);
            }
        }
    }
    Ok(found)
}

fn find(asked: &Asked, own: &Own, id: &str) -> Result<Position, Refusal> {
    let Own { archive, tenant, .. } = own;
    for k in own.backwards(None) {
        asked.still()?;
        let items = archive.frame(k).map_err(|error| not_in_archive(&error))?;
        for item in items.iter().rev().filter(|item| item.record.tenant() == Some(tenant)) {
            if let Some(placed) = view::events(item).iter().rev().find(|placed| placed.event.id() == id) {
                return Ok(placed.position);
            }
        }
    }
    Err(Refusal::new(Code::EventUnknown, format!("no event of this tenant has the id `{id}`")))
}
