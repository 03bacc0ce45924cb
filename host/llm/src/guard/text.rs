//! One text, held against guardrails: what is denied is noted, what is masked is replaced by its name in brackets.

use std::{borrow::Cow, ops::Range};

use serde_json::Value;

use super::{Found, Guard, Mask, json};

impl Guard {
    /// Notes what is denied.
    pub(super) fn look(&self, text: &str, found: &mut Found) {
        if found.denied.is_none() {
            found.denied = self.deny.matches(text).iter().next();
        }
    }

    /// The same of JSON: of how it is written and of what it says.
    pub(super) fn look_at_json(&self, text: &str, found: &mut Found) {
        self.look(text, found);
        let said = json::tokens(text).into_iter().flatten().filter_map(json::said);
        said.for_each(|said| self.look(&said, found));
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

    /// The same of a text that may be JSON: then of the texts, the numbers as they are written, and the names in it. Whatever is not masked stays as it
    /// is.
    pub(super) fn json_text(&self, text: &mut String, found: &mut Found) {
        let Some(tokens) = json::tokens(text) else { return self.text(text, found) };
        // Words may stand in several of them.
        self.look(text, found);
        let before = found.masked;
        let masked: String = tokens.map(|token| self.token(token, found)).collect();
        if found.masked > before {
            *text = masked;
        }
    }

    /// A token of JSON as it may be said. What is masked becomes a text, also where it was a number.
    fn token<'a>(&self, token: &'a str, found: &mut Found) -> Cow<'a, str> {
        let before = found.masked;
        let Some(mut said) = json::said(token) else { return Cow::Borrowed(token) };
        self.text(&mut said, found);
        if found.masked > before { Cow::Owned(Value::String(said).to_string()) } else { Cow::Borrowed(token) }
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
