//! A parsed pattern: a tree of fields with lists of conditions at its leaves, and the ways through it. Invariant: no object
//! and no list in it is empty, and the limits hold. It keeps no text: who wants to show the pattern as it was written keeps
//! that too.

use std::{fmt, sync::Arc};

use serde_json::Value;

use crate::{
    condition::{self, Condition, Scalar},
    ways::Way,
};

/// Which events a rule is about: fields are and, the values of one field are or.
#[derive(Clone, Debug)]
pub struct Pattern {
    pub(crate) root: Fields,
    /// What `$or` stands for, multiplied out: an event matches if it matches along one of them.
    pub(crate) ways: Arc<[Way]>,
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
    /// The pattern's own names, as a JSON pointer; `$or` has no token.
    pub(crate) pointer: Box<str>,
    /// Its place in the pattern, attributes before what is in the payload.
    pub(crate) order: u32,
    pub(crate) conditions: Box<[Condition]>,
    /// Whether it matches where no value is.
    pub(crate) absent: bool,
    /// The strings of a long list, sorted, by their numbers in the list; the others stand in `rest`.
    texts: Box<[u32]>,
    rest: Box<[u32]>,
}

/// Lists up to this long are asked one by one.
const SHORT_LIST: usize = 8;

impl Leaf {
    pub(crate) fn new(path: &str, pointer: &str, order: u32, conditions: Vec<Condition>) -> Self {
        let absent = conditions.contains(&Condition::Exists(false));
        let (mut texts, mut rest) = (Vec::new(), Vec::new());
        if conditions.len() > SHORT_LIST {
            for (n, condition) in (0..).zip(&conditions) {
                if matches!(condition, Condition::Text(_, None)) { texts.push(n) } else { rest.push(n) }
            }
        }
        let (path, pointer, conditions) = (path.into(), pointer.into(), conditions.into());
        let mut leaf = Self { path, pointer, order, conditions, absent, texts: Box::default(), rest: rest.into() };
        texts.sort_by(|a, b| leaf.text(*a).cmp(leaf.text(*b)));
        leaf.texts = texts.into();
        leaf
    }

    fn text(&self, n: u32) -> &[u8] {
        match self.conditions.get(n as usize) {
            Some(Condition::Text(text, _)) => text.as_bytes(),
            _ => &[],
        }
    }

    /// Whether one value is as wanted, and by which condition.
    pub(crate) fn held_by(&self, found: Scalar<'_>) -> Option<&Condition> {
        let of = |n: &u32| self.conditions.get(*n as usize);
        // A value is there, so that what must be absent does not hold.
        let holds = |condition: &&Condition| **condition != Condition::Exists(false) && condition.holds(found);
        if self.conditions.len() <= SHORT_LIST {
            return self.conditions.iter().find(holds);
        }
        if let Scalar::Text(text) = found
            && let Ok(at) = self.texts.binary_search_by(|n| self.text(*n).cmp(text))
        {
            return self.texts.get(at).and_then(of);
        }
        self.rest.iter().filter_map(of).find(holds)
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
