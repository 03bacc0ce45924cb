//! What templates of prompts may do with values, and values as JSON has them.
//!
//! Invariant: what filters make while a prompt is filled has so many bytes together, however often they are used; and a value that is not there is an
//! error, but to those that are there for it.

use std::{
    fmt::Write as _,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use minijinja::{
    Environment, Error, ErrorKind, Value,
    value::{Rest, ValueKind},
};
use serde_json::Value as Json;

use crate::limits::PROMPT_BYTES_MAX;

/// Filters that there are.
pub(super) const FILTERS: [&str; 11] =
    ["default", "first", "items", "join", "last", "length", "lower", "replace", "tojson", "trim", "upper"];

/// Tests that there are.
pub(super) const TESTS: [&str; 9] =
    ["defined", "undefined", "none", "true", "false", "string", "number", "sequence", "mapping"];

/// Bytes that stand for a pair or an item that a filter makes.
const ITEM_BYTES: usize = 64;

/// Bytes that filters made so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Made(Arc<AtomicUsize>);

impl Made {
    fn more(&self, bytes: usize) -> Result<(), Error> {
        let before = self.0.fetch_add(bytes, Ordering::Relaxed);
        if before.saturating_add(bytes) > PROMPT_BYTES_MAX {
            return Err(wrong(format!("filters make more than {PROMPT_BYTES_MAX} bytes")));
        }
        Ok(())
    }

    fn text(&self, text: String) -> Result<Value, Error> {
        self.more(text.len())?;
        Ok(Value::from(text))
    }
}

fn wrong(why: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::InvalidOperation, why)
}

/// How many values a value of JSON has, itself counted.
pub(super) fn values(json: &Json) -> usize {
    1 + match json {
        Json::Array(items) => items.iter().map(values).sum(),
        Json::Object(members) => members.values().map(values).sum(),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => 0,
    }
}

/// A value of JSON.
pub(super) fn value(json: Json) -> Value {
    match json {
        Json::Null => Value::from(()),
        Json::Bool(is) => Value::from(is),
        Json::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => Value::from(number),
            (None, Some(number)) => Value::from(number),
            (None, None) => Value::from(number.as_f64().unwrap_or(f64::MAX)),
        },
        Json::String(text) => Value::from(text),
        Json::Array(items) => items.into_iter().map(value).collect(),
        Json::Object(members) => members.into_iter().map(|(name, member)| (name, value(member))).collect(),
    }
}

/// Adds filters and tests.
pub(super) fn add(env: &mut Environment<'_>, made: &Made) {
    env.add_filter("default", |value: Value, other: Value| if value.is_undefined() { other } else { value });
    env.add_filter("first", |value: Value| edge(&value, true));
    env.add_filter("last", |value: Value| edge(&value, false));
    env.add_filter("length", |value: Value| {
        there(&value)?;
        value.len().ok_or_else(|| wrong("only texts, lists and objects have a length"))
    });
    let made = made.clone();
    let of = made.clone();
    env.add_filter("items", move |value: Value| items(&value, &of));
    let of = made.clone();
    env.add_filter("join", move |value: Value, between: Rest<Value>| match &**between {
        // An argument that may be missing would be missing as well where nothing is given for it.
        [] => join(&value, None, &of),
        [between] => join(&value, Some(between), &of),
        _ => Err(ErrorKind::TooManyArguments.into()),
    });
    let of = made.clone();
    env.add_filter("replace", move |value: Value, what: Value, by: Value| {
        let (text, what, by) = (text(&value)?, text(&what)?, text(&by)?);
        // What is made is counted before it is.
        let found = text.matches(&what).count();
        of.more(found.saturating_mul(by.len()))?;
        of.text(text.replace(&what, &by))
    });
    let of = made.clone();
    env.add_filter("tojson", move |value: Value| {
        let mut out = String::new();
        json(&value, &mut out)?;
        of.text(out)
    });
    let of = made.clone();
    env.add_filter("lower", move |value: Value| of.text(text(&value)?.to_lowercase()));
    let of = made.clone();
    env.add_filter("trim", move |value: Value| of.text(text(&value)?.trim().to_owned()));
    env.add_filter("upper", move |value: Value| made.text(text(&value)?.to_uppercase()));
    add_tests(env);
}

