//! Transition: somebody gives a dead letter another event, and a redrive delivers that one.
//!
//! Invariant: the delivery's id, attempts and history stay, and so does the event that came in, at its position. The record holds the letter as it
//! is from now on, and not only where its event is: what made it a letter may be gone from the log before this record is, and would be written
//! again only for an event that lies where it lay. Whether the event may be what it is is asked before.

use bytes::Bytes;
use wharf_event::{Event, Position, QueueName, TenantName};

use crate::{
    DeadLetterRow, DeliveryId, Record,
    codec::{DecodeError, Reader, Writer},
    keys,
    layout::ROWS_LAYOUT,
    rows::Row as _,
    sequencer::{Answer, Decision, Refused},
    tables::{Table, TableError, Tables},
};

/// The wish that a dead letter has another event.
#[derive(Clone, Debug)]
pub struct EditRequest {
    /// Whose it is.
    pub tenant: TenantName,
    /// The queue that it is in.
    pub queue: QueueName,
    /// Which one.
    pub delivery: DeliveryId,
    /// Where the event lies that was edited, if it has to be the letter's still: what another edit made in between is not lost.
    pub edits: Option<Position>,
    /// Its event from now on.
    pub event: Event,
}

pub(crate) fn decide(
    request: EditRequest,
    base: Position,
    tables: &impl Tables,
) -> Result<Result<Decision, Refused>, TableError> {
    let EditRequest { tenant, queue, delivery, edits, event } = request;
    if DeadLetterRow::depth(tables, &tenant, &queue)?.is_none() {
        return Ok(Err(Refused::UnknownQueue));
    }
    let Some(mut letter) = DeadLetterRow::read(tables, &keys::dead_letter(&tenant, &queue, delivery))? else {
        return Ok(Err(Refused::UnknownDeadLetter { id: delivery }));
    };
    if edits.is_some_and(|place| place != letter.delivery.event_at(delivery)) {
        return Ok(Err(Refused::Gone));
    }
    letter.delivery.place = Some(base);
    let record = Record::Edited { tenant, queue, delivery, event, letter: letter.encode().into() };
    Ok(Ok(Decision { records: vec![record], answer: Answer::Noted }))
}

/// Puts the letter where it is, or, behind a log that was trimmed, where it was.
pub(crate) fn apply(
    (tenant, queue): (&TenantName, &QueueName),
    delivery: DeliveryId,
    letter: &Bytes,
    tables: &mut impl Tables,
) {
    tables.put(Table::DeadLetters, &keys::dead_letter(tenant, queue, delivery), letter.to_vec());
    tables.put(Table::Letters, &delivery.to_key(), queue.as_str().into());
}

pub(crate) fn put(record: &Record, w: &mut Writer) {
    if let Record::Edited { tenant, queue, delivery, event, letter } = record {
        w.str(tenant.as_str()).str(queue.as_str()).delivery(*delivery).event(event).u16(ROWS_LAYOUT).bytes(letter);
    }
}

pub(crate) fn take(r: &mut Reader) -> Result<Record, DecodeError> {
    let (tenant, queue) = (r.parse("tenant")?, r.parse("queue")?);
    let (delivery, event) = (r.delivery("delivery")?, r.event("event")?);
    if r.u16("layout of rows")? != ROWS_LAYOUT {
        return Err(DecodeError::Invalid("layout of rows"));
    }
    Ok(Record::Edited { tenant, queue, delivery, event, letter: r.bytes("letter")? })
}
