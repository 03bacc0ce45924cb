//! Schedules as JSON.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use wharf_event::{BusName, CatchUp, Position, ScheduleName};

use super::{RuleOrigin, TargetView};

/// A schedule. From `expression` on it is what one is put as.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ScheduleView {
    /// Its name.
    pub schedule: ScheduleName,
    /// Where it was made.
    pub origin: RuleOrigin,
    /// The record that put it there; none for one of the configuration file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Position>,
    /// The due time that is next; none when none comes, or it is paused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// The due time that fired last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<String>,
    /// When it is due.
    pub expression: String,
    /// The time zone whose local times that names.
    pub timezone: String,
    /// Nothing is due before then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<String>,
    /// Nothing is due after then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<String>,
    /// How long after its time it may fire.
    pub flexible_window: String,
    /// What becomes of due times that were missed.
    pub catch_up: CatchUp,
    /// What becomes of it when nothing is due any more: `keep` or `delete`; of one of the configuration file nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Whether it fires.
    pub enabled: bool,
    /// The bus that its events are published to; none if it has targets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bus: Option<BusName>,
    /// Who gets its events straight away.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<TargetView>,
    /// Their type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Their source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Their subject.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Their payload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Box<RawValue>>,
}
