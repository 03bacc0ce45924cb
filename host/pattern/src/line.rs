//! One question as a line of JSON, one answer as another: what `wharf match` and `rules:test` do. Invariant: pattern and event
//! count as they are spelled, whether they stand there as they are or as strings; every line has an answer.

use std::fmt::Write as _;

use serde_json::Value;

use crate::{
    block::Marks,
    error::PatternErrors,
    pattern::Pattern,
    scan::{self, JsonError, JsonFault, Stop},
    subject::Subject,
    text::unescape,
};

/// A line that asks for nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// The line itself.
    #[error("the line is {0}")]
    Line(JsonError),
    /// A member that must be there.
    #[error("there is no `{0}`: write {{\"pattern\": ..., \"event\": ...}}")]
    Missing(&'static str),
    /// The pattern.
    #[error("pattern: {0}")]
    Pattern(PatternErrors),
    /// The event.
    #[error("event: {0}")]
    Event(JsonError),
}

/// The pattern and the event of a line `{"pattern": ..., "event": ...}`. Both are JSON texts in strings, or JSON as it is; other
/// members are not looked at. The event counts as it stands, without an envelope.
///
/// # Errors
/// When the line, its pattern or its event cannot be used.
pub fn ask(line: &[u8]) -> Result<(Pattern, Subject), LineError> {
    let [pattern, event] = members(line).map_err(|stop| LineError::Line(stop.into()))?;
    let pattern = pattern.ok_or(LineError::Missing("pattern"))?;
    let event = event.ok_or(LineError::Missing("event"))?;
    let pattern = Pattern::from_json(&pattern).map_err(LineError::Pattern)?;
    let subject = Subject::from_json(&event).map_err(LineError::Event)?;
    Ok((pattern, subject))
}

/// The answer to a line: `{"match":true}`, `{"match":false}` or `{"error":"..."}`, without a line break.
#[must_use]
pub fn answer(line: &[u8]) -> String {
    let mut answer = String::new();
    // Writing to a string does not fail.
    let _ = match ask(line) {
        Ok((pattern, subject)) => write!(answer, "{{\"match\":{}}}", pattern.matches(&subject)),
        Err(error) => write!(answer, "{{\"error\":{}}}", Value::from(error.to_string())),
    };
    answer
}

/// The texts of the two members; of one that is there twice, the last.
fn members(line: &[u8]) -> Result<[Option<Vec<u8>>; 2], Stop> {
    let mut marks = Marks::new();
    let (mut pattern, mut event) = (None, None);
    let mut at = scan::token(line, 0);
    if scan::byte(line, at) != b'{' {
        return scan::stop(line, at, JsonFault::NotObject);
    }
    at = scan::token(line, at + 1);
    let mut open = scan::byte(line, at) != b'}';
    while open {
        let (key, after) = scan::key(line, at, &mut marks)?;
        let start = scan::token(line, after);
        at = scan::skip(line, start, 1, &mut marks)?;
        let slot = match line.get(key.start..key.end) {
            Some(b"pattern") => Some(&mut pattern),
            Some(b"event") => Some(&mut event),
            _ => None,
        };
        if let Some(slot) = slot {
            *slot = Some(text(line.get(start..at).unwrap_or_default()));
        }
        at = scan::token(line, at);
        match scan::byte(line, at) {
            b',' => at += 1,
            b'}' => open = false,
            _ => return scan::stop(line, at, JsonFault::Byte),
        }
    }
    scan::finish(line, at + 1)?;
    Ok([pattern, event])
}

/// A JSON text: what a string says, or the value itself.
fn text(raw: &[u8]) -> Vec<u8> {
    let Some(inside) = raw.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")) else { return raw.to_vec() };
    let mut text = Vec::new();
    unescape(inside, &mut text);
    text
}
