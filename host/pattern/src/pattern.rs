//! A parsed pattern: a tree of fields with lists of conditions at its leaves, and the ways through it. Invariant: no object
//! and no list in it is empty, and the limits hold. It keeps no text: who wants to show the pattern as it was written keeps
//! that too.

use std::{fmt, sync::Arc};

use serde_json::Value;
use wharf_event::named_here;

use crate::{
    condition::{self, Condition, SHORT_LIST, Scalar},
    ways::Way,
};

/// Which events a rule is about: fields are and, the values of one field are or.
#[derive(Clone, Debug)]
pub struct Pattern {
    pub(crate) root: Fields,
    /// What `$or` stands for, multiplied out: an event matches if it matches along one of them.
    pub(crate) ways: Arc<[Way]>,
}

impl Pattern {
    /// Ways through its `$or`: what it costs a matcher.
    #[must_use]
    pub fn ways(&self) -> usize {
        self.ways.len()
    }

    /// Whether it calls something by EventBridge's name, which only an event on a bus answers to (see [`crate::Subject`]).
    #[must_use]
    pub fn names_envelope(&self) -> bool {
        let mut paths = self.ways.iter().flat_map(|way| way.leaves.iter()).map(|leaf| &leaf.path);
        paths.any(|path| path.split('.').next().and_then(named_here).is_some())
    }
}

/// The members of one object, all of which must match.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Fields {
    pub(crate) members: Vec<(Box<str>, Member)>,
}

/// What stands behind a name.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Member {
    Nested(Fields),
    Leaf(Arc<Leaf>),
    /// `$or`: one of these, at the place where it stands.
    Or(Vec<Fields>),
}

/// What the values of one field must be.
#[derive(Debug)]
pub(crate) struct Leaf {
    /// The names on the way to it, joined by dots: `{"a": {"b": …}}` and `{"a.b": …}` are one field.
    pub(crate) path: Box<str>,
    /// Its place in the pattern, attributes before what is in the payload.
    pub(crate) order: u32,
    pub(crate) conditions: Box<[Condition]>,
    /// Whether it matches where no value is.
    pub(crate) absent: bool,
    /// How a long list is looked through.
    sorted: Option<Box<Sorted>>,
}

/// A long list: its strings, sorted, by their numbers in the list, and the numbers of the others.
#[derive(Debug)]
struct Sorted {
    texts: Box<[u32]>,
    rest: Box<[u32]>,
}

impl Leaf {
    pub(crate) fn new(path: &str, order: u32, conditions: Vec<Condition>) -> Self {
        let absent = conditions.contains(&Condition::Exists(false));
        let mut leaf = Self { path: path.into(), order, conditions: conditions.into(), absent, sorted: None };
        if leaf.conditions.len() > SHORT_LIST {
            let is_text = |n: &u32| matches!(leaf.conditions.get(*n as usize), Some(Condition::Text(_)));
            let (mut texts, rest): (Vec<u32>, Vec<u32>) = (0..leaf.conditions.len() as u32).partition(is_text);
            texts.sort_by(|a, b| leaf.text(*a).cmp(leaf.text(*b)));
            leaf.sorted = Some(Box::new(Sorted { texts: texts.into(), rest: rest.into() }));
        }
        leaf
    }

    fn text(&self, n: u32) -> &[u8] {
        match self.conditions.get(n as usize) {
            Some(Condition::Text(text)) => text.as_bytes(),
            _ => &[],
        }
    }

    /// Whether one value is as wanted, and by which condition.
    #[inline]
    pub(crate) fn held_by(&self, found: Scalar<'_>) -> Option<&Condition> {
        let holds = |condition: &&Condition| condition.holds(found);
        let Some(sorted) = &self.sorted else { return self.conditions.iter().find(holds) };
        let of = |n: &u32| self.conditions.get(*n as usize);
        if let Scalar::Text(text) = found
            && let Ok(at) = sorted.texts.binary_search_by(|n| self.text(*n).cmp(text))
        {
            return sorted.texts.get(at).and_then(of);
        }
        sorted.rest.iter().filter_map(of).find(holds)
    }
}

impl PartialEq for Leaf {
    fn eq(&self, other: &Self) -> bool {
        self.conditions == other.conditions
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.root == other.root
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
        for (n, (name, member)) in self.members.iter().enumerate() {
            let before = if n == 0 { '{' } else { ',' };
            write!(f, "{before}{}:", Value::from(&**name))?;
            match member {
                Member::Nested(fields) => fields.fmt(f)?,
                Member::Leaf(leaf) => leaf.fmt(f)?,
                Member::Or(branches) => condition::list(f, branches)?,
            }
        }
        f.write_str("}")
    }
}

impl fmt::Display for Leaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        condition::list(f, &self.conditions)
    }
}
