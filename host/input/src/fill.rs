//! A template filled with values. Invariant: values are JSON texts, and what comes out of a JSON template is JSON: a string within
//! a string keeps its escapes, everything else within one is its JSON text, escaped. A value that is not there is an empty string.

use std::borrow::Cow;

use serde_json::Value;
use wharf_event::limits::EVENT_BYTES_MAX;

use crate::{error::Unmade, template::Piece};

/// A JSON template with its values.
pub(crate) fn json(pieces: &[Piece], values: &[Option<Cow<'_, str>>]) -> Result<String, Unmade> {
    fill(pieces, values, |out, value| match string(value) {
        Some(inside) => out.push_str(inside),
        None => {
            let quoted = Value::from(value).to_string();
            out.push_str(string(&quoted).unwrap_or_default());
        }
    })
}

/// A text with its values.
pub(crate) fn text(pieces: &[Piece], values: &[Option<Cow<'_, str>>]) -> Result<String, Unmade> {
    fill(pieces, values, |out, value| match serde_json::from_str::<String>(value) {
        Ok(text) => out.push_str(&text),
        Err(_) => out.push_str(value),
    })
}

fn fill(
    pieces: &[Piece],
    values: &[Option<Cow<'_, str>>],
    within: impl Fn(&mut String, &str),
) -> Result<String, Unmade> {
    let mut out = String::new();
    for piece in pieces {
        let value = |number: &usize| values.get(*number).and_then(Option::as_deref);
        match piece {
            Piece::Plain(text) => out.push_str(text),
            Piece::Value(number) => out.push_str(value(number).unwrap_or("\"\"")),
            Piece::Inside(number) => within(&mut out, value(number).unwrap_or("\"\"")),
        }
        // A value may be put into many places.
        if out.len() > EVENT_BYTES_MAX {
            return Err(Unmade::TooLarge);
        }
    }
    Ok(out)
}

/// What is between the quotes, if the value is a string.
fn string(value: &str) -> Option<&str> {
    value.strip_prefix('"')?.strip_suffix('"')
}
