//! Members of objects and elements of lists. Invariant: a name or a place that the wide side speaks of is held against all that
//! the narrow side says about it; where that depends on expressions that names match, it counts only what must hold.

use serde_json::{Map, Value, json};

use super::{side::Side, within::Search};
use crate::{document::Draft, pointer::below, schema::compile};

impl<'a> Search<'a> {
    /// Looks at a keyword about members; whether it is one.
    pub(super) fn members(
        &mut self,
        narrow: &Side<'a>,
        keywords: &'a Map<String, Value>,
        (name, value): (&str, &'a Value),
        at: &str,
    ) -> bool {
        if !["properties", "patternProperties", "additionalProperties", "propertyNames"].contains(&name) {
            return false;
        }
        if !narrow.types().contains("object") {
            return true;
        }
        match name {
            "properties" => {
                for (member, schema) in value.as_object().into_iter().flatten() {
                    self.compare(&member_of(narrow, member), schema, &below(at, member));
                }
            }
            "patternProperties" => {
                for (pattern, schema) in value.as_object().into_iter().flatten() {
                    self.by_pattern(narrow, (pattern, schema), &below(at, pattern));
                }
            }
            "additionalProperties" => self.other_members(narrow, keywords, value, at),
            _ => {
                let text = Side::new(narrow.document);
                let names = narrow.every("propertyNames").fold(text, |side, schema| side.and(schema));
                let text: &'static Value = &TEXT;
                self.compare(&names.and(text), value, at);
            }
        }
        true
    }

    /// Members that the wide side has no schema of their own for.
    fn other_members(&mut self, narrow: &Side<'a>, keywords: &'a Map<String, Value>, schema: &'a Value, at: &str) {
        let table = |name: &str| keywords.get(name).and_then(Value::as_object);
        let listed = |name: &String| table("properties").is_some_and(|table| table.contains_key(name));
        let names = narrow.every("properties").filter_map(Value::as_object).flat_map(Map::keys);
        let mut names: Vec<&String> = names.filter(|name| !listed(name)).collect();
        names.sort_unstable();
        names.dedup();
        for name in names {
            // A name that an expression of the wide side takes is not an additional one there.
            let taken = |pattern: &String| matches(pattern, name) == Some(true);
            if !table("patternProperties").is_some_and(|table| table.keys().any(taken)) {
                self.additional(&member_of(narrow, name), schema, at, Some(name));
            }
        }
        self.additional(&unnamed(narrow), schema, at, None);
        for (pattern, of_pattern) in narrow.every("patternProperties").filter_map(Value::as_object).flatten() {
            if !table("patternProperties").is_some_and(|table| table.contains_key(pattern)) {
                self.additional(&Side::new(narrow.document).and(of_pattern), schema, at, Some(pattern));
            }
        }
    }

    fn additional(&mut self, known: &Side<'a>, schema: &'a Value, at: &str, name: Option<&str>) {
        if schema == &Value::Bool(false) && !known.is_empty() {
            let which = name.map_or("names that are not listed are".to_owned(), |name| format!("`{name}` is"));
            return self.gap(at, format!("{which} no longer allowed"), true);
        }
        self.compare(known, schema, at);
    }

    /// Members whose names match an expression of the wide side.
    fn by_pattern(&mut self, narrow: &Side<'a>, (pattern, schema): (&String, &'a Value), at: &str) {
        let tables = || narrow.every("patternProperties").filter_map(Value::as_object);
        let same = tables().filter_map(|table| table.get(pattern));
        let known = same.fold(Side::new(narrow.document), |side, schema| side.and(schema));
        if self.holds(&known, schema, at) {
            return;
        }
        let names = narrow.every("properties").filter_map(Value::as_object).flat_map(Map::keys);
        for name in names.filter(|name| matches(pattern, name) != Some(false)).collect::<Vec<_>>() {
            self.compare(&member_of(narrow, name), schema, at);
        }
        if tables().next().is_some_and(|table| !table.is_empty()) {
            return self.gap(at, "which names match this and other expressions cannot be told", false);
        }
        self.compare(&unnamed(narrow), schema, at);
    }

