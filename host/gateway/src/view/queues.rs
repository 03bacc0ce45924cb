//! Queues and their messages as JSON. Invariant: from `visibility` to `consumer` a queue is shown as it is put, and its counts are those of
//! the moment at which it was looked at.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use wharf_event::{BusName, Code, PluginName, Position, QueueName, RuleName};

use super::RuleOrigin;

/// A queue that clients receive messages of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageQueueView {
    /// Its name.
    pub queue: QueueName,
    /// Where it was made.
    pub origin: RuleOrigin,
    /// The version of what is kept of it, as it is in its ETag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Position>,
    /// How long who received a message has it, where nothing else is said.
    pub visibility: String,
    /// How long a message waits until it can be received first.
    pub delay: String,
    /// How old a message may become.
    pub retention: String,
    /// How often a message may be received; absent = as often as it takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_receives: Option<u32>,
    /// Messages that may wait, where that is bounded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backlog: Option<u32>,
    /// The queue of dead letters that it goes to then.
    pub dead_letter: QueueName,
    /// Whether what is sent twice is told by what it says.
    pub content_deduplication: bool,
    /// Whether messages with one `partitionkey` come one after the other.
    #[serde(default)]
    pub ordered: bool,
    /// Whether nobody receives anything.
    pub paused: bool,
    /// The plugin that consumes it, if one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consumer: Option<ConsumerView>,
    /// Why its consumer receives nothing; absent where it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consumer_waits: Option<String>,
    /// Messages that it holds, whoever has them.
    pub depth: u64,
    /// Those that somebody has.
    pub in_flight: u64,
    /// Since when the oldest is there, in RFC 3339; absent where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest_since: Option<String>,
}

/// A plugin that consumes a queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsumerView {
    /// Which plugin.
    pub plugin: PluginName,
    /// Messages of one call at most.
    pub batch: u32,
    /// How long a call waits for more messages after the first.
    pub window: String,
    /// Calls at a time, at most.
    pub concurrency: u32,
}

/// The wish to receive messages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReceiveWish {
    /// Messages at most; 10 where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<u32>,
    /// How long to wait where there is none; not at all where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<String>,
    /// How long they are the receiver's alone; as the queue says where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visibility: Option<String>,
}

/// Messages that somebody has from now on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ReceivedView {
    /// The oldest first.
    pub messages: Vec<MessageView>,
}

/// A message that somebody has.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MessageView {
    /// What to show for it when it is ended, given back or kept longer.
    pub receipt: String,
    /// The event in the JSON format of CloudEvents.
    pub event: Box<RawValue>,
    /// How often it was received, this time included.
    pub receives: u32,
    /// Until when it is the receiver's alone, in RFC 3339.
    pub until: String,
    /// Since when it is in the queue, in RFC 3339.
    pub since: String,
    /// The bus that it came over; absent where it was sent straight to the queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bus: Option<BusName>,
    /// The rule that matched it there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<RuleName>,
}

/// Messages that are to be ended, given back or kept longer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReceiptsWish {
    /// Their receipts.
    pub receipts: Vec<String>,
    /// When those that are given back can be received again, from now; at once where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay: Option<String>,
    /// For how long, from now, they are kept; as the queue says where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visibility: Option<String>,
}

/// What came of receipts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiptsView {
    /// One for each, in their order.
    pub results: Vec<ReceiptResult>,
}

/// What came of a receipt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiptResult {
    /// The receipt as it was shown.
    pub receipt: String,
    /// Whether it was good, and its message is as was wished.
    pub ok: bool,
    /// Why not: `receipt-stale` or `receipt-invalid`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
    /// The same in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// How a message lies in its queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MessageState {
    /// It can be received.
    Ready,
    /// Nobody has it, and nobody gets it yet.
    Delayed,
    /// Somebody has it.
    Leased,
    /// Another one of its key comes first.
    Behind,
}

impl MessageState {
    /// As it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Delayed => "delayed",
            Self::Leased => "leased",
            Self::Behind => "behind",
        }
    }
}

/// A message as it lies in its queue.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PeekedView {
    /// The delivery's id, which is the cursor too.
    pub id: String,
    /// Whether it can be received.
    pub state: MessageState,
    /// Until when not, in RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// How often it was received.
    pub receives: u32,
    /// Since when it is in the queue, in RFC 3339.
    pub since: String,
    /// The bus that it came over; absent where it was sent straight to the queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bus: Option<BusName>,
    /// The rule that matched it there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<RuleName>,
    /// The event in the JSON format of CloudEvents; absent where the log cannot be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<Box<RawValue>>,
}

/// What a purge did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PurgedView {
    /// Messages that are gone.
    pub purged: u64,
}
