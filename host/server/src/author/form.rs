//! The two forms that a fixture is written in.
//!
//! Invariant: both say the same. TOML has no null: where there is one in a payload, the payload is a text of JSON under `data_json`,
//! which means the same as `data` in both forms.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::fixture::FixtureError;

/// A payload, as itself and as a text of JSON.
const DATA: &str = "data";
const DATA_JSON: &str = "data_json";

/// What is expected.
const EXPECT: &str = "expect";

/// What a fixture is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// TOML.
    Toml,
    /// JSON.
    Json,
}

impl Form {
    /// By the file's ending.
    pub fn of(file: &Path) -> Self {
        if file.extension().is_some_and(|it| it == "json") { Self::Json } else { Self::Toml }
    }

    /// What a text says.
    ///
    /// # Errors
    /// When it is of another form.
    pub fn read(self, text: &str) -> Result<Value, FixtureError> {
        match self {
            Self::Toml => Ok(with_texts_of_dates(toml::from_str(text)?)),
            Self::Json => Ok(serde_json::from_str(text)?),
        }
    }

    /// How something is written.
    ///
    /// # Errors
    /// When the form has no way to say it.
    pub fn write(self, value: &Value) -> Result<String, FixtureError> {
        match self {
            Self::Toml => toml::to_string_pretty(&without_null(value.clone()))
                .map_err(|error| FixtureError::Io(std::io::Error::other(error))),
            Self::Json => Ok(serde_json::to_string_pretty(value)? + "\n"),
        }
    }

    /// The text of a fixture with another `expect`.
    ///
    /// # Errors
    /// When something stands behind it that would be lost.
    pub fn blessed(self, text: &str, expect: &Value) -> Result<String, FixtureError> {
        if self == Self::Json {
            let mut whole = self.read(text)?;
            if let Some(members) = whole.as_object_mut() {
                members.insert(EXPECT.to_owned(), expect.clone());
            }
            return self.write(&whole);
        }
        let is_head =
            |line: &&str| line.starts_with("[expect]") || line.starts_with("[expect.") || line.starts_with("[[expect.");
        let before: Vec<_> = text.lines().take_while(|line| !is_head(line)).collect();
        let mut behind = text.lines().skip(before.len());
        if let Some(other) = behind.find(|line| line.starts_with('[') && !is_head(line)) {
            return Err(FixtureError::Behind(other.to_owned()));
        }
        let written = self.write(&json!({ EXPECT: expect }))?;
        let blessed = format!("{}\n\n{written}", before.join("\n").trim_end());
        // What was expected in another spelling would be there twice.
        self.read(&blessed)?;
        Ok(blessed)
    }
}

/// What TOML's reader gives for a date, which JSON does not have: a table with this one key.
const DATE: &str = "$__toml_private_datetime";

/// The same with each date as its text, as whoever writes one means it.
fn with_texts_of_dates(value: Value) -> Value {
    match value {
        Value::Object(mut members) => match members.remove(DATE) {
            Some(date) if members.is_empty() => date,
            _ => Value::Object(members.into_iter().map(|(key, value)| (key, with_texts_of_dates(value))).collect()),
        },
        Value::Array(items) => Value::Array(items.into_iter().map(with_texts_of_dates).collect()),
        other => other,
    }
}

/// The same with payloads that are no text of JSON, wherever they are.
///
/// # Errors
/// When a text is not the JSON that it should be.
pub fn plain(value: Value) -> Result<Value, serde_json::Error> {
    Ok(match value {
        Value::Object(members) => {
            let mut all = Map::new();
            for (key, value) in members {
                match (key.as_str(), value.as_str()) {
                    (DATA_JSON, Some(text)) => all.insert(DATA.to_owned(), serde_json::from_str(text)?),
                    // Whatever is in a payload is the sender's.
                    (DATA, _) => all.insert(key, value),
                    _ => all.insert(key, plain(value)?),
                };
            }
            Value::Object(all)
        }
        Value::Array(items) => Value::Array(items.into_iter().map(plain).collect::<Result<_, _>>()?),
        other => other,
    })
}

fn without_null(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let member = |(key, value): (String, Value)| match key.as_str() {
                DATA if has_null(&value) => (DATA_JSON.to_owned(), Value::String(value.to_string())),
                DATA => (key, value),
                _ => (key, without_null(value)),
            };
            Value::Object(members.into_iter().map(member).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(without_null).collect()),
        other => other,
    }
}

/// Whether TOML cannot say it: it has no null, and its whole numbers have 64 bits with a sign.
fn has_null(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Number(number) => number.is_u64() && number.as_i64().is_none(),
        Value::Array(items) => items.iter().any(has_null),
        Value::Object(members) => members.values().any(has_null),
        Value::Bool(_) | Value::String(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blessed_fixture_keeps_all_that_stands_before_what_is_expected() {
        let text = "# why\n[event]\ntype = \"a\" # kind\n\n[expect]\noutcome = \"retry\"\n\n[[expect.published]]\ntype = \"b\"\n";
        let expect = json!({"outcome": "ok", "published": [{"type": "c", "data": {"a": null, "b": "x"}}]});
        let blessed = Form::Toml.blessed(text, &expect).unwrap();
        assert!(
            blessed.starts_with("# why\n[event]\ntype = \"a\" # kind\n\n[expect]\noutcome = \"ok\"\n"),
            "{blessed}"
        );
        let read = plain(Form::Toml.read(&blessed).unwrap()).unwrap();
        assert_eq!(read["expect"], expect, "{blessed}");
        assert_eq!(Form::Toml.blessed(&blessed, &expect).unwrap(), blessed);
        let behind = Form::Toml.blessed("[expect]\n[event]\n", &expect).unwrap_err();
        assert!(behind.to_string().contains("`[event]` stands behind it"), "{behind}");
        assert!(Form::Toml.blessed("expect.outcome = \"ok\"\n[event]\n", &expect).is_err());
    }

    #[test]
    fn a_date_of_toml_is_its_text() {
        let read = Form::Toml
            .read("now = 2026-01-01T00:00:00Z\n[event]\ndata = { due = [2026-01-02], at = 07:32:00 }\n")
            .unwrap();
        let event = json!({"data": {"due": ["2026-01-02"], "at": "07:32:00"}});
        assert_eq!(read, json!({"now": "2026-01-01T00:00:00Z", "event": event}));
    }

    #[test]
    fn both_forms_say_the_same() {
        let expect = json!({"outcome": "ok", "writes": [{"bucket": "a", "key": "k", "add": -1}]});
        for form in [Form::Toml, Form::Json] {
            let text = form.write(&json!({"event": {"type": "a", "data": [u64::MAX]}})).unwrap();
            let read = plain(form.read(&form.blessed(&text, &expect).unwrap()).unwrap()).unwrap();
            assert_eq!((&read["expect"], &read["event"]["data"]), (&expect, &json!([u64::MAX])));
        }
    }
}