    /// Looks at a keyword about elements; whether it is one.
    pub(super) fn elements(
        &mut self,
        narrow: &Side<'a>,
        keywords: &'a Map<String, Value>,
        (name, value): (&str, &'a Value),
        at: &str,
    ) -> bool {
        match name {
            "prefixItems" | "items" | "additionalItems" | "contains" if !narrow.types().contains("array") => {}
            "prefixItems" | "items" if value.is_array() => {
                for (n, schema) in value.as_array().into_iter().flatten().enumerate() {
                    self.compare(&element_of(narrow, n), schema, &below(at, &n.to_string()));
                }
            }
            "items" | "additionalItems" => {
                let listed = match (name, self.wide.draft) {
                    ("items", Draft::Seven) => "",
                    ("items", Draft::TwentyTwenty) => "prefixItems",
                    _ => "items",
                };
                // In draft 7, `additionalItems` counts beside a list only.
                let first = match (keywords.get(listed), name) {
                    (Some(Value::Array(first)), _) => first.len(),
                    (_, "additionalItems") => return true,
                    _ => 0,
                };
                let longest = lists(narrow).map(|list| list.0.len()).max().unwrap_or_default();
                for n in first..=longest.max(first) {
                    self.compare(&element_of(narrow, n), value, at);
                }
            }
            "contains" => {
                let counted = keywords.contains_key("minContains") || keywords.contains_key("maxContains");
                let known: Vec<_> = narrow.all.iter().filter(|known| !known.contains_key("minContains")).collect();
                let known: Vec<_> = known.into_iter().filter_map(|known| narrow.get(known, "contains")).collect();
                let follows =
                    known.into_iter().any(|known| self.holds(&Side::new(narrow.document).and(known), value, at));
                let together = ["contains", "minContains", "maxContains"];
                let equal = |known: &&'a Map<String, Value>, name: &str| narrow.get(known, name) == keywords.get(name);
                let same = narrow.all.iter().any(|known| together.into_iter().all(|name| equal(known, name)));
                if !((follows && !counted) || (same && self.equal(narrow, "contains", value))) {
                    self.gap(at, "lists may lack elements that are asked for now, or have too many", false);
                }
            }
            "minContains" | "maxContains" => {}
            _ => return false,
        }
        true
    }
}

static TEXT: std::sync::LazyLock<Value> = std::sync::LazyLock::new(|| json!({"type": "string"}));

/// What is known of the member of this name.
fn member_of<'a>(narrow: &Side<'a>, name: &str) -> Side<'a> {
    let mut known = Side::new(narrow.document);
    for keywords in &narrow.all {
        let own = narrow.get(keywords, "properties").and_then(|table| table.get(name));
        let patterns = narrow.get(keywords, "patternProperties").and_then(Value::as_object);
        let found: Vec<_> = patterns.into_iter().flatten().map(|(pattern, it)| (matches(pattern, name), it)).collect();
        // Whether it is additional is known only if it is known of each expression that it does not match.
        let additional = own.is_none() && found.iter().all(|(matches, _)| *matches == Some(false));
        let rest = narrow.get(keywords, "additionalProperties").filter(|_| additional);
        let matched = found.into_iter().filter(|(matches, _)| *matches == Some(true)).map(|(_, schema)| schema);
        known = own.into_iter().chain(matched).chain(rest).fold(known, Side::and);
    }
    known
}

/// What is known of a member that no schema names and no expression matches.
fn unnamed<'a>(narrow: &Side<'a>) -> Side<'a> {
    narrow.every("additionalProperties").fold(Side::new(narrow.document), Side::and)
}

/// What each schema says of elements: those at the front, and the others.
fn lists<'a>(narrow: &Side<'a>) -> impl Iterator<Item = (&'a [Value], Option<&'a Value>)> {
    narrow.all.iter().map(|keywords| {
        let front = narrow.get(keywords, "prefixItems").and_then(Value::as_array);
        match narrow.get(keywords, "items") {
            Some(Value::Array(front)) => (front.as_slice(), narrow.get(keywords, "additionalItems")),
            rest => (front.map_or(&[][..], Vec::as_slice), rest),
        }
    })
}

/// What is known of the element at this place.
fn element_of<'a>(narrow: &Side<'a>, n: usize) -> Side<'a> {
    let found = lists(narrow).filter_map(|(front, rest)| front.get(n).or(rest));
    found.fold(Side::new(narrow.document), Side::and)
}

/// Whether a name matches an expression, if that can be told.
fn matches(pattern: &str, name: &str) -> Option<bool> {
    let asked = compile(&json!({ "pattern": pattern }), Draft::default()).ok()?;
    Some(asked.is_valid(&json!(name)))
}
