//! One text, held against guardrails: what is denied is noted, what is masked is replaced by its name in brackets.

use std::ops::Range;

use serde_json::{Map, Value};

use super::{Found, Guard, Mask};

impl Guard {
    /// Notes what is denied.
    pub(super) fn look(&self, text: &str, found: &mut Found) {
        if found.denied.is_none() {
            found.denied = self.deny.matches(text).iter().next();
        }
    }

    /// Notes what is denied, and masks.
    pub(super) fn text(&self, text: &mut String, found: &mut Found) {
        self.look(text, found);
        for mask in &self.masks {
            let spans = mask.spans(text);
            if spans.is_empty() {
                continue;
            }
            found.masked = found.masked.saturating_add(u32::try_from(spans.len()).unwrap_or(u32::MAX));
            let (mut masked, mut from) = (String::with_capacity(text.len()), 0);
            for span in spans {
                masked.push_str(text.get(from..span.start).unwrap_or_default());
                masked.extend(["[", mask.name.as_str(), "]"]);
                from = span.end;
            }
            masked.push_str(text.get(from..).unwrap_or_default());
            *text = masked;
        }
    }

    /// The same of a text that may be JSON: then of the values in it.
    pub(super) fn json_text(&self, text: &mut String, found: &mut Found) {
        let first = text.trim_start().bytes().next();
        let parsed =
            if matches!(first, Some(b'{' | b'[' | b'"')) { serde_json::from_str::<Value>(text).ok() } else { None };
        let Some(mut value) = parsed else { return self.text(text, found) };
        let before = found.masked;
        self.value(&mut value, found);
        if found.masked > before {
            *text = value.to_string();
        }
    }

    /// JSON: its texts, its numbers as they are written, and the names of its members.
    fn value(&self, value: &mut Value, found: &mut Found) {
        match value {
            Value::String(text) => self.text(text, found),
            Value::Number(number) => {
                let (mut text, before) = (number.to_string(), found.masked);
                self.text(&mut text, found);
                if found.masked > before {
                    *value = Value::String(text);
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.value(item, found)),
            Value::Object(members) => {
                let mut kept = Map::new();
                for (mut name, mut member) in std::mem::take(members) {
                    self.text(&mut name, found);
                    self.value(&mut member, found);
                    kept.insert(name, member);
                }
                *members = kept;
            }
            Value::Null | Value::Bool(_) => {}
        }
    }
}

impl Mask {
    /// What is masked of a text, from its beginning to its end.
    fn spans(&self, text: &str) -> Vec<Range<usize>> {
        let (mut spans, mut from) = (Vec::new(), 0);
        while let Some(found) = self.expression.find_at(text, from) {
            let within = self.kind.map_or(Some(0..found.len()), |kind| kind.within(found.as_str()));
            match within.filter(|span| !span.is_empty()) {
                Some(span) => {
                    from = found.start() + span.end;
                    spans.push(found.start() + span.start..from);
                }
                // Something else may begin within it.
                None => from = found.start() + found.as_str().chars().next().map_or(1, char::len_utf8),
            }
            if from > text.len() || !text.is_char_boundary(from) {
                break;
            }
        }
        spans
    }
}
