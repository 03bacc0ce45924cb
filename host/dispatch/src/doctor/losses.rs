//! Saying what is lost: from what is left of a record, and from the records and rows that speak of it.
//!
//! Invariant: a loss is counted always and described up to a bound, so that a ruined log cannot fill the memory. What a
//! damaged record seems to say is told as a guess; only what a checksum covers is told as a fact.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use wharf_delivery::{LinePlace, ModelStep, Outcome, Record, RecordKind};
use wharf_event::{Event, Position, TenantName};
use wharf_log::{SeenFrame, SeenRecord};

use super::finding::{Finding, Lost, LostEvent, Severity};
use crate::{
    clock::rfc3339,
    draft::tenant_number,
    limits::{LOSS_NAMED_BY_MAX, LOSSES_LISTED_MAX},
};

/// Where a loss stands: which finding, and which of its lost records.
type Place = (usize, usize);

/// What is lost so far, to be recognized when something speaks of it.
#[derive(Default)]
pub(super) struct Losses {
    /// Lost records by position.
    records: BTreeMap<Position, Place>,
    /// Lost frames whose records are not all known, by the last one: the first one and the finding.
    frames: BTreeMap<u64, (u64, usize)>,
    /// Names of tenants by the numbers that the log's directories have.
    tenants: HashMap<u64, TenantName>,
    listed: usize,
}

impl Losses {
    /// Learns a tenant's name.
    pub(super) fn know(&mut self, tenant: Option<&TenantName>) {
        let number = tenant_number(tenant);
        if let Some(tenant) = tenant
            && !self.tenants.contains_key(&number)
        {
            self.tenants.insert(number, tenant.clone());
        }
    }

    /// Notes that frames are lost with whatever was in them.
    pub(super) fn lose_frames(&mut self, (first_k, last_k): (u64, u64), finding: usize) {
        self.frames.insert(last_k, (first_k, finding));
    }

    /// Notes that a record is lost, and says what can be said of it.
    pub(super) fn lose(&mut self, frame: &SeenFrame, record: &SeenRecord, findings: &mut [Finding], at: usize) {
        let position = Position { k: frame.k, i: record.index << 8 };
        let Some(finding) = findings.get_mut(at) else { return };
        finding.severity = Severity::Loss;
        if self.listed >= LOSSES_LISTED_MAX {
            finding.lost_unlisted += 1;
            return;
        }
        self.listed += 1;
        self.records.insert(position, (at, finding.lost.len()));
        finding.lost.push(self.describe(position, record));
    }

    fn describe(&self, position: Position, record: &SeenRecord) -> Lost {
        let proven = record.holds || record.mended.is_some();
        let bytes = record.mended.as_ref().unwrap_or(&record.body);
        let read = decode_any(record.kind, bytes);
        let kind = RecordKind::from_u16(record.kind).or(read.as_ref().map(Record::kind));
        let named = read.as_ref().and_then(Record::tenant);
        Lost {
            position,
            record: kind.map(|kind| format!("{kind:?}").to_lowercase()),
            tenant: named.or_else(|| self.tenants.get(&record.tenant)).cloned(),
            proven: proven && read.is_some(),
            events: read.as_ref().map(|read| events_of(read, position)).unwrap_or_default(),
            detail: read.as_ref().and_then(detail_of),
            named_by: Vec::new(),
        }
    }

