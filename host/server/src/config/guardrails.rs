//! Guardrails of a route to models: what may not be said, and what is masked.
//!
//! Invariant: what is read can be kept to: its expressions are compiled here, once.

use std::sync::Arc;

use serde_json::json;
use wharf_llm::{
    Guard, Kind, Rules,
    limits::{DENIED_MAX, PATTERNS_MAX},
};

use super::{
    keys::{Key, Otherwise, Shape, key},
    table::{Sink, Table},
};

const RULES: &[Key] = &[
    key(
        "deny",
        "Words, alone or one after the other, that may not be said, whatever their case: neither to a model nor by it.",
        Shape::Words(DENIED_MAX),
        Otherwise::Nothing,
    ),
    key(
        "mask",
        "Personal data that is replaced by its kind in brackets, in what is sent and in answers: `email`, `iban`, `card`, `us-ssn`, `ip`, `phone`.",
        Shape::Names(Kind::ALL.len()),
        Otherwise::Default(|| json!([])),
    ),
    key(
        "patterns",
        "Regular expressions of what is masked besides, each under the name that takes its place.",
        Shape::Texts,
        Otherwise::Nothing,
    ),
];

pub(super) const GUARDRAILS: Key =
    key("guardrails", "What may not be said by it, and what is masked.", Shape::Table(RULES), Otherwise::Nothing);

/// Reads those of a route, if it has any.
pub(super) fn read(table: &Table<'_>, sink: &Sink) -> Option<Arc<Guard>> {
    let table = table.table("guardrails")?;
    let patterns = table.texts("patterns");
    if patterns.len() > PATTERNS_MAX {
        let span = table.value_span("patterns").unwrap_or(table.span.clone());
        sink.report(span, format!("there are {} patterns", patterns.len()), format!("leave {PATTERNS_MAX}"));
        return None;
    }
    let rules = Rules {
        deny: table.list("deny"),
        mask: table.list("mask"),
        patterns: patterns.into_iter().map(|(name, text)| (name.to_owned(), text)).collect(),
    };
    if rules == Rules::default() {
        return None;
    }
    match Guard::new(rules) {
        Ok(guard) => Some(Arc::new(guard)),
        Err(error) => {
            sink.report(table.span.clone(), error, "correct the guardrails of the route");
            None
        }
    }
}
