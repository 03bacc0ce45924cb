//! Why a schema cannot be used. Invariant: the pointer names the place in the schema that has to be changed, and the reason
//! says to what.

use std::fmt;

use serde_json::Value;

use crate::limits::{
    CHAIN_MAX, MESSAGE_CHARS_MAX, PATTERN_COMPILED_BYTES_MAX, PATTERNS_MAX, SCHEMA_BYTES_MAX, SCHEMA_DEPTH_MAX,
    SUBSCHEMAS_MAX, VALUE_WORK_MAX,
};

/// One mistake of a schema.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {reason}", if pointer.is_empty() { "the schema" } else { pointer.as_str() })]
pub struct SchemaError {
    /// A JSON pointer into the schema; empty is its root.
    pub pointer: String,
    /// What is wrong there.
    pub reason: SchemaReason,
}

/// All mistakes of a schema, up to a limit. There is at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaErrors {
    pub(crate) first: SchemaError,
    pub(crate) others: Vec<SchemaError>,
}

/// What is wrong at one place of a schema.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SchemaReason {
    /// The text is no JSON.
    #[error("not JSON: {message}")]
    Json {
        /// What the parser says, with line and column.
        message: String,
    },
    /// `$schema` names another draft.
    #[error(
        "`$schema` is {found}; write \"https://json-schema.org/draft/2020-12/schema\", \"http://json-schema.org/draft-07/schema#\", or nothing, which is 2020-12"
    )]
    Draft {
        /// What is there.
        found: String,
    },
    /// The draft does not allow it, or a regular expression cannot be used.
    #[error("{message}")]
    Invalid {
        /// What the validator says.
        message: String,
    },
    /// A regular expression that cannot be used.
    #[error(
        "the regular expression cannot be used: it must do without look-around and back-references, which could take any time, and compile to at most {PATTERN_COMPILED_BYTES_MAX} bytes (a large count of `\\p{{…}}` is often too much)"
    )]
    Pattern,
    /// A reference that leaves the document.
    #[error(
        "`{reference}` is not in this document, and nothing is fetched: put it into `$defs` and refer to \"#/$defs/…\""
    )]
    Remote {
        /// What is there.
        reference: String,
    },
    /// A reference to a place that is no schema.
    #[error("`{reference}` names no schema of this document")]
    Dangling {
        /// What is there.
        reference: String,
    },
    /// A schema with an identity of its own within another.
    #[error("only the root may have an `$id`: name a part of the document by `$anchor` or by its place in `$defs`")]
    Embedded,
    /// References that lead back without going deeper into the event.
    #[error("this schema applies itself to the same value, again and again: {way}")]
    Loop {
        /// The schemas along the way.
        way: String,
    },
    /// Too many schemas for one value in a row.
    #[error(
        "more than {CHAIN_MAX} schemas apply to one value, each by way of the one before: leave out some `$ref` and `allOf`"
    )]
    Chain,
    /// Too much work for one value.
    #[error(
        "one value of an event could be held against this schema more than {VALUE_WORK_MAX} times over: use fewer branches, or branches that do not refer back"
    )]
    Work,
    /// Too many bytes.
    #[error("the schema has {bytes} bytes, at most {SCHEMA_BYTES_MAX} are allowed")]
    TooLarge {
        /// How many.
        bytes: usize,
    },
    /// Too deep.
    #[error("schemas are nested deeper than {SCHEMA_DEPTH_MAX}")]
    TooDeep,
    /// Too many schemas.
    #[error("the document has more than {SUBSCHEMAS_MAX} schemas")]
    TooMany,
    /// Too many expressions.
    #[error("the document has more than {PATTERNS_MAX} regular expressions")]
    TooManyPatterns,
}

impl SchemaErrors {
    pub(crate) fn of(pointer: impl Into<String>, reason: SchemaReason) -> Self {
        Self { first: SchemaError { pointer: pointer.into(), reason }, others: Vec::new() }
    }

    /// These mistakes, if there are any.
    pub(crate) fn check(errors: Vec<SchemaError>) -> Result<(), Self> {
        let mut errors = errors.into_iter();
        match errors.next() {
            Some(first) => Err(Self { first, others: errors.collect() }),
            None => Ok(()),
        }
    }

    /// The mistake that comes first.
    #[must_use]
    pub fn into_first(self) -> SchemaError {
        self.first
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &SchemaError> {
        std::iter::once(&self.first).chain(&self.others)
    }
}

impl fmt::Display for SchemaErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, error) in self.iter().enumerate() {
            write!(f, "{}{error}", if n == 0 { "" } else { "; " })?;
        }
        Ok(())
    }
}

impl std::error::Error for SchemaErrors {}

/// A value as a message shows it.
pub(crate) fn shown(value: &Value) -> String {
    cut(value.to_string())
}

/// A message that is no longer than messages are.
pub(crate) fn cut(text: String) -> String {
    cut_to(text, MESSAGE_CHARS_MAX)
}

/// A text of so many characters at most.
pub(crate) fn cut_to(text: String, chars_max: usize) -> String {
    match text.char_indices().nth(chars_max) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}
