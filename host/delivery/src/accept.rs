//! Transition: received events become durable obligations, or are known already.

use std::collections::BTreeMap;

use wharf_event::{BusName, Event, Position, QueueName, Target, TenantName};

use crate::{
    DeliveryId, Due, Move, QuotaSpent, Quotas, Record, StatsRow, TargetRef,
    apply::{Arising, change_stats, insert_deliveries},
    behind::Lines,
    dedup::Fingerprint,
    fan, keys,
    limits::{PENDING_DELIVERIES_MAX, PENDING_RESERVED, TENANT_PENDING_FEW},
    rates::Rate,
    sequencer::{Answer, Decision, Refused, Sequencer},
    sizes,
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
    /// What the tenant may have and do.
    pub quotas: Quotas,
    /// Deliveries that may wait of targets for which that is said.
    pub backlogs: BTreeMap<Target, u32>,
    /// The events, in order.
    pub events: Vec<AcceptEvent>,
    /// They are messages of this queue, and of nobody else, that nobody receives before so many milliseconds have passed.
    pub delayed: Option<(QueueName, u64)>,
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
    if let Some(refused) = overfull(sequencer, &request, now_ms, tables)? {
        return Ok(Err(refused));
    }
    decide_admitted(sequencer, request, now_ms, base, tables)
}

/// Why no more deliveries may arise.
pub(crate) fn overfull<T: Tables>(
    sequencer: &mut Sequencer,
    request: &AcceptRequest,
    now_ms: u64,
    tables: &T,
) -> Result<Option<Refused>, TableError> {
    let arising: u64 = request.events.iter().map(|event| event.targets.len() as u64).sum();
    if arising > 0 {
        let waiting = StatsRow::get(tables, &keys::tenant(&request.tenant))?.unwrap_or_default().pending;
        // Those who make the host full leave some room to those of whom little waits.
        let has_few = waiting.saturating_add(arising) <= TENANT_PENDING_FEW;
        let most = if has_few { PENDING_DELIVERIES_MAX } else { PENDING_DELIVERIES_MAX - PENDING_RESERVED };
        if sequencer.pending.saturating_add(arising) > most {
            return Ok(Some(Refused::Overloaded));
        }
        if let Some(spent) = too_many(request, (waiting, arising), tables)? {
            return Ok(Some(Refused::Quota(spent)));
        }
        if let Some(spent) = sequencer.hours.spent(&request.tenant, &request.quotas, now_ms, tables)? {
            return Ok(Some(Refused::Quota(spent)));
        }
    }
    Ok(None)
}

/// Events of the archive are owed again, or one that a schedule fires. They are no duplicates, however soon they come again and whoever sent another of
/// the same id, and no client's rate pays for them; every bound of what may wait holds for them as for others.
pub(crate) fn again<T: Tables>(
    sequencer: &mut Sequencer,
    request: AcceptRequest,
    now_ms: u64,
    base: Position,
    tables: &T,
) -> Result<Result<Decision, Refused>, TableError> {
    if let Some(refused) = overfull(sequencer, &request, now_ms, tables)? {
        return Ok(Err(refused));
    }
    if !sequencer.dedup.has_room(&request.tenant, request.events.len()) {
        return Ok(Err(Refused::DedupFull));
    }
    // Nothing is taken of an event before all of them can be.
    if let Some(event) = request.events.iter().find(|event| fan::is_too_wide(&event.targets)) {
        return Ok(Err(Refused::TooManyTargets { targets: event.targets.len() }));
    }
    let AcceptRequest { tenant, bus, events, .. } = request;
    let mut lines = Lines::new(&tenant, &[], tables);
    let mut records = Vec::with_capacity(events.len());
    let mut answers = Vec::with_capacity(events.len());
    for AcceptEvent { event, mut targets } in events {
        let position = Position { k: base.k, i: base.i.saturating_add((records.len() as u32) << 8) };
        // As a start reads it of the log: who sends the event once more is told of its last place.
        let fingerprint = Fingerprint::of(&tenant, &bus, event.source(), event.id());
        sequencer.dedup.insert(&tenant, fingerprint, position, now_ms);
        lines.place(fan::first_mut(&mut targets))?;
        sequencer.pending += targets.len() as u64;
        answers.push(Ok(Accepted { id: event.id().to_owned(), position, duplicate: false }));
        records.push(Record::Accept { tenant: tenant.clone(), bus: bus.clone(), event, targets });
    }
    Ok(Ok(Decision { records, answer: Answer::Accepted(answers) }))
}

