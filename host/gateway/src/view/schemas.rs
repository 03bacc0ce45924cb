//! Schemas as JSON.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use wharf_event::{BusName, Position, SchemaName};

use super::RuleOrigin;

/// A schema, and which events it is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SchemaView {
    /// Its name.
    pub schema: SchemaName,
    /// Where it was made.
    pub origin: RuleOrigin,
    /// Its version, as it is in its ETag; one of the configuration file has none, and lists leave it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Position>,
    /// The number of the version of what it says, from 1; one of the configuration file has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u64>,
    /// The bus whose events it is for.
    pub bus: BusName,
    /// Their `type`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What becomes of those that break it: `off` (they are not looked at), `warn` (they are accepted, with the extension attribute
    /// `wharfschema`), or `enforce` (they are refused).
    pub mode: String,
    /// The draft of JSON Schema that it is of: `2020-12` or `draft-07`.
    pub draft: String,
    /// The JSON Schema; lists leave it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<Value>,
}

/// A version of a schema.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SchemaVersionView {
    /// Its number, from 1. None comes twice while there is the schema.
    pub number: u64,
    /// When it was made.
    pub at: String,
    /// The draft of JSON Schema that it is of.
    pub draft: String,
    /// The JSON Schema; lists leave it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<Value>,
}
