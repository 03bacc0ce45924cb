//! What is wrong with an event by its schema. Invariant: a message never repeats a value of the event, which may be secret, or
//! more than a line of the schema.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    error::cut_to,
    limits::{POINTER_CHARS_MAX, SHOWN_MAX, VIOLATIONS_BYTES_MAX, VIOLATIONS_MAX},
};

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
    /// That of a payload which is nothing that a schema speaks of.
    #[must_use]
    pub fn of_no_json(message: &str) -> Self {
        Self::one(message)
    }

    pub(crate) fn one(message: impl Into<String>) -> Self {
        let (pointer, schema) = (String::new(), String::new());
        Self { list: vec![Violation { pointer, schema, message: message.into() }], more: false }
    }

    /// As many of them as are told.
    pub(crate) fn of(found: impl IntoIterator<Item = Violation>) -> Self {
        let (mut list, mut bytes) = (Vec::new(), 0);
        for violation in found {
            let violation = Violation { pointer: cut_to(violation.pointer, POINTER_CHARS_MAX), ..violation };
            bytes += violation.pointer.len() + violation.schema.len() + violation.message.len();
            if list.len() == VIOLATIONS_MAX || (bytes > VIOLATIONS_BYTES_MAX && !list.is_empty()) {
                return Self { list, more: true };
            }
            list.push(violation);
        }
        Self { list, more: false }
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
    /// The first few, in one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, violation) in self.list.iter().take(SHOWN_MAX).enumerate() {
            let place = if violation.pointer.is_empty() { "the payload" } else { violation.pointer.as_str() };
            write!(f, "{}{place}: {}", if n == 0 { "" } else { "; " }, violation.message)?;
        }
        match self.list.len().saturating_sub(SHOWN_MAX) {
            0 if !self.more => Ok(()),
            0 => f.write_str("; and more"),
            others if self.more => write!(f, "; and {others} others and more"),
            others => write!(f, "; and {others} others"),
        }
    }
}
