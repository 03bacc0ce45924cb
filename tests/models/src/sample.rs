//! JSON that a schema allows, as a model would fill it.

use serde_json::{Map, Value, json};

/// Fills a schema: the last word of a list, and else something of the type.
pub(crate) fn sample(schema: &Value) -> Value {
    if let Some(last) = schema["enum"].as_array().and_then(|words| words.last()) {
        return last.clone();
    }
    match schema["type"].as_str() {
        Some("object") => {
            let members = schema["properties"].as_object().into_iter().flatten();
            Value::Object(members.map(|(name, schema)| (name.clone(), sample(schema))).collect::<Map<_, _>>())
        }
        Some("array") => json!([sample(&schema["items"])]),
        Some("integer" | "number") => json!(1),
        Some("boolean") => json!(true),
        _ => json!("so the model says"),
    }
}

/// Tokens of a text: its words.
pub(crate) fn tokens(text: &str) -> usize {
    text.split_whitespace().count()
}

/// What a text tells the server to do.
pub(crate) enum Told {
    Fail(u16),
    Slow,
    Refuse,
    Answer,
}

pub(crate) fn told(text: &str) -> Told {
    match text.split_once(':') {
        Some(("fail", status)) => status.trim().parse().map_or(Told::Answer, Told::Fail),
        _ if text == "slow" => Told::Slow,
        _ if text == "refuse" => Told::Refuse,
        _ => Told::Answer,
    }
}

/// How a stream goes, by what is said last: `cut` breaks off in its middle, `cut early` before anything was said, `cut late` when all was said and
/// counted; `fail early` is refused before anything was said, which nobody is billed for, and `fail late` ends in an error.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Going {
    Well,
    Cut,
    CutEarly,
    CutLate,
    FailEarly,
    FailLate,
}

pub(crate) fn going(text: &str) -> Going {
    match text {
        "cut" => Going::Cut,
        "cut early" => Going::CutEarly,
        "cut late" => Going::CutLate,
        "fail early" => Going::FailEarly,
        "fail late" => Going::FailLate,
        _ => Going::Well,
    }
}

/// A text as a model makes it, word by word.
pub(crate) fn words(text: &str) -> Vec<&str> {
    text.split_inclusive(' ').collect()
}
