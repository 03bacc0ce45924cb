//! JSON objects as tables, which the reader of `wharf.toml` takes: so keys, bounds, defaults and messages are the same in both.
//!
//! Invariant: a place is a JSON pointer here. The reader knows places by spans; a span stands for a pointer by its start.

use std::{collections::BTreeMap, ops::Range};

use serde_json::value::RawValue;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};
use wharf_event::Code;
use wharf_gateway::Mistake;

use super::problem::Problem;

/// Objects and lists within each other: more than any document has use for, and few enough to walk.
const DEPTH_MAX: usize = 16;

/// The place of the whole document.
pub(super) const ROOT: Range<usize> = 0..1;

/// A document that is not what it should be: the code that says it best, and every mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// The code of such documents, or the one that all mistakes have, such as `pattern-invalid`.
    pub code: Code,
    /// What is wrong, at least once.
    pub mistakes: Vec<Mistake>,
}

pub(super) type Members<'a> = BTreeMap<String, &'a RawValue>;

/// A document on its way to the reader of tables.
pub(super) struct Reading {
    /// The code of documents of this kind.
    invalid: Code,
    /// The pointers that places stand for.
    places: Vec<String>,
    mistakes: Vec<(Code, Mistake)>,
}

impl Reading {
    pub(super) fn new(invalid: Code) -> Self {
        Self { invalid, places: vec![String::new()], mistakes: Vec::new() }
    }

    /// The members of a document; `what` is what the document is, in words.
    pub(super) fn members<'a>(json: &'a [u8], what: &str, invalid: Code) -> Result<Members<'a>, Wrong> {
        serde_json::from_slice(json).map_err(|error| {
            let detail = format!("{what} is a JSON object: {error}");
            Wrong { code: invalid, mistakes: vec![Mistake { pointer: String::new(), detail }] }
        })
    }

    /// A document all of whose members are as they would be in a table.
    pub(super) fn table<'a>(&mut self, members: Members<'a>) -> DeTable<'a> {
        let mut table = DeTable::new();
        for (name, raw) in members {
            let pointer = below("", &name);
            let value = self.value(raw, &pointer, 1);
            table.extend(value.map(|value| (Spanned::new(self.place(pointer), name.into()), value)));
        }
        table
    }

    /// A value as the reader of tables has it; none for what TOML has not.
    pub(super) fn value<'a>(&mut self, raw: &'a RawValue, pointer: &str, depth: usize) -> Option<Spanned<DeValue<'a>>> {
        let text = raw.get();
        let value = match text.bytes().next() {
            Some(b'{' | b'[') if depth > DEPTH_MAX => Err("it is nested deeper than any rule".to_owned()),
            Some(b'{') => serde_json::from_str(text).map_err(told).map(|members: Members<'a>| {
                let members = members.into_iter().filter_map(|(name, member)| {
                    let pointer = below(pointer, &name);
                    let value = self.value(member, &pointer, depth + 1)?;
                    Some((Spanned::new(self.place(pointer), name.into()), value))
                });
                DeValue::Table(members.collect())
            }),
            Some(b'[') => serde_json::from_str(text).map_err(told).map(|items: Vec<&'a RawValue>| {
                let items = items.into_iter().enumerate();
                DeValue::Array(
                    items.filter_map(|(n, item)| self.value(item, &format!("{pointer}/{n}"), depth + 1)).collect(),
                )
            }),
            Some(b'"') => serde_json::from_str(text).map_err(told).map(|text: String| DeValue::String(text.into())),
            Some(b'n') => Err("`null` says nothing here: leave the member out".to_owned()),
            // Numbers and truth values are written in the same way in TOML.
            _ => DeValue::parse(text).map(Spanned::into_inner).map_err(|error| error.message().to_owned()),
        };
        match value {
            Ok(value) => Some(Spanned::new(self.place(pointer.to_owned()), value)),
            Err(detail) => {
                self.refuse(pointer, detail);
                None
            }
        }
    }

    pub(super) fn place(&mut self, pointer: String) -> Range<usize> {
        self.places.push(pointer);
        self.places.len() - 1..self.places.len()
    }

    /// A mistake with a code of its own.
    pub(super) fn mistake(&mut self, code: Code, mistake: Mistake) {
        self.mistakes.push((code, mistake));
    }

    /// Takes what the reader found, but for what has the code `known`: that was told already.
    pub(super) fn take(&mut self, problems: Vec<Problem>, known: Option<Code>) {
        for Problem { span, code, message, help } in problems {
            if Some(code) == known {
                continue;
            }
            let pointer = self.places.get(span.start).cloned().unwrap_or_default();
            let code = if code == Code::ConfigInvalid { self.invalid } else { code };
            self.mistakes.push((code, Mistake { pointer, detail: format!("{message}: {help}") }));
        }
    }

    pub(super) fn refuse(&mut self, pointer: &str, detail: String) {
        self.mistakes.push((self.invalid, Mistake { pointer: pointer.to_owned(), detail }));
    }

    /// What is wrong, if anything is.
    pub(super) fn end(self) -> Option<Wrong> {
        let code = self.mistakes.iter().map(|(code, _)| *code);
        let code = code.reduce(|one, other| if one == other { one } else { self.invalid })?;
        Some(Wrong { code, mistakes: self.mistakes.into_iter().map(|(_, mistake)| mistake).collect() })
    }
}

fn told(error: serde_json::Error) -> String {
    error.to_string()
}

pub(super) fn below(pointer: &str, name: &str) -> String {
    format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"))
}
