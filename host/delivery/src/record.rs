//! The records of the log: what was decided, never what was asked.
//!
//! docs/design/records.md describes the bytes. Invariant: a kind's layout never changes; a new layout is a new kind. (A new case of
//! a tagged field, such as an outcome, is no new layout: what was written before reads as it did.)

use std::{str::FromStr, sync::Arc};

use bytes::Bytes;
use wharf_event::{
    BucketName, BusName, Code, Digest, Event, NameError, OrderingKey, PluginName, QueueName, RuleName, ScheduleName,
    Target, TenantName,
};

use crate::{
    CarriedRow, DeliveryId, Details, ErasedRow, LinePlace, Move, ObjectChange, ScheduleState, SegmentFacts, Table,
    Used, behind, change,
    codec::{DecodeError, Reader, Writer},
    erase, fire, receive,
    rows::Row as _,
};

/// The layout of the rows that a carry record holds: that of the tables (docs/design/records.md).
const ROWS_LAYOUT: u16 = 2;

/// Room that a record without events and large values does with, in bytes.
const RECORD_ROOM_BYTES: usize = 256;

/// The kind of a record, as the frame's directory names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordKind {
    /// A rule set came into force.
    Configure = 1,
    /// An event was accepted.
    Accept = 2,
    /// An attempt was settled.
    Settle = 3,
    /// Dead letters became deliveries again.
    Redrive = 4,
    /// Events and rows of old segments were written again.
    Carry = 5,
    /// The rule set of an old segment was written again.
    Rules = 6,
    /// What lies before a frame is needed no more.
    Cleaned = 7,
    /// Frame time followed a step of the wall clock.
    Follow = 8,
    /// What a full segment holds.
    Sealed = 9,
    /// An attempt was settled, and what it used and said.
    Settled = 10,
    /// Control objects of a tenant changed.
    Change = 11,
    /// Rows of a tenant that is deleted went.
    Erase = 12,
    /// An attempt was settled, what it used and said, and what it is charged with.
    Metered = 13,
    /// What a tenant used long ago is kept no more.
    Forgotten = 14,
    /// Messages of a queue were received, given back, or are done.
    Queue = 15,
    /// A schedule fired, or is due at another time.
    Fired = 16,
    /// A delivery took another place among those of its ordering key.
    Ordered = 19,
}

/// Who an event is owed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetRef {
    /// The rule that matched.
    pub rule: RuleName,
    /// Who is to have it.
    pub to: Target,
    /// What it has in common with those that it comes behind, and whether there were any when it arose; absent where it waits for none.
    pub order: Option<(OrderingKey, bool)>,
}

impl TargetRef {
    /// A target whose deliveries wait for no others.
    #[must_use]
    pub fn new(rule: RuleName, to: Target) -> Self {
        Self { rule, to, order: None }
    }

    /// Its ordering key, if it has one.
    #[must_use]
    pub fn key(&self) -> Option<&OrderingKey> {
        self.order.as_ref().map(|(key, _)| key)
    }

    /// Whether its delivery came behind others of its key.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        self.order.as_ref().is_some_and(|(_, is_behind)| *is_behind)
    }

    /// Bytes that it takes at most.
    #[must_use]
    pub fn room(&self) -> usize {
        10 + self.rule.as_str().len() + self.to.text_len() + self.key().map_or(0, |key| key.as_str().len())
    }

    pub(crate) fn put(&self, w: &mut Writer) {
        w.str(self.rule.as_str());
        match &self.order {
            None => w.str(&self.to.text()),
            Some((key, is_behind)) => w.str(&format!("{}{}{key}", self.to, if *is_behind { BEHIND } else { FIRST })),
        };
    }

    pub(crate) fn take(r: &mut Reader) -> Result<Self, DecodeError> {
        let (rule, Placed(to, order)) = (r.parse("rule")?, r.parse("target")?);
        Ok(Self { rule, to, order })
    }
}

