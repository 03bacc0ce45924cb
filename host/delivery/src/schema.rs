//! A schema as the log keeps it: what it says, and which events it is for. What it means is not known here.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use wharf_event::BusName;

use crate::limits::{SCHEMA_VERSIONS_BYTES_MAX, SCHEMA_VERSIONS_MAX};

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

/// A schema that was made while the host ran, with its versions: the document of a control object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SchemaObject {
    /// The bus whose events it is for.
    pub bus: BusName,
    /// Their `type`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What becomes of those that it does not allow.
    pub mode: SchemaMode,
    /// Its versions, the oldest first; the last one is in force.
    pub versions: Vec<SchemaVersion>,
}

/// A version of a schema.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SchemaVersion {
    /// Its number: one more than that of the version before.
    pub number: u64,
    /// When it was made, in milliseconds since 1970.
    pub at_ms: u64,
    /// The JSON Schema.
    pub schema: serde_json::Value,
}

impl SchemaObject {
    /// The version that is in force.
    #[must_use]
    pub fn newest(&self) -> Option<&SchemaVersion> {
        self.versions.last()
    }

    /// Puts a version into force, if it says anything else than the one that is. Old ones go where there are too many or too
    /// large ones: at most [`SCHEMA_VERSIONS_MAX`] are kept, and [`SCHEMA_VERSIONS_BYTES_MAX`] of them beside the newest.
    pub fn follow(&mut self, schema: serde_json::Value, at_ms: u64) {
        if self.newest().is_some_and(|newest| newest.schema == schema) {
            return;
        }
        let number = self.newest().map_or(1, |newest| newest.number + 1);
        let mut bytes = 0;
        let kept = self.versions.iter().rev().take(SCHEMA_VERSIONS_MAX - 1).take_while(|version| {
            bytes += version.schema.to_string().len();
            bytes <= SCHEMA_VERSIONS_BYTES_MAX
        });
        let gone = self.versions.len() - kept.count();
        self.versions.drain(..gone);
        self.versions.push(SchemaVersion { number, at_ms, schema });
    }
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn numbers(object: &SchemaObject) -> Vec<u64> {
        object.versions.iter().map(|version| version.number).collect()
    }

    #[test]
    fn numbers_go_up_and_what_is_old_goes() {
        let (bus, kind, mode) = ("default".parse().unwrap(), "t".to_owned(), SchemaMode::Warn);
        let mut object = SchemaObject { bus, kind, mode, versions: Vec::new() };
        for n in 1..=30 {
            object.follow(json!({"minimum": n}), n);
            object.follow(json!({"minimum": n}), n + 1);
        }
        assert_eq!(numbers(&object), (11..=30).collect::<Vec<_>>());
        assert_eq!(object.newest().map(|newest| newest.at_ms), Some(30), "an equal one is none");
        let large = |n: u64| json!({"title": "x".repeat(SCHEMA_VERSIONS_BYTES_MAX / 2), "minimum": n});
        (0..3).for_each(|n| object.follow(large(n), n));
        assert_eq!(numbers(&object), [32, 33], "two of them are more than is kept");
        object.follow(Value::Bool(true), 0);
        assert_eq!(numbers(&object), [33, 34]);
    }
}
