//! Replays as JSON.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use wharf_event::{BusName, Position, ReplayName, RuleName};

/// What a replay is to bring, and to whom.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReplayWishView {
    /// The bus, or topic, whose events are replayed; `default` if it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bus: Option<BusName>,
    /// The bus that they are replayed on; the same if it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_bus: Option<BusName>,
    /// Only this rule of that bus is owed them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<RuleName>,
    /// Only this target of the bus's rules is owed them: `triage`, `webhook/crm`, `queue/jobs`, `bus/audit` or `topic/news`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Only what came then or later, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<String>,
    /// Only what came before then, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<String>,
    /// Only events whose type begins so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub type_prefix: Option<String>,
    /// Only events that this pattern matches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<Box<RawValue>>,
    /// Events a second at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events_per_s: Option<u32>,
}

/// A replay, and how far it has come.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ReplayView {
    /// Its name, which is the value of `wharfreplay` in the events that it brings.
    pub replay: ReplayName,
    /// `running`, `done`, `cancelled` or `failed`.
    pub phase: String,
    /// Why it failed, or why one that is running brings nothing now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Events that were owed again.
    pub replayed: u64,
    /// Events that it has still before it, once they are counted; some of them nobody may be owed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left: Option<u64>,
    /// How far it came, from 0 to 1: by its events once they are counted, until then by how much of the archive was looked through.
    pub progress: f64,
    /// The first position that was not looked at yet.
    pub position: Position,
    /// The position that it ends before: where the log ended when it was begun.
    pub until: Position,
    /// When it was begun.
    pub begun: String,
    /// What it is to bring, with every default written out.
    pub wish: ReplayWishView,
}
