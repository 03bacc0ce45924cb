//! Why something is not an event pattern. Invariant: the pointer (RFC 6901) names the place in the pattern that has to be
//! changed, and the reason says to what.

use std::fmt;

use wharf_event::Code;

use crate::{
    limits::{
        NUMBER_DIGITS_MAX, PATTERN_BYTES_MAX, PATTERN_DEPTH_MAX, PATTERN_FIELDS_MAX, PATTERN_PATH_BYTES_MAX,
        PATTERN_TEXT_BYTES_MAX, PATTERN_VALUES_MAX, PATTERN_WAYS_MAX, WILDCARD_COMPLEXITY_MAX,
    },
    scan::JsonError,
};

/// A pattern that cannot be used: one mistake of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {reason}", if pointer.is_empty() { "the pattern" } else { pointer.as_str() })]
pub struct PatternError {
    /// A JSON pointer into the pattern; empty is its root.
    pub pointer: String,
    /// What is wrong there.
    pub reason: PatternReason,
}

/// All mistakes of a pattern, in the order of its text, up to a limit. There is at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatternErrors {
    pub(crate) first: PatternError,
    pub(crate) others: Vec<PatternError>,
}

/// What is wrong at one place of a pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternReason {
    /// The text is no JSON.
    #[error(transparent)]
    Json(JsonError),
    /// The root is no object.
    #[error("a pattern is an object of fields, such as {{\"type\": [\"order.created\"]}}, not {found}")]
    NotObject {
        /// What is there.
        found: &'static str,
    },
    /// An object without fields.
    #[error("an object of fields must not be empty: name a field, or leave it out")]
    EmptyObject,
    /// A list without values.
    #[error("a list of values must not be empty: it could never match")]
    EmptyArray,
    /// A field with a bare value.
    #[error("a field takes a list of values or an object of fields, not {found}; write [{shown}]")]
    NotList {
        /// What is there.
        found: &'static str,
        /// The value, for the advice.
        shown: String,
    },
    /// A list within a list.
    #[error("a list of values must not have lists in it; an event's list matches if one of its elements does")]
    NestedList,
    /// An operator object with no member, or with several.
    #[error("an operator is an object with one member, not {count}; write one object for each operator")]
    OperatorCount {
        /// How many it has.
        count: usize,
    },
    /// An operator that there is not.
    #[error(
        "there is no operator `{name}`; use prefix, suffix, equals-ignore-case, wildcard, anything-but, numeric, cidr or exists"
    )]
    OperatorUnknown {
        /// The operator.
        name: String,
    },
    /// An operator within another that does not take it.
    #[error("`{outer}` does not take `{name}`; it takes {wanted}")]
    OperatorWithin {
        /// The outer operator.
        outer: &'static str,
        /// The inner one.
        name: String,
        /// What it could be.
        wanted: &'static str,
    },
    /// An operator on what it does not take.
    #[error("`{operator}` takes {wanted}, not {found}")]
    Operand {
        /// The operator.
        operator: &'static str,
        /// What it takes.
        wanted: &'static str,
        /// What is there.
        found: &'static str,
    },
    /// Everything begins and ends with nothing.
    #[error("`anything-but` of an empty {operator} could never match: every string has it")]
    EmptyAffix {
        /// `prefix` or `suffix`.
        operator: &'static str,
    },
    /// A list of comparisons that is neither one nor a range.
    #[error(
        "`numeric` takes one comparison, such as [\"<=\", 5], or a range with its lower end first, such as [\">\", 0, \"<=\", 5]"
    )]
    NumericShape,
    /// A range that nothing is in.
    #[error("the range is empty: its lower end must be below its upper end")]
    NumericRange,
    /// A number that doubles do not tell apart.
    #[error("a number that is compared must be one that a double is written as: at most {NUMBER_DIGITS_MAX} digits")]
    NumberDigits,
    /// No address with a mask.
    #[error(
        "`cidr` takes an IP address and a mask, such as \"10.0.0.0/8\" (0 to 31 bits) or \"2001:db8::/32\" (0 to 127)"
    )]
    Cidr,
    /// Two stars in a row.
    #[error("a wildcard must not have two `*` in a row: one is any number of characters")]
    WildcardDoubled,
    /// A backslash before something else.
    #[error("in a wildcard, a backslash stands before `*` or another backslash only: write \\* or \\\\")]
    WildcardEscape,
    /// A wildcard that could be read in too many ways.
    #[error(
        "the wildcard has {complexity} readings open at once, more than {WILDCARD_COMPLEXITY_MAX}: use fewer `*`, or fewer \
         characters that come again after them"
    )]
    WildcardComplex {
        /// How many.
        complexity: usize,
    },
    /// `$or` that is no list of objects.
    #[error("`$or` takes a list of at least two objects of fields")]
    OrShape,
    /// A field in `$or` that looks like an operator.
    #[error("`{name}` cannot be a field within `$or`: it is the name of an operator")]
    OrReserved {
        /// The name.
        name: String,
    },
    /// Too many objects within objects.
    #[error("fields are nested deeper than {PATTERN_DEPTH_MAX}")]
    TooDeep,
    /// Names that are too long.
    #[error("the names on the way to a field have more than {PATTERN_PATH_BYTES_MAX} bytes")]
    PathTooLong,
    /// Too many values.
    #[error("the pattern has more than {PATTERN_VALUES_MAX} values")]
    TooManyValues,
    /// Too many bytes.
    #[error(
        "the pattern has more than {PATTERN_BYTES_MAX} bytes of names and strings, or {PATTERN_TEXT_BYTES_MAX} in all"
    )]
    TooLarge,
    /// Too many fields along one way.
    #[error("the pattern has more than {PATTERN_FIELDS_MAX} fields")]
    TooManyFields,
    /// Too many ways.
    #[error("the `$or` of the pattern multiply to more than {PATTERN_WAYS_MAX} combinations")]
    TooManyWays,
}

impl PatternError {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> Code {
        Code::PatternInvalid
    }
}

impl PatternErrors {
    /// The mistake that comes first.
    #[must_use]
    pub fn into_first(self) -> PatternError {
        self.first
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &PatternError> {
        std::iter::once(&self.first).chain(&self.others)
    }
}

impl fmt::Display for PatternErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, error) in self.iter().enumerate() {
            write!(f, "{}{error}", if n == 0 { "" } else { "; " })?;
        }
        Ok(())
    }
}

impl std::error::Error for PatternErrors {}
