//! The JSON shapes of the API, written here and read back by the command line.
//!
//! Invariant: a shape that was written can be read again, and an event's JSON is kept as text, so that its payload keeps
//! its bytes (numbers too large for a double included). The host fills these in; nothing here
//! looks anything up.

mod breakers;
mod drift;
mod grants;
mod keys;
mod letters;
mod load;
mod models;
mod prompts;
mod queues;
mod quotas;
mod recordings;
mod registry;
mod replays;
mod rules;
mod schedules;
mod schemas;
mod secrets;
mod tenant_routes;
mod tenants;
mod topics;
mod trace;
mod trace_cursor;
mod usage;
mod webhooks;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use wharf_event::{BucketName, BusName, Code, Digest, Event, PluginName, Position, QueueName, RuleName, Target};

use crate::problem::Problem;
pub use breakers::{BreakerStanding, BreakerState, BreakerView};
pub use drift::{
    BaselineColumnDraft, BaselineDraft, BaselineView, ColumnDriftView, DriftView, VersionDriftView, WindowView,
};
pub use grants::{Approval, GrantsDetail, WaitingView};
pub use keys::{SigningKeyDraft, SigningKeyView};
pub use letters::{LetterFilter, LetterGroupView, LetterGroupsView, PacedRedriveView};
pub use load::{LoadView, PluginLoadView, WebhookLoadView};
pub use models::{
    ModelBatching, ModelCanaryView, ModelDetail, ModelPromotion, ModelRollBack, ModelShadowView, ModelVersionView,
    ModelView,
};
pub use prompts::{
    PromptCanaryView, PromptDraft, PromptPromotion, PromptRollBack, PromptVersionView, PromptView, ShareDraft,
};
pub use queues::{
    ConsumerView, MessageQueueView, MessageState, MessageView, PeekedView, PurgedView, ReceiptResult, ReceiptsView,
    ReceiptsWish, ReceiveWish, ReceivedView,
};
pub use quotas::{BudgetView, PluginQuotasView, QuotaView, QuotasView, SpentView};
pub use recordings::{CallField, CallView, CallsView, RecordedItem, RecordingPlace, RecordingState, RecordingView};
pub use registry::{
    CanaryDraft, CanaryView, GrantsView, HistoryView, LimitView, PluginDetail, PluginView, Promotion, ReleaseFailure,
    ReleaseState, ReleaseView, RollBack,
};
pub use replays::{ReplayView, ReplayWishView};
pub use rules::{
    FieldView, OutcomeView, PatternVerdict, RetryView, RuleOrigin, RuleVerdict, RuleView, TargetView, TransformerView,
};
pub use schedules::ScheduleView;
pub use schemas::{SchemaVersionView, SchemaView};
pub use secrets::{KeptSecretView, SecretDraft};
pub use tenant_routes::RouteView;
pub use tenants::{BusView, RetentionView, TenantSettingsView, TenantView, TenantsView};
pub use topics::{SubscriptionView, TopicView};
pub use trace::{TraceStep, TraceView, TracedDelivery, TracedEvent, TracedWrite};
pub use trace_cursor::TraceCursor;
pub use usage::{UsageItem, UsageView};
pub use webhooks::{DisabledView, SecretView, WebhookRotation, WebhookView};

/// An event that is durable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// Its `id` attribute.
    pub id: String,
    /// Its place in the log; for a duplicate, that of the first.
    pub position: Position,
    /// Whether the same (source, id) had been accepted before; then nothing was done.
    pub duplicate: bool,
}

/// One element of the answer to a batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Admission {
    /// The event at this place is durable.
    Accepted(Accepted),
    /// The event at this place was refused, and changed nothing.
    Refused(Problem),
}

/// A target that an event was matched with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetRef {
    /// The rule that matched.
    pub rule: RuleName,
    /// Who it is owed to.
    #[serde(flatten)]
    pub to: Target,
    /// The delivery's number within the event, from 0.
    pub n: u32,
    /// The dead-letter queue that it went to without an attempt: the event is beyond the hop limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub given_up: Option<QueueName>,
}

/// An event as the archive has it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EventView {
    /// Its place in the log.
    pub position: Position,
    /// When the host received it, in RFC 3339.
    pub time: String,
    /// The bus that it is on.
    pub bus: BusName,
    /// The event in the JSON format of CloudEvents.
    pub event: Box<RawValue>,
    /// What it was matched with.
    pub deliveries: Vec<TargetRef>,
    /// The event whose handler published it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Position>,
}

