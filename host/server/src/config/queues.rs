//! A tenant's queues that clients receive of: how their messages are kept. The messages themselves stand in no file.

use std::{collections::BTreeMap, ops::RangeInclusive};

use serde_json::json;
use wharf_delivery::{ConsumerDocument, QueueDocument};
use wharf_event::{PluginName, QueueName};

use super::{
    duration::duration_text,
    keys::{Key, Otherwise, Shape, key},
    quotas::BACKLOG_MAX,
    table::Table,
};

/// How long who received a message may have it, in milliseconds; and how long one that is given back may wait.
pub const VISIBILITY_MS: RangeInclusive<u64> = 1..=12 * 3_600_000;

/// How long a message may wait until it can be received first, in milliseconds.
pub const DELAY_MS: RangeInclusive<u64> = 0..=15 * 60_000;

/// How old a message may become, in milliseconds.
const RETENTION_MS: RangeInclusive<u64> = 1_000..=14 * 86_400_000;

/// Messages of one call of a consumer, and how long it waits for more after the first, in milliseconds.
const BATCH: RangeInclusive<u32> = 1..=1_000;
const WINDOW_MS: RangeInclusive<u64> = 0..=5 * 60_000;

/// Calls of a consumer at a time: as many as there may be attempts of a plugin.
const CONCURRENCY: RangeInclusive<u32> = 1..=256;

/// What holds where nothing is said.
const BATCH_DEFAULT: u32 = 100;
const WINDOW_MS_DEFAULT: u64 = 500;
const CONCURRENCY_DEFAULT: u32 = 1;
const VISIBILITY_MS_DEFAULT: u64 = 30_000;
const DELAY_MS_DEFAULT: u64 = 0;
const RETENTION_MS_DEFAULT: u64 = 4 * 86_400_000;

pub(super) static QUEUE: &[Key] = &[
    key(
        "visibility",
        "How long who received a message has it, where nothing else is said.",
        Shape::Duration,
        Otherwise::Default(|| json!(duration_text(VISIBILITY_MS_DEFAULT))),
    ),
    key(
        "delay",
        "How long a message waits until it can be received first.",
        Shape::Duration,
        Otherwise::Default(|| json!(duration_text(DELAY_MS_DEFAULT))),
    ),
    key(
        "retention",
        "How old a message may become. Then it is gone.",
        Shape::Duration,
        Otherwise::Default(|| json!(duration_text(RETENTION_MS_DEFAULT))),
    ),
    key(
        "max_receives",
        "How often a message may be received until it goes to the dead letters; without it as often as it takes.",
        Shape::Integer(1..=1_000),
        Otherwise::Nothing,
    ),
    key(
        "dead_letter",
        "The queue of dead letters that it goes to; it has the queue's name if none is given.",
        Shape::Name,
        Otherwise::Nothing,
    ),
    key(
        "content_deduplication",
        "Whether what is sent is known again by what it says, and not by its id.",
        Shape::Boolean,
        Otherwise::Default(|| json!(false)),
    ),
    key(
        "ordered",
        "Whether messages with one `partitionkey` come one after the other; those without have one in common.",
        Shape::Boolean,
        Otherwise::Default(|| json!(false)),
    ),
    key(
        "backlog",
        "Messages that may wait; as many as the tenant's `backlog` lets if it is not said.",
        Shape::Integer(1..=BACKLOG_MAX),
        Otherwise::Nothing,
    ),
    key("paused", "Whether nobody receives anything.", Shape::Boolean, Otherwise::Default(|| json!(false))),
    key(
        "consumer",
        "The plugin that consumes it, many messages in one call.",
        Shape::Table(CONSUMER),
        Otherwise::Nothing,
    ),
];

static CONSUMER: &[Key] = &[
    key("plugin", "A plugin of the world event-batch-handler.", Shape::Name, Otherwise::Required),
    key("batch", "Messages of one call at most.", Shape::Integer(BATCH), Otherwise::Default(|| json!(BATCH_DEFAULT))),
    key(
        "window",
        "How long a call waits for more messages after the first: at most 5m.",
        Shape::Duration,
        Otherwise::Default(|| json!(duration_text(WINDOW_MS_DEFAULT))),
    ),
    key(
        "concurrency",
        "Calls at a time, at most; and never more than the plugin's own `concurrency`.",
        Shape::Integer(CONCURRENCY),
        Otherwise::Default(|| json!(CONCURRENCY_DEFAULT)),
    ),
];

/// Reads all of them.
pub(super) fn read(table: &Table<'_>) -> BTreeMap<QueueName, QueueDocument> {
    let named = table.named::<QueueName>("queues").into_iter();
    named
        .map(|(name, table)| {
            let queue = read_one(&table, &name);
            (name, queue)
        })
        .collect()
}

/// Reads one.
pub(super) fn read_one(table: &Table<'_>, name: &QueueName) -> QueueDocument {
    let between = |key, bounds| table.duration_between(key, bounds);
    QueueDocument {
        visibility_ms: between("visibility", VISIBILITY_MS).unwrap_or(VISIBILITY_MS_DEFAULT),
        delay_ms: between("delay", DELAY_MS).unwrap_or(DELAY_MS_DEFAULT),
        retention_ms: between("retention", RETENTION_MS).unwrap_or(RETENTION_MS_DEFAULT),
        max_receives: table.integer("max_receives"),
        dead_letter: table.parsed("dead_letter").map_or_else(|| name.clone(), |found| found.value),
        content_deduplication: table.boolean("content_deduplication").unwrap_or(false),
        ordered: table.boolean("ordered").unwrap_or(false),
        backlog: table.integer("backlog"),
        paused: table.boolean("paused").unwrap_or(false),
        consumer: table.table("consumer").and_then(|table| read_consumer(&table)),
        since_k: 0,
    }
}

fn read_consumer(table: &Table<'_>) -> Option<ConsumerDocument> {
    if table.value("plugin").is_none() {
        table.missing("plugin", "name the plugin that consumes the queue: plugin = \"sums\"");
    }
    let (batch, window_ms) = (table.integer("batch"), table.duration_between("window", WINDOW_MS));
    Some(ConsumerDocument {
        plugin: table.parsed::<PluginName>("plugin")?.value,
        batch: batch.unwrap_or(BATCH_DEFAULT),
        window_ms: window_ms.unwrap_or(WINDOW_MS_DEFAULT),
        concurrency: table.integer("concurrency").unwrap_or(CONCURRENCY_DEFAULT),
    })
}
