//! Whether an event matches. Invariant: pure, total, and bounded by the pattern's values times the event's leaves; the depth
//! of recursion is bounded by the limits of patterns and of JSON payloads.
//!
//! A list in an event matches if one of its elements does. So a pattern of several fields under a list asks for one element
//! that has them all. A field exists if a scalar is there, `null` included, or a list with a scalar in it: objects and empty
//! lists are no leaves.

use serde_json::Value;
use wharf_event::Event;

use crate::{
    condition::Condition,
    pattern::{Field, Fields, Pattern},
};

/// An event as patterns see it: parsed once, matched against many.
#[derive(Clone, Debug)]
pub struct Subject {
    pub(crate) value: Value,
}

impl Subject {
    /// Parses the event's payload, if it is JSON.
    #[must_use]
    pub fn of(event: &Event) -> Self {
        Self { value: event.to_value() }
    }
}

impl Pattern {
    /// Whether the event matches.
    #[must_use]
    pub fn matches(&self, subject: &Subject) -> bool {
        self.root.matches(Some(&subject.value))
    }
}

impl Fields {
    pub(crate) fn matches(&self, found: Option<&Value>) -> bool {
        match found {
            Some(Value::Object(object)) => self.fields.iter().all(|(name, field)| field.matches(object.get(name))),
            Some(Value::Array(items)) if !items.is_empty() => items.iter().any(|item| self.matches(Some(item))),
            _ => self.match_absence,
        }
    }
}

impl Field {
    pub(crate) fn matches(&self, found: Option<&Value>) -> bool {
        match self {
            Self::Nested(fields) => fields.matches(found),
            Self::Leaf(conditions) => conditions.iter().any(|condition| match condition {
                Condition::Exists(false) => !any_leaf(found, |_| true),
                condition => any_leaf(found, |leaf| condition.holds(leaf)),
            }),
        }
    }
}

/// Whether one of the scalars at a place is as wanted.
fn any_leaf(found: Option<&Value>, wanted: impl Fn(&Value) -> bool + Copy) -> bool {
    match found {
        None | Some(Value::Object(_)) => false,
        Some(Value::Array(items)) => items.iter().any(|item| any_leaf(Some(item), wanted)),
        Some(scalar) => wanted(scalar),
    }
}
