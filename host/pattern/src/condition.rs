//! What one value of an event must be. Invariant: a condition is asked of scalars only, and prints as the JSON that it was
//! written in, up to how numbers and spaces are spelled. Presence is not asked here: `exists` is about a place, not a value.

use std::fmt;

use serde_json::Value;

use crate::number::Number;

/// One entry of a field's list.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Condition {
    Exactly(Literal),
    Prefix(String),
    Suffix(String),
    AnythingBut(Vec<Literal>),
    Exists(bool),
    Numeric(Range),
}

/// A scalar of a pattern.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Literal {
    Null,
    Boolean(bool),
    Number(Number),
    String(String),
}

/// A range of numbers, with one end or two.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Range {
    pub(crate) lower: Option<End>,
    pub(crate) upper: Option<End>,
}

/// One end of a range.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct End {
    pub(crate) number: Number,
    pub(crate) inclusive: bool,
}

impl Condition {
    /// Whether a scalar of an event is as wanted. `exists` holds by the scalar being there.
    pub(crate) fn holds(&self, found: &Value) -> bool {
        match (self, found) {
            (Self::Exactly(wanted), found) => wanted.equals(found),
            (Self::Prefix(prefix), Value::String(found)) => found.starts_with(prefix),
            (Self::Suffix(suffix), Value::String(found)) => found.ends_with(suffix),
            (Self::AnythingBut(unwanted), found) => !unwanted.iter().any(|literal| literal.equals(found)),
            (Self::Exists(wanted), _) => *wanted,
            (Self::Numeric(range), Value::Number(found)) => range.holds(found),
            (Self::Prefix(_) | Self::Suffix(_) | Self::Numeric(_), _) => false,
        }
    }
}

impl Literal {
    fn equals(&self, found: &Value) -> bool {
        match (self, found) {
            (Self::Null, Value::Null) => true,
            (Self::Boolean(wanted), Value::Bool(found)) => wanted == found,
            (Self::Number(wanted), Value::Number(found)) => Number::compare(found, wanted).is_eq(),
            (Self::String(wanted), Value::String(found)) => wanted == found,
            _ => false,
        }
    }
}

impl Range {
    fn holds(&self, found: &serde_json::Number) -> bool {
        let above = self.lower.as_ref().is_none_or(|end| {
            let order = Number::compare(found, &end.number);
            order.is_gt() || end.inclusive && order.is_eq()
        });
        let below = self.upper.as_ref().is_none_or(|end| {
            let order = Number::compare(found, &end.number);
            order.is_lt() || end.inclusive && order.is_eq()
        });
        above && below
    }
}

/// A string as JSON writes it.
fn quoted(text: &str) -> Value {
    Value::from(text)
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exactly(literal) => literal.fmt(f),
            Self::Prefix(prefix) => write!(f, "{{\"prefix\":{}}}", quoted(prefix)),
            Self::Suffix(suffix) => write!(f, "{{\"suffix\":{}}}", quoted(suffix)),
            Self::AnythingBut(unwanted) => {
                f.write_str("{\"anything-but\":")?;
                list(f, unwanted)?;
                f.write_str("}")
            }
            Self::Exists(wanted) => write!(f, "{{\"exists\":{wanted}}}"),
            Self::Numeric(range) => write!(f, "{{\"numeric\":[{range}]}}"),
        }
    }
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Boolean(value) => value.fmt(f),
            Self::Number(value) => value.fmt(f),
            Self::String(value) => quoted(value).fmt(f),
        }
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(End { number, inclusive }) = &self.lower {
            write!(f, "\"{}\",{number}", if *inclusive { ">=" } else { ">" })?;
        }
        if self.lower.is_some() && self.upper.is_some() {
            f.write_str(",")?;
        }
        if let Some(End { number, inclusive }) = &self.upper {
            write!(f, "\"{}\",{number}", if *inclusive { "<=" } else { "<" })?;
        }
        Ok(())
    }
}

/// Prints a JSON list.
pub(crate) fn list<T: fmt::Display>(f: &mut impl fmt::Write, items: &[T]) -> fmt::Result {
    f.write_str("[")?;
    for (n, item) in items.iter().enumerate() {
        f.write_str(if n == 0 { "" } else { "," })?;
        write!(f, "{item}")?;
    }
    f.write_str("]")
}
