//! The JSON text of a pattern as a tree. Invariant: it says everything that the text says: members that are there twice,
//! their order, and how numbers are spelled, which `serde_json::Value` forgets and patterns give a meaning to.

use crate::{
    limits::EVENT_DEPTH_MAX,
    scan::{Cursor, JsonError, JsonFault, Quoted},
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
        let mut cursor = Cursor::new(text);
        let json = value(&mut cursor, 0)?;
        cursor.finish()?;
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

fn value(cursor: &mut Cursor<'_>, depth: usize) -> Result<Json, JsonError> {
    if depth > EVENT_DEPTH_MAX {
        return cursor.fail(JsonFault::Depth);
    }
    match cursor.token() {
        b'{' => {
            let mut members = Vec::new();
            elements(cursor, b'}', |cursor| {
                let key = cursor.key()?;
                members.push((string(cursor, key)?, value(cursor, depth + 1)?));
                Ok(())
            })?;
            Ok(Json::Object(members))
        }
        b'[' => {
            let mut items = Vec::new();
            elements(cursor, b']', |cursor| {
                items.push(value(cursor, depth + 1)?);
                Ok(())
            })?;
            Ok(Json::List(items))
        }
        b'"' => {
            let quoted = cursor.string()?;
            string(cursor, quoted).map(Json::Text)
        }
        first => {
            let start = cursor.at;
            cursor.skip_scalar(first)?;
            let text = cursor.bytes.get(start..cursor.at).unwrap_or_default();
            Ok(match first {
                b'n' => Json::Null,
                b't' | b'f' => Json::Boolean(first == b't'),
                _ => Json::Number(String::from_utf8_lossy(text).into()),
            })
        }
    }
}

/// What stands between a bracket and its twin, comma by comma.
fn elements(
    cursor: &mut Cursor<'_>,
    close: u8,
    mut element: impl FnMut(&mut Cursor<'_>) -> Result<(), JsonError>,
) -> Result<(), JsonError> {
    cursor.at += 1;
    if cursor.token() == close {
        cursor.at += 1;
        return Ok(());
    }
    loop {
        element(cursor)?;
        match cursor.token() {
            b',' => cursor.at += 1,
            token if token == close => {
                cursor.at += 1;
                return Ok(());
            }
            _ => return cursor.fail(JsonFault::Byte),
        }
    }
}

fn string(cursor: &Cursor<'_>, quoted: Quoted) -> Result<Box<str>, JsonError> {
    let mut out = Vec::new();
    unescape(cursor.bytes.get(quoted.start..quoted.end).unwrap_or_default(), &mut out);
    // Half a surrogate pair is JSON, but it is no text that an event could have.
    let fault = JsonError { offset: quoted.start, what: JsonFault::Escape };
    String::from_utf8(out).map(String::into_boxed_str).map_err(|_| fault)
}
