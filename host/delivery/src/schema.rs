//! A schema as the log keeps it: what it says, and which events it is for. What it means is not known here.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use wharf_event::BusName;

/// A schema and what it is bound to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SchemaDocument {
    /// The bus whose events it is for.
    pub bus: BusName,
    /// Their `type`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What becomes of those that it does not allow.
    pub mode: SchemaMode,
    /// The JSON Schema.
    pub schema: serde_json::Value,
}

/// What becomes of a received event whose payload is not what its schema says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SchemaMode {
    /// Nothing: it is not looked at.
    Off,
    /// It is accepted, carries a mark, and is counted.
    Warn,
    /// It is refused.
    #[default]
    Enforce,
}

/// A text that is no mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a mode is `off`, `warn` or `enforce`")]
pub struct NoMode;

impl SchemaMode {
    /// All modes.
    pub const ALL: [Self; 3] = [Self::Off, Self::Warn, Self::Enforce];

    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Warn => "warn",
            Self::Enforce => "enforce",
        }
    }
}

impl FromStr for SchemaMode {
    type Err = NoMode;

    fn from_str(text: &str) -> Result<Self, NoMode> {
        Self::ALL.into_iter().find(|mode| mode.as_str() == text).ok_or(NoMode)
    }
}

impl fmt::Display for SchemaMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
