//! What is wrong with an event by its schema. Invariant: a message never repeats a value of the event, which may be secret, or
//! more than a line of the schema.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One place of an event's payload that breaks its schema.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    /// A JSON pointer into the payload; empty is the payload itself.
    pub pointer: String,
    /// A JSON pointer into the schema, to the keyword that says no.
    pub schema: String,
    /// What is wrong.
    pub message: String,
}

/// All of them, up to a limit. There is at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violations {
    pub(crate) list: Vec<Violation>,
    pub(crate) more: bool,
}

impl Violations {
    pub(crate) fn one(message: impl Into<String>) -> Self {
        let (pointer, schema) = (String::new(), String::new());
        Self { list: vec![Violation { pointer, schema, message: message.into() }], more: false }
    }

    /// What breaks, by the order of the schema.
    #[must_use]
    pub fn list(&self) -> &[Violation] {
        &self.list
    }

    /// Whether there are more than are told.
    #[must_use]
    pub fn more(&self) -> bool {
        self.more
    }

    /// What breaks.
    #[must_use]
    pub fn into_list(self) -> Vec<Violation> {
        self.list
    }
}

impl fmt::Display for Violations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, violation) in self.list.iter().enumerate() {
            let place = if violation.pointer.is_empty() { "the payload" } else { violation.pointer.as_str() };
            write!(f, "{}{place}: {}", if n == 0 { "" } else { "; " }, violation.message)?;
        }
        if self.more { f.write_str("; and more") } else { Ok(()) }
    }
}
