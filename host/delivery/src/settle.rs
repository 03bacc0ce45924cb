//! Transition: an attempt ends. Its outcome, the events that it published and its key-value changes are one record.

use bytes::Bytes;
use wharf_event::{AttributeValue, BucketName, BusName, Code, Event, Position, QueueName, Target, TenantName};

use crate::{
    Attempt, DeliveryId, DeliveryRow, Due, Outcome, Published, QuotaSpent, Quotas, Record, StatsRow, TargetRef,
    ValueRow, ValueWrite,
    apply::{Arising, History, change_stats, dead_letter, insert_deliveries, insert_timed, remove_delivery},
    behind::{self, Lines},
    fan, keys,
    limits::{HOPS_MAX, PUBLISHING_PENDING_MAX, TARGETS_AT_ONCE},
    quotas::with_room,
    rates::Rate,
    rows::BucketRow,
    sequencer::{Answer, Decision, Refused, Sequencer},
    sizes,
    tables::{Table, TableError, Tables},
    usage, values,
};

/// The extension attribute that counts how often an event caused another.
pub const HOPS_ATTRIBUTE: &str = "wharfhops";

/// The end of an attempt, with its effects, checked against what it read.
#[derive(Clone, Debug)]
pub struct SettleRequest {
    /// Which delivery.
    pub delivery: DeliveryId,
    /// Whose it is.
    pub tenant: TenantName,
    /// Who it is for.
    pub target: Target,
    /// The try.
    pub attempt: Attempt,
    /// How it ended. With anything but `Ack` there are no effects.
    pub outcome: Outcome,
    /// What it read of the key-value state.
    pub reads: Vec<Read>,
    /// The version of the rule set that the published events were matched with.
    pub rules_version: u64,
    /// Events to publish.
    pub published: Vec<PublishRequest>,
    /// Key-value changes, at most one a key.
    pub writes: Vec<WriteRequest>,
    /// What the tenant may have and do.
    pub quotas: Quotas,
    /// Events that the plugin may publish a second, if that is said.
    pub publish_per_s: Option<u32>,
}

/// An event to publish, matched.
#[derive(Clone, Debug)]
pub struct PublishRequest {
    /// The event.
    pub event: Event,
    /// Who it is owed to.
    pub targets: Vec<TargetRef>,
    /// The dead-letter queue of each target, for an event beyond the hop limit.
    pub queues: Vec<QueueName>,
}

/// Something that an attempt read, and the version that it saw. Absent is [`Position::ZERO`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    /// What.
    pub key: ReadKey,
    /// Which version.
    pub version: Position,
}

/// What can be read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ReadKey {
    /// The value under a key, present or absent.
    Value(BucketName, String),
    /// The list of a bucket's keys.
    Listing(BucketName),
}

/// A change of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteRequest {
    /// The bucket.
    pub bucket: BucketName,
    /// The key.
    pub key: String,
    /// The change.
    pub op: WriteOp,
}

/// How a key changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WriteOp {
    /// The value is this from now on.
    Set(Bytes),
    /// There is no value any more.
    Delete,
    /// So much is added to the decimal integer that is there (absent = 0). Never conflicts.
    Add(i64),
}

/// A settle is in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settled {
    /// Where it stands.
    pub position: Position,
}

pub(crate) fn decide<T: Tables>(
    sequencer: &mut Sequencer,
    request: SettleRequest,
    now_ms: u64,
    base: Position,
    tables: &T,
) -> Result<Result<Decision, Refused>, TableError> {
    let Some(row) = DeliveryRow::find(tables, &request.tenant, &request.target, request.delivery)? else {
        return Ok(Err(Refused::Gone));
    };
    let its_turn = row.attempts.saturating_add(1) == request.attempt.number;
    #[cfg(feature = "mutations")]
    let its_turn = its_turn || crate::mutation::has(crate::mutation::Bug::Lease);
    if !its_turn {
        return Ok(Err(Refused::Gone));
    }
    let leaving = [request.delivery];
    let leaving: &[_] = if matches!(request.outcome, Outcome::Retry { .. }) { &[] } else { &leaving };
    settled(sequencer, row, request, leaving, (now_ms, base), tables)
}

