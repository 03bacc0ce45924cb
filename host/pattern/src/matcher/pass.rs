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
    consistency::{Element, NO_ELEMENT, Place},
    limits::EVENT_DEPTH_MAX,
    number::Key,
    scan::{Cursor, JsonError, JsonFault, Quoted},
    text::unescape,
};

impl RuleMatcher {
    /// The rules that match a JSON object as it stands, in no order. Every byte of it is checked.
    ///
    /// # Errors
    /// When it is not JSON, or no object.
    pub fn matches_json<'s>(&self, json: &[u8], scratch: &'s mut Scratch) -> Result<&'s [u64], JsonError> {
        scratch.begin(self);
        let mut pass = Pass { cursor: Cursor::new(json), scratch };
        if pass.cursor.token() != b'{' {
            return pass.cursor.fail(JsonFault::NotObject);
        }
        pass.object(&self.root, NO_ELEMENT, 1)?;
        pass.cursor.finish()?;
        self.verify(json, scratch);
        Ok(&scratch.rules)
    }

    /// The rules that match an event, in no order: its attributes at the top, its payload under `data`, and both under
    /// EventBridge's names (see [`crate::Subject`]).
    pub fn matches_event<'s>(&self, event: &Event, scratch: &'s mut Scratch) -> &'s [u64] {
        scratch.begin(self);
        let mut pass = Pass { cursor: Cursor::new(&[]), scratch };
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
                    pass.cursor = Cursor::new(bytes);
                    // It was checked to be JSON when the event was made.
                    let _ = pass.value(field, NO_ELEMENT, 1);
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

struct Pass<'a, 's> {
    cursor: Cursor<'a>,
    scratch: &'s mut Scratch,
}

type Done = Result<(), JsonError>;

impl Pass<'_, '_> {
    /// An object, whose opening brace is next, below a name of the tree.
    fn object(&mut self, names: &Trie<Field>, element: u32, depth: usize) -> Done {
        if depth > EVENT_DEPTH_MAX {
            return self.cursor.fail(JsonFault::Depth);
        }
        self.cursor.at += 1;
        if self.cursor.token() == b'}' {
            self.cursor.at += 1;
            return Ok(());
        }
        loop {
            let key = self.cursor.key()?;
            match self.find(names, key) {
                Some(field) => self.value(field, element, depth + 1)?,
                None => self.cursor.skip(depth)?,
            }
            match self.cursor.token() {
                b',' => self.cursor.at += 1,
                b'}' => {
                    self.cursor.at += 1;
                    return Ok(());
                }
                _ => return self.cursor.fail(JsonFault::Byte),
            }
        }
    }

    /// The field that a member's name leads to: a name with dots in it is several.
    #[inline]
    fn find<'f>(&self, names: &'f Trie<Field>, key: Quoted) -> Option<&'f Field> {
        let inside = self.cursor.bytes.get(key.start..key.end)?;
        if key.escaped {
            let mut name = Vec::new();
            unescape(inside, &mut name);
            return named(names, &name);
        }
        named(names, inside)
    }

    /// The value of a field.
    fn value(&mut self, field: &Field, element: u32, depth: usize) -> Done {
        match self.cursor.token() {
            b'{' if field.below.is_empty() => self.cursor.skip(depth - 1),
            b'{' => self.object(&field.below, element, depth),
            b'[' => self.list(field, element, depth),
            first if field.id == UNNAMED => self.cursor.skip_scalar(first),
            first => self.scalar(field, element, first),
        }
    }

    fn list(&mut self, field: &Field, element: u32, depth: usize) -> Done {
        if depth > EVENT_DEPTH_MAX {
            return self.cursor.fail(JsonFault::Depth);
        }
        let array = self.scratch.elements.open(self.cursor.at);
        self.cursor.at += 1;
        if self.cursor.token() == b']' {
            self.cursor.at += 1;
            return Ok(());
        }
        loop {
            if matches!(self.cursor.token(), b'{' | b'[') {
                let start = self.cursor.at as u32;
                let own = self.scratch.elements.add(Element { array, parent: element, start, end: 0 });
                self.value(field, own, depth + 1)?;
                self.scratch.elements.close(own, self.cursor.at);
            } else {
                self.value(field, element, depth + 1)?;
            }
            match self.cursor.token() {
                b',' => self.cursor.at += 1,
                b']' => break,
                _ => return self.cursor.fail(JsonFault::Byte),
            }
        }
        self.scratch.elements.close_array(array, self.cursor.at);
        self.cursor.at += 1;
        Ok(())
    }

    /// A scalar of a field that some rule names.
    #[inline]
    fn scalar(&mut self, field: &Field, element: u32, first: u8) -> Done {
        let start = self.cursor.at;
        let place = Place { offset: start as u32, element };
        let json = self.cursor.bytes;
        let value = match first {
            b'"' => {
                let quoted = self.cursor.string()?;
                let (start, end) = (quoted.start, quoted.end);
                if quoted.escaped {
                    let from = self.scratch.texts.len();
                    unescape(json.get(start..end).unwrap_or_default(), &mut self.scratch.texts);
                    Value::new(What::Text, true, (from, self.scratch.texts.len()), place)
                } else {
                    Value::new(What::Text, false, (start, end), place)
                }
            }
            b'-' | b'0'..=b'9' => {
                self.cursor.number()?;
                let key = Key::sketch(json.get(start..self.cursor.at).unwrap_or_default());
                Value::new(What::Number(key), false, (start, self.cursor.at), place)
            }
            first => {
                self.cursor.skip_scalar(first)?;
                let what = if first == b'n' { What::Null } else { What::Boolean(first == b't') };
                Value::new(what, false, (start, self.cursor.at), place)
            }
        };
        self.note(field, value);
        Ok(())
    }

    /// Notes a value and opens its doors.
    #[inline]
    fn note(&mut self, field: &Field, value: Value) {
        self.scratch.note(field, value);
        if let Some(index) = &field.index {
            let Scratch { epoch, asked, candidates, matched, texts, .. } = &mut *self.scratch;
            index.each(value.scalar(self.cursor.bytes, texts), |entry| {
                let way = entry & !SURE;
                // However many values lead to a way, it is found once.
                if let Some(asked) = asked.get_mut(way as usize)
                    && *asked != *epoch
                {
                    *asked = *epoch;
                    if entry & SURE == 0 { candidates.push(way) } else { matched.push(way) }
                }
            });
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
        self.note(field, Value::new(what, true, (start, self.scratch.texts.len()), place));
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
                    self.own(field, What::Number(Key::sketch(text.as_bytes())), text.as_bytes());
                }
                AttributeValue::String(value) => self.text(field, value.as_bytes()),
            }
        }
    }
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
