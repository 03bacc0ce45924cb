//! The JSON shape of a trace: an event and everything that came of it.
//!
//! Invariant: events stand in the order of the log, the one that was asked for first, and each below it names its parent; so the tree
//! can be built while it is read. It is kept flat, so that a long chain of events is no deep document.

use serde::{Deserialize, Serialize};
use wharf_event::{BucketName, Code, Position, QueueName, RuleName, Target};

use super::{AttemptView, DeliveryState, EventView, TraceCursor};

/// An event, and the events that its handlers published, and theirs: a page of that.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TraceView {
    /// The event that was asked for, and then the others in the order of the log; of a further page, those behind the one before. It begins
    /// with the same event where that one ended within it.
    pub events: Vec<TracedEvent>,
    /// Whether there is more than this. Where `next` is absent no page has it: of the deliveries that lead to it more than
    /// [`crate::limits::TRACED_OPEN_MAX`] were open at a time.
    pub truncated: bool,
    /// What to ask for as `after` to be told of more; absent where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<TraceCursor>,
}

/// One event of a trace.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TracedEvent {
    /// The event.
    pub event: EventView,
    /// Its deliveries, in the order of [`EventView::deliveries`], which has these and no others. Of more than
    /// [`crate::limits::TRACED_DELIVERIES_MAX`] a page has as many, and the next one those behind.
    pub deliveries: Vec<TracedDelivery>,
}

/// One delivery of a trace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TracedDelivery {
    /// Its id.
    pub id: String,
    /// The rule that matched.
    pub rule: RuleName,
    /// Who it is owed to.
    #[serde(flatten)]
    pub to: Target,
    /// Where it stands.
    pub state: DeliveryState,
    /// What holds its target back, where it waits for that and not for its time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_by: Option<Code>,
    /// What happened to it, oldest first.
    pub steps: Vec<TraceStep>,
}

/// What happened to a delivery at a time; it waited for whatever came next from the end of one step to the beginning of the next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "kebab-case")]
pub enum TraceStep {
    /// It was tried.
    Attempt {
        /// When that began, in RFC 3339: its end less its duration, which is measured apart.
        from: String,
        /// What came of it.
        attempt: Box<AttemptView>,
        /// The keys that it wrote.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        writes: Vec<TracedWrite>,
    },
    /// Somebody received it of its queue.
    Received {
        /// When, in RFC 3339.
        time: String,
        /// Until when nobody else gets it, unless that is extended.
        until: String,
    },
    /// Who has it keeps it for longer.
    Extended {
        /// When, in RFC 3339.
        time: String,
        /// Until when.
        until: String,
    },
    /// Who had it gave it back.
    Released {
        /// When, in RFC 3339.
        time: String,
        /// When it can be received again.
        until: String,
    },
    /// It was given back as if nobody had had it.
    Returned {
        /// When, in RFC 3339.
        time: String,
    },
    /// Who had it is done with it.
    Acked {
        /// When, in RFC 3339.
        time: String,
    },
    /// It left its queue since it was too old.
    Expired {
        /// When, in RFC 3339.
        time: String,
    },
    /// It left its queue since somebody emptied that.
    Purged {
        /// When, in RFC 3339.
        time: String,
    },
    /// It went to a dead-letter queue without an attempt that says so.
    GivenUp {
        /// When, in RFC 3339.
        time: String,
        /// Why.
        code: Code,
        /// The same in words.
        reason: String,
        /// Where the letter lies.
        queue: QueueName,
    },
    /// It got another event while it lay in its dead-letter queue.
    Edited {
        /// When, in RFC 3339.
        time: String,
        /// The queue.
        queue: QueueName,
    },
    /// It was let go of in its dead-letter queue.
    Discarded {
        /// When, in RFC 3339.
        time: String,
        /// The queue that it lay in.
        queue: QueueName,
    },
    /// It was sent again out of its dead-letter queue.
    Redriven {
        /// When, in RFC 3339.
        time: String,
        /// The queue that it left.
        queue: QueueName,
    },
}

/// A key that an attempt wrote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TracedWrite {
    /// The bucket.
    pub bucket: BucketName,
    /// The key.
    pub key: String,
    /// Bytes of the value; none where the key was removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
}

impl TraceStep {
    /// When it was over, in RFC 3339.
    pub fn ended(&self) -> &str {
        match self {
            Self::Attempt { attempt, .. } => &attempt.time,
            Self::Received { time, .. }
            | Self::Extended { time, .. }
            | Self::Released { time, .. }
            | Self::Returned { time }
            | Self::Acked { time }
            | Self::Expired { time }
            | Self::Purged { time }
            | Self::GivenUp { time, .. }
            | Self::Edited { time, .. }
            | Self::Discarded { time, .. }
            | Self::Redriven { time, .. } => time,
        }
    }
}

impl TraceView {
    /// An event of it, by its position.
    pub fn event(&self, position: Position) -> Option<&TracedEvent> {
        let at = self.events.binary_search_by_key(&position, |of| of.event.position).ok()?;
        self.events.get(at)
    }
}