/// Decides the end of an attempt that is known to be under way. `leaving` are all deliveries that end by the same request.
pub(crate) fn settled<T: Tables>(
    sequencer: &mut Sequencer,
    row: DeliveryRow,
    request: SettleRequest,
    leaving: &[DeliveryId],
    (now_ms, base): (u64, Position),
    tables: &T,
) -> Result<Result<Decision, Refused>, TableError> {
    let stale = stale_reads(&row.tenant, &request.reads, tables)?;
    if !stale.is_empty() {
        return Ok(Err(Refused::Conflict { keys: stale }));
    }
    if !request.published.is_empty() && request.rules_version != sequencer.rules_version(&request.tenant) {
        return Ok(Err(Refused::StaleRules));
    }
    if let Some(refused) = too_many(sequencer, &request) {
        return Ok(Err(refused));
    }
    let on = published_on(&row.bus, &row.target);
    if let Some(spent) = publishes_too_much(sequencer, &request, on, now_ms, tables)? {
        return Ok(Err(Refused::Quota(spent)));
    }
    let writes = match resolved(&row.tenant, request.writes, tables)? {
        Ok(writes) => writes,
        Err(refused) => return Ok(Err(refused)),
    };
    if let Some(spent) = values::beyond(&row.tenant, &writes, &request.quotas, tables)? {
        return Ok(Err(Refused::Quota(spent)));
    }
    let rates = [
        Rate::Publish(None, request.quotas.publish_per_s),
        Rate::Publish(Some(&request.target), request.publish_per_s),
    ];
    if let Err(spent) = sequencer.rates.take(&row.tenant, &rates, request.published.len(), now_ms) {
        return Ok(Err(Refused::Quota(spent)));
    }
    let ended = u64::from(!matches!(request.outcome, Outcome::Retry { .. }));
    let mut lines = Lines::new(&row.tenant, leaving, tables);
    let mut published = Vec::with_capacity(request.published.len());
    for PublishRequest { event, mut targets, queues } in request.published {
        let given_up = if hops(&event) > HOPS_MAX { queues } else { Vec::new() };
        if given_up.is_empty() {
            lines.place(fan::first_mut(&mut targets))?;
        }
        published.push(Published { event, targets, given_up });
    }
    let arising: u64 = published.iter().filter(|p| p.given_up.is_empty()).map(|p| p.targets.len() as u64).sum();
    sequencer.pending = (sequencer.pending + arising).saturating_sub(ended);
    if let Some(used) = request.attempt.used() {
        sequencer.hours.charge(&row.tenant, used, now_ms);
    }
    let answers = if ended > 0 { sequencer.answered.settled(&row.tenant, request.delivery) } else { None };
    let next = if ended > 0 { behind::next(&row.tenant, &row.target, request.delivery, tables)? } else { None };
    let record = Record::Settle {
        tenant: row.tenant,
        bus: row.bus,
        delivery: request.delivery,
        target: row.target,
        attempt: request.attempt,
        outcome: request.outcome,
        published,
        writes,
    };
    let records = std::iter::once(record).chain(next).chain(answers).collect();
    Ok(Ok(Decision { records, answer: Answer::Settled(Settled { position: base }) }))
}

/// What the changes come to, as the values are now.
pub(crate) fn resolved(
    tenant: &TenantName,
    requests: Vec<WriteRequest>,
    tables: &impl Tables,
) -> Result<Result<Vec<ValueWrite>, Refused>, TableError> {
    let mut writes = Vec::with_capacity(requests.len());
    for WriteRequest { bucket, key, op } in requests {
        let value = match op {
            WriteOp::Set(value) => Some(value),
            WriteOp::Delete => None,
            WriteOp::Add(delta) => match sum(tenant, &bucket, &key, delta, tables)? {
                Some(sum) => Some(sum),
                // The value stopped being a number after the attempt looked: it runs again and is told so.
                None => return Ok(Err(Refused::Conflict { keys: vec![ReadKey::Value(bucket, key)] })),
            },
        };
        writes.push(ValueWrite { bucket, key, value });
    }
    #[cfg(feature = "mutations")]
    crate::mutation::lose_a_write(&mut writes);
    Ok(Ok(writes))
}

