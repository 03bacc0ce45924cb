//! What changed between two schemas, as a list of places. Invariant: applying the changes to the old document gives the new one,
//! unless there are more than are told. It says what is different, not whether it matters: see `compatibility`.

use std::{collections::BTreeSet, fmt};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{error::shown, limits::CHANGES_MAX, pointer::below};

/// One place that is different.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// How it is different.
    pub change: ChangeKind,
    /// A JSON pointer to it.
    pub pointer: String,
    /// What was there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old: Option<Value>,
    /// What is there now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new: Option<Value>,
}

/// How a place is different.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChangeKind {
    /// It was not there.
    Added,
    /// It is not there any more.
    Removed,
    /// It holds something else.
    Changed,
}

/// Every place that is different, in the order of the document, up to a limit.
#[must_use]
pub fn diff(old: &Value, new: &Value) -> Vec<Change> {
    let mut changes = Vec::new();
    compare(old, new, "", &mut changes);
    changes
}

fn compare(old: &Value, new: &Value, at: &str, changes: &mut Vec<Change>) {
    if changes.len() == CHANGES_MAX || old == new {
        return;
    }
    let mut both = |name: &str, old: Option<&Value>, new: Option<&Value>| {
        let at = below(at, name);
        match (old, new) {
            (Some(old), Some(new)) => compare(old, new, &at, changes),
            (None, None) => {}
            _ if changes.len() == CHANGES_MAX => {}
            (old, new) => {
                let change = if old.is_some() { ChangeKind::Removed } else { ChangeKind::Added };
                changes.push(Change { change, pointer: at, old: old.cloned(), new: new.cloned() });
            }
        }
    };
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => {
            let names: BTreeSet<_> = old.keys().chain(new.keys()).collect();
            names.into_iter().for_each(|name| both(name, old.get(name), new.get(name)));
        }
        // Lists of schemas are compared place by place; lists of names and values as a whole, since their order means nothing.
        (Value::Array(old), Value::Array(new)) if old.iter().chain(new).any(Value::is_object) => {
            (0..old.len().max(new.len())).for_each(|n| both(&n.to_string(), old.get(n), new.get(n)));
        }
        _ => changes.push(Change {
            change: ChangeKind::Changed,
            pointer: at.to_owned(),
            old: Some(old.clone()),
            new: Some(new.clone()),
        }),
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = if self.pointer.is_empty() { "the schema" } else { self.pointer.as_str() };
        match (&self.old, &self.new) {
            (Some(old), Some(new)) => write!(f, "~ {place}: {} -> {}", shown(old), shown(new)),
            (Some(old), None) => write!(f, "- {place}: {}", shown(old)),
            (_, new) => write!(f, "+ {place}: {}", new.as_ref().map(shown).unwrap_or_default()),
        }
    }
}
