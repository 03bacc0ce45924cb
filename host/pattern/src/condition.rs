//! What one value of an event must be. Invariant: a condition is asked of scalars only, and prints as JSON that means the
//! same. Presence is not asked here: `exists` is about a place, not a value.

use std::fmt;

use serde_json::Value;

use crate::{
    address::{Address, Block},
    fold::Folded,
    number::{Key, Number},
    text::{begins, ends, same},
    wildcard::Wildcard,
};

/// Lists up to this long are asked one by one.
pub(crate) const SHORT_LIST: usize = 8;

/// One entry of a field's list. What is large is boxed: a hundred thousand rules have at least as many of these.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Condition {
    Null,
    Boolean(bool),
    Number(Box<Number>),
    Text(Box<str>),
    /// A string that is an IP address: it equals the other spellings of that too.
    Address(Box<(Box<str>, Address)>),
    /// `exactly`, which takes a string as it is.
    Exactly(Box<str>),
    Prefix(Box<str>),
    PrefixFolded(Box<Folded>),
    Suffix(Box<str>),
    SuffixFolded(Box<Folded>),
    Folded(Box<Folded>),
    Wildcard(Box<Wildcard>),
    AnythingBut(Box<Unwanted>),
    Numeric(Box<Range>),
    Cidr(Box<(Box<str>, Block)>),
    Exists(bool),
}

/// What `anything-but` excludes. Strings are sorted, so that a long list costs little.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Unwanted {
    Texts(Box<[Box<str>]>),
    Numbers(Box<[Number]>),
    Prefixes(Box<[Box<str>]>),
    Suffixes(Box<[Box<str>]>),
    Folded(Box<[Folded]>),
    Wildcards(Box<[Wildcard]>),
}

/// A range of numbers, with one end or two.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Range {
    lower: Option<End>,
    upper: Option<End>,
    /// The first key in it and the last.
    pub(crate) keys: (Key, Key),
}

/// One end of a range. Its number has a key.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct End {
    pub(crate) number: Number,
    pub(crate) inclusive: bool,
}

