//! A parsed pattern: a tree of fields with lists of conditions at its leaves. Invariant: no object and no list in it is
//! empty, and the limits hold. It keeps no text: who wants to show the pattern as it was written keeps that too.

use std::fmt;

use serde_json::Value;

use crate::condition::{self, Condition};

/// Which events a rule is about: fields are and, the values of one field are or.
#[derive(Clone, Debug, PartialEq)]
pub struct Pattern {
    pub(crate) root: Fields,
}

/// The fields of one object, all of which must match.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Fields {
    pub(crate) fields: Vec<(String, Field)>,
    /// Whether they match where no object is, which only fields that must be absent do. Known ahead, so that a long list
    /// in an event does not ask again for each of its elements.
    pub(crate) match_absence: bool,
}

/// What a field must be.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Field {
    Nested(Fields),
    Leaf(Vec<Condition>),
}

impl Fields {
    pub(crate) fn new(fields: Vec<(String, Field)>) -> Self {
        let match_absence = fields.iter().all(|(_, field)| field.matches_absence());
        Self { fields, match_absence }
    }
}

impl Field {
    pub(crate) fn matches_absence(&self) -> bool {
        match self {
            Self::Nested(fields) => fields.match_absence,
            Self::Leaf(conditions) => conditions.contains(&Condition::Exists(false)),
        }
    }
}

/// The pattern as compact JSON.
impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.root.fmt(f)
    }
}

impl fmt::Display for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, (name, field)) in self.fields.iter().enumerate() {
            let before = if n == 0 { '{' } else { ',' };
            write!(f, "{before}{}:{field}", Value::from(name.as_str()))?;
        }
        f.write_str("}")
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nested(fields) => fields.fmt(f),
            Self::Leaf(conditions) => condition::list(f, conditions),
        }
    }
}
