//! A TOML value as JSON, for event patterns, and the way back from a JSON pointer to its place in the file.

use std::ops::Range;

use serde_json::{Map, Number, Value};
use toml::{Spanned, de::DeValue};

/// The value as JSON; `None` where TOML has what JSON has not: dates, and floats that are no numbers.
pub(super) fn to_json(value: &DeValue<'_>) -> Option<Value> {
    Some(match value {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Integer(integer) => {
            Value::Number(i64::from_str_radix(integer.as_str(), integer.radix()).ok().map(Number::from)?)
        }
        DeValue::Float(float) => Value::Number(Number::from_f64(float.as_str().parse().ok()?)?),
        DeValue::Boolean(boolean) => Value::Bool(*boolean),
        DeValue::Datetime(_) => return None,
        DeValue::Array(items) => {
            Value::Array(items.iter().map(|item| to_json(item.get_ref())).collect::<Option<Vec<_>>>()?)
        }
        DeValue::Table(table) => {
            let members = table.iter().map(|(key, item)| Some((key.get_ref().to_string(), to_json(item.get_ref())?)));
            Value::Object(members.collect::<Option<Map<_, _>>>()?)
        }
    })
}

/// The place that a JSON pointer names, or the nearest one above it.
pub(super) fn place(value: &Spanned<DeValue<'_>>, pointer: &str) -> Range<usize> {
    let (mut at, mut span) = (value, value.span());
    for token in pointer.split('/').skip(1) {
        let token = token.replace("~1", "/").replace("~0", "~");
        let next = match at.get_ref() {
            DeValue::Table(table) => {
                table.iter().find(|(key, _)| key.get_ref() == token.as_str()).map(|(_, item)| item)
            }
            DeValue::Array(items) => token.parse::<usize>().ok().and_then(|n| items.get(n)),
            _ => None,
        };
        let Some(next) = next else { break };
        (at, span) = (next, next.span());
    }
    span
}
