//! What is known of a value: the schemas that all hold for it. Invariant: a value for which they hold is really of these types,
//! values and bounds; what is not known is left open, never guessed.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::document::{Document, Draft};

/// The types of JSON Schema; `integer` is a part of `number`.
pub(super) const TYPES: [&str; 7] = ["null", "boolean", "integer", "number", "string", "array", "object"];

/// Keywords that draft 7 does not know.
const NEW: [&str; 7] = [
    "prefixItems",
    "dependentRequired",
    "dependentSchemas",
    "minContains",
    "maxContains",
    "unevaluatedProperties",
    "unevaluatedItems",
];

/// Schemas of one document that hold together, references and `allOf` resolved.
#[derive(Clone, Debug)]
pub(super) struct Side<'a> {
    pub(super) document: &'a Document,
    /// The keywords of each.
    pub(super) all: Vec<&'a Map<String, Value>>,
    /// Whether one of them allows nothing.
    pub(super) never: bool,
}

impl<'a> Side<'a> {
    pub(super) fn new(document: &'a Document) -> Self {
        Self { document, all: Vec::new(), never: false }
    }

    /// The same with one schema more.
    pub(super) fn and(mut self, schema: &'a Value) -> Self {
        let mut open = vec![schema];
        while let Some(schema) = open.pop() {
            match schema {
                Value::Bool(false) => self.never = true,
                Value::Object(keywords) if self.all.iter().any(|known| std::ptr::eq(*known, keywords)) => {}
                Value::Object(keywords) => {
                    self.all.push(keywords);
                    open.extend(
                        self.get(keywords, "$ref").and_then(Value::as_str).and_then(|it| self.document.resolve(it)),
                    );
                    open.extend(self.get(keywords, "allOf").and_then(Value::as_array).into_iter().flatten());
                }
                _ => {}
            }
        }
        self
    }

    /// A keyword, if its draft knows it and it counts beside the others.
    pub(super) fn get(&self, keywords: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
        let counts = match self.document.draft {
            Draft::Seven => !NEW.contains(&name) && (name == "$ref" || !keywords.contains_key("$ref")),
            Draft::TwentyTwenty => name != "additionalItems",
        };
        keywords.get(name).filter(|_| counts)
    }

    /// A keyword of every schema that has it.
    pub(super) fn every<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'a Value> + 's {
        self.all.iter().filter_map(move |keywords| self.get(keywords, name))
    }

    /// The values that it could be at most, if they are listed.
    pub(super) fn listed(&self) -> Option<Vec<&'a Value>> {
        let constant = self.every("const").next().map(|value| vec![value]);
        constant.or_else(|| self.every("enum").next()?.as_array().map(|values| values.iter().collect()))
    }

    /// How many values it lists.
    pub(super) fn values(&self) -> usize {
        self.every("enum").next().and_then(Value::as_array).map_or(0, Vec::len)
    }

    /// The types that it could have. `integer` is there beside `number`, so that the one can go without the other.
    pub(super) fn types(&self) -> BTreeSet<&'static str> {
        let mut types = BTreeSet::from(TYPES);
        for allowed in self.every("type") {
            let allowed = named(allowed);
            types.retain(|name| allowed.contains(name));
        }
        if let Some(values) = self.listed() {
            let found: BTreeSet<_> = values.iter().flat_map(|value| of(value)).copied().collect();
            types.retain(|name| found.contains(name));
        }
        if self.never { BTreeSet::new() } else { types }
    }

    /// Whether no value can be meant.
    pub(super) fn is_empty(&self) -> bool {
        self.types().is_empty()
    }

    /// An address of it: the same schemas have the same.
    pub(super) fn key(&self) -> Vec<usize> {
        let mut key: Vec<_> = self.all.iter().map(|keywords| std::ptr::from_ref(*keywords).addr()).collect();
        key.sort_unstable();
        key.dedup();
        if self.never {
            key.push(0);
        }
        key
    }
}

/// The types that the keyword `type` allows.
pub(super) fn named(allowed: &Value) -> BTreeSet<&'static str> {
    let given: Vec<&str> = match allowed {
        Value::String(one) => vec![one.as_str()],
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let allows = |name: &&str| given.contains(name) || (*name == "integer" && given.contains(&"number"));
    TYPES.into_iter().filter(allows).collect()
}

/// The types of one value.
fn of(value: &Value) -> &'static [&'static str] {
    match value {
        Value::Null => &["null"],
        Value::Bool(_) => &["boolean"],
        Value::Number(number) if crate::unique::whole(number).is_some() => &["integer"],
        // A double without a fraction is an integer too, whatever its size.
        Value::Number(_) => &["integer", "number"],
        Value::String(_) => &["string"],
        Value::Array(_) => &["array"],
        Value::Object(_) => &["object"],
    }
}
