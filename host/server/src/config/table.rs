//! Reading one table: every key is asked for by name, and what nobody asked for is a mistake.

use std::{cell::RefCell, collections::BTreeSet, fmt::Display, ops::Range, str::FromStr, time::Duration};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};
use wharf_event::Code;

use super::{duration::parse_duration, problem::Problem, size::parse_size};

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
    /// What it is, for messages: `plugin "triage"`.
    what: String,
    pub(super) span: Range<usize>,
    sink: &'a Sink,
    known: RefCell<BTreeSet<&'static str>>,
}

type Value<'a> = &'a Spanned<DeValue<'a>>;

impl<'a> Table<'a> {
    pub(super) fn new(table: &'a DeTable<'a>, what: String, span: Range<usize>, sink: &'a Sink) -> Self {
        Self { table, what, span, sink, known: RefCell::default() }
    }

    pub(super) fn value(&self, key: &'static str) -> Option<Value<'a>> {
        self.known.borrow_mut().insert(key);
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

    /// A text that reads as `T`.
    pub(super) fn parsed<T: FromStr<Err: Display>>(&self, key: &'static str) -> Option<Found<T>> {
        self.parsed_by(key, T::from_str)
    }

    /// A length of time.
    pub(super) fn duration_ms(&self, key: &'static str) -> Option<u64> {
        let ms = |found: Found<Duration>| u64::try_from(found.value.as_millis()).unwrap_or(u64::MAX);
        self.parsed_by(key, parse_duration).map(ms)
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

    /// A whole number within bounds.
    pub(super) fn integer(&self, key: &'static str, bounds: std::ops::RangeInclusive<u32>) -> Option<u32> {
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
                Some(Table::new(table, format!("`{key}` of {}", self.what), value.span(), self.sink))
            }
            _ => {
                self.expected(value, key, "a table");
                None
            }
        }
    }

    /// The tables of a list of tables.
    pub(super) fn tables(&self, key: &'static str, one: &str) -> Vec<Table<'a>> {
        let Some(value) = self.value(key) else { return Vec::new() };
        let DeValue::Array(items) = value.get_ref() else {
            self.expected(value, key, "a list of tables");
            return Vec::new();
        };
        let tables = items.iter().filter_map(|item| match item.get_ref() {
            DeValue::Table(table) => {
                Some(Table::new(table, format!("a {one} of {}", self.what), item.span(), self.sink))
            }
            _ => {
                self.expected(item, key, "a list of tables");
                None
            }
        });
        tables.collect()
    }

    /// The tables below `key`, by names of type `T`; `one` is what messages call one of them.
    pub(super) fn named<T: FromStr<Err: Display>>(&self, key: &'static str, one: &str) -> Vec<(T, Table<'a>)> {
        let Some(group) = self.table(key) else { return Vec::new() };
        let mut named = Vec::new();
        for (name, value) in group.table.iter() {
            let DeValue::Table(table) = value.get_ref() else {
                self.expected(value, name.get_ref(), "a table");
                continue;
            };
            match name.get_ref().parse::<T>() {
                Ok(parsed) => {
                    let what = format!("{one} `{}`", name.get_ref());
                    named.push((parsed, Table::new(table, what, name.span(), self.sink)));
                }
                Err(error) => self.sink.report(name.span(), error, "choose another name"),
            }
        }
        named
    }

    /// All keys with their values, whatever they are called.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&'a str, Value<'a>)> + use<'a> {
        self.table.iter().map(|(key, value)| (key.get_ref().as_ref(), value))
    }

    pub(super) fn missing(&self, key: &str, help: &str) {
        self.sink.report(self.span.clone(), format!("{} has no `{key}`", self.what), help);
    }

    pub(super) fn what(&self) -> &str {
        &self.what
    }

    /// Reports the keys that nobody asked for.
    pub(super) fn finish(self) {
        let known = self.known.borrow();
        for (name, _) in self.table.iter().filter(|(name, _)| !known.contains(name.get_ref().as_ref())) {
            let list = known.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ");
            let help =
                if list.is_empty() { "leave the table empty".to_owned() } else { format!("its keys are {list}") };
            self.sink.report(name.span(), format!("{} has no key `{}`", self.what, name.get_ref()), help);
        }
    }
}
