//! The bytes of records (docs/design/records.md).

use std::sync::Arc;

use bytes::Bytes;
use wharf_event::{BusName, Event, TenantName};

use crate::{
    Attempt, CarriedRow, Details, ModelStep, Outcome, Published, Record, RecordKind, RecordingAt, SegmentFacts, Table,
    TargetRef, Used, ValueWrite, behind, change,
    codec::{DecodeError, Reader, Writer},
    discard, edit, erase, fire, moves, redrive, redriving, replay,
    rows::Row as _,
};

/// The layout of the rows that a carry or an edit record holds: that of the tables (docs/design/records.md).
pub(crate) const ROWS_LAYOUT: u16 = 2;

/// Room that a record without events and large values does with, in bytes.
const RECORD_ROOM_BYTES: usize = 256;

impl Record {
    /// Its bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::with_room(RECORD_ROOM_BYTES);
        match self {
            Record::Configure { document } => {
                w.bytes(document);
            }
            Record::Accept { tenant, bus, event, targets } => {
                w.str(tenant.as_str()).str(bus.as_str()).event(event);
                put_targets(&mut w, targets);
            }
            Record::Settle { tenant, bus, delivery, target, attempt, outcome, published, writes } => {
                w.str(tenant.as_str()).str(bus.as_str()).delivery(*delivery);
                target.put(&mut w);
                put_attempt(&mut w, attempt);
                put_outcome(&mut w, outcome);
                put_effects(&mut w, published, writes);
                put_told(&mut w, attempt);
            }
            Record::Redrive { .. } | Record::Discard { .. } => redrive::put(self, &mut w),
            Record::Carry { tenant, events, rows } => {
                w.str(tenant.as_str()).u16(ROWS_LAYOUT);
                put_carried(&mut w, events, rows);
            }
            Record::Rules { version, document } => {
                w.u64(*version).bytes(document);
            }
            Record::Cleaned { below_k } => {
                w.u64(*below_k);
            }
            Record::Follow { by_ms } => {
                w.u64(*by_ms);
            }
            Record::Sealed(facts) => facts.put(&mut w),
            Record::Change { tenant, changes } => {
                w.str(tenant.as_str());
                change::put(changes, &mut w);
            }
            Record::Erase { tenant, rows } => {
                w.str(tenant.as_str());
                erase::put(rows, &mut w);
            }
            Record::Forgotten { tenant, hour, plugin } => {
                w.str(tenant.as_str()).u32(*hour).str(plugin.as_str());
            }
            Record::Model { tenant, step } => step.put(w.str(tenant.as_str())),
            Record::Charged { tenant, plugin, calls, used } => {
                w.str(tenant.as_str()).str(plugin.as_str()).u64(*calls);
                used.put(&mut w);
            }
            Record::Served { tenant, plugin, request, writes } => {
                put_writes(w.str(tenant.as_str()).str(plugin.as_str()).str(request), writes);
            }
            Record::Replay { tenant, replay, state } => replay::put((tenant, replay), state.as_ref(), &mut w),
            Record::Redriving { tenant, queue, state } => redriving::put((tenant, queue), state, &mut w),
            Record::Fired { tenant, schedule, state } => fire::put((tenant, schedule), state.as_ref(), &mut w),
            Record::Queue { tenant, queue, moves } => {
                w.str(tenant.as_str()).str(queue.as_str());
                moves::put(moves, &mut w);
            }
            Record::Fanned { tenant, event, next, targets } => {
                w.str(tenant.as_str()).position(*event).u16(*next);
                put_targets(&mut w, targets);
            }
            Record::Edited { .. } => edit::put(self, &mut w),
            Record::Ordered { tenant, to, key, delivery, place } => {
                w.str(tenant.as_str()).parts(&to.spelled());
                behind::put(key, *delivery, *place, &mut w);
            }
        }
        w.finish()
    }

    /// The event of a record that received one, and nothing else of it: it may be owed to thousands, whom nobody needs who reads the event.
    ///
    /// # Errors
    /// When the bytes are not such a record.
    pub fn received(bytes: &Bytes) -> Result<Event, DecodeError> {
        let mut r = Reader::new(bytes);
        let _: (TenantName, BusName) = (r.parse("tenant")?, r.parse("bus")?);
        r.event("event")
    }

    /// Reads a record back.
    ///
    /// # Errors
    /// When the bytes are not a whole record of that kind.
    pub fn decode(kind: RecordKind, bytes: &Bytes) -> Result<Self, DecodeError> {
        let mut r = Reader::new(bytes);
        let record = match kind {
            RecordKind::Configure => Record::Configure { document: r.bytes("document")? },
            RecordKind::Accept => Record::Accept {
                tenant: r.parse("tenant")?,
                bus: r.parse("bus")?,
                event: r.event("event")?,
                targets: take_targets(&mut r)?,
            },
            RecordKind::Settle => take_settle(&mut r)?,
            RecordKind::Settled | RecordKind::Metered | RecordKind::Consumed | RecordKind::Recorded => {
                let mut settled = take_settle(&mut r)?;
                if let Record::Settle { attempt, .. } = &mut settled {
                    attempt.details = Some(Arc::new(take_told(kind, &mut r)?));
                }
                settled
            }
            RecordKind::Redrive => redrive::take(&mut r)?,
            RecordKind::Discard => discard::take(&mut r)?,
            RecordKind::Carry => {
                let tenant = r.parse("tenant")?;
                if r.u16("layout of rows")? != ROWS_LAYOUT {
                    return Err(DecodeError::Invalid("layout of rows"));
                }
                let events = r.list("events", |r| r.event("event"))?;
                Record::Carry { tenant, events, rows: r.list("rows", take_row)? }
            }
            RecordKind::Rules => Record::Rules { version: r.u64("version")?, document: r.bytes("document")? },
            RecordKind::Cleaned => Record::Cleaned { below_k: r.u64("below")? },
            RecordKind::Follow => Record::Follow { by_ms: r.u64("by")? },
            RecordKind::Sealed => Record::Sealed(SegmentFacts::take(&mut r)?),
            RecordKind::Change => {
                Record::Change { tenant: r.parse("tenant")?, changes: r.list("changes", change::take)? }
            }
            RecordKind::Erase => Record::Erase { tenant: r.parse("tenant")?, rows: r.list("rows", erase::take)? },
            RecordKind::Forgotten => {
                Record::Forgotten { tenant: r.parse("tenant")?, hour: r.u32("hour")?, plugin: r.parse("plugin")? }
            }
            RecordKind::Model => Record::Model { tenant: r.parse("tenant")?, step: ModelStep::take(&mut r)? },
            RecordKind::Charged => {
                let (tenant, plugin) = (r.parse("tenant")?, r.parse("plugin")?);
                Record::Charged { tenant, plugin, calls: r.u64("calls")?, used: Used::take(&mut r)? }
            }
            RecordKind::Replay => {
                Record::Replay { tenant: r.parse("tenant")?, replay: r.parse("replay")?, state: replay::take(&mut r)? }
            }
            RecordKind::Redriving => redriving::take(&mut r)?,
            RecordKind::Served => take_served(&mut r)?,
            RecordKind::Fired => {
                Record::Fired { tenant: r.parse("tenant")?, schedule: r.parse("schedule")?, state: fire::take(&mut r)? }
            }
            RecordKind::Queue => Record::Queue {
                tenant: r.parse("tenant")?,
                queue: r.parse("queue")?,
                moves: r.list("moves", moves::take)?,
            },
            RecordKind::Fanned => Record::Fanned {
                tenant: r.parse("tenant")?,
                event: r.position("event")?,
                next: r.u16("next")?,
                targets: take_targets(&mut r)?,
            },
            RecordKind::Edited => edit::take(&mut r)?,
            RecordKind::Ordered => behind::take(&mut r)?,
        };
        r.end()?;
        Ok(record)
    }
}