/// A scalar of an event.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Scalar<'a> {
    Null,
    Boolean(bool),
    /// Its text, and the sketch of its key.
    Number(&'a [u8], Option<Key>),
    /// What it says, escapes resolved.
    Text(&'a [u8]),
}

impl Condition {
    /// Whether a scalar of an event is as wanted. `exists` holds by the scalar being there, or does not.
    pub(crate) fn holds(&self, found: Scalar<'_>) -> bool {
        match (self, found) {
            (Self::Null, Scalar::Null) => true,
            (Self::Boolean(wanted), Scalar::Boolean(found)) => *wanted == found,
            (Self::Number(wanted), Scalar::Number(text, key)) => wanted.equals(text, key),
            (Self::Numeric(range), Scalar::Number(_, Some(key))) => range.has(key),
            (Self::Text(wanted) | Self::Exactly(wanted), Scalar::Text(found)) => same(wanted.as_bytes(), found),
            (Self::Address(wanted), Scalar::Text(found)) => Address::of(found) == Some(wanted.1),
            (Self::Prefix(prefix), Scalar::Text(found)) => begins(found, prefix.as_bytes()),
            (Self::PrefixFolded(prefix), Scalar::Text(found)) => prefix.begins(found),
            (Self::Suffix(suffix), Scalar::Text(found)) => ends(found, suffix.as_bytes()),
            (Self::SuffixFolded(suffix), Scalar::Text(found)) => suffix.ends(found),
            (Self::Folded(folded), Scalar::Text(found)) => folded.equals(found),
            (Self::Wildcard(wildcard), Scalar::Text(found)) => wildcard.matches(found),
            (Self::Cidr(wanted), Scalar::Text(found)) => Address::of(found).is_some_and(|found| wanted.1.has(found)),
            (Self::AnythingBut(unwanted), found) => !unwanted.has(found),
            (Self::Exists(wanted), _) => *wanted,
            _ => false,
        }
    }
}

impl Unwanted {
    fn has(&self, found: Scalar<'_>) -> bool {
        match (self, found) {
            (Self::Texts(texts), Scalar::Text(found)) => {
                texts.binary_search_by(|text| text.as_bytes().cmp(found)).is_ok()
            }
            (Self::Numbers(numbers), Scalar::Number(_, key)) => {
                key.is_some() && numbers.binary_search_by_key(&key, |number| number.key).is_ok()
            }
            (Self::Prefixes(prefixes), Scalar::Text(found)) => prefixes.iter().any(|it| begins(found, it.as_bytes())),
            (Self::Suffixes(suffixes), Scalar::Text(found)) => suffixes.iter().any(|it| ends(found, it.as_bytes())),
            (Self::Folded(texts), Scalar::Text(found)) => texts.iter().any(|text| text.equals(found)),
            (Self::Wildcards(wildcards), Scalar::Text(found)) => wildcards.iter().any(|it| it.matches(found)),
            _ => false,
        }
    }
}

impl Range {
    pub(crate) fn new(lower: Option<End>, upper: Option<End>) -> Self {
        let key = |end: &End| end.number.key.unwrap_or(Key::HIGHEST);
        let first = |end: &End| if end.inclusive { key(end) } else { key(end).after() };
        let last = |end: &End| if end.inclusive { key(end) } else { key(end).before() };
        let keys = (lower.as_ref().map_or(Key::LOWEST, first), upper.as_ref().map_or(Key::HIGHEST, last));
        Self { lower, upper, keys }
    }

    #[inline]
    fn has(&self, found: Key) -> bool {
        let (first, last) = self.keys;
        // What is in no range need not be asked this.
        first <= found && found <= last && found.holds()
    }
}

/// A string as JSON writes it.
fn quoted(text: &str) -> Value {
    Value::from(text)
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Boolean(value) => value.fmt(f),
            Self::Number(value) => value.fmt(f),
            Self::Text(text) => quoted(text).fmt(f),
            Self::Address(wanted) => quoted(&wanted.0).fmt(f),
            Self::Exactly(text) => write!(f, "{{\"exactly\":{}}}", quoted(text)),
            Self::Prefix(prefix) => write!(f, "{{\"prefix\":{}}}", quoted(prefix)),
            Self::PrefixFolded(prefix) => {
                write!(f, "{{\"prefix\":{{\"equals-ignore-case\":{}}}}}", quoted(prefix.text()))
            }
            Self::Suffix(suffix) => write!(f, "{{\"suffix\":{}}}", quoted(suffix)),
            Self::SuffixFolded(suffix) => {
                write!(f, "{{\"suffix\":{{\"equals-ignore-case\":{}}}}}", quoted(suffix.text()))
            }
            Self::Folded(folded) => write!(f, "{{\"equals-ignore-case\":{}}}", quoted(folded.text())),
            Self::Wildcard(wildcard) => write!(f, "{{\"wildcard\":{}}}", quoted(wildcard.text())),
            Self::AnythingBut(unwanted) => write!(f, "{{\"anything-but\":{unwanted}}}"),
            Self::Numeric(range) => write!(f, "{{\"numeric\":[{range}]}}"),
            Self::Cidr(wanted) => write!(f, "{{\"cidr\":{}}}", quoted(&wanted.0)),
            Self::Exists(wanted) => write!(f, "{{\"exists\":{wanted}}}"),
        }
    }
}

impl fmt::Display for Unwanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts = |texts: &[Box<str>]| texts.iter().map(|text| quoted(text)).collect::<Vec<_>>();
        let (operator, texts) = match self {
            Self::Texts(own) => return list(f, &texts(own)),
            Self::Numbers(own) => return list(f, own),
            Self::Prefixes(own) => ("prefix", texts(own)),
            Self::Suffixes(own) => ("suffix", texts(own)),
            Self::Folded(own) => ("equals-ignore-case", own.iter().map(|it| quoted(it.text())).collect()),
            Self::Wildcards(own) => ("wildcard", own.iter().map(|it| quoted(it.text())).collect()),
        };
        write!(f, "{{\"{operator}\":")?;
        list(f, &texts)?;
        f.write_str("}")
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
