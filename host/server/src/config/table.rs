//! Reading one table: every key is asked for by name, and what is none of its keys is a mistake.

use std::{
    cell::RefCell,
    fmt::Display,
    ops::{Range, RangeInclusive},
    str::FromStr,
    time::Duration,
};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};
use wharf_event::Code;

use super::{
    duration::{duration_text, parse_duration},
    keys::{self, Key, Named, Shape},
    problem::Problem,
    size::parse_size,
};
use crate::nearest::nearest;

/// Where mistakes are gathered.
#[derive(Default)]
pub(super) struct Sink(RefCell<Vec<Problem>>);

impl Sink {
    pub(super) fn report(&self, span: Range<usize>, message: impl Display, help: impl Display) {
        self.report_as(Code::ConfigInvalid, span, message, help);
    }

    pub(super) fn report_as(&self, code: Code, span: Range<usize>, message: impl Display, help: impl Display) {
        let problem = Problem { span, code, message: message.to_string(), help: help.to_string() };
        self.0.borrow_mut().push(problem);
    }

    /// Reports a name that points at nothing; one of `names` may be meant.
    pub(super) fn report_unknown<'a>(
        &self,
        span: Range<usize>,
        message: impl Display,
        written: &str,
        names: impl IntoIterator<Item = &'a str>,
        help: impl Display,
    ) {
        match nearest(written, names) {
            Some(meant) => self.report(span, message, format!("did you mean `{meant}`? or {help}")),
            None => self.report(span, message, help),
        }
    }

    /// Whether a mistake was found at that place already.
    pub(super) fn has_at(&self, span: Option<Range<usize>>) -> bool {
        span.is_some_and(|span| self.0.borrow().iter().any(|problem| problem.span == span))
    }

    pub(super) fn into_list(self) -> Vec<Problem> {
        let mut list = self.0.into_inner();
        list.sort_by_key(|problem| problem.span.start);
        list
    }
}

/// A value with its place.
pub(super) struct Found<T> {
    pub(super) value: T,
    pub(super) span: Range<usize>,
}

/// A table that is being read.
pub(super) struct Table<'a> {
    table: &'a DeTable<'a>,
    /// What it may have.
    keys: &'static [Key],
    /// What it is, for messages: `plugin "triage"`.
    what: String,
    pub(super) span: Range<usize>,
    sink: &'a Sink,
}

/// What stands before the name of one of several.
fn article(one: &str) -> &'static str {
    if one.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" }
}

type Value<'a> = &'a Spanned<DeValue<'a>>;

impl<'a> Table<'a> {
    /// The table, with what it has besides `keys` reported.
    pub(super) fn new(
        table: &'a DeTable<'a>,
        keys: &'static [Key],
        what: String,
        span: Range<usize>,
        sink: &'a Sink,
    ) -> Self {
        let table = Self { table, keys, what, span, sink };
        table.report_unknown();
        table
    }