/// Publishing has bounds of its own: a handler that publishes to itself would otherwise fill every memory.
fn too_many(sequencer: &Sequencer, request: &SettleRequest) -> Option<Refused> {
    // A queue for each target, or a delivery beyond the limit would have nowhere to go.
    assert!(
        request.published.iter().all(|one| hops(&one.event) <= HOPS_MAX || one.queues.len() == one.targets.len()),
        "an event beyond the hop limit comes with the queues of its targets"
    );
    let widest = request.published.iter().map(|one| one.targets.len()).max().unwrap_or(0);
    // What is beyond the hop limit is given up at once, all of it.
    let gone = |one: &&PublishRequest| hops(&one.event) > HOPS_MAX && one.targets.len() > TARGETS_AT_ONCE;
    let is_too_wide = |one: &PublishRequest| fan::is_too_wide(&one.targets);
    if request.published.iter().any(|one| is_too_wide(one) || gone(&one)) {
        return Some(Refused::TooManyTargets { targets: widest });
    }
    let arising: usize = request.published.iter().map(|one| one.targets.len()).sum();
    let pending = sequencer.pending.saturating_add(arising as u64);
    (arising > 0 && pending > PUBLISHING_PENDING_MAX).then_some(Refused::Overloaded)
}

/// What its tenant may not publish any more, or not on this bus. Deliveries that are under way have some room above admission here too.
fn publishes_too_much(
    sequencer: &mut Sequencer,
    request: &SettleRequest,
    bus: &BusName,
    now_ms: u64,
    tables: &impl Tables,
) -> Result<Option<QuotaSpent>, TableError> {
    let SettleRequest { tenant, quotas, published, .. } = request;
    let arising: usize = published.iter().map(|one| one.targets.len()).sum();
    if arising == 0 {
        return Ok(None);
    }
    let waiting = StatsRow::get(tables, &keys::tenant(tenant))?.unwrap_or_default().pending;
    let most = with_room(u64::from(quotas.backlog()));
    if waiting.saturating_add(arising as u64) > most {
        return Ok(Some(QuotaSpent::Backlog { of: None, waiting, most }));
    }
    if let Some(most) = quotas.of_bus.map(|most| with_room(u64::from(most))) {
        let waiting = sizes::bus_backlog(tables, tenant, bus)?;
        if waiting.saturating_add(arising as u64) > most {
            return Ok(Some(QuotaSpent::BusBacklog { bus: bus.clone(), waiting, most }));
        }
    }
    sequencer.hours.spent(tenant, quotas, now_ms, tables)
}

pub(crate) fn stale_reads(
    tenant: &TenantName,
    reads: &[Read],
    tables: &impl Tables,
) -> Result<Vec<ReadKey>, TableError> {
    let mut stale = Vec::new();
    for Read { key, version } in reads {
        let now = match key {
            ReadKey::Value(bucket, name) => {
                ValueRow::get(tables, &keys::value(tenant, bucket, name))?.map(|row| row.version)
            }
            ReadKey::Listing(bucket) => {
                BucketRow::get(tables, &keys::bucket(tenant, bucket))?.map(|row| row.membership)
            }
        };
        if now.unwrap_or(Position::ZERO) != *version {
            stale.push(key.clone());
        }
    }
    Ok(stale)
}

/// The new value of a counter; absent when what is there is no integer or the sum is none.
fn sum(
    tenant: &TenantName,
    bucket: &BucketName,
    key: &str,
    delta: i64,
    tables: &impl Tables,
) -> Result<Option<Bytes>, TableError> {
    let before = match ValueRow::get(tables, &keys::value(tenant, bucket, key))? {
        None => Some(0),
        Some(row) => std::str::from_utf8(&row.value).ok().and_then(|text| text.parse::<i64>().ok()),
    };
    Ok(before.and_then(|before| before.checked_add(delta)).map(|sum| Bytes::from(sum.to_string())))
}

/// How often events caused one another before this one. Headers carry it as text; nonsense counts as none.
#[must_use]
pub fn hops(event: &Event) -> u32 {
    match event.extension(HOPS_ATTRIBUTE) {
        Some(AttributeValue::Integer(hops)) => u32::try_from(*hops).unwrap_or(0),
        Some(AttributeValue::String(hops)) => hops.parse().unwrap_or(0),
        _ => 0,
    }
}