    /// Notes that `by` speaks of the event at `event`, if that one is lost.
    pub(super) fn refer(&mut self, event: Position, by: impl FnOnce() -> String, findings: &mut [Finding]) {
        if self.records.is_empty() && self.frames.is_empty() {
            return;
        }
        let record = Position { k: event.k, i: event.i & !0xff };
        let known = self.records.get(&record).copied();
        let place = known.or_else(|| {
            let (_, &(first_k, at)) = self.frames.range(event.k..).next()?;
            let finding = findings.get_mut(at).filter(|_| first_k <= event.k)?;
            if self.listed >= LOSSES_LISTED_MAX {
                finding.lost_unlisted += 1;
                return None;
            }
            self.listed += 1;
            let place = (at, finding.lost.len());
            self.records.insert(record, place);
            finding.lost.push(Lost {
                position: record,
                record: None,
                tenant: None,
                proven: false,
                events: Vec::new(),
                detail: None,
                named_by: Vec::new(),
            });
            Some(place)
        });
        let Some((at, which)) = place else { return };
        let Some(lost) = findings.get_mut(at).and_then(|finding| finding.lost.get_mut(which)) else { return };
        if lost.events.iter().all(|lost| lost.position != event) {
            lost.events.push(LostEvent { position: event, id: None, kind: None });
        }
        if lost.named_by.len() < LOSS_NAMED_BY_MAX {
            lost.named_by.push(by());
        }
    }

    /// What `record` at `position` says of records that are lost.
    pub(super) fn refer_from(&mut self, record: &Record, position: Position, findings: &mut [Finding]) {
        match record {
            Record::Settle { delivery, target, attempt, outcome, .. } => {
                let ended = match outcome {
                    Outcome::Ack => "acknowledged".to_owned(),
                    Outcome::Retry { code, .. } => format!("to be tried again, {code}"),
                    Outcome::Filtered { .. } => "filtered".to_owned(),
                    Outcome::DeadLetter { queue, code, .. } => format!("dead-lettered to {queue}, {code}"),
                };
                let by = || {
                    let (rule, number) = (&target.rule, attempt.number);
                    let (kind, name) = (target.to.kind(), target.to.name());
                    format!("record {position}: attempt {number} of {kind} {name} by rule {rule}: {ended}")
                };
                self.refer(delivery.event, by, findings);
            }
            Record::Redrive { queue, deliveries, .. } => {
                for delivery in deliveries {
                    let by = || format!("record {position}: redriven from {queue}, delivery {delivery}");
                    self.refer(delivery.event, by, findings);
                }
            }
            Record::Discard { queue, deliveries, .. } => {
                for delivery in deliveries {
                    let by = || format!("record {position}: let go of in {queue}, delivery {delivery}");
                    self.refer(delivery.event, by, findings);
                }
            }
            Record::Edited { queue, delivery, .. } => {
                let by = || format!("record {position}: edited in {queue}, delivery {delivery}");
                self.refer(delivery.event, by, findings);
            }
            _ => {}
        }
    }
}

/// Reads a record by the kind that it is said to be, or by any other that fits.
fn decode_any(kind: u16, body: &Bytes) -> Option<Record> {
    let stated = RecordKind::from_u16(kind);
    let others = (0..=u16::from(u8::MAX)).filter_map(RecordKind::from_u16).filter(|kind| Some(*kind) != stated);
    stated.into_iter().chain(others).find_map(|kind| Record::decode(kind, body).ok())
}

/// The events in a record that stands at `position`.
fn events_of(record: &Record, position: Position) -> Vec<LostEvent> {
    let lost = |i: u32, event: &Event| LostEvent {
        position: Position { k: position.k, i: position.i + i },
        id: Some(event.id().to_owned()),
        kind: Some(event.kind().to_owned()),
    };
    match record {
        Record::Accept { event, .. } | Record::Edited { event, .. } => vec![lost(0, event)],
        Record::Settle { published, .. } => (1..).zip(published).map(|(n, one)| lost(n, &one.event)).collect(),
        Record::Carry { events, .. } => (1..).zip(events).map(|(n, event)| lost(n, event)).collect(),
        _ => Vec::new(),
    }
}

