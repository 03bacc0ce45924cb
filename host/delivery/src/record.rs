//! The records of the log: what was decided, never what was asked.
//!
//! docs/design/records.md describes the bytes. Invariant: a kind's layout never changes; a new layout is a new kind. (A new case of
//! a tagged field, such as an outcome, is no new layout: what was written before reads as it did.)

use std::sync::Arc;

use bytes::Bytes;
use wharf_event::{
    BucketName, BusName, Code, Digest, Event, OrderingKey, PluginName, Position, QueueName, ReplayName, ScheduleName,
    Target, TenantName,
};

use crate::{
    CarriedRow, DeliveryId, Details, ErasedRow, LinePlace, ModelStep, Move, ObjectChange, RecordingAt, RedriveState,
    ReplayState, ScheduleState, SegmentFacts, TargetRef, Used,
};

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
    /// A replay goes on, or ends.
    Replay = 17,
    /// The next deliveries of an event arose that is owed to very many.
    Fanned = 18,
    /// A delivery took another place among those of its ordering key.
    Ordered = 19,
    /// A dead letter got another event.
    Edited = 20,
    /// An attempt was settled, what it used and said, what is charged for it, and to which plugin, since its target is a queue.
    Consumed = 21,
    /// A model answered a call of a delivery's attempt, or what it answered is kept no more.
    Model = 22,
    /// Calls that are of no delivery are charged.
    Charged = 23,
    /// A redrive at a rate goes on, or ends.
    Redriving = 24,
    /// A plugin answered a request, and stored something for it.
    Served = 25,
    /// An attempt was settled, what it used and said, what is charged for it and to whom, and where a recording of it stands.
    Recorded = 26,
    /// Dead letters were let go of.
    Discard = 27,
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

    /// Where a recording of it stands; none where no guest ran.
    #[must_use]
    pub fn recording(&self) -> Option<&RecordingAt> {
        self.details.as_ref()?.recording.as_ref()
    }

    /// The plugin that had it, where its target is none: that which consumes the queue.
    #[must_use]
    pub fn consumer(&self) -> Option<&PluginName> {
        self.details.as_ref()?.consumer.as_ref()
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
    /// How a replay stands from now on. What it replays stands before it, in the same frame.
    Replay {
        /// Whose it is.
        tenant: TenantName,
        /// Which one.
        replay: ReplayName,
        /// How it stands; absent = there is none any more.
        state: Option<ReplayState>,
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
    /// The next deliveries of an event arose that is owed to very many.
    Fanned {
        /// Whose they are.
        tenant: TenantName,
        /// The event, where it was accepted or published.
        event: Position,
        /// The number of the first of them.
        next: u16,
        /// Who they are owed to.
        targets: Vec<TargetRef>,
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
    /// A dead letter got another event, which stands here. The event that came in stays where it is.
    Edited {
        /// Whose it is.
        tenant: TenantName,
        /// The queue that it is in.
        queue: QueueName,
        /// Which one.
        delivery: DeliveryId,
        /// Its event from now on.
        event: Event,
        /// Its row from now on.
        letter: Bytes,
    },
    /// A model answered a call of a delivery's attempt, or what it answered is kept no more.
    Model {
        /// Whose the delivery is.
        tenant: TenantName,
        /// What happened.
        step: ModelStep,
    },
    /// Calls that are of no delivery are charged: requests that a plugin answered.
    Charged {
        /// Whose they are.
        tenant: TenantName,
        /// Which plugin's.
        plugin: PluginName,
        /// How many.
        calls: u64,
        /// What they used together.
        used: Used,
    },
    /// How a redrive at a rate stands from now on. The letters that went stand before it, in the same frame.
    Redriving {
        /// Whose it is.
        tenant: TenantName,
        /// The queue that its letters are in.
        queue: QueueName,
        /// How it stands.
        state: RedriveState,
    },
    /// Dead letters were let go of.
    Discard {
        /// Whose they are.
        tenant: TenantName,
        /// The queue that they were in.
        queue: QueueName,
        /// Which ones.
        deliveries: Vec<DeliveryId>,
    },
    /// A plugin answered a request, and stored something for it. The events that it brought stand before it, in the same frame.
    Served {
        /// Whose it is.
        tenant: TenantName,
        /// Which plugin.
        plugin: PluginName,
        /// The request's id.
        request: String,
        /// Key-value changes.
        writes: Vec<ValueWrite>,
    },
}

impl RecordKind {
    const ALL: [Self; 27] = [
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
        Self::Replay,
        Self::Queue,
        Self::Fanned,
        Self::Ordered,
        Self::Edited,
        Self::Consumed,
        Self::Model,
        Self::Charged,
        Self::Redriving,
        Self::Served,
        Self::Recorded,
        Self::Discard,
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
                Some(_) if attempt.recording().is_some() => RecordKind::Recorded,
                Some(_) if attempt.consumer().is_some() => RecordKind::Consumed,
                Some(_) => RecordKind::Metered,
                None => RecordKind::Settled,
            },
            Record::Redrive { .. } => RecordKind::Redrive,
            Record::Discard { .. } => RecordKind::Discard,
            Record::Carry { .. } => RecordKind::Carry,
            Record::Rules { .. } => RecordKind::Rules,
            Record::Cleaned { .. } => RecordKind::Cleaned,
            Record::Follow { .. } => RecordKind::Follow,
            Record::Sealed(_) => RecordKind::Sealed,
            Record::Change { .. } => RecordKind::Change,
            Record::Erase { .. } => RecordKind::Erase,
            Record::Forgotten { .. } => RecordKind::Forgotten,
            Record::Fired { .. } => RecordKind::Fired,
            Record::Replay { .. } => RecordKind::Replay,
            Record::Queue { .. } => RecordKind::Queue,
            Record::Fanned { .. } => RecordKind::Fanned,
            Record::Ordered { .. } => RecordKind::Ordered,
            Record::Edited { .. } => RecordKind::Edited,
            Record::Model { .. } => RecordKind::Model,
            Record::Charged { .. } => RecordKind::Charged,
            Record::Redriving { .. } => RecordKind::Redriving,
            Record::Served { .. } => RecordKind::Served,
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
            | Record::Discard { tenant, .. }
            | Record::Redriving { tenant, .. }
            | Record::Edited { tenant, .. }
            | Record::Model { tenant, .. }
            | Record::Charged { tenant, .. }
            | Record::Served { tenant, .. }
            | Record::Carry { tenant, .. }
            | Record::Change { tenant, .. }
            | Record::Erase { tenant, .. }
            | Record::Forgotten { tenant, .. }
            | Record::Fired { tenant, .. }
            | Record::Replay { tenant, .. }
            | Record::Fanned { tenant, .. }
            | Record::Queue { tenant, .. }
            | Record::Ordered { tenant, .. } => Some(tenant),
        }
    }
}
