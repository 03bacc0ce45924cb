//! The keys of a target's circuit breaker, and how they are read.
//!
//! Invariant: a table that is there says that there is a breaker, unless it says otherwise itself.

use serde_json::json;
use wharf_delivery::BreakerDocument;

use super::{
    duration::duration_text,
    keys::{Key, Otherwise, Shape, key},
    table::{Sink, Table},
};

/// Failures in a row, and calls of which some fail.
const CALLS_MAX: u32 = 10_000;

/// Bounds of the time over which a share is looked at, and the shortest and longest time that a breaker is open, in milliseconds.
const WITHIN_MS: [u64; 2] = [1_000, 3_600_000];
const OPEN_MS: [u64; 2] = [100, 86_400_000];

pub(super) static BREAKER: &[Key] = &[
    key("enabled", "Whether there is one at all.", Shape::Boolean, Otherwise::Default(|| json!(own().enabled))),
    key(
        "failures",
        "Attempts that fail in a row, and open it.",
        Shape::Integer(1..=CALLS_MAX),
        Otherwise::Default(|| json!(own().failures)),
    ),
    key(
        "share",
        "Percent of the attempts within a time that fail, and open it too.",
        Shape::Integer(1..=100),
        Otherwise::Default(|| json!(own().share)),
    ),
    key(
        "calls",
        "Attempts that there have to be for that.",
        Shape::Integer(1..=CALLS_MAX),
        Otherwise::Default(|| json!(own().calls)),
    ),
    key(
        "within",
        "The time that they are counted in: 1s to 1h.",
        Shape::Duration,
        Otherwise::Default(|| json!(duration_text(own().within_ms))),
    ),
    key(
        "open",
        "How long deliveries wait before one of them is tried: 100ms to 24h. It doubles each time that one fails,",
        Shape::Duration,
        Otherwise::Default(|| json!(duration_text(own().open_ms))),
    ),
    key("open_max", "up to this.", Shape::Duration, Otherwise::Default(|| json!(duration_text(own().open_max_ms)))),
];

fn own() -> BreakerDocument {
    BreakerDocument::default()
}

pub(super) fn read(table: &Table<'_>, sink: &Sink) -> BreakerDocument {
    let within = |key, [least_ms, most_ms]: [u64; 2]| {
        let ms = table.duration_ms(key)?;
        if !(least_ms..=most_ms).contains(&ms) {
            let help = format!("give {} to {}", duration_text(least_ms), duration_text(most_ms));
            let message = format!("`{key}` of {} is out of range", table.what());
            sink.report(table.value_span(key).unwrap_or_else(|| table.span.clone()), message, help);
        }
        Some(ms)
    };
    let read = BreakerDocument {
        enabled: table.boolean("enabled").unwrap_or(own().enabled),
        failures: table.integer("failures").unwrap_or(own().failures),
        share: table.integer("share").unwrap_or(own().share),
        calls: table.integer("calls").unwrap_or(own().calls),
        within_ms: within("within", WITHIN_MS).unwrap_or(own().within_ms),
        open_ms: within("open", OPEN_MS).unwrap_or(own().open_ms),
        open_max_ms: within("open_max", OPEN_MS).unwrap_or(own().open_max_ms),
    };
    let both_read = ["open", "open_max"].iter().all(|key| !sink.has_at(table.value_span(key)));
    if both_read && read.open_ms > read.open_max_ms {
        sink.report(
            table.span.clone(),
            "`open` is longer than `open_max`",
            "give an `open_max` that is at least `open`",
        );
    }
    read
}
