//! Why something is not an event pattern. Invariant: the pointer (RFC 6901) names the place in the pattern that has to be
//! changed, and the reason says to what.

use wharf_event::Code;

use crate::limits::{PATTERN_BYTES_MAX, PATTERN_DEPTH_MAX, PATTERN_VALUES_MAX};

/// A pattern that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {reason}", if pointer.is_empty() { "the pattern" } else { pointer.as_str() })]
pub struct PatternError {
    /// A JSON pointer into the pattern; empty is its root.
    pub pointer: String,
    /// What is wrong there.
    pub reason: PatternReason,
}

/// What is wrong at one place of a pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternReason {
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
    #[error("there is no operator `{name}`; use prefix, suffix, anything-but, exists or numeric")]
    OperatorUnknown {
        /// The operator.
        name: String,
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
    /// A list of comparisons that is neither one nor a range.
    #[error(
        "`numeric` takes one comparison, such as [\"<=\", 5], or a range with its lower end first, such as [\">\", 0, \"<=\", 5]"
    )]
    NumericShape,
    /// A range that nothing is in.
    #[error("the range is empty: its lower end must be below its upper end")]
    NumericRange,
    /// Too many objects within objects.
    #[error("fields are nested deeper than {PATTERN_DEPTH_MAX}")]
    TooDeep,
    /// Too many values.
    #[error("the pattern has more than {PATTERN_VALUES_MAX} values")]
    TooManyValues,
    /// Too many bytes.
    #[error("the pattern has more than {PATTERN_BYTES_MAX} bytes of names and strings")]
    TooLarge,
}

impl PatternError {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> Code {
        Code::PatternInvalid
    }
}
