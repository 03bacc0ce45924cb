//! The one pass over an event: it checks every byte, notes the values of fields that some rule names, and collects the ways
//! behind the doors that they open. Invariant: what no rule names is checked as strictly, and costs nothing else.

use wharf_event::{AttributeValue, Data, Event};

use super::{
    fields::{Field, UNNAMED},
    rules::{RuleMatcher, SURE},
    scratch::{Scratch, Value, What},
    trie::{Found, Trie},
};
use crate::{
    block::Marks,
    consistency::{Element, NO_ELEMENT, Place},
    limits::EVENT_DEPTH_MAX,
    number::Key,
    numeral::number,
    scan::{self, JsonError, JsonFault, Next, Quoted},
    text::unescape,
};

impl RuleMatcher {
    /// The rules that match a JSON object as it stands, in no order. Every byte of it is checked.
    ///
    /// # Errors
    /// When it is not JSON, or no object.
    pub fn matches_json<'s>(&self, json: &[u8], scratch: &'s mut Scratch) -> Result<&'s [u64], JsonError> {
        scratch.begin(self);
        let start = scan::token(json, 0);
        if scan::byte(json, start) != b'{' {
            return Err(JsonError { offset: start, what: JsonFault::NotObject });
        }
        let mut pass = Pass { json, marks: Marks::new(), scratch };
        let end = pass.object(&self.root, start, NO_ELEMENT, 1)?;
        scan::finish(json, end)?;
        self.verify(json, scratch);
        Ok(&scratch.rules)
    }

    /// The rules that match an event, in no order: its attributes at the top, its payload under `data`, and both under
    /// EventBridge's names (see [`crate::Subject`]).
    pub fn matches_event<'s>(&self, event: &Event, scratch: &'s mut Scratch) -> &'s [u64] {
        scratch.begin(self);
        let mut pass = Pass { json: &[], marks: Marks::new(), scratch };
        pass.attributes(&self.root, event);
        let mut json: &[u8] = &[];
        for name in ["data", "detail"] {
            let Found::Whole(field) = self.root.name(name.as_bytes()) else { continue };
            if name == "detail" && event.extension(name).is_some() {
                continue;
            }
            match event.data() {
                Some(Data::Json(bytes)) => {
                    json = bytes;
                    pass.json = bytes;
                    pass.marks = Marks::new();
                    // It was checked to be JSON when the event was made.
                    let _ = pass.value(field, 0, NO_ELEMENT, 1);
                    pass.scratch.elements.settle();
                }
                Some(Data::Text(bytes)) => pass.text(field, bytes),
                _ => {}
            }
        }
        if let (Found::Whole(field), Some(("data_base64", value))) = (self.root.name(b"data_base64"), binary(event)) {
            pass.text(field, value.as_str().unwrap_or_default().as_bytes());
        }
        self.verify(json, scratch);
        &scratch.rules
    }
}

fn binary(event: &Event) -> Option<(&'static str, serde_json::Value)> {
    event.data().filter(|data| matches!(data, Data::Binary(_))).and_then(|_| event.data_to_value())
}

/// Takes the ways that a value leads to. However many values lead to a way, it is found once.
pub(crate) struct Visitor<'s> {
    epoch: u32,
    asked: &'s mut [u32],
    candidates: &'s mut Vec<u32>,
    matched: &'s mut Vec<u32>,
}

impl Visitor<'_> {
    /// Whether a way is not found yet.
    #[inline]
    pub(crate) fn wants(&self, entry: u32) -> bool {
        self.asked.get((entry & !SURE) as usize).is_some_and(|asked| *asked != self.epoch)
    }

    #[inline]
    pub(crate) fn take(&mut self, entry: u32) {
        let way = entry & !SURE;
        if let Some(asked) = self.asked.get_mut(way as usize)
            && *asked != self.epoch
        {
            *asked = self.epoch;
            if entry & SURE == 0 { self.candidates.push(way) } else { self.matched.push(way) }
        }
    }

    #[inline]
    pub(crate) fn take_all(&mut self, entries: &[u32]) {
        entries.iter().for_each(|entry| self.take(*entry));
    }
}

struct Pass<'a, 's> {
    json: &'a [u8],
    /// What is known of the bytes that were read last.
    marks: Marks,
    scratch: &'s mut Scratch,
}

impl Pass<'_, '_> {
    /// An object, whose opening brace is at a place, below a name of the tree.
    fn object(&mut self, names: &Trie<Field>, at: usize, element: u32, depth: usize) -> Next {
        let json = self.json;
        if depth > EVENT_DEPTH_MAX {
            return scan::stop(json, at, JsonFault::Depth);
        }
        let mut at = scan::token(json, at + 1);
        if scan::byte(json, at) == b'}' {
            return Ok(at + 1);
        }
        loop {
            let (key, after) = scan::key(json, at, &mut self.marks)?;
            at = match find(json, names, key) {
                Some(field) => self.value(field, after, element, depth + 1)?,
                None => match scan::token(json, after) {
                    at if matches!(scan::byte(json, at), b'{' | b'[') => scan::skip(json, at, depth, &mut self.marks)?,
                    at => scan::scalar(json, at, &mut self.marks)?,
                },
            };
            at = scan::token(json, at);
            match scan::byte(json, at) {
                b',' => at += 1,
                b'}' => return Ok(at + 1),
                _ => return scan::stop(json, at, JsonFault::Byte),
            }
        }
    }

