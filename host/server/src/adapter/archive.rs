//! Port: reading what happened.

use std::collections::BTreeMap;

use wharf_delivery::{DeliveryId, Outcome, Record, StatsRow, TargetRef, keys};
use wharf_dispatch::{Archive, Item};
use wharf_event::{BusName, Code, Event, Position, TenantName};
use wharf_gateway::{
    EventQuery, EventRef, Refusal,
    view::{DeliveryState, DeliveryView, EventDetail, EventView, MismatchView, RuleVerdict, StatsView},
};

use super::{HostAdapter, blocking, feed, not_asked, not_in_archive, unknown, unreadable, view};

/// Frames that one question may look through.
const FRAMES_SEARCHED_MAX: u64 = 1_000_000;

impl wharf_gateway::Archive for HostAdapter {
    type Feed = feed::Feed;

    async fn events(&self, tenant: &TenantName, query: EventQuery) -> Result<Vec<EventView>, Refusal> {
        self.known(tenant)?;
        let (archive, tenant) = (self.dispatcher.archive().clone(), tenant.clone());
        blocking(move || newest(&archive, &tenant, &query)).await
    }

    async fn event(&self, tenant: &TenantName, event: EventRef) -> Result<EventDetail, Refusal> {
        self.known(tenant)?;
        let (archive, tenant) = (self.dispatcher.archive().clone(), tenant.clone());
        blocking(move || {
            let position = match event {
                EventRef::Position(position) => position,
                EventRef::Id(id) => find(&archive, &tenant, &id)?,
            };
            detail(&archive, &tenant, position)
        })
        .await
    }

    async fn feed(&self, tenant: &TenantName, from: Option<Position>) -> Result<Self::Feed, Refusal> {
        self.known(tenant)?;
        Ok(feed::follow(self.dispatcher.clone(), tenant.clone(), from))
    }

    async fn explain(&self, tenant: &TenantName, bus: &BusName, event: Event) -> Result<Vec<RuleVerdict>, Refusal> {
        let rules = self.dispatcher.rules();
        let verdicts = rules.explain(tenant, bus, &event).map_err(|error| unknown(&error))?;
        let verdict = |(rule, mismatch): (&wharf_dispatch::Rule, Option<wharf_pattern::Mismatch>)| RuleVerdict {
            rule: rule.name.clone(),
            matched: mismatch.is_none(),
            mismatch: mismatch.map(|m| MismatchView { pointer: m.pointer, wanted: m.wanted, saw: m.saw }),
            plugins: rule.targets.iter().map(|target| target.plugin.clone()).collect(),
        };
        Ok(verdicts.into_iter().map(verdict).collect())
    }

    async fn stats(&self, tenant: &TenantName) -> Result<StatsView, Refusal> {
        self.known(tenant)?;
        let row = self.dispatcher.read(|state| StatsRow::get(state, &keys::tenant(tenant))).await;
        let row = row.map_err(|error| not_asked(&error))?.map_err(|error| unreadable(&error))?.unwrap_or_default();
        let totals = self.dispatcher.totals(tenant);
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
        })
    }
}

/// Frames from the newest down to the oldest that one question may look at.
fn backwards(archive: &Archive, from_k: u64) -> impl Iterator<Item = u64> + use<> {
    let lowest = archive.first_k().max(from_k.saturating_sub(FRAMES_SEARCHED_MAX));
    (lowest..=from_k).rev()
}

fn newest(archive: &Archive, tenant: &TenantName, query: &EventQuery) -> Result<Vec<EventView>, Refusal> {
    let limit = query.limit as usize;
    let mut found = Vec::new();
    for k in backwards(archive, query.before.map_or(archive.last_k(), |before| before.k.min(archive.last_k()))) {
        let items = archive.frame(k).map_err(|error| not_in_archive(&error))?;
        let own = items.iter().filter(|item| item.record.tenant() == Some(tenant));
        for placed in own.flat_map(view::events).collect::<Vec<_>>().iter().rev() {
            let before = query.before.is_none_or(|before| placed.position < before);
            let kind = query.kind_prefix.as_ref().is_none_or(|prefix| placed.event.kind().starts_with(prefix.as_str()));
            if before && kind {
                found.push(placed.view()?);
            }
            if found.len() == limit {
                return Ok(found);
            }
        }
    }
    Ok(found)
}

fn find(archive: &Archive, tenant: &TenantName, id: &str) -> Result<Position, Refusal> {
    for k in backwards(archive, archive.last_k()) {
        let items = archive.frame(k).map_err(|error| not_in_archive(&error))?;
        let own = items.iter().rev().filter(|item| item.record.tenant() == Some(tenant));
        if let Some(placed) = own.flat_map(view::events).find(|placed| placed.event.id() == id) {
            return Ok(placed.position);
        }
    }
    let detail = format!("no event of this tenant has the id `{id}` within the last {FRAMES_SEARCHED_MAX} frames");
    Err(Refusal::new(Code::EventUnknown, detail))
}

fn detail(archive: &Archive, tenant: &TenantName, position: Position) -> Result<EventDetail, Refusal> {
    let none = || Refusal::new(Code::EventUnknown, format!("this tenant has no event at position {position}"));
    let item = archive.record(position).map_err(|error| not_in_archive(&error))?;
    if item.record.tenant() != Some(tenant) {
        return Err(none());
    }
    let placed = view::events(&item).into_iter().find(|placed| placed.position == position).ok_or_else(none)?;
    let mut deliveries: BTreeMap<u16, DeliveryView> = (0..).zip(placed.targets).map(|(n, t)| (n, waiting(position, n, t))).collect();
    let last = archive.last_k().min(position.k.saturating_add(FRAMES_SEARCHED_MAX));
    for k in position.k..=last {
        if deliveries.values().all(|delivery| delivery.state == DeliveryState::Settled) {
            break;
        }
        for item in archive.frame(k).map_err(|error| not_in_archive(&error))? {
            follow(&item, position, &mut deliveries);
        }
    }
    Ok(EventDetail { event: placed.view()?, deliveries: deliveries.into_values().collect() })
}

fn waiting(event: Position, n: u16, target: &TargetRef) -> DeliveryView {
    DeliveryView {
        id: DeliveryId { event, n }.to_string(),
        rule: target.rule.clone(),
        plugin: target.plugin.clone(),
        state: DeliveryState::Waiting,
        attempts: Vec::new(),
    }
}

/// Brings the deliveries of the event at `event` up to what a record says of them.
fn follow(item: &Item, event: Position, deliveries: &mut BTreeMap<u16, DeliveryView>) {
    match &item.record {
        Record::Settle { delivery, attempt, outcome, published, writes, .. } if delivery.event == event => {
            let Some(of) = deliveries.get_mut(&delivery.n) else { return };
            of.attempts.push(view::attempt(item, attempt, outcome, published, writes.len()));
            of.state = match outcome {
                Outcome::Ack => DeliveryState::Settled,
                Outcome::Retry { .. } => DeliveryState::Waiting,
                Outcome::DeadLetter { .. } => DeliveryState::DeadLettered,
            };
        }
        Record::Redrive { deliveries: redriven, .. } => {
            for id in redriven.iter().filter(|id| id.event == event) {
                if let Some(of) = deliveries.get_mut(&id.n) {
                    of.state = DeliveryState::Waiting;
                }
            }
        }
        _ => {}
    }
}
