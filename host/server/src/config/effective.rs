//! The configuration as it holds: every key with its value, and where that comes from.
//!
//! Invariant: written out in full it reads as the same configuration. It is asked of files without mistakes only.

use serde::Serialize;
use serde_json::Value;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    keys::{Key, Named, Otherwise, ROOT, Shape},
    pattern_json,
    place::place,
};

/// A key of the file and what it holds.
#[derive(Debug, Serialize)]
pub struct Setting {
    /// The key, as TOML writes one: `tenants.acme.plugins.triage.limits.wall_ms`.
    pub key: String,
    /// Its value, as it would be written.
    pub value: Value,
    /// Where it comes from; none where nobody wrote it.
    pub place: Option<Place>,
}

/// A place in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Place {
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1, in characters.
    pub column: usize,
}

/// All keys that hold.
pub fn effective(text: &str) -> Vec<Setting> {
    let (document, _) = DeTable::parse_recoverable(text);
    let mut walk = Walk { text, settings: Vec::new() };
    walk.table(ROOT, Some(document.get_ref()), "");
    walk.settings
}

struct Walk<'a> {
    text: &'a str,
    settings: Vec<Setting>,
}

impl Walk<'_> {
    /// The keys of a table that somebody wrote, or of one that nobody did.
    fn table(&mut self, keys: &[Key], table: Option<&DeTable<'_>>, path: &str) {
        for key in keys {
            let written = table.and_then(|table| find(table, key.name));
            let at = if path.is_empty() { key.name.to_owned() } else { format!("{path}.{}", key.name) };
            if let Otherwise::Unless(others) = &key.otherwise
                && others.iter().any(|other| table.and_then(|table| find(table, other)).is_some())
            {
                continue;
            }
            match &key.shape {
                Shape::Table(keys) => self.table(keys, written.and_then(as_table), &at),
                // Written out, one that nobody wrote would say something.
                Shape::Given(keys) => {
                    if let Some(table) = written.and_then(as_table) {
                        self.table(keys, Some(table), &at);
                    }
                }
                Shape::Tables(_, keys) | Shape::List(_, _, keys) => {
                    let items =
                        written.and_then(|value| value.get_ref().as_array()).into_iter().flat_map(|it| it.iter());
                    for (n, item) in items.enumerate() {
                        self.table(keys, as_table(item), &format!("{at}[{n}]"));
                    }
                }
                Shape::Named(Named { keys, always, .. }) => {
                    let written = written.and_then(as_table);
                    let absent = always.filter(|name| written.is_none_or(|table| find(table, name).is_none()));
                    if let Some(name) = absent {
                        self.table(keys, None, &format!("{at}.{name}"));
                    }
                    for (name, value) in written.into_iter().flat_map(|table| table.iter()) {
                        self.table(keys, as_table(value), &format!("{at}.{}", quoted(name.get_ref())));
                    }
                }
                Shape::Settings | Shape::Texts | Shape::Weights(_) => {
                    for (name, value) in written.and_then(as_table).into_iter().flat_map(|table| table.iter()) {
                        self.written(format!("{at}.{}", quoted(name.get_ref())), value);
                    }
                }
                _ => match written {
                    Some(value) => self.written(at, value),
                    None => self.unwritten(at, &key.otherwise, table),
                },
            }
        }
    }

    fn written(&mut self, key: String, value: &Spanned<DeValue<'_>>) {
        // Only a date is no JSON, and no key takes one.
        let json = pattern_json::to_json(value.get_ref()).unwrap_or(Value::Null);
        let (line, column) = place(self.text, value.span().start);
        self.settings.push(Setting { key, value: json, place: Some(Place { line, column }) });
    }

    fn unwritten(&mut self, key: String, otherwise: &Otherwise, table: Option<&DeTable<'_>>) {
        let value = match otherwise {
            Otherwise::Required | Otherwise::Nothing | Otherwise::Unless(_) => return,
            Otherwise::Instead(other, _) if table.is_some_and(|table| find(table, other).is_some()) => return,
            Otherwise::Default(default) | Otherwise::Instead(_, default) => default(),
            Otherwise::Beside(other) => {
                let value =
                    table.and_then(|table| find(table, other)).and_then(|it| pattern_json::to_json(it.get_ref()));
                let Some(value) = value else { return };
                value
            }
        };
        self.settings.push(Setting { key, value, place: None });
    }
}

fn find<'t, 'a>(table: &'t DeTable<'a>, name: &str) -> Option<&'t Spanned<DeValue<'a>>> {
    table.iter().find(|(key, _)| key.get_ref() == name).map(|(_, value)| value)
}

fn as_table<'t, 'a>(value: &'t Spanned<DeValue<'a>>) -> Option<&'t DeTable<'a>> {
    match value.get_ref() {
        DeValue::Table(table) => Some(table),
        _ => None,
    }
}

/// A name as a key of TOML.
fn quoted(name: &str) -> String {
    let bare = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    if bare { name.to_owned() } else { Value::from(name).to_string() }
}
