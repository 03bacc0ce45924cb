//! A target's circuit breaker as data: when it opens, and for how long.
//!
//! Invariant: what a user may write is checked where it is read. What follows from it is decided while the host runs, and kept
//! nowhere: a host that starts knows of no failure.

use serde::{Deserialize, Serialize};

/// When a target is given a rest. (docs/decisions/023-breakers.md)
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BreakerDocument {
    /// Whether it is at all.
    pub enabled: bool,
    /// Failures in a row that open it.
    pub failures: u32,
    /// The share of failures that opens it too, in percent.
    pub share: u32,
    /// Calls below which there is no share.
    pub calls: u32,
    /// The time that the share is of, in milliseconds.
    pub within_ms: u64,
    /// How long it is open before one delivery is tried, in milliseconds. This doubles each time that one fails,
    pub open_ms: u64,
    /// up to this.
    pub open_max_ms: u64,
}

impl Default for BreakerDocument {
    fn default() -> Self {
        Self {
            enabled: true,
            failures: 10,
            share: 50,
            calls: 20,
            within_ms: 60_000,
            open_ms: 10_000,
            open_max_ms: 600_000,
        }
    }
}
