//! What rules and patterns say to events, as JSON.
//!
//! Invariant: a verdict has evidence or a mismatch, never both: evidence has one entry for each field of the pattern, and a
//! mismatch is the first field that failed.

use serde::{Deserialize, Serialize};
use wharf_event::{PluginName, RuleName};

/// What one rule says to one event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleVerdict {
    /// The rule.
    pub rule: RuleName,
    /// Whether it matches.
    pub matched: bool,
    /// Which value of which field matched, if it does.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<FieldView>,
    /// The first field that failed, if it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mismatch: Option<FieldView>,
    /// The plugins that it names.
    pub plugins: Vec<PluginName>,
}

/// What one pattern says to one event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PatternVerdict {
    /// Whether it matches.
    #[serde(rename = "match")]
    pub matched: bool,
    /// Which value of which field matched, if it does.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<FieldView>,
    /// The first field that failed, if it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mismatch: Option<FieldView>,
}

/// One field of a pattern, and what an event has there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldView {
    /// Where, as a JSON pointer into the event: of a match to the very value, else to the field, which has no numbers of elements.
    pub pointer: String,
    /// What the pattern wants there: of a match the entry of its list that holds, else the whole list or a phrase.
    pub wanted: String,
    /// What the event has there, as its text has it, cut to 200 characters; or `absent`.
    pub saw: String,
}