fn add_tests(env: &mut Environment<'_>) {
    env.add_test("defined", |value: Value| !value.is_undefined());
    env.add_test("undefined", |value: Value| value.is_undefined());
    env.add_test("none", |value: Value| value.is_none());
    env.add_test("true", |value: Value| value.kind() == ValueKind::Bool && value.is_true());
    env.add_test("false", |value: Value| value.kind() == ValueKind::Bool && !value.is_true());
    env.add_test("string", |value: Value| value.kind() == ValueKind::String);
    env.add_test("number", |value: Value| value.kind() == ValueKind::Number);
    env.add_test("sequence", |value: Value| value.kind() == ValueKind::Seq);
    env.add_test("mapping", |value: Value| value.kind() == ValueKind::Map);
}

fn there(value: &Value) -> Result<(), Error> {
    if value.is_undefined() { Err(ErrorKind::UndefinedError.into()) } else { Ok(()) }
}

/// A value as a text: of a text, a number, or whether something is so.
fn text(value: &Value) -> Result<String, Error> {
    there(value)?;
    match (value.as_str(), value.kind()) {
        (Some(text), _) => Ok(text.to_owned()),
        (None, ValueKind::Number | ValueKind::Bool) => Ok(value.to_string()),
        (None, kind) => Err(wrong(format!("a text is needed, and not: {kind}"))),
    }
}

/// The first or the last of what is in a value.
fn edge(value: &Value, first: bool) -> Result<Value, Error> {
    there(value)?;
    if let Some(text) = value.as_str() {
        let letter = if first { text.chars().next() } else { text.chars().next_back() };
        return Ok(letter.map_or(Value::UNDEFINED, |letter| Value::from(letter.to_string())));
    }
    match value.len() {
        Some(0) => Ok(Value::UNDEFINED),
        Some(length) if value.kind() == ValueKind::Seq => {
            value.get_item(&Value::from(if first { 0 } else { length - 1 }))
        }
        _ => Err(wrong("only texts and lists have a first and a last")),
    }
}

/// The members of an object, each with its name.
fn items(value: &Value, made: &Made) -> Result<Value, Error> {
    there(value)?;
    if value.kind() != ValueKind::Map {
        return Err(wrong("only objects have members"));
    }
    let mut pairs = Vec::new();
    for name in value.try_iter()? {
        made.more(ITEM_BYTES)?;
        let member = value.get_item(&name)?;
        pairs.push([name, member].into_iter().collect::<Value>());
    }
    Ok(pairs.into_iter().collect())
}

fn join(value: &Value, between: Option<&Value>, made: &Made) -> Result<Value, Error> {
    there(value)?;
    if value.kind() != ValueKind::Seq {
        return Err(wrong("only lists are joined"));
    }
    let between = between.map(text).transpose()?.unwrap_or_default();
    let mut whole = String::new();
    for (at, item) in value.try_iter()?.enumerate() {
        let item = text(&item)?;
        made.more(item.len() + between.len())?;
        if at > 0 {
            whole.push_str(&between);
        }
        whole.push_str(&item);
    }
    Ok(Value::from(whole))
}

/// Writes a value as JSON. What is given has its bounds, so what is written of it once is not much more.
fn json(value: &Value, out: &mut String) -> Result<(), Error> {
    there(value)?;
    match value.kind() {
        ValueKind::None => out.push_str("null"),
        ValueKind::Bool | ValueKind::Number => {
            // Writing to a text does not fail.
            let _ = write!(out, "{value}");
        }
        ValueKind::String => out.push_str(&Json::from(value.as_str().unwrap_or_default()).to_string()),
        ValueKind::Seq => {
            out.push('[');
            for (at, item) in value.try_iter()?.enumerate() {
                if at > 0 {
                    out.push(',');
                }
                json(&item, out)?;
            }
            out.push(']');
        }
        ValueKind::Map => {
            out.push('{');
            for (at, name) in value.try_iter()?.enumerate() {
                if at > 0 {
                    out.push(',');
                }
                out.push_str(&Json::from(text(&name)?).to_string());
                out.push(':');
                json(&value.get_item(&name)?, out)?;
            }
            out.push('}');
        }
        kind => return Err(wrong(format!("this cannot be JSON: {kind}"))),
    }
    Ok(())
}
