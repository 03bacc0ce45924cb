//! Transition: dead letters are let go of, with what the log keeps for them alone.
//!
//! Invariant: a letter that is gone is of no other transition: what would send it again passes it over or is refused, and cleaning carries its event no further.

use wharf_event::{QueueName, TenantName};

use crate::{
    DeadLetterRow, DeliveryId, Record, RedriveWhich, Redriven,
    codec::{DecodeError, Reader},
    keys, redrive,
    rows::{QueueRow, Row},
    sequencer::{Answer, Decision, Refused},
    tables::{Table, TableError, Tables},
};

/// The wish to let go of dead letters.
#[derive(Clone, Debug)]
pub struct DiscardRequest {
    /// Whose they are.
    pub tenant: TenantName,
    /// The queue that they are in.
    pub queue: QueueName,
    /// Which ones.
    pub which: RedriveWhich,
}

pub(crate) fn decide(request: DiscardRequest, tables: &impl Tables) -> Result<Result<Decision, Refused>, TableError> {
    let DiscardRequest { tenant, queue, which } = request;
    let deliveries = match redrive::meant((&tenant, &queue), which, tables)? {
        Ok(deliveries) => deliveries,
        Err(refused) => return Ok(Err(refused)),
    };
    let answer = Answer::Discarded(Redriven { moved: deliveries.len() as u64, last: deliveries.last().copied() });
    let record = (!deliveries.is_empty()).then_some(Record::Discard { tenant, queue, deliveries });
    Ok(Ok(Decision { records: record.into_iter().collect(), answer }))
}

pub(crate) fn apply(
    tenant: &TenantName,
    queue: &QueueName,
    deliveries: &[DeliveryId],
    tables: &mut impl Tables,
) -> Result<(), TableError> {
    let mut gone = 0;
    for id in deliveries {
        let key = keys::dead_letter(tenant, queue, *id);
        if DeadLetterRow::read(tables, &key)?.is_some() {
            tables.remove(Table::DeadLetters, &key);
            tables.remove(Table::Letters, &id.to_key());
            gone += 1;
        }
    }
    let queue_key = keys::queue(tenant, queue);
    let depth = QueueRow::read(tables, &queue_key)?.unwrap_or_default().depth;
    tables.put(Table::Queues, &queue_key, QueueRow { depth: depth.saturating_sub(gone) }.encode());
    Ok(())
}

pub(crate) fn take(r: &mut Reader) -> Result<Record, DecodeError> {
    let (tenant, queue) = (r.parse("tenant")?, r.parse("queue")?);
    Ok(Record::Discard { tenant, queue, deliveries: r.list("deliveries", |r| r.delivery("delivery"))? })
}
