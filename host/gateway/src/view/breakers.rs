//! A target's circuit breaker as JSON: what it goes by, and where it stands.

use serde::{Deserialize, Serialize};
use wharf_event::Code;

/// When a target is given a rest. Lengths of time are written as `50ms`, `1s`, `5m`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BreakerView {
    /// Whether it is at all.
    pub enabled: bool,
    /// Attempts that fail in a row, and open it.
    pub failures: u32,
    /// Percent of the attempts within a time that fail, and open it too.
    pub share: u32,
    /// Attempts that there have to be for that.
    pub calls: u32,
    /// The time that they are counted in.
    pub within: String,
    /// How long deliveries wait before one of them is tried; it doubles each time that one fails,
    pub open: String,
    /// up to this.
    pub open_max: String,
}

/// Where a breaker stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BreakerState {
    /// Deliveries are tried as ever.
    Closed,
    /// None is tried.
    Open,
    /// One at a time is tried.
    HalfOpen,
}

/// Where a target's breaker stands, since the host started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BreakerStanding {
    /// Where.
    pub state: BreakerState,
    /// Attempts that failed in a row.
    pub failures: u32,
    /// How often it opened.
    pub openings: u64,
    /// Since when it is not closed, in RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// When a delivery is tried, in RFC 3339; none where one may be now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe_at: Option<String>,
    /// The code of the last failure that counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
    /// What it said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}