/// What stands between a target and the ordering key of a delivery that is the first, or comes behind others. No name has them.
const FIRST: char = '#';
const BEHIND: char = '+';

/// A target with its place, as one text.
struct Placed(Target, Option<(OrderingKey, bool)>);

impl FromStr for Placed {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let Some(at) = text.find([FIRST, BEHIND]) else { return Ok(Self(text.parse()?, None)) };
        let (to, order) = text.split_at(at);
        let mut order = order.chars();
        let is_behind = order.next() == Some(BEHIND);
        Ok(Self(to.parse()?, Some((OrderingKey::of(order.as_str()), is_behind))))
    }
}

/// An event that an attempt published, with its matched targets.
#[derive(Clone, Debug)]
pub struct Published {
    /// The event.
    pub event: Event,
    /// Who it is owed to.
    pub targets: Vec<TargetRef>,
    /// It hops once too often: the dead-letter queue of each target, where its deliveries go at once. Empty otherwise.
    pub given_up: Vec<QueueName>,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Done; the effects are kept.
    Ack,
    /// Again, at this time.
    Retry {
        /// Frame time in milliseconds since 1970.
        at_ms: u64,
        /// Why.
        code: Code,
        /// Why, in words.
        reason: String,
    },
    /// Given up.
    DeadLetter {
        /// Where the delivery is kept.
        queue: QueueName,
        /// Why.
        code: Code,
        /// Why, in words.
        reason: String,
    },
    /// Done without the handler: a transform of the rule left the event out.
    Filtered {
        /// Which transform.
        transform: PluginName,
    },
}

/// A key-value change with its result: absent = removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueWrite {
    /// The bucket.
    pub bucket: BucketName,
    /// The key.
    pub key: String,
    /// The value from now on.
    pub value: Option<Bytes>,
}

/// Facts about the try that a settle ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// 1 for the first.
    pub number: u32,
    /// The target's release at that time, even if a transform ended the attempt before it was called; absent when there was
    /// none (its target was gone).
    pub release: Option<Digest>,
    /// Wall time, in microseconds.
    pub duration_us: u64,
    /// What it used and said; absent where nothing ran, and for attempts of before this was kept.
    pub details: Option<Arc<Details>>,
}

impl Attempt {
    /// Whether the target was tried: one that is no plugin has no release, but took time.
    #[must_use]
    pub fn was_made(&self) -> bool {
        self.release.is_some() || self.duration_us > 0
    }

    /// What it is charged with; nothing where no guest ran.
    #[must_use]
    pub fn used(&self) -> Option<&Used> {
        self.details.as_ref()?.used.as_ref()
    }
}