fn take_settle(r: &mut Reader) -> Result<Record, DecodeError> {
    Ok(Record::Settle {
        tenant: r.parse("tenant")?,
        bus: r.parse("bus")?,
        delivery: r.delivery("delivery")?,
        target: TargetRef::take(r)?,
        attempt: take_attempt(r)?,
        outcome: take_outcome(r)?,
        published: r.list("published", take_published)?,
        writes: r.list("writes", take_write)?,
    })
}

fn take_served(r: &mut Reader) -> Result<Record, DecodeError> {
    let (tenant, plugin, request) = (r.parse("tenant")?, r.parse("plugin")?, r.str("request")?);
    Ok(Record::Served { tenant, plugin, request, writes: r.list("writes", take_write)? })
}

fn put_carried(w: &mut Writer, events: &[Event], rows: &[CarriedRow]) {
    w.count(events.len());
    for event in events {
        w.event(event);
    }
    w.count(rows.len());
    for CarriedRow { table, key, row } in rows {
        w.u8(table.number()).bytes(key).bytes(row);
    }
}

fn put_targets(w: &mut Writer, targets: &[TargetRef]) {
    w.count(targets.len());
    for target in targets {
        target.put(w);
    }
}

fn take_targets(r: &mut Reader) -> Result<Vec<TargetRef>, DecodeError> {
    r.list("targets", TargetRef::take)
}