/// An event in the JSON format of CloudEvents, as [`EventView::event`] holds it.
///
/// # Errors
/// Only if the event's own JSON form is not JSON, which would be a defect of this program.
pub fn event_json(event: &Event) -> Result<Box<RawValue>, serde_json::Error> {
    serde_json::from_slice(&event.to_json())
}

/// An event with everything that became of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EventDetail {
    /// The event.
    pub event: EventView,
    /// A page of its deliveries, by their numbers; [`EventView::deliveries`] has those of the page as well, and no others.
    pub deliveries: Vec<DeliveryView>,
    /// What to ask for as `after` to be told of more of them; absent where there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<u16>,
}

/// Where a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeliveryState {
    /// Due now or later; no attempt runs, and nobody has received it.
    Waiting,
    /// An attempt runs, or somebody has received it of its queue.
    Running,
    /// It ended well.
    Settled,
    /// It ended without its handler: a transform of the rule left the event out.
    Filtered,
    /// It ended in a dead-letter queue.
    DeadLettered,
    /// It left its queue though nobody ended it: it was too old, or somebody emptied the queue.
    Dropped,
}

/// The obligation to bring one event to one target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryView {
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
    /// Its attempts, oldest first: the newest [`crate::limits::ATTEMPTS_TOLD_MAX`].
    pub attempts: Vec<AttemptView>,
    /// What to ask for as `attempts_before` to be told of older ones; absent where there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempts_before: Option<Position>,
}

/// One try of a delivery that has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptView {
    /// Its number, from 1.
    pub attempt: u32,
    /// The record that settled it.
    pub position: Position,
    /// When it was settled, in RFC 3339.
    pub time: String,
    /// The target's release, even if a transform ended the attempt before it was called; none if the target was gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<Digest>,
    /// How it ended.
    pub outcome: Outcome,
    /// How long the rule's transforms and the handler ran, in microseconds.
    pub duration_us: u64,
    /// The events that it published.
    pub published: Vec<Position>,
    /// The keys that it wrote.
    pub kv_writes: u32,
    /// CPU time in microseconds; none where nothing ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_us: Option<u64>,
    /// Bytes of linear memory at its largest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// The limits that it met, whether that ended it or not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<Code>,
    /// The last lines that it logged, the oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub log: Vec<LogLineView>,
    /// Lines before those, which are not kept.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub log_lines_dropped: u32,
    /// The plugin that had the message, where its target is the queue that it consumes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consumer: Option<PluginName>,
    /// Where a recording of it was put, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recording: Option<RecordingPlace>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde gives references")]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// A line of an attempt's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLineView {
    /// `trace`, `debug`, `info`, `warn` or `error`.
    pub level: String,
    /// Where it comes from, as the plugin says; `stdout` or `stderr` for what was written there.
    pub context: String,
    /// What it says.
    pub message: String,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Outcome {
    /// The handler is done with the event.
    Ack,
    /// It is tried again.
    Retry {
        /// When, in RFC 3339.
        at: String,
        /// What ended this attempt.
        code: Code,
        /// The same in words, the handler's own where it gave some.
        reason: String,
    },
    /// It was given up.
    DeadLetter {
        /// What ended this attempt.
        code: Code,
        /// The same in words, the handler's own where it gave some.
        reason: String,
        /// Where the letter lies.
        queue: QueueName,
    },
    /// A transform of the rule left the event out; the handler was not called.
    Filtered {
        /// Which transform.
        transform: PluginName,
    },
}

/// One line of the feed: an object whose only member names what happened.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FeedItem {
    /// An event was received.
    Received {
        /// The event.
        event: EventView,
    },
    /// An attempt was settled.
    Settled {
        /// The delivery's id.
        delivery: String,
        /// The event that was delivered.
        event: Position,
        /// The rule that matched.
        rule: RuleName,
        /// Who it is owed to.
        #[serde(flatten)]
        to: Target,
        /// The attempt.
        attempt: Box<AttemptView>,
        /// The events that it published, each with what it was matched with.
        published: Vec<EventView>,
    },
    /// A dead letter was sent again.
    Redriven {
        /// The delivery's id.
        delivery: String,
        /// The event that it delivers.
        event: Position,
        /// The rule that matched.
        rule: RuleName,
        /// Who it is owed to.
        #[serde(flatten)]
        to: Target,
        /// The queue that it left.
        queue: QueueName,
        /// When, in RFC 3339.
        time: String,
    },
    /// A dead letter was let go of.
    Discarded {
        /// The delivery's id.
        delivery: String,
        /// The event that it was to deliver.
        event: Position,
        /// The rule that matched.
        rule: RuleName,
        /// Who it was owed to.
        #[serde(flatten)]
        to: Target,
        /// The queue that it lay in.
        queue: QueueName,
        /// When, in RFC 3339.
        time: String,
    },
    /// A message of a queue was received, given back or ended.
    Moved {
        /// The delivery's id.
        delivery: String,
        /// The event that is the message.
        event: Position,
        /// The queue.
        #[serde(flatten)]
        to: Target,
        /// What became of it.
        #[serde(flatten)]
        step: TraceStep,
    },
    /// A dead letter got another event.
    Edited {
        /// The delivery's id.
        delivery: String,
        /// The event that it delivered before.
        event: Position,
        /// The dead-letter queue that it lies in.
        queue: QueueName,
        /// When, in RFC 3339.
        time: String,
    },
}