/// One record.
#[derive(Clone, Debug)]
pub enum Record {
    /// A rule set came into force; its version is the frame's k.
    Configure {
        /// The document, canonical JSON.
        document: Bytes,
    },
    /// An event was accepted.
    Accept {
        /// Whose it is.
        tenant: TenantName,
        /// The bus that it came in on.
        bus: BusName,
        /// The event as received.
        event: Event,
        /// Who it is owed to.
        targets: Vec<TargetRef>,
    },
    /// An attempt was settled, with everything that it caused.
    Settle {
        /// Whose it is.
        tenant: TenantName,
        /// The bus of the handled event, and of what was published.
        bus: BusName,
        /// Which delivery.
        delivery: DeliveryId,
        /// Its rule, and who it is owed to.
        target: TargetRef,
        /// The try.
        attempt: Attempt,
        /// How it ended.
        outcome: Outcome,
        /// Events published; the n-th one's position is the record's + n, from 1.
        published: Vec<Published>,
        /// Key-value changes.
        writes: Vec<ValueWrite>,
    },
    /// Dead letters became deliveries again.
    Redrive {
        /// Whose they are.
        tenant: TenantName,
        /// The queue that they leave.
        queue: QueueName,
        /// Which ones.
        deliveries: Vec<DeliveryId>,
    },
    /// Events and rows of old segments were written again, as they were, so that those segments can go.
    Carry {
        /// Whose they are.
        tenant: TenantName,
        /// Events; the n-th one's position is the record's + n, from 1.
        events: Vec<Event>,
        /// The rows that need them, and others.
        rows: Vec<CarriedRow>,
    },
    /// The rule set of an old segment was written again, with the version that it has.
    Rules {
        /// Its version.
        version: u64,
        /// The document, canonical JSON.
        document: Bytes,
    },
    /// Everything that the state needs of frames before `below_k` was written again.
    Cleaned {
        /// The first frame that stays.
        below_k: u64,
    },
    /// Frame time followed a step of the wall clock.
    Follow {
        /// How far it jumped, in milliseconds.
        by_ms: u64,
    },
    /// What a full segment holds, for retention.
    Sealed(SegmentFacts),
    /// Control objects changed; their version is the record's position, that of the rule set the frame's k.
    Change {
        /// Whose they are.
        tenant: TenantName,
        /// What each is from now on.
        changes: Vec<ObjectChange>,
    },
    /// Rows of a tenant that is deleted went.
    Erase {
        /// Whose they were.
        tenant: TenantName,
        /// Which ones.
        rows: Vec<ErasedRow>,
    },
    /// What a tenant used up to an hour and, in it, a plugin is kept no more.
    Forgotten {
        /// Whose it was.
        tenant: TenantName,
        /// The last hour, counted since 1970.
        hour: u32,
        /// The last plugin in it.
        plugin: PluginName,
    },
    /// A schedule is due at another time from now on: it fired (its event is the record before), begins, or passes a time over.
    Fired {
        /// Whose it is.
        tenant: TenantName,
        /// Which schedule.
        schedule: ScheduleName,
        /// How it stands from now on; absent = it does not run any more.
        state: Option<ScheduleState>,
    },
    /// Messages of a queue were received, given back, or are done.
    Queue {
        /// Whose they are.
        tenant: TenantName,
        /// Which queue.
        queue: QueueName,
        /// What became of which one.
        moves: Vec<(DeliveryId, Move)>,
    },
    /// A delivery took another place among those of its ordering key.
    Ordered {
        /// Whose it is.
        tenant: TenantName,
        /// Who is to have it.
        to: Target,
        /// Its key.
        key: OrderingKey,
        /// Which delivery.
        delivery: DeliveryId,
        /// Its place.
        place: LinePlace,
    },
}

impl RecordKind {
    const ALL: [Self; 17] = [
        Self::Configure,
        Self::Accept,
        Self::Settle,
        Self::Redrive,
        Self::Carry,
        Self::Rules,
        Self::Cleaned,
        Self::Follow,
        Self::Sealed,
        Self::Settled,
        Self::Change,
        Self::Erase,
        Self::Metered,
        Self::Forgotten,
        Self::Fired,
        Self::Queue,
        Self::Ordered,
    ];

    /// The kind of that number.
    #[must_use]
    pub fn from_u16(number: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u16 == number)
    }
}

impl Record {
    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> RecordKind {
        match self {
            Record::Configure { .. } => RecordKind::Configure,
            Record::Accept { .. } => RecordKind::Accept,
            Record::Settle { attempt: Attempt { details: None, .. }, .. } => RecordKind::Settle,
            Record::Settle { attempt, .. } => match attempt.used() {
                Some(_) => RecordKind::Metered,
                None => RecordKind::Settled,
            },
            Record::Redrive { .. } => RecordKind::Redrive,
            Record::Carry { .. } => RecordKind::Carry,
            Record::Rules { .. } => RecordKind::Rules,
            Record::Cleaned { .. } => RecordKind::Cleaned,
            Record::Follow { .. } => RecordKind::Follow,
            Record::Sealed(_) => RecordKind::Sealed,
            Record::Change { .. } => RecordKind::Change,
            Record::Erase { .. } => RecordKind::Erase,
            Record::Forgotten { .. } => RecordKind::Forgotten,
            Record::Fired { .. } => RecordKind::Fired,
            Record::Queue { .. } => RecordKind::Queue,
            Record::Ordered { .. } => RecordKind::Ordered,
        }
    }

