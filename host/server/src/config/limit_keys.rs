//! The keys below `limits` of a plugin, each with the most that it may be set to.
//!
//! Invariant: all of them are whole numbers from 1 on, but for `quarantine`, which is no bound.

use serde_json::{Value, json};
use wharf_delivery::{
    HostLimits, LimitsDocument,
    limits::{PUBLISHES_PER_ATTEMPT_MAX, WEIGHT_MAX},
};
use wharf_runtime::limits::{MEMORY_BYTES_MAX, most};

use super::{
    keys::{Key, Otherwise, Shape, key},
    quotas::{BACKLOG_MAX, PER_S_MAX},
};

/// Time that an attempt may take, of the wall or of a processor, in milliseconds.
const ATTEMPT_MS_MAX: u32 = 900_000;

/// Attempts that one instance may make.
const REUSE_MAX: u32 = 10_000;

/// Attempts of one plugin at a time.
const CONCURRENCY_MAX: u32 = 256;

/// The most memory that a plugin may be given, in MiB. The pool has slots of that size.
#[allow(clippy::cast_possible_truncation, reason = "a slot is far smaller than 2^32 MiB")]
pub(super) const MEMORY_MIB_MAX: u32 = (MEMORY_BYTES_MAX >> 20) as u32;

const fn limit(name: &'static str, about: &'static str, max: u32, default: fn() -> Value) -> Key {
    key(name, about, Shape::Integer(1..=max), Otherwise::Default(default))
}

/// What holds where nothing is said.
fn own() -> LimitsDocument {
    LimitsDocument::default()
}

fn host() -> HostLimits {
    HostLimits::default()
}

pub(super) static LIMITS: &[Key] = &[
    limit("wall_ms", "Wall time of an attempt, in milliseconds.", ATTEMPT_MS_MAX, || json!(own().wall_ms)),
    limit("cpu_ms", "CPU time of an attempt, in milliseconds.", ATTEMPT_MS_MAX, || json!(own().cpu_ms)),
    limit("memory_mib", "Memory of an attempt, over all its memories, in MiB.", MEMORY_MIB_MAX, || {
        json!(own().memory_mib)
    }),
    limit("concurrency", "Attempts of the plugin at a time.", CONCURRENCY_MAX, || json!(own().concurrency)),
    key(
        "backlog",
        "Deliveries to the plugin that may wait; as many as the tenant's `backlog` lets if it is not said.",
        Shape::Integer(1..=BACKLOG_MAX),
        Otherwise::Nothing,
    ),
    key(
        "publish_per_s",
        "Events that the plugin may publish a second; as many as the tenant's `publish_per_s` lets if it is not said.",
        Shape::Integer(1..=PER_S_MAX),
        Otherwise::Nothing,
    ),
    key(
        "attempts_per_s",
        "Attempts of the plugin that may begin in a second; as many as there are if it is not said.",
        Shape::Integer(1..=PER_S_MAX),
        Otherwise::Nothing,
    ),
    limit(
        "reuse",
        "Attempts that one instance makes, one after the other, where each ends well; of a handler of single events.",
        REUSE_MAX,
        || json!(own().reuse),
    ),
    limit(
        "weight",
        "The plugin's share beside other plugins of its tenant, in proportion to theirs.",
        WEIGHT_MAX,
        || json!(own().weight),
    ),
    key(
        "quarantine",
        "What becomes of deliveries while the plugin's release is quarantined: they `wait`, or go to the `dead-letter` queue.",
        Shape::Choice(&["wait", "dead-letter"]),
        Otherwise::Default(|| json!(own().quarantine)),
    ),
    limit(
        "table_elements",
        "Elements of tables of an attempt, over all its tables.",
        most::TABLE_ELEMENTS_SETTABLE_MAX,
        || json!(host().table_elements),
    ),
    limit(
        "call_kib",
        "KiB that an attempt may pass in one call, as arguments to the host or as its answer.",
        most::CALL_KIB_SETTABLE_MAX,
        || json!(host().call_kib),
    ),
    limit("handles", "Handles of resources that an attempt may hold.", most::HANDLES_SETTABLE_MAX, || {
        json!(host().handles)
    }),
    limit(
        "resources",
        "Resources of the host that an attempt may hold: buckets, streams, timers.",
        most::HANDLES_SETTABLE_MAX,
        || json!(host().resources),
    ),
    limit("random_kib", "KiB of random bytes of an attempt.", most::RANDOM_KIB_SETTABLE_MAX, || {
        json!(host().random_kib)
    }),
    limit("log_lines", "Lines that an attempt may log.", most::LOG_LINES_SETTABLE_MAX, || json!(host().log_lines)),
    limit("log_kib", "KiB that an attempt may log.", most::LOG_KIB_SETTABLE_MAX, || json!(host().log_kib)),
    limit("publishes", "Events that an attempt may publish.", PUBLISHES_PER_ATTEMPT_MAX, || json!(host().publishes)),
    limit("publish_kib", "KiB of events that an attempt may publish.", most::PUBLISH_KIB_SETTABLE_MAX, || {
        json!(host().publish_kib)
    }),
    limit(
        "kv_reads",
        "Keys that an attempt may read, pages of listings included.",
        most::KV_READS_SETTABLE_MAX,
        || json!(host().kv_reads),
    ),
    limit("kv_writes", "Keys that an attempt may change.", most::KV_WRITES_SETTABLE_MAX, || json!(host().kv_writes)),
    limit("kv_write_kib", "KiB that an attempt may write.", most::KV_WRITE_KIB_SETTABLE_MAX, || {
        json!(host().kv_write_kib)
    }),
    limit("http_calls", "Requests that an attempt may send by HTTP.", most::HTTP_CALLS_SETTABLE_MAX, || {
        json!(host().http_calls)
    }),
    limit("http_kib", "KiB that an attempt may send and get by HTTP.", most::HTTP_KIB_SETTABLE_MAX, || {
        json!(host().http_kib)
    }),
    limit("http_ms", "Milliseconds that one request of an attempt may take.", most::HTTP_MS_SETTABLE_MAX, || {
        json!(host().http_ms)
    }),
    limit("llm_calls", "Calls of models that an attempt may make.", most::LLM_CALLS_SETTABLE_MAX, || {
        json!(host().llm_calls)
    }),
    limit("llm_kib", "KiB that an attempt may send to models and get of them.", most::LLM_KIB_SETTABLE_MAX, || {
        json!(host().llm_kib)
    }),
    limit("llm_ms", "Milliseconds that one call of a model may take.", most::LLM_MS_SETTABLE_MAX, || {
        json!(host().llm_ms)
    }),
    limit(
        "infer_calls",
        "Questions to models of its tenant that an attempt may ask.",
        most::INFER_CALLS_SETTABLE_MAX,
        || json!(host().infer_calls),
    ),
    limit(
        "infer_kib",
        "KiB of tensors that an attempt may give to models and get of them.",
        most::INFER_KIB_SETTABLE_MAX,
        || json!(host().infer_kib),
    ),
    limit(
        "infer_ms",
        "Milliseconds that one answer of a model of its tenant may take.",
        most::INFER_MS_SETTABLE_MAX,
        || json!(host().infer_ms),
    ),
];