fn put_effects(w: &mut Writer, published: &[Published], writes: &[ValueWrite]) {
    w.count(published.len());
    for p in published {
        w.event(&p.event);
        put_targets(w, &p.targets);
        w.count(p.given_up.len());
        for queue in &p.given_up {
            w.str(queue.as_str());
        }
    }
    put_writes(w, writes);
}

fn put_writes(w: &mut Writer, writes: &[ValueWrite]) {
    w.count(writes.len());
    for write in writes {
        w.str(write.bucket.as_str()).str(&write.key);
        match &write.value {
            Some(value) => w.u8(1).bytes(value),
            None => w.u8(0),
        };
    }
}

/// What an attempt tells beyond its end: the kind of its record says how much that is.
fn put_told(w: &mut Writer, attempt: &Attempt) {
    let Some(details) = &attempt.details else { return };
    details.put(w);
    let Some(used) = &details.used else { return };
    used.put(w);
    match (&details.consumer, &details.recording) {
        (None, None) => {}
        (Some(consumer), None) => {
            w.str(consumer.as_str());
        }
        (consumer, Some(recording)) => {
            match consumer {
                Some(consumer) => w.u8(1).str(consumer.as_str()),
                None => w.u8(0),
            };
            recording.put(w);
        }
    }
}

fn take_told(kind: RecordKind, r: &mut Reader) -> Result<Details, DecodeError> {
    let mut details = Details::take(r)?;
    details.used = (kind != RecordKind::Settled).then(|| Used::take(r)).transpose()?;
    let has_consumer = match kind {
        RecordKind::Recorded => match r.u8("has consumer")? {
            has @ (0 | 1) => has == 1,
            _ => return Err(DecodeError::Invalid("has consumer")),
        },
        _ => kind == RecordKind::Consumed,
    };
    details.consumer = has_consumer.then(|| r.parse("consumer")).transpose()?;
    details.recording = (kind == RecordKind::Recorded).then(|| RecordingAt::take(r)).transpose()?;
    Ok(details)
}

fn put_attempt(w: &mut Writer, attempt: &Attempt) {
    w.u32(attempt.number).u64(attempt.duration_us);
    match &attempt.release {
        Some(digest) => w.u8(1).digest(digest),
        None => w.u8(0),
    };
}

fn take_attempt(r: &mut Reader) -> Result<Attempt, DecodeError> {
    let (number, duration_us) = (r.u32("attempt")?, r.u64("duration")?);
    let release = if r.u8("has release")? == 1 { Some(r.digest("release")?) } else { None };
    Ok(Attempt { number, release, duration_us, details: None })
}

fn put_outcome(w: &mut Writer, outcome: &Outcome) {
    match outcome {
        Outcome::Ack => w.u8(0),
        Outcome::Retry { at_ms, code, reason } => w.u8(1).u64(*at_ms).str(code.as_str()).str(reason),
        Outcome::DeadLetter { queue, code, reason } => w.u8(2).str(queue.as_str()).str(code.as_str()).str(reason),
        Outcome::Filtered { transform } => w.u8(3).str(transform.as_str()),
    };
}

fn take_outcome(r: &mut Reader) -> Result<Outcome, DecodeError> {
    Ok(match r.u8("outcome")? {
        0 => Outcome::Ack,
        1 => Outcome::Retry { at_ms: r.u64("at")?, code: r.parse("code")?, reason: r.str("reason")? },
        2 => Outcome::DeadLetter { queue: r.parse("queue")?, code: r.parse("code")?, reason: r.str("reason")? },
        3 => Outcome::Filtered { transform: r.parse("transform")? },
        _ => return Err(DecodeError::Invalid("outcome")),
    })
}

fn take_published(r: &mut Reader) -> Result<Published, DecodeError> {
    let (event, targets) = (r.event("event")?, take_targets(r)?);
    Ok(Published { event, targets, given_up: r.list("given up", |r| r.parse("queue"))? })
}

fn take_write(r: &mut Reader) -> Result<ValueWrite, DecodeError> {
    let (bucket, key) = (r.parse("bucket")?, r.str("key")?);
    let value = if r.u8("has value")? == 1 { Some(r.bytes("value")?) } else { None };
    Ok(ValueWrite { bucket, key, value })
}

fn take_row(r: &mut Reader) -> Result<CarriedRow, DecodeError> {
    let table = Table::from_number(r.u8("table")?).ok_or(DecodeError::Invalid("table"))?;
    Ok(CarriedRow { table, key: r.bytes("key")?, row: r.bytes("row")? })
}
