//! A schema from examples. Invariant: every example is valid by it, and equal examples give equal text. It does not guess: no
//! value is taken for the only one, no bound for a limit; a name is required if all examples have it, and a `format` is there
//! if all texts have it. An object with very many names is taken for a table, where names are data.

use std::collections::{BTreeMap, BTreeSet};

use jsonschema::Validator;
use serde_json::{Map, Value, json};

use crate::limits::{INFERRED_DEPTH_MAX, INFERRED_PROPERTIES_MAX};

/// The formats that a text is tried for: those that nothing has by chance.
const FORMATS: [&str; 3] = ["date-time", "date", "uuid"];

/// What some examples have in common.
#[derive(Default)]
struct Shape {
    types: BTreeSet<&'static str>,
    objects: usize,
    /// By name, each with the objects that have it.
    members: BTreeMap<String, (usize, Self)>,
    /// Of an object with too many names: what all its members have in common.
    others: Option<Box<Self>>,
    elements: Option<Box<Self>>,
    /// Which formats all texts have.
    formats: Option<BTreeSet<&'static str>>,
    /// Nested too deep to be described.
    deep: bool,
}

/// A schema in the making: it keeps what the examples have in common, not the examples.
pub struct Inference {
    checks: Checks,
    shape: Shape,
}

impl Default for Inference {
    fn default() -> Self {
        Self { checks: checks(), shape: Shape::default() }
    }
}

impl Inference {
    /// Takes an example.
    pub fn add(&mut self, example: &Value) {
        self.shape.add(example, &self.checks, 1);
    }

    /// A schema (2020-12) that all examples are valid by; of none, it allows everything.
    #[must_use]
    pub fn schema(self) -> Value {
        let mut schema = self.shape.schema();
        schema.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
        Value::Object(schema)
    }
}

/// A schema that all of these values are valid by.
#[must_use]
pub fn infer<'a>(examples: impl IntoIterator<Item = &'a Value>) -> Value {
    let mut inference = Inference::default();
    examples.into_iter().for_each(|example| inference.add(example));
    inference.schema()
}

type Checks = Vec<(&'static str, Validator)>;

fn checks() -> Checks {
    let check = |format: &'static str| {
        let options = jsonschema::options().offline().should_validate_formats(true);
        Some((format, options.build(&json!({ "format": format })).ok()?))
    };
    FORMATS.into_iter().filter_map(check).collect()
}

impl Shape {
    fn add(&mut self, value: &Value, checks: &Checks, depth: usize) {
        if depth > INFERRED_DEPTH_MAX {
            self.deep = true;
            return;
        }
        match value {
            Value::Null => drop(self.types.insert("null")),
            Value::Bool(_) => drop(self.types.insert("boolean")),
            Value::Number(number) => drop(self.types.insert(if number.is_f64() { "number" } else { "integer" })),
            Value::String(_) => {
                self.types.insert("string");
                let has = |format: &&'static str| checks.iter().any(|(name, it)| name == format && it.is_valid(value));
                let formats = self.formats.get_or_insert_with(|| FORMATS.into());
                formats.retain(|format| has(format));
            }
            Value::Array(items) => {
                self.types.insert("array");
                for item in items {
                    self.elements.get_or_insert_default().add(item, checks, depth + 1);
                }
            }
            Value::Object(members) => {
                self.types.insert("object");
                self.objects += 1;
                for (name, value) in members {
                    self.add_member(name, value, checks, depth + 1);
                }
            }
        }
    }

    fn add_member(&mut self, name: &str, value: &Value, checks: &Checks, depth: usize) {
        if self.others.is_none() && !self.members.contains_key(name) && self.members.len() == INFERRED_PROPERTIES_MAX {
            let mut others = Box::<Self>::default();
            for (_, member) in std::mem::take(&mut self.members).into_values() {
                others.merge(member);
            }
            self.others = Some(others);
        }
        match &mut self.others {
            Some(others) => others.add(value, checks, depth),
            None => {
                let (objects, member) = self.members.entry(name.to_owned()).or_default();
                *objects += 1;
                member.add(value, checks, depth);
            }
        }
    }

    /// Makes one of two that were made apart.
    fn merge(&mut self, other: Self) {
        self.types.extend(other.types);
        self.objects += other.objects;
        self.deep |= other.deep;
        self.formats = match (self.formats.take(), other.formats) {
            (Some(ours), Some(theirs)) => Some(ours.intersection(&theirs).copied().collect()),
            (ours, theirs) => ours.or(theirs),
        };
        for theirs in [other.elements].into_iter().flatten() {
            self.elements.get_or_insert_default().merge(*theirs);
        }
        let (table, members) = (other.others, other.members);
        if self.others.is_none() && (table.is_some() || self.members.len() + members.len() > INFERRED_PROPERTIES_MAX) {
            let own = std::mem::take(&mut self.members);
            let others = self.others.get_or_insert_default();
            own.into_values().for_each(|(_, member)| others.merge(member));
        }
        if let Some(others) = &mut self.others {
            members.into_values().for_each(|(_, member)| others.merge(member));
            table.into_iter().for_each(|table| others.merge(*table));
            return;
        }
        for (name, (objects, member)) in members {
            let (count, ours) = self.members.entry(name).or_default();
            *count += objects;
            ours.merge(member);
        }
    }

    fn schema(self) -> Map<String, Value> {
        let mut schema = Map::new();
        if self.deep {
            return schema;
        }
        let mut types = self.types;
        if types.contains("number") {
            types.remove("integer");
        }
        let types: Vec<_> = types.into_iter().collect();
        match types.as_slice() {
            [] => {}
            [one] => drop(schema.insert("type".to_owned(), json!(one))),
            several => drop(schema.insert("type".to_owned(), json!(several))),
        }
        if let Some(format) = self.formats.and_then(|formats| formats.into_iter().next()) {
            schema.insert("format".to_owned(), json!(format));
        }
        if let Some(elements) = self.elements {
            schema.insert("items".to_owned(), Value::Object(elements.schema()));
        }
        if let Some(others) = self.others {
            schema.insert("additionalProperties".to_owned(), Value::Object(others.schema()));
        }
        if !self.members.is_empty() {
            let in_all = self.members.iter().filter(|(_, (objects, _))| *objects == self.objects);
            let required: Vec<_> = in_all.map(|(name, _)| name.clone()).collect();
            let properties = self.members.into_iter().map(|(name, (_, member))| (name, Value::Object(member.schema())));
            schema.insert("properties".to_owned(), Value::Object(properties.collect()));
            if !required.is_empty() {
                schema.insert("required".to_owned(), json!(required));
            }
        }
        schema
    }
}
