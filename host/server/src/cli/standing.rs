//! Where a target's circuit breaker stands, for those who read. Invariant: what others wrote into it is clipped.

use wharf_gateway::view::{BreakerStanding, BreakerState};

use super::words::{clipped, strong};

/// Where a target's breaker stands, in lines.
pub(super) fn breaker_lines(standing: &BreakerStanding) -> Vec<String> {
    let BreakerStanding { state, failures, openings, since, probe_at, code, reason } = standing;
    let since = since.as_ref().map_or_else(String::new, |since| format!(" since {}", clipped(since)));
    let probe = probe_at.as_ref().map_or_else(String::new, |at| format!(", a delivery is tried at {}", clipped(at)));
    let state = match state {
        BreakerState::Closed => "closed",
        BreakerState::Open => "open",
        BreakerState::HalfOpen => "half-open",
    };
    let times = if *openings == 1 { "once".to_owned() } else { format!("{openings} times") };
    let mut lines =
        vec![format!("{}{since}{probe}", strong(state)), format!("opened {times}, {failures} failures in a row")];
    if let (Some(code), Some(reason)) = (code, reason) {
        lines.push(format!("last {code}: {}", clipped(reason)));
    }
    lines
}
