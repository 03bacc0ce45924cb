//! Whether an event matches. Invariant: pure, total, and bounded by the pattern's values times the event's leaves; the depth
//! of recursion is bounded by the limits of patterns and of JSON payloads.
//!
//! A list in an event matches if one of its elements does. So a pattern of several fields under a list asks for one element
//! that has them all. A field exists if a scalar is there, `null` included, or a list with a scalar in it: objects and empty
//! lists are no leaves.

use std::cell::OnceCell;

use serde_json::{Map, Value};
use wharf_event::Event;

use crate::{
    condition::Condition,
    pattern::{Field, Fields, Pattern},
};

/// An event as patterns see it: parsed once, and only as far as they look, matched against many.
#[derive(Clone, Debug)]
pub struct Subject {
    event: Event,
    attributes: Map<String, Value>,
    /// Parsed when the first pattern asks for it: most rules look at attributes only.
    payload: OnceCell<Option<(&'static str, Value)>>,
}

impl Subject {
    /// The subject that this event is.
    #[must_use]
    pub fn of(event: &Event) -> Self {
        Self { event: event.clone(), attributes: event.attributes_to_value(), payload: OnceCell::new() }
    }

    /// What the event has under a name at its top.
    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        if !PAYLOAD_NAMES.contains(&name) {
            return self.attributes.get(name);
        }
        let payload = self.payload.get_or_init(|| self.event.data_to_value()).as_ref();
        payload.filter(|(its_name, _)| *its_name == name).map(|(_, value)| value)
    }
}

/// The names that a payload has in the JSON form. No attribute can be called so.
const PAYLOAD_NAMES: [&str; 2] = ["data", "data_base64"];

impl Pattern {
    /// Whether the event matches.
    #[must_use]
    pub fn matches(&self, subject: &Subject) -> bool {
        self.root.fields.iter().all(|(name, field)| field.matches(subject.get(name)))
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
