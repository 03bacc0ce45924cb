//! Why an event does not match: the first field that fails, in the pattern's order. Invariant: there is a mismatch exactly
//! when `matches` says no, and its texts are bounded however large the event is. It explains one pattern; which rules are
//! worth explaining is not its business.

use std::fmt::{self, Write as _};

use serde_json::Value;

use crate::{
    limits::SHOWN_CHARS_MAX,
    matching::Subject,
    pattern::{Field, Fields, Pattern},
};

/// What `saw` says of a field that is not there. No JSON value prints like this.
const ABSENT: &str = "absent";

/// The first field of a pattern that an event does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// A JSON pointer (RFC 6901) of field names: lists on the way have no token of their own.
    pub pointer: String,
    /// What the pattern wants: its list for this field, or a phrase such as `an object`.
    pub wanted: String,
    /// What the event has: JSON, cut to 200 characters, or `absent`.
    pub saw: String,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pointer, wanted, saw } = self;
        let tokens: Vec<String> =
            pointer.split('/').skip(1).map(|it| it.replace("~1", "/").replace("~0", "~")).collect();
        let field = if tokens.is_empty() { "the event".to_owned() } else { tokens.join(".") };
        if saw == ABSENT {
            write!(f, "{field} is absent, not one of {wanted}")
        } else if wanted.starts_with('[') {
            write!(f, "{field} = {saw} is not in {wanted}")
        } else {
            write!(f, "{field} = {saw} is not {wanted}")
        }
    }
}

impl Pattern {
    /// Why the event does not match: the first field that fails. `None` means that it matches.
    #[must_use]
    pub fn explain(&self, subject: &Subject) -> Option<Mismatch> {
        if self.matches(subject) {
            return None;
        }
        first_failure(&self.root, &mut String::new(), |name| subject.get(name))
    }
}

fn explain_fields(fields: &Fields, found: Option<&Value>, pointer: &mut String) -> Option<Mismatch> {
    if fields.matches(found) {
        return None;
    }
    match found {
        Some(Value::Object(object)) => first_failure(fields, pointer, |name| object.get(name)),
        None => first_failure(fields, pointer, |_| None),
        Some(Value::Array(items)) => match items.as_slice() {
            [] => Some(mismatch(pointer, shown("a list with an object in it"), found)),
            [item] => explain_fields(fields, Some(item), pointer),
            _ => Some(mismatch(pointer, shown(format_args!("a list with one element that is {fields}")), found)),
        },
        Some(_) => Some(mismatch(pointer, shown("an object"), found)),
    }
}

fn first_failure<'a>(
    fields: &Fields,
    pointer: &mut String,
    get: impl Fn(&str) -> Option<&'a Value>,
) -> Option<Mismatch> {
    // What an event is (its attributes) says more than what is in it, so values come before nested fields.
    let leaves = fields.fields.iter().filter(|(_, field)| matches!(field, Field::Leaf(_)));
    let nested = fields.fields.iter().filter(|(_, field)| matches!(field, Field::Nested(_)));
    leaves.chain(nested).find_map(|(name, field)| {
        let length = pointer.len();
        pointer.push('/');
        pointer.push_str(&name.replace('~', "~0").replace('/', "~1"));
        let failure = explain_field(field, get(name), pointer);
        pointer.truncate(length);
        failure
    })
}

fn explain_field(field: &Field, found: Option<&Value>, pointer: &mut String) -> Option<Mismatch> {
    match field {
        Field::Nested(fields) => explain_fields(fields, found, pointer),
        leaf if leaf.matches(found) => None,
        leaf => Some(mismatch(pointer, shown(leaf), found)),
    }
}

fn mismatch(pointer: &str, wanted: String, found: Option<&Value>) -> Mismatch {
    let saw = found.map_or_else(|| ABSENT.to_owned(), shown);
    Mismatch { pointer: pointer.to_owned(), wanted, saw }
}

/// Prints a value up to the limit, without printing the rest of it anywhere.
fn shown(value: impl fmt::Display) -> String {
    let mut cut = Cut { text: String::new(), left: SHOWN_CHARS_MAX };
    // The error says that it was cut.
    if write!(cut, "{value}").is_err() {
        cut.text.push('…');
    }
    cut.text
}

struct Cut {
    text: String,
    left: usize,
}

impl fmt::Write for Cut {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            self.left = self.left.checked_sub(1).ok_or(fmt::Error)?;
            self.text.push(c);
        }
        Ok(())
    }
}