pub(crate) fn apply<T: Tables>(
    record: &Record,
    position: Position,
    time_ms: u64,
    history: History,
    tables: &mut T,
) -> Result<Vec<Due>, TableError> {
    let Record::Settle { tenant, bus, delivery, target, attempt, outcome, published, writes } = record else {
        return Ok(Vec::new());
    };
    let mut due = Vec::new();
    if !ends_at_once((tenant, bus), target, *delivery, outcome, tables)? {
        match (DeliveryRow::find(tables, tenant, &target.to, *delivery)?, history) {
            (Some(row), _) => due.extend(end_attempt(*delivery, row, attempt, outcome, time_ms, tables)?),
            (None, History::Cut) => {}
            (None, History::Whole) => {
                // Only what waits is ever settled, so the table is not what this log made of it.
                let source = crate::DecodeError::Invalid("the delivery of a settle record");
                return Err(TableError::Row { table: Table::Deliveries.name(), source });
            }
        }
    }
    let bus = published_on(bus, target);
    let (retried, mut arisen, mut refused) = (due.len() as u64, 0, 0);
    if !matches!(outcome, Outcome::Retry { .. }) {
        behind::leaves(tenant, target, *delivery, tables);
    }
    for (n, event) in (1..).zip(published) {
        let place = Position { k: position.k, i: position.i + n };
        let arising = Arising { tenant, bus, event: &event.event, position: place, time_ms };
        let arising = arising.deliveries(fan::first(&event.targets));
        if event.given_up.is_empty() {
            arisen += event.targets.len() as u64;
            fan::begin(tenant, bus, &event.targets, (place, time_ms), tables)?;
            due.extend(insert_deliveries(arising, tables)?);
            continue;
        }
        refused += arising.len() as u64;
        for (d, queue) in arising.into_iter().zip(&event.given_up) {
            let reason = format!("the event is hop {} of a chain, and {HOPS_MAX} are allowed", hops(&event.event));
            dead_letter(d.id, d.row, (queue, Code::HopLimit, &reason), time_ms, tables)?;
        }
    }
    values::apply(tenant, writes, position, tables)?;
    if let (Some(used), Some(plugin)) = (attempt.used(), attempt.consumer().or(target.to.plugin())) {
        usage::apply((tenant, plugin), used, time_ms, tables)?;
    }
    change_stats(tenant, tables, |stats| {
        let dead = u64::from(matches!(outcome, Outcome::DeadLetter { .. }));
        // Messages of a queue were counted as they were received.
        stats.attempts += u64::from(attempt.was_made() && target.to.queue().is_none());
        stats.retries += retried;
        stats.dead_letters += dead + refused;
        stats.published += published.len() as u64;
        stats.deliveries += arisen + refused;
        stats.pending = (stats.pending + arisen + retried).saturating_sub(1);
    })?;
    Ok(due)
}

/// The bus that the events of a settle arise on: the one that it is of a target that is one, else that of the event that was handled.
#[must_use]
pub fn published_on<'a>(bus: &'a BusName, target: &'a TargetRef) -> &'a BusName {
    target.to.bus().unwrap_or(bus)
}

/// Ends a delivery that is done after its first attempt, as nearly all are: nothing of its row is needed for that. (The record of a message that a
/// plugin consumed may name another bus than its own, so that goes by its row.)
fn ends_at_once(
    (tenant, bus): (&TenantName, &BusName),
    target: &TargetRef,
    id: DeliveryId,
    outcome: &Outcome,
    tables: &mut impl Tables,
) -> Result<bool, TableError> {
    let key = keys::delivery(tenant, &target.to, false, id);
    let may = matches!(outcome, Outcome::Ack | Outcome::Filtered { .. }) && target.to.queue().is_none();
    let ends = may && tables.get(Table::Deliveries, &key)?.is_some();
    if ends {
        tables.remove(Table::Deliveries, &key);
        sizes::waits_no_more((tenant, bus, &target.to), tables)?;
    }
    Ok(ends)
}

fn end_attempt(
    id: DeliveryId,
    mut row: DeliveryRow,
    attempt: &Attempt,
    outcome: &Outcome,
    time_ms: u64,
    tables: &mut impl Tables,
) -> Result<Option<Due>, TableError> {
    remove_delivery(id, &row, tables);
    if !matches!(outcome, Outcome::Retry { .. }) {
        sizes::waits_no_more((&row.tenant, &row.bus, &row.target.to), tables)?;
    }
    (row.attempts, row.leased) = (attempt.number, false);
    match outcome {
        Outcome::Ack | Outcome::Filtered { .. } => Ok(None),
        Outcome::Retry { at_ms, .. } => {
            (row.due_ms, row.timed) = (*at_ms, true);
            insert_timed(id, &row, tables);
            Ok(Some(Due { id, row, event: None }))
        }
        Outcome::DeadLetter { queue, code, reason } => {
            dead_letter(id, row, (queue, *code, reason), time_ms, tables)?;
            Ok(None)
        }
    }
}
