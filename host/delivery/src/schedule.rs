//! A schedule as the log keeps it: when it is due, and what it publishes or sends to its targets then. What its expression means, `wharf-schedule` knows.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use wharf_event::{BusName, CatchUp};

use crate::TargetDocument;

/// A schedule, with every default filled in but for those of its event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScheduleDocument {
    /// When it is due: `at(…)`, `rate(…)` or `cron(…)`.
    pub expression: String,
    /// The time zone whose local times that names, as IANA spells it.
    pub timezone: String,
    /// Nothing is due before then, in milliseconds since 1970; a rate counts from there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_ms: Option<u64>,
    /// Nothing is due after then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_ms: Option<u64>,
    /// How long after its time it may fire, in milliseconds: so much are schedules of one time spread. 0 = at its time.
    #[serde(default)]
    pub flexible_window_ms: u64,
    /// What becomes of due times that were missed.
    #[serde(default)]
    pub catch_up: CatchUp,
    /// What becomes of it when nothing is due any more.
    #[serde(default)]
    pub after: AfterLast,
    /// Whether it fires.
    pub enabled: bool,
    /// The bus that its events are published to; where it has targets, what stands in the place of one (`schedule/NAME`).
    pub bus: BusName,
    /// Who its events are owed to straight away, no rule asked; empty where they are published to a bus.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<TargetDocument>,
    /// Their type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Their source; the schedule itself where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Their subject.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Their payload, a JSON text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
    /// Frame time since which it runs as it does, in milliseconds: what was due up to then is none of its. 0 = from when it was first looked
    /// at, as one of the configuration file.
    #[serde(default)]
    pub since_ms: u64,
}

/// What becomes of a schedule when nothing is due any more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AfterLast {
    /// It stays.
    #[default]
    Keep,
    /// It is removed.
    Delete,
}

/// A word that says nothing of the kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("after its last time a schedule is kept or deleted: `keep` or `delete`")]
pub struct NotAfterLast;

impl AfterLast {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Delete => "delete",
        }
    }
}

impl FromStr for AfterLast {
    type Err = NotAfterLast;

    fn from_str(text: &str) -> Result<Self, NotAfterLast> {
        [Self::Keep, Self::Delete].into_iter().find(|after| after.as_str() == text).ok_or(NotAfterLast)
    }
}

impl fmt::Display for AfterLast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