    /// The value of a field.
    #[inline]
    fn value(&mut self, field: &Field, at: usize, element: u32, depth: usize) -> Next {
        let at = scan::token(self.json, at);
        match scan::byte(self.json, at) {
            b'{' if field.below.is_empty() => scan::skip(self.json, at, depth - 1, &mut self.marks),
            b'{' => self.object(&field.below, at, element, depth),
            b'[' => self.list(field, at, element, depth),
            _ if field.id == UNNAMED => scan::scalar(self.json, at, &mut self.marks),
            first => self.scalar(field, at, element, first),
        }
    }

    fn list(&mut self, field: &Field, at: usize, element: u32, depth: usize) -> Next {
        let json = self.json;
        if depth > EVENT_DEPTH_MAX {
            return scan::stop(json, at, JsonFault::Depth);
        }
        let array = self.scratch.elements.open(at);
        let mut at = scan::token(json, at + 1);
        if scan::byte(json, at) == b']' {
            return Ok(at + 1);
        }
        loop {
            at = scan::token(json, at);
            if matches!(scan::byte(json, at), b'{' | b'[') {
                let own = self.scratch.elements.add(Element { array, parent: element, start: at as u32, end: 0 });
                at = self.value(field, at, own, depth + 1)?;
                self.scratch.elements.close(own, at);
            } else {
                at = self.value(field, at, element, depth + 1)?;
            }
            at = scan::token(json, at);
            match scan::byte(json, at) {
                b',' => at += 1,
                b']' => break,
                _ => return scan::stop(json, at, JsonFault::Byte),
            }
        }
        self.scratch.elements.close_array(array, at);
        Ok(at + 1)
    }

    /// A scalar of a field that some rule names.
    #[inline]
    fn scalar(&mut self, field: &Field, start: usize, element: u32, first: u8) -> Next {
        let place = Place { offset: start as u32, element };
        let json = self.json;
        let (value, end) = match first {
            b'"' => {
                let quoted = scan::string_in(json, start, &mut self.marks)?;
                let (start, end) = (quoted.start, quoted.end);
                let value = if quoted.escaped {
                    let from = self.scratch.texts.len();
                    unescape(json.get(start..end).unwrap_or_default(), &mut self.scratch.texts);
                    Value::new(What::Text, true, (from, self.scratch.texts.len()), place)
                } else {
                    Value::new(What::Text, false, (start, end), place)
                };
                (value, end + 1)
            }
            b'-' | b'0'..=b'9' => {
                let end = number(json, start)?;
                (Value::number(Key::within(json, start, end), false, (start, end), place), end)
            }
            first => {
                let end = scan::scalar(json, start, &mut self.marks)?;
                let what = if first == b'n' { What::Null } else { What::Boolean(first == b't') };
                (Value::new(what, false, (start, end), place), end)
            }
        };
        self.note(field, value);
        Ok(end)
    }

    /// Notes a value and opens its doors.
    #[inline]
    fn note(&mut self, field: &Field, value: Value) {
        self.scratch.note(field, value);
        if let Some(index) = &field.index {
            let Scratch { epoch, asked, candidates, matched, texts, .. } = &mut *self.scratch;
            let mut visitor = Visitor { epoch: *epoch, asked, candidates, matched };
            index.each(value.scalar(self.json, texts), &mut visitor);
        }
    }

    /// A string that is not in the event's JSON.
    fn text(&mut self, field: &Field, text: &[u8]) {
        self.own(field, What::Text, text);
    }

    fn own(&mut self, field: &Field, what: What, text: &[u8]) {
        if field.id == UNNAMED {
            return;
        }
        let start = self.scratch.texts.len();
        self.scratch.texts.extend_from_slice(text);
        let place = Place { offset: 0, element: NO_ELEMENT };
        let span = (start, self.scratch.texts.len());
        let value = match what {
            What::Number => Value::number(Key::sketch(text), true, span, place),
            what => Value::new(what, true, span, place),
        };
        self.note(field, value);
    }

    fn attributes(&mut self, root: &Trie<Field>, event: &Event) {
        let own = [
            ("specversion", Some("1.0")),
            ("id", Some(event.id())),
            ("source", Some(event.source())),
            ("type", Some(event.kind())),
            ("subject", event.subject()),
            ("time", event.time()),
            ("datacontenttype", event.datacontenttype()),
            ("dataschema", event.dataschema()),
            ("detail-type", Some(event.kind())),
            ("resources", event.subject().filter(|_| event.extension("resources").is_none())),
        ];
        for (name, value) in own {
            if let (Found::Whole(field), Some(value)) = (root.name(name.as_bytes()), value) {
                self.text(field, value.as_bytes());
            }
        }
        for (name, value) in event.extensions() {
            let Found::Whole(field) = root.name(name.as_bytes()) else { continue };
            match value {
                AttributeValue::Boolean(value) => self.own(field, What::Boolean(*value), &[]),
                AttributeValue::Integer(value) => {
                    let text = value.to_string();
                    self.own(field, What::Number, text.as_bytes());
                }
                AttributeValue::String(value) => self.text(field, value.as_bytes()),
            }
        }
    }
}

/// The field that a member's name leads to: a name with dots in it is several.
#[inline]
fn find<'f>(json: &[u8], names: &'f Trie<Field>, key: Quoted) -> Option<&'f Field> {
    let inside = json.get(key.start..key.end)?;
    if key.escaped {
        let mut name = Vec::new();
        unescape(inside, &mut name);
        return named(names, &name);
    }
    named(names, inside)
}

#[inline]
fn named<'f>(names: &'f Trie<Field>, name: &[u8]) -> Option<&'f Field> {
    let (mut names, mut rest) = (names, name);
    loop {
        match names.name(rest) {
            Found::Whole(field) => return Some(field),
            Found::Dotted(field, at) => {
                names = &field.below;
                rest = rest.get(at..).unwrap_or_default();
            }
            Found::Nothing => return None,
        }
    }
}
