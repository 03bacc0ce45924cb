//! A queue as the log keeps it: what holds for messages that clients receive.

use serde::{Deserialize, Serialize};
use wharf_event::{PluginName, QueueName};

use crate::Terms;

/// A queue, with every default filled in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QueueDocument {
    /// For how long who received a message has it, where nothing else is said, in milliseconds.
    pub visibility_ms: u64,
    /// How long a message waits until it can be received first, in milliseconds.
    #[serde(default)]
    pub delay_ms: u64,
    /// How old a message may become, in milliseconds.
    pub retention_ms: u64,
    /// How often a message may be received until it goes to the dead letters; absent = as often as it takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_receives: Option<u32>,
    /// The queue of dead letters that it goes to.
    pub dead_letter: QueueName,
    /// What is sent twice is told by what it says, and not by its id alone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub content_deduplication: bool,
    /// Messages with one `partitionkey` come one after the other; those without have one in common.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ordered: bool,
    /// Nobody receives anything.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub paused: bool,
    /// Deliveries to it that may wait, where that is bounded by more than its tenant's backlog.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backlog: Option<u32>,
    /// The plugin that consumes it, if one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consumer: Option<ConsumerDocument>,
    /// The last frame of the log before it was made: what was sent before was to another, which had its name, and makes nothing a duplicate.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub since_k: u64,
}

/// A plugin that consumes a queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsumerDocument {
    /// Which plugin.
    pub plugin: PluginName,
    /// Messages of one call at most.
    pub batch: u32,
    /// How long a call waits for more messages after the first, in milliseconds.
    pub window_ms: u64,
    /// Calls at a time, at most.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub concurrency: u32,
}

fn one() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_zero(of: &u64) -> bool {
    *of == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_one(of: &u32) -> bool {
    *of == 1
}

impl QueueDocument {
    /// What the delivery machine goes by.
    #[must_use]
    pub fn terms(&self) -> Terms {
        let Self { delay_ms, retention_ms, max_receives, ref dead_letter, .. } = *self;
        Terms { delay_ms, retention_ms, max_receives, dead_letter: dead_letter.clone() }
    }
}
