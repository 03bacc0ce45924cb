//! The JSON shapes of choosing dead letters, and of counting them.
//!
//! Invariant: a filter without a condition is no filter; who means all letters says so.

use serde::{Deserialize, Serialize};
use wharf_event::{Code, QueueName, RuleName, Target};

/// Which letters of a queue: those of which all is true that is said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LetterFilter {
    /// The rule that matched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<RuleName>,
    /// Who it is owed to: a plugin's name, or `webhook/crm`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Why it was given up, or what its last attempt ended with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
    /// Given up at that time or later, in RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// Given up before that time, in RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// The `type` of the event begins so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub type_prefix: Option<String>,
    /// A pattern that matches the event: JSON as text, so that it is said in the same way in a query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
}

impl LetterFilter {
    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A redrive at a rate, and how far it has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PacedRedriveView {
    /// The queue that its letters are in.
    pub queue: QueueName,
    /// `running`, `done`, `cancelled` or `failed`.
    pub phase: String,
    /// Why it failed, or why one that is running sends nothing now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Letters that were sent again.
    pub redriven: u64,
    /// Letters that lay in the queue when it was begun. With a filter not all of them are meant.
    pub letters: u64,
    /// When it was begun. What was given up later is none of its.
    pub begun: String,
    /// Letters a second at most.
    pub letters_per_s: u32,
    /// Which letters; absent = all.
    #[serde(rename = "where", default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<LetterFilter>,
}

/// The letters of a queue, counted by who they are owed to, why they were given up, and what the last attempt ended with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LetterGroupsView {
    /// The groups of the page, that of most letters first. Pages go by target, code and cause.
    pub groups: Vec<LetterGroupView>,
    /// Letters of the groups behind this page.
    pub others: u64,
    /// What to ask for as `after` to be told of those; absent where there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// The letters of one target and error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LetterGroupView {
    /// Who they are owed to.
    #[serde(flatten)]
    pub to: Target,
    /// Why they were given up.
    pub code: Code,
    /// What their last attempts ended with.
    pub cause: Code,
    /// The same in words.
    pub reason: String,
    /// How many there are.
    pub count: u64,
    /// When the first of them was given up, in RFC 3339.
    pub first: String,
    /// When the last of them was given up, in RFC 3339.
    pub last: String,
    /// The letter that was given up last.
    pub sample: String,
    /// What the last attempt of that letter said.
    pub error: String,
}
