//! Comparing what was expected with what is there.
//!
//! Invariant: of an object only the members that are expected are looked at, and `null` means absent too; everything else is equal or not.

use anyhow::{Result, ensure};
use serde_json::{Value, json};

/// How much of a value a cell repeats, in characters.
const SHOWN_CHARS_MAX: usize = 300;

/// A text with the names in it replaced by what they stand for.
pub fn filled(text: &str, names: &[(String, String)]) -> String {
    names.iter().fold(text.to_owned(), |text, (name, value)| text.replace(name, value))
}

/// Whether a value is, or contains, what was expected.
pub fn fits(expected: &Value, found: Option<&Value>, names: &[(String, String)]) -> bool {
    match (expected, found) {
        (Value::Null, found) => found.is_none_or(Value::is_null),
        (Value::Object(members), Some(Value::Object(found))) => {
            members.iter().all(|(name, expected)| fits(expected, found.get(name), names))
        }
        (Value::Array(items), Some(Value::Array(found))) => {
            items.len() == found.len() && items.iter().zip(found).all(|(one, other)| fits(one, Some(other), names))
        }
        (Value::String(text), Some(Value::String(found))) => filled(text, names) == *found,
        (expected, found) => Some(expected) == found,
    }
}

/// Holds a stored value against `{text}`, `{base64}`, `{json}`, `{letters}`, `{at_least}`, or `null` for none.
pub fn stored(what: &str, expected: &Value, found: Option<&Value>, names: &[(String, String)]) -> Result<()> {
    let text = found.and_then(|value| value.get("text")?.as_str());
    let right = if let Some(json) = expected.get("json") {
        let parsed = text.and_then(|text| serde_json::from_str(text).ok());
        fits(json, parsed.as_ref(), names)
    } else if let Some(count) = expected.get("letters").and_then(Value::as_u64) {
        text.is_some_and(|text| text.len() as u64 == count && text.bytes().all(|byte| byte == b'x'))
    } else if let Some(least) = expected.get("at_least").and_then(Value::as_u64) {
        text.and_then(|text| text.parse::<u64>().ok()).is_some_and(|number| number >= least)
    } else {
        fits(expected, found, names)
    };
    ensure!(right, "{what} is {}, not {}", shown(found), shown(Some(expected)));
    Ok(())
}

/// A value as a cell shows it.
pub fn shown(value: Option<&Value>) -> String {
    let text = value.unwrap_or(&json!(null)).to_string();
    match text.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_an_object_only_what_is_expected_is_looked_at() {
        let names = [("{id}".to_owned(), "7".to_owned())];
        for (expected, found, right) in [
            (json!({"a": 1}), json!({"a": 1, "b": 2}), true),
            (json!({"a": null}), json!({"b": 2}), true),
            (json!({"a": "x-{id}"}), json!({"a": "x-7"}), true),
            (json!([1, {"a": 1}]), json!([1, {"a": 1, "b": 1}]), true),
            (json!([1]), json!([1, 2]), false),
            (json!({"a": null}), json!({"a": 0}), false),
            (json!({"a": 1}), json!({}), false),
        ] {
            assert_eq!(fits(&expected, Some(&found), &names), right, "{expected} {found}");
        }
    }

    #[test]
    fn a_stored_value_is_held_against_what_was_expected_of_it() {
        let text = |text: &str| Some(json!({ "text": text }));
        for (expected, found, right) in [
            (json!({"text": "a"}), text("a"), true),
            (json!({"text": "a"}), text("b"), false),
            (json!({"text": ""}), None, false),
            (json!(null), None, true),
            (json!(null), text("a"), false),
            (json!({"json": {"a": 1}}), text("{\"a\": 1, \"b\": 2}"), true),
            (json!({"json": {"a": 1}}), text("no JSON"), false),
            (json!({"letters": 2}), text("xx"), true),
            (json!({"letters": 2}), text("xy"), false),
            (json!({"at_least": 5}), text("4"), false),
            (json!({"at_least": 5}), text("5"), true),
        ] {
            assert_eq!(stored("it", &expected, found.as_ref(), &[]).is_ok(), right, "{expected} {found:?}");
        }
    }
}