    /// What a key may hold.
    fn shape(&self, key: &str) -> Option<&'static Shape> {
        self.keys.iter().find(|known| known.name == key).map(|known| &known.shape)
    }

    pub(super) fn value(&self, key: &'static str) -> Option<Value<'a>> {
        self.shape(key)?;
        self.table.iter().find(|(name, _)| name.get_ref() == key).map(|(_, value)| value)
    }

    /// Where the value of a key stands.
    pub(super) fn value_span(&self, key: &str) -> Option<Range<usize>> {
        self.table.iter().find(|(name, _)| name.get_ref() == key).map(|(_, value)| value.span())
    }

    fn expected(&self, value: Value<'_>, key: &str, wanted: &str) {
        let got = value.get_ref().type_str();
        self.sink.report(value.span(), format!("`{key}` of {} is of type {got}", self.what), format!("give {wanted}"));
    }

    /// Yes or no.
    pub(super) fn boolean(&self, key: &'static str) -> Option<bool> {
        let value = self.value(key)?;
        let found = value.get_ref().as_bool();
        if found.is_none() {
            self.expected(value, key, "true or false");
        }
        found
    }

    /// A text that reads as `T`.
    pub(super) fn parsed<T: FromStr<Err: Display>>(&self, key: &'static str) -> Option<Found<T>> {
        self.parsed_by(key, T::from_str)
    }

    /// A length of time.
    pub(super) fn duration_ms(&self, key: &'static str) -> Option<u64> {
        let ms = |found: Found<Duration>| u64::try_from(found.value.as_millis()).unwrap_or(u64::MAX);
        self.parsed_by(key, parse_duration).map(ms)
    }

    /// The same, within bounds in milliseconds.
    pub(super) fn duration_between(&self, key: &'static str, bounds: RangeInclusive<u64>) -> Option<u64> {
        let ms = self.duration_ms(key)?;
        if !bounds.contains(&ms) {
            let message = format!("`{key}` of {} is out of range", self.what);
            let help = format!("give {} to {}", duration_text(*bounds.start()), duration_text(*bounds.end()));
            self.sink.report(self.value_span(key).unwrap_or(self.span.clone()), message, help);
        }
        Some(ms)
    }

    /// An amount of bytes.
    pub(super) fn size_bytes(&self, key: &'static str) -> Option<u64> {
        self.parsed_by(key, parse_size).map(|found| found.value)
    }

    pub(super) fn parsed_by<T, E: Display>(
        &self,
        key: &'static str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Option<Found<T>> {
        let value = self.value(key)?;
        let Some(text) = value.get_ref().as_str() else {
            self.expected(value, key, "a string");
            return None;
        };
        match parse(text) {
            Ok(parsed) => Some(Found { value: parsed, span: value.span() }),
            Err(error) => {
                self.sink.report(value.span(), error, format!("correct `{key}` of {}", self.what));
                None
            }
        }
    }

    /// A whole number within the bounds of its key.
    pub(super) fn integer(&self, key: &'static str) -> Option<u32> {
        let Some(Shape::Integer(bounds)) = self.shape(key) else { return None };
        let value = self.value(key)?;
        let DeValue::Integer(integer) = value.get_ref() else {
            self.expected(value, key, "an integer");
            return None;
        };
        let parsed =
            u32::from_str_radix(integer.as_str(), integer.radix()).ok().filter(|number| bounds.contains(number));
        if parsed.is_none() {
            let message = format!("`{key}` of {} is out of range", self.what);
            self.sink.report(value.span(), message, format!("give {} to {}", bounds.start(), bounds.end()));
        }
        parsed
    }

    /// A number that may have decimals, within the bounds of its key.
    pub(super) fn part<T: FromStr<Err: Display>>(&self, key: &'static str) -> Option<T> {
        let Some(Shape::Part(bounds)) = self.shape(key) else { return None };
        let value = self.value(key)?;
        let text = match value.get_ref() {
            DeValue::Float(float) => float.as_str(),
            DeValue::Integer(integer) => integer.as_str(),
            _ => {
                self.expected(value, key, "a number");
                return None;
            }
        };
        if !text.parse::<f64>().is_ok_and(|number| bounds.contains(&number)) {
            let message = format!("`{key}` of {} is out of range", self.what);
            self.sink.report(value.span(), message, format!("give {} to {}", bounds.start(), bounds.end()));
            return None;
        }
        let wrong = |error| self.sink.report(value.span(), error, format!("correct `{key}` of {}", self.what));
        text.parse().map_err(wrong).ok()
    }

    /// A list of texts that each read as `T`.
    pub(super) fn list<T: FromStr<Err: Display>>(&self, key: &'static str) -> Vec<T> {
        self.placed_list(key).into_iter().map(|found| found.value).collect()
    }

    /// The same with the place of each.
    pub(super) fn placed_list<T: FromStr<Err: Display>>(&self, key: &'static str) -> Vec<Found<T>> {
        let Some(value) = self.value(key) else { return Vec::new() };
        let DeValue::Array(items) = value.get_ref() else {
            self.expected(value, key, "a list of strings");
            return Vec::new();
        };
        let parsed = items.iter().filter_map(|item| match item.get_ref().as_str().map(T::from_str) {
            Some(Ok(value)) => Some(Found { value, span: item.span() }),
            Some(Err(error)) => {
                self.sink.report(item.span(), error, format!("correct this entry of `{key}`"));
                None
            }
            None => {
                self.expected(item, key, "a list of strings");
                None
            }
        });
        parsed.collect()
    }

    /// A table below this one.
    pub(super) fn table(&self, key: &'static str) -> Option<Table<'a>> {
        let value = self.value(key)?;
        match value.get_ref() {
            DeValue::Table(table) => {
                let keys = keys::nested(self.shape(key)?);
                Some(Table::new(table, keys, format!("`{key}` of {}", self.what), value.span(), self.sink))
            }
            _ => {
                self.expected(value, key, "a table");
                None
            }
        }
    }

    /// The settings below a key, whatever they are called.
    pub(super) fn settings(&self, key: &'static str) -> Vec<(&'a str, Value<'a>)> {
        let Some(value) = self.value(key) else { return Vec::new() };
        match value.get_ref() {
            DeValue::Table(table) => table.iter().map(|(name, value)| (name.get_ref().as_ref(), value)).collect(),
            _ => {
                self.expected(value, key, "a table");
                Vec::new()
            }
        }
    }

    /// The texts below a key, whatever they are called.
    pub(super) fn texts(&self, key: &'static str) -> Vec<(&'a str, String)> {
        let texts = self.settings(key).into_iter().filter_map(|(name, value)| {
            let text = value.get_ref().as_str().map(|text| (name, text.to_owned()));
            if text.is_none() {
                self.expected(value, name, "a string");
            }
            text
        });
        texts.collect()
    }

    /// Where the value of a name below a key stands.
    pub(super) fn span_within(&self, key: &'static str, name: &str) -> Option<Range<usize>> {
        let DeValue::Table(table) = self.value(key)?.get_ref() else { return None };
        table.iter().find(|(known, _)| known.get_ref() == name).map(|(_, value)| value.span())
    }

    /// The tables of a list of tables.
    pub(super) fn tables(&self, key: &'static str) -> Vec<Table<'a>> {
        let Some(Shape::Tables(one, keys) | Shape::List(one, _, keys)) = self.shape(key) else { return Vec::new() };
        let Some(value) = self.value(key) else { return Vec::new() };
        let DeValue::Array(items) = value.get_ref() else {
            self.expected(value, key, "a list of tables");
            return Vec::new();
        };
        let tables = items.iter().filter_map(|item| match item.get_ref() {
            DeValue::Table(table) => Some(Table::new(
                table,
                keys,
                format!("{} {one} of {}", article(one), self.what),
                item.span(),
                self.sink,
            )),
            _ => {
                self.expected(item, key, "a list of tables");
                None
            }
        });
        tables.collect()
    }

    /// The tables below `key`, by names of type `T`.
    pub(super) fn named<T: FromStr<Err: Display>>(&self, key: &'static str) -> Vec<(T, Table<'a>)> {
        let Some(Shape::Named(Named { one, keys, .. })) = self.shape(key) else { return Vec::new() };
        let Some(value) = self.value(key) else { return Vec::new() };
        let DeValue::Table(group) = value.get_ref() else {
            self.expected(value, key, "a table");
            return Vec::new();
        };
        let mut named = Vec::new();
        for (name, value) in group.iter() {
            let DeValue::Table(table) = value.get_ref() else {
                self.expected(value, name.get_ref(), "a table");
                continue;
            };
            match name.get_ref().parse::<T>() {
                Ok(parsed) => {
                    let what = format!("{one} `{}`", name.get_ref());
                    named.push((parsed, Table::new(table, keys, what, name.span(), self.sink)));
                }
                Err(error) => self.sink.report(name.span(), error, "choose another name"),
            }
        }
        named
    }

    pub(super) fn missing(&self, key: &str, help: &str) {
        self.sink.report(self.span.clone(), format!("{} has no `{key}`", self.what), help);
    }

    pub(super) fn what(&self) -> &str {
        &self.what
    }

    fn report_unknown(&self) {
        let known = |name: &str| self.keys.iter().any(|key| key.name == name);
        for (name, _) in self.table.iter().filter(|(name, _)| !known(name.get_ref())) {
            let list = self.keys.iter().map(|key| format!("`{}`", key.name)).collect::<Vec<_>>().join(", ");
            let meant = nearest(name.get_ref(), self.keys.iter().map(|key| key.name));
            let help = match meant {
                Some(meant) => format!("did you mean `{meant}`? its keys are {list}"),
                None => format!("its keys are {list}"),
            };
            self.sink.report(name.span(), format!("{} has no key `{}`", self.what, name.get_ref()), help);
        }
    }
}