    /// Whose it is; absent for the host's own.
    #[must_use]
    pub fn tenant(&self) -> Option<&TenantName> {
        match self {
            Record::Configure { .. }
            | Record::Rules { .. }
            | Record::Cleaned { .. }
            | Record::Follow { .. }
            | Record::Sealed(_) => None,
            Record::Accept { tenant, .. }
            | Record::Settle { tenant, .. }
            | Record::Redrive { tenant, .. }
            | Record::Carry { tenant, .. }
            | Record::Change { tenant, .. }
            | Record::Erase { tenant, .. }
            | Record::Forgotten { tenant, .. }
            | Record::Fired { tenant, .. }
            | Record::Queue { tenant, .. }
            | Record::Ordered { tenant, .. } => Some(tenant),
        }
    }

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
                if let Some(details) = &attempt.details {
                    details.put(&mut w);
                }
                if let Some(used) = attempt.used() {
                    used.put(&mut w);
                }
            }
            Record::Redrive { tenant, queue, deliveries } => {
                w.str(tenant.as_str()).str(queue.as_str()).count(deliveries.len());
                for id in deliveries {
                    w.delivery(*id);
                }
            }
            Record::Carry { tenant, events, rows } => {
                w.str(tenant.as_str()).u16(ROWS_LAYOUT).count(events.len());
                for event in events {
                    w.event(event);
                }
                w.count(rows.len());
                for CarriedRow { table, key, row } in rows {
                    w.u8(table.number()).bytes(key).bytes(row);
                }
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
            Record::Fired { tenant, schedule, state } => {
                w.str(tenant.as_str()).str(schedule.as_str());
                fire::put(state.as_ref(), &mut w);
            }
            Record::Queue { tenant, queue, moves } => {
                w.str(tenant.as_str()).str(queue.as_str());
                receive::put(moves, &mut w);
            }
            Record::Ordered { tenant, to, key, delivery, place } => {
                w.str(tenant.as_str()).str(&to.text());
                behind::put(key, *delivery, *place, &mut w);
            }
        }
        w.finish()
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
            RecordKind::Settled | RecordKind::Metered => {
                let mut settled = take_settle(&mut r)?;
                if let Record::Settle { attempt, .. } = &mut settled {
                    let mut details = Details::take(&mut r)?;
                    details.used = (kind == RecordKind::Metered).then(|| Used::take(&mut r)).transpose()?;
                    attempt.details = Some(Arc::new(details));
                }
                settled
            }
            RecordKind::Redrive => Record::Redrive {
                tenant: r.parse("tenant")?,
                queue: r.parse("queue")?,
                deliveries: r.list("deliveries", |r| r.delivery("delivery"))?,
            },
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
            RecordKind::Fired => {
                Record::Fired { tenant: r.parse("tenant")?, schedule: r.parse("schedule")?, state: fire::take(&mut r)? }
            }
            RecordKind::Queue => {
                let moves = |r: &mut Reader| r.list("moves", receive::take);
                Record::Queue { tenant: r.parse("tenant")?, queue: r.parse("queue")?, moves: moves(&mut r)? }
            }
            RecordKind::Ordered => {
                let (tenant, to) = (r.parse("tenant")?, r.parse("target")?);
                let (key, delivery, place) = behind::take(&mut r)?;
                Record::Ordered { tenant, to, key, delivery, place }
            }
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
    w.count(writes.len());
    for write in writes {
        w.str(write.bucket.as_str()).str(&write.key);
        match &write.value {
            Some(value) => w.u8(1).bytes(value),
            None => w.u8(0),
        };
    }
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
