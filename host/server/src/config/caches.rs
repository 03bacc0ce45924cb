//! The room that a tenant has for answers of models which are given again to the same question.

use serde_json::json;

use super::{
    keys::{Key, Otherwise, Shape, key},
    size::size_text,
    table::Table,
};

/// Answers where it is not said.
const ENTRIES_DEFAULT: u32 = 1_000;

/// Bytes where it is not said.
const BYTES_DEFAULT: u64 = 16 << 20;

/// Room for answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheConfig {
    /// How many.
    pub entries: u32,
    /// Bytes of all of them.
    pub bytes: u64,
}

impl Default for CacheConfig {
    fn default() -> Self {
        Self { entries: ENTRIES_DEFAULT, bytes: BYTES_DEFAULT }
    }
}

const ROOM: &[Key] = &[
    key(
        "entries",
        "Answers that are held at most; those that were not asked for the longest leave first.",
        Shape::Integer(1..=1_000_000),
        Otherwise::Default(|| json!(ENTRIES_DEFAULT)),
    ),
    key("size", "Bytes of all of them.", Shape::Size, Otherwise::Default(|| json!(size_text(BYTES_DEFAULT)))),
];

pub(super) const CACHE: Key = key(
    "cache",
    "The room for answers that its routes give again to the same question (`cache` of a route).",
    Shape::Table(ROOM),
    Otherwise::Nothing,
);

/// Reads that of a tenant.
pub(super) fn read(table: &Table<'_>) -> CacheConfig {
    let default = CacheConfig::default();
    let Some(table) = table.table("cache") else { return default };
    CacheConfig {
        entries: table.integer("entries").unwrap_or(default.entries),
        bytes: table.size_bytes("size").unwrap_or(default.bytes),
    }
}