/// A tenant's totals.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StatsView {
    /// Events received, duplicates aside.
    pub events: u64,
    /// Events that had been received before.
    pub duplicates: u64,
    /// Deliveries made of received and published events.
    pub deliveries: u64,
    /// Attempts that were settled, conflicts aside.
    pub attempts: u64,
    /// Events that handlers published.
    pub published: u64,
    /// Attempts that ended in a retry.
    pub retries: u64,
    /// Deliveries that ended in a dead-letter queue.
    pub dead_letters: u64,
    /// Deliveries that have not ended.
    pub pending: u64,
    /// Attempts that were run again because keys changed under them.
    pub conflicts: u64,
    /// Median time from receipt to settlement, in milliseconds; none before the first.
    pub p50_ms: Option<f64>,
    /// The time from receipt to settlement that 99 of 100 stay within, in milliseconds; none before the first.
    pub p99_ms: Option<f64>,
    /// Releases that are not run because the host failed in too many attempts of them.
    pub quarantined: Vec<Digest>,
    /// What it has of the host at this moment.
    #[serde(default)]
    pub load: LoadView,
}

/// One key-value bucket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BucketView {
    /// Its name.
    pub bucket: BucketName,
    /// Its keys, counted.
    pub keys: u64,
}

/// One key of a bucket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyView {
    /// The key.
    pub key: String,
    /// Its value.
    pub value: ValueView,
    /// The record that wrote it.
    pub version: Position,
}

/// A value's bytes, readable where they are text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ValueView {
    /// Bytes that are UTF-8.
    Text(String),
    /// Any others, in base64 with padding.
    Base64(String),
}

impl ValueView {
    /// The view of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::Text(text.to_owned()),
            Err(_) => Self::Base64(BASE64_STANDARD.encode(bytes)),
        }
    }
}

/// One dead-letter queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueView {
    /// Its name.
    pub queue: QueueName,
    /// The letters in it.
    pub depth: u64,
}

/// A delivery that was given up.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DeadLetterView {
    /// Its id, which redrive takes.
    pub id: String,
    /// The queue that it lies in.
    pub queue: QueueName,
    /// The rule that matched.
    pub rule: RuleName,
    /// Who it is owed to.
    #[serde(flatten)]
    pub to: Target,
    /// The event.
    pub event: EventView,
    /// Why it was given up.
    pub code: Code,
    /// What the last attempt ended with.
    pub cause: Code,
    /// Why it was given up, in words.
    pub reason: String,
    /// What the last attempt said.
    pub error: String,
    /// Attempts that were made.
    pub attempts: u32,
    /// When it was given up, in RFC 3339.
    pub time: String,
    /// When its event was edited last, in RFC 3339; absent where it is the one that came in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edited: Option<String>,
    /// The event as it came in, where it was edited and one letter is asked for, as long as the archive has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original: Option<EventView>,
    /// Its attempts, those of before a redrive included, oldest first; only where one letter is asked for, as far as the log has them, and
    /// of more than [`crate::limits::ATTEMPTS_TOLD_MAX`] the newest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<AttemptView>,
    /// Whether there were attempts before those: the event's own page tells of them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
}

/// What letting go of letters did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiscardView {
    /// Letters that are there no more.
    pub discarded: u64,
    /// Letters that would be, had it not been a dry run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matching: Option<u64>,
}

/// What a redrive did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RedriveView {
    /// Letters that are due again.
    pub redriven: u64,
    /// Letters that would be, had it not been a dry run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matching: Option<u64>,
}
