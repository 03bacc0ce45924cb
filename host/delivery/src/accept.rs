//! Transition: received events become durable obligations, or are known already.

use wharf_event::{BusName, Event, Position, TenantName};

use crate::{
    Due, Record, StatsRow, TargetRef,
    apply::{Arising, change_stats, insert_deliveries},
    dedup::Fingerprint,
    keys,
    limits::{DEDUP_ENTRIES_MAX, PENDING_DELIVERIES_MAX, TARGETS_PER_EVENT_MAX, TENANT_PENDING_MAX},
    sequencer::{Answer, Decision, Refused, Sequencer},
    tables::{TableError, Tables},
};

/// Events of one request, matched against the rule set of `rules_version`.
#[derive(Clone, Debug)]
pub struct AcceptRequest {
    /// Whose they are.
    pub tenant: TenantName,
    /// The bus that they came in on.
    pub bus: BusName,
    /// The version of the rule set that they were matched with.
    pub rules_version: u64,
    /// The last frame before the tenant was made: an event up to there was another's, who had the same name.
    pub since_k: u64,
    /// The events, in order.
    pub events: Vec<AcceptEvent>,
}

/// One event of a request.
#[derive(Clone, Debug)]
pub struct AcceptEvent {
    /// The event.
    pub event: Event,
    /// Who it is owed to.
    pub targets: Vec<TargetRef>,
}

/// An event is in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// Its id.
    pub id: String,
    /// Where it stands; a duplicate's is that of the first.
    pub position: Position,
    /// It had been accepted before, within the deduplication window.
    pub duplicate: bool,
}

pub(crate) fn decide<T: Tables>(
    sequencer: &mut Sequencer,
    request: AcceptRequest,
    now_ms: u64,
    base: Position,
    tables: &T,
) -> Result<Result<Decision, Refused>, TableError> {
    let arising: u64 = request.events.iter().map(|event| event.targets.len() as u64).sum();
    if arising > 0 {
        let of_tenant = StatsRow::get(tables, &keys::tenant(&request.tenant))?.unwrap_or_default().pending;
        if sequencer.pending.saturating_add(arising) > PENDING_DELIVERIES_MAX
            || of_tenant.saturating_add(arising) > TENANT_PENDING_MAX
        {
            return Ok(Err(Refused::Overloaded));
        }
    }
    Ok(decide_admitted(sequencer, request, now_ms, base))
}

fn decide_admitted(
    sequencer: &mut Sequencer,
    request: AcceptRequest,
    now_ms: u64,
    base: Position,
) -> Result<Decision, Refused> {
    if request.rules_version != sequencer.rules_version(&request.tenant) {
        return Err(Refused::StaleRules);
    }
    if sequencer.dedup.len().saturating_add(request.events.len()) > DEDUP_ENTRIES_MAX {
        return Err(Refused::DedupFull);
    }
    let mut records = Vec::with_capacity(request.events.len());
    let mut answers = Vec::with_capacity(request.events.len());
    for AcceptEvent { event, targets } in request.events {
        if targets.len() > TARGETS_PER_EVENT_MAX {
            answers.push(Err(Refused::TooManyTargets { targets: targets.len() }));
            continue;
        }
        let fingerprint = Fingerprint::of(&request.tenant, &request.bus, event.source(), event.id());
        let id = event.id().to_owned();
        if let Some(position) = sequencer.dedup.find(&fingerprint).filter(|first| first.k > request.since_k) {
            answers.push(Ok(Accepted { id, position, duplicate: true }));
            continue;
        }
        let position = Position { k: base.k, i: base.i.saturating_add((records.len() as u32) << 8) };
        sequencer.dedup.insert(fingerprint, position, now_ms);
        sequencer.pending += targets.len() as u64;
        answers.push(Ok(Accepted { id, position, duplicate: false }));
        records.push(Record::Accept { tenant: request.tenant.clone(), bus: request.bus.clone(), event, targets });
    }
    Ok(Decision { records, answer: Answer::Accepted(answers) })
}

pub(crate) fn apply(
    tenant: &TenantName,
    bus: &BusName,
    event: &Event,
    targets: &[TargetRef],
    position: Position,
    time_ms: u64,
    tables: &mut impl Tables,
) -> Result<Vec<Due>, TableError> {
    let due = Arising { tenant, bus, event, position, time_ms }.deliveries(targets);
    insert_deliveries(&due, tables);
    change_stats(tenant, tables, |stats| {
        stats.events += 1;
        stats.deliveries += due.len() as u64;
        stats.pending += due.len() as u64;
    })?;
    Ok(due)
}
