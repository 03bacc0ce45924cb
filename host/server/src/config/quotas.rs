//! The keys that bound what a tenant may have and do as a whole, and how they are read.
//!
//! Invariant: what is said is not kept where it is the default, so that equal settings are equal.

use serde_json::json;
use wharf_delivery::{Quotas, limits::PENDING_DELIVERIES_MAX};

use super::{
    keys::{Key, Otherwise, Shape, key},
    size::size_text,
    table::Table,
};

/// Events a second beyond which a bound is none.
pub(super) const PER_S_MAX: u32 = 1_000_000;

/// The most deliveries that may wait: as many as of all tenants together.
#[allow(clippy::cast_possible_truncation, reason = "it is far smaller than 2^32")]
pub(super) const BACKLOG_MAX: u32 = PENDING_DELIVERIES_MAX as u32;

pub(super) const KV_SIZE: Key = key(
    "kv_size",
    "Bytes of its keys and values.",
    Shape::Size,
    Otherwise::Default(|| json!(size_text(Quotas::default().kv_bytes()))),
);

pub(super) const UPLOAD_SIZE: Key = key(
    "upload_size",
    "Bytes of the components and models that it keeps.",
    Shape::Size,
    Otherwise::Default(|| json!(size_text(Quotas::default().upload_bytes()))),
);

pub(super) const BACKLOG: Key = key(
    "backlog",
    "Deliveries that may wait.",
    Shape::Integer(1..=BACKLOG_MAX),
    Otherwise::Default(|| json!(Quotas::default().backlog())),
);

pub(super) const RECEIVE_PER_S: Key = key(
    "receive_per_s",
    "Events that are taken of it a second; as many as come if it is not said.",
    Shape::Integer(1..=PER_S_MAX),
    Otherwise::Nothing,
);

pub(super) const PUBLISH_PER_S: Key = key(
    "publish_per_s",
    "Events that all its plugins may publish a second; as many as they like if it is not said.",
    Shape::Integer(1..=PER_S_MAX),
    Otherwise::Nothing,
);

pub(super) const CPU_PER_HOUR: Key = key(
    "cpu_per_hour",
    "CPU time that all its plugins may use in an hour; as much as they need if it is not said.",
    Shape::Duration,
    Otherwise::Nothing,
);

pub(super) const BYTES_PER_HOUR: Key = key(
    "bytes_per_hour",
    "Bytes that all its plugins may be given and give in an hour; as many as they like if it is not said.",
    Shape::Size,
    Otherwise::Nothing,
);

pub(super) const HOST_CALLS_PER_HOUR: Key = key(
    "host_calls_per_hour",
    "Host calls that all its plugins may make in an hour, lines of their logs among them; as many as they like if it is not said.",
    Shape::Integer(1..=u32::MAX),
    Otherwise::Nothing,
);

pub(super) fn read(table: &Table<'_>) -> Quotas {
    let defaults = Quotas::default();
    Quotas {
        kv_bytes: table.size_bytes("kv_size").filter(|bytes| *bytes != defaults.kv_bytes()),
        upload_bytes: table.size_bytes("upload_size").filter(|bytes| *bytes != defaults.upload_bytes()),
        backlog: table.integer("backlog").filter(|most| *most != defaults.backlog()),
        receive_per_s: table.integer("receive_per_s"),
        publish_per_s: table.integer("publish_per_s"),
        cpu_ms_per_hour: table.duration_ms("cpu_per_hour"),
        bytes_per_hour: table.size_bytes("bytes_per_hour"),
        of_bus: None,
        host_calls_per_hour: table.integer("host_calls_per_hour").map(u64::from),
    }
}
