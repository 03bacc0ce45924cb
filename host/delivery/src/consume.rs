//! Transition: a plugin that consumes a queue ends messages that it received, many at a time, with what it did.
//!
//! Invariant: all of them or none. Each lease is checked first; if one is over nothing is settled, and the request says which. What the call
//! published and stored stands in the record of its last message, behind those of the others: where events that it published come
//! behind others is decided as if all its messages had left, and so they have by then. Each record of a call that ran names the plugin, which
//! the target does not, so that it is charged.

use std::sync::Arc;

use wharf_event::{BusName, Position, QueueName, Target, TenantName};

use crate::{
    Attempt, DeliveryRow, Outcome, PublishRequest, Quotas, Read, Receipt, SettleRequest, WriteRequest,
    receive::leased_by,
    sequencer::{Answer, Decision, Refused, Sequencer},
    settle::{Settled, settled},
    tables::{TableError, Tables},
};

/// The end of a call with messages of a queue, checked against what it read.
#[derive(Clone, Debug)]
pub struct ConsumeRequest {
    /// Whose they are.
    pub tenant: TenantName,
    /// Which queue.
    pub queue: QueueName,
    /// Who consumes it.
    pub consumer: Target,
    /// What became of which message, each of them once.
    pub ended: Vec<Consumed>,
    /// The bus on which its events arise; that of the last message where nothing is said.
    pub bus: Option<BusName>,
    /// What the call read of the key-value state.
    pub reads: Vec<Read>,
    /// The version of the rule set that the published events were matched with.
    pub rules_version: u64,
    /// Events to publish. With any outcome but `Ack` there are none, and no changes.
    pub published: Vec<PublishRequest>,
    /// Key-value changes, at most one a key.
    pub writes: Vec<WriteRequest>,
    /// What the tenant may have and do.
    pub quotas: Quotas,
    /// Events that the plugin may publish a second, if that is said.
    pub publish_per_s: Option<u32>,
}

/// What became of a message.
#[derive(Clone, Debug)]
pub struct Consumed {
    /// Who has it.
    pub receipt: Receipt,
    /// The try; its number is how often the message was received.
    pub attempt: Attempt,
    /// How it ended.
    pub outcome: Outcome,
}

/// Names the plugin that is charged with what an attempt used.
fn charge(attempt: &mut Attempt, consumer: &Target) {
    if let Some(details) = attempt.details.as_mut().filter(|details| details.used.is_some()) {
        Arc::make_mut(details).consumer = consumer.plugin().cloned();
    }
}

pub(crate) fn decide<T: Tables>(
    sequencer: &mut Sequencer,
    request: ConsumeRequest,
    now_ms: u64,
    base: Position,
    tables: &T,
) -> Result<Result<Decision, Refused>, TableError> {
    let target = Target::Queue(request.queue.clone());
    let (mut rows, mut over): (Vec<(DeliveryRow, Consumed)>, _) = (Vec::with_capacity(request.ended.len()), Vec::new());
    for one in request.ended {
        match leased_by((&request.tenant, &target), one.receipt, now_ms, tables)? {
            Some(row) => rows.push((row, one)),
            None => over.push(one.receipt.delivery),
        }
    }
    if !over.is_empty() {
        return Ok(Err(Refused::LeaseOver { deliveries: over }));
    }
    rows.iter_mut().for_each(|(_, one)| charge(&mut one.attempt, &request.consumer));
    let leaving: Vec<_> = rows.iter().map(|(_, one)| one.receipt.delivery).collect();
    let (count, mut records) = (rows.len() as u64, Vec::with_capacity(rows.len()));
    let settle = |one: Consumed, attempt: Attempt| SettleRequest {
        delivery: one.receipt.delivery,
        tenant: request.tenant.clone(),
        target: request.consumer.clone(),
        attempt,
        outcome: one.outcome,
        reads: Vec::new(),
        rules_version: request.rules_version,
        published: Vec::new(),
        writes: Vec::new(),
        quotas: request.quotas,
        publish_per_s: request.publish_per_s,
    };
    let Some((mut last, one)) = rows.pop() else {
        return Ok(Ok(Decision { records, answer: Answer::Settled(Settled { position: base }) }));
    };
    if let (Some(bus), false) = (request.bus, request.published.is_empty()) {
        last.bus = bus;
    }
    let attempt = one.attempt.clone();
    let mut effects = settle(one, attempt);
    (effects.reads, effects.published, effects.writes) = (request.reads, request.published, request.writes);
    #[cfg(feature = "mutations")]
    if crate::mutation::has(crate::mutation::Bug::Batch) {
        effects.reads.clear();
    }
    // What may be refused is decided first, and put behind the others, which cannot be.
    let behind = match settled(sequencer, last, effects, &leaving, (now_ms, base), tables)? {
        Ok(decision) => decision.records,
        Err(refused) => return Ok(Err(refused)),
    };
    for (row, one) in rows {
        let attempt = one.attempt.clone();
        match settled(sequencer, row, settle(one, attempt), &leaving, (now_ms, base), tables)? {
            Ok(decision) => records.extend(decision.records),
            Err(refused) => return Ok(Err(refused)),
        }
    }
    records.extend(behind);
    sequencer.heads.ended((&request.tenant, &request.queue), &target, count, tables)?;
    Ok(Ok(Decision { records, answer: Answer::Settled(Settled { position: base }) }))
}
