//! `[host.recordings]`: which attempts are recorded, and what that may take.

use serde_json::json;
use wharf_recording::{
    Policy,
    limits::{AGE_MS, BYTES, HOURLY, HOURLY_MAX},
};

use super::{
    duration::duration_text,
    keys::{Key, Otherwise, Shape, key},
    size::size_text,
    table::Table,
};

/// The keys of the table.
pub(super) static RECORDINGS: &[Key] = &[
    key(
        "failures",
        "Whether every attempt that fails is recorded.",
        Shape::Boolean,
        Otherwise::Default(|| json!(true)),
    ),
    key(
        "hourly",
        "Attempts that succeed and are recorded, an hour and a plugin. `wharf dev` records all.",
        Shape::Integer(0..=HOURLY_MAX),
        Otherwise::Default(|| json!(HOURLY)),
    ),
    key(
        "size",
        "What all recordings may take on the disk. The oldest go first.",
        Shape::Size,
        Otherwise::Default(|| json!(size_text(BYTES))),
    ),
    key("age", "How long recordings are kept.", Shape::Duration, Otherwise::Default(|| json!(duration_text(AGE_MS)))),
];

/// Reads it.
pub(super) fn read(table: &Table<'_>) -> Policy {
    let otherwise = Policy::default();
    Policy {
        failures: table.boolean("failures").unwrap_or(otherwise.failures),
        hourly: table.integer("hourly").or(otherwise.hourly),
        bytes: table.size_bytes("size").unwrap_or(otherwise.bytes),
        age_ms: table.duration_ms("age").unwrap_or(otherwise.age_ms),
    }
}
