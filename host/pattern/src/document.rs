//! The JSON text of a pattern as a tree. Invariant: it says everything that the text says: members that are there twice,
//! their order, and how numbers are spelled, which `serde_json::Value` forgets and patterns give a meaning to.

use crate::{
    block::Marks,
    limits::EVENT_DEPTH_MAX,
    scan::{self, JsonError, JsonFault, Next, Quoted, Stop},
    text::unescape,
};

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Json {
    Null,
    Boolean(bool),
    /// As it is spelled.
    Number(Box<str>),
    Text(Box<str>),
    List(Vec<Self>),
    Object(Vec<(Box<str>, Self)>),
}

impl Json {
    /// Reads a whole text.
    pub(crate) fn read(text: &[u8]) -> Result<Self, JsonError> {
        let (json, at) = value(text, 0, 0)?;
        scan::finish(text, at)?;
        Ok(json)
    }

    /// Its kind, as a person says it.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::Text(_) => "a string",
            Self::List(_) => "a list",
            Self::Object(_) => "an object",
        }
    }
}

type Read<T> = Result<(T, usize), Stop>;

fn value(text: &[u8], at: usize, depth: usize) -> Read<Json> {
    if depth > EVENT_DEPTH_MAX {
        return scan::stop(text, at, JsonFault::Depth);
    }
    let at = scan::token(text, at);
    match scan::byte(text, at) {
        b'{' => {
            let mut members = Vec::new();
            let at = elements(text, at, b'}', |at| {
                let (key, at) = scan::key(text, at, &mut Marks::new())?;
                let (member, at) = value(text, at, depth + 1)?;
                members.push((string(text, key)?, member));
                Ok(at)
            })?;
            Ok((Json::Object(members), at))
        }
        b'[' => {
            let mut items = Vec::new();
            let at = elements(text, at, b']', |at| {
                let (item, at) = value(text, at, depth + 1)?;
                items.push(item);
                Ok(at)
            })?;
            Ok((Json::List(items), at))
        }
        b'"' => {
            let quoted = scan::string(text, at)?;
            Ok((Json::Text(string(text, quoted)?), quoted.end + 1))
        }
        first => {
            let end = scan::scalar(text, at, &mut Marks::new())?;
            let json = match first {
                b'n' => Json::Null,
                b't' | b'f' => Json::Boolean(first == b't'),
                _ => Json::Number(String::from_utf8_lossy(text.get(at..end).unwrap_or_default()).into()),
            };
            Ok((json, end))
        }
    }
}

/// What stands between a bracket and its twin, comma by comma.
fn elements(text: &[u8], at: usize, close: u8, mut element: impl FnMut(usize) -> Next) -> Next {
    let mut at = scan::token(text, at + 1);
    if scan::byte(text, at) == close {
        return Ok(at + 1);
    }
    loop {
        at = element(at)?;
        at = scan::token(text, at);
        match scan::byte(text, at) {
            b',' => at += 1,
            token if token == close => return Ok(at + 1),
            _ => return scan::stop(text, at, JsonFault::Byte),
        }
    }
}

fn string(text: &[u8], quoted: Quoted) -> Result<Box<str>, Stop> {
    let mut out = Vec::new();
    unescape(text.get(quoted.start..quoted.end).unwrap_or_default(), &mut out);
    // Half a surrogate pair is JSON, but it is no text that an event could have.
    match String::from_utf8(out) {
        Ok(text) => Ok(text.into()),
        Err(_) => scan::stop(text, quoted.start, JsonFault::Escape),
    }
}