/// Which quota of deliveries that wait would be exceeded.
fn too_many(
    request: &AcceptRequest,
    (waiting, arising): (u64, u64),
    tables: &impl Tables,
) -> Result<Option<QuotaSpent>, TableError> {
    let AcceptRequest { tenant, quotas, backlogs, .. } = request;
    let most = u64::from(quotas.backlog());
    if waiting.saturating_add(arising) > most {
        return Ok(Some(QuotaSpent::Backlog { of: None, waiting, most }));
    }
    if let Some(most) = quotas.of_bus.map(u64::from) {
        let waiting = sizes::bus_backlog(tables, tenant, &request.bus)?;
        if waiting.saturating_add(arising) > most {
            return Ok(Some(QuotaSpent::BusBacklog { bus: request.bus.clone(), waiting, most }));
        }
    }
    for (of, most) in backlogs {
        let targets = request.events.iter().flat_map(|event| &event.targets);
        let arising = targets.filter(|target| target.to == *of).count() as u64;
        let (waiting, most) = (sizes::backlog(tables, tenant, of)?, u64::from(*most));
        if arising > 0 && waiting.saturating_add(arising) > most {
            return Ok(Some(QuotaSpent::Backlog { of: Some(of.clone()), waiting, most }));
        }
    }
    Ok(None)
}

fn decide_admitted(
    sequencer: &mut Sequencer,
    request: AcceptRequest,
    now_ms: u64,
    base: Position,
    tables: &impl Tables,
) -> Result<Result<Decision, Refused>, TableError> {
    if request.rules_version != sequencer.rules_version(&request.tenant) {
        return Ok(Err(Refused::StaleRules));
    }
    if !sequencer.dedup.has_room(&request.tenant, request.events.len()) {
        return Ok(Err(Refused::DedupFull));
    }
    let rate = Rate::Receive(request.quotas.receive_per_s);
    if let Err(spent) = sequencer.rates.take(&request.tenant, &[rate], request.events.len(), now_ms) {
        return Ok(Err(Refused::Quota(spent)));
    }
    let (tenant, delayed) = (request.tenant.clone(), request.delayed.clone());
    let (mut records, answers) = taken(sequencer, request, now_ms, base, tables)?;
    if let Some((queue, delay_ms)) = delayed.filter(|_| !records.is_empty()) {
        let until = Move::Delay(now_ms.saturating_add(delay_ms));
        let fresh = answers.iter().flatten().filter(|accepted| !accepted.duplicate).zip(&records);
        // Those that come behind others are delayed by them.
        let is_first = |record: &Record| match record {
            Record::Accept { targets, .. } => targets.iter().all(|target| !target.is_behind()),
            _ => false,
        };
        let moves = fresh.filter(|(_, record)| is_first(record));
        let moves = moves.map(|(one, _)| (DeliveryId { event: one.position, n: 0 }, until.clone())).collect();
        records.push(Record::Queue { tenant, queue, moves });
    }
    Ok(Ok(Decision { records, answer: Answer::Accepted(answers) }))
}

/// A record for each event that is new, and an answer for each event.
pub(crate) type Taken = (Vec<Record>, Vec<Result<Accepted, Refused>>);

/// Takes what is known to be taken: a record for each event that is new, and an answer for each.
pub(crate) fn taken(
    sequencer: &mut Sequencer,
    request: AcceptRequest,
    now_ms: u64,
    base: Position,
    tables: &impl Tables,
) -> Result<Taken, TableError> {
    let mut lines = Lines::new(&request.tenant, &[], tables);
    let mut records = Vec::with_capacity(request.events.len());
    let mut answers = Vec::with_capacity(request.events.len());
    for AcceptEvent { event, mut targets } in request.events {
        if fan::is_too_wide(&targets) {
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
        sequencer.dedup.insert(&request.tenant, fingerprint, position, now_ms);
        lines.place(fan::first_mut(&mut targets))?;
        sequencer.pending += targets.len() as u64;
        answers.push(Ok(Accepted { id, position, duplicate: false }));
        records.push(Record::Accept { tenant: request.tenant.clone(), bus: request.bus.clone(), event, targets });
    }
    Ok((records, answers))
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
    let arising = Arising { tenant, bus, event, position, time_ms }.deliveries(fan::first(targets));
    fan::begin(tenant, bus, targets, (position, time_ms), tables)?;
    let due = insert_deliveries(arising, tables)?;
    change_stats(tenant, tables, |stats| {
        stats.events += 1;
        stats.deliveries += targets.len() as u64;
        stats.pending += targets.len() as u64;
    })?;
    Ok(due)
}