/// What else a record says, in words.
fn detail_of(record: &Record) -> Option<String> {
    match record {
        Record::Accept { bus, targets, .. } => Some(format!("bus {bus}, owed to {} targets", targets.len())),
        Record::Settle { delivery, target, attempt, writes, .. } => Some(format!(
            "attempt {} of delivery {delivery} to {} {}, {} values written",
            attempt.number,
            target.to.kind(),
            target.to.name(),
            writes.len()
        )),
        Record::Redrive { queue, deliveries, .. } => Some(format!("{} dead letters of {queue}", deliveries.len())),
        Record::Discard { queue, deliveries, .. } => {
            Some(format!("{} dead letters of {queue} let go of", deliveries.len()))
        }
        Record::Edited { queue, delivery, .. } => Some(format!("dead letter {delivery} of {queue} got another event")),
        Record::Configure { .. } | Record::Rules { .. } => Some("a rule set".to_owned()),
        Record::Carry { events, rows, .. } => {
            Some(format!("{} events and {} rows of older segments", events.len(), rows.len()))
        }
        Record::Change { changes, .. } => {
            let names: Vec<_> = changes.iter().map(|change| change.name.as_str()).collect();
            Some(format!("control objects changed: {}", names.join(", ")))
        }
        Record::Erase { rows, .. } => Some(format!("{} rows of a deleted tenant went", rows.len())),
        Record::Model { tenant, step } => Some(of_model(tenant, step)),
        Record::Charged { tenant, plugin, calls, .. } => {
            Some(format!("what {calls} requests to {plugin} of {tenant} used"))
        }
        Record::Served { plugin, request, writes, .. } => {
            Some(format!("{} values that {plugin} wrote for request {request}", writes.len()))
        }
        Record::Forgotten { tenant, .. } => Some(format!("what {tenant} used long ago is kept no more")),
        Record::Fired { schedule, state, .. } => Some(match state.map(|state| (state.last_ms, state.next_ms)) {
            Some((last_ms, next_ms)) => {
                let told = |ms: Option<u64>| ms.map_or_else(|| "never".to_owned(), rfc3339);
                format!("schedule {schedule} fired last for {}, and is due next at {}", told(last_ms), told(next_ms))
            }
            None => format!("schedule {schedule} runs no more"),
        }),
        Record::Replay { replay, state, .. } => Some(match state {
            Some(state) => format!("replay {replay} came to {} with {} events", state.cursor, state.replayed),
            None => format!("replay {replay} is kept no more"),
        }),
        Record::Redriving { queue, state, .. } => {
            Some(format!("the redrive of {queue} came to {} letters", state.redriven))
        }
        Record::Fanned { event, next, targets, .. } => {
            let behind = usize::from(*next) + targets.len();
            Some(format!("event {event} came to be owed to its targets {next} to {}", behind.saturating_sub(1)))
        }
        Record::Queue { queue, moves, .. } => {
            let left = moves.iter().filter(|(_, to)| to.leaves()).count();
            Some(format!("{} messages of queue {queue} moved, {left} of them left it", moves.len()))
        }
        Record::Ordered { to, key, delivery, place, .. } => Some(match place {
            LinePlace::First => format!("delivery {delivery} is the first to {to} with the key {key:?}"),
            LinePlace::Behind => format!("delivery {delivery} to {to} waits behind others with the key {key:?}"),
        }),
        Record::Cleaned { below_k } => Some(format!("what lies before frame {below_k} is needed no more")),
        Record::Follow { .. } | Record::Sealed(_) => None,
    }
}

/// What a record about models says, in words.
fn of_model(tenant: &TenantName, step: &ModelStep) -> String {
    match step {
        ModelStep::Answered { delivery, call, .. } => {
            format!("what a model answered call {call} of delivery {delivery}")
        }
        ModelStep::Settled { delivery } => format!("what models answered for delivery {delivery} is kept no more"),
        ModelStep::Shared { delivery, messages } => {
            format!("{} messages share what models answered for delivery {delivery}", messages.len())
        }
        ModelStep::Left { delivery, .. } => format!("message {delivery} shares what models answered no more"),
        ModelStep::Reserved { plugin, route, .. } => format!("what a call of {plugin} by {route} may cost"),
        ModelStep::Spent { plugin, route, cost, .. } => {
            let tokens = cost.input_tokens.saturating_add(cost.output_tokens);
            format!("what a call of {plugin} by {route} cost: {tokens} tokens")
        }
        ModelStep::Forgotten { .. } => format!("what models cost {tenant} long ago is kept no more"),
    }
}
