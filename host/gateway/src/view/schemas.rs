//! Schemas as JSON.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use wharf_event::{BusName, SchemaName};

use super::RuleOrigin;

/// A schema, and which events it is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SchemaView {
    /// Its name.
    pub schema: SchemaName,
    /// Where it was made.
    pub origin: RuleOrigin,
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
