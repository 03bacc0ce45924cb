//! The schemas of a document and how they lead to each other. Invariant: every reference in the graph is resolved within the
//! document, no schema leads back to itself on the same value, and a chain of schemas on one value has a longest length. It
//! reads keywords of both drafts alike: an edge too many only makes a schema look dearer than it is.

use std::collections::{BTreeMap, btree_map::Entry};

use serde_json::{Map, Value};

use crate::{
    document::Document,
    error::{SchemaError, SchemaErrors, SchemaReason, cut},
    limits::{
        CHAIN_MAX, MISTAKES_MAX, PARSING_WORK, PATTERNS_MAX, READING_WORK, SCHEMA_DEPTH_MAX, SORTING_WORK,
        SUBSCHEMAS_MAX, UNEVALUATED_WORK,
    },
    pattern,
    pointer::below,
};

/// Which value a schema within another applies to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum To {
    /// The same.
    Same,
    /// A member that is named.
    Member,
    /// Members, whatever their names.
    Members,
    /// Members that nothing else names.
    Rest,
    /// Elements.
    Elements,
    /// None: it is there to be referred to.
    Nothing,
}

/// How a keyword holds schemas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Holds {
    One,
    List,
    Table,
}

const KEYWORDS: [(&str, Holds, To); 25] = [
    ("$defs", Holds::Table, To::Nothing),
    ("definitions", Holds::Table, To::Nothing),
    ("contentSchema", Holds::One, To::Nothing),
    ("allOf", Holds::List, To::Same),
    ("anyOf", Holds::List, To::Same),
    ("oneOf", Holds::List, To::Same),
    ("not", Holds::One, To::Same),
    ("if", Holds::One, To::Same),
    ("then", Holds::One, To::Same),
    ("else", Holds::One, To::Same),
    ("dependentSchemas", Holds::Table, To::Same),
    ("dependencies", Holds::Table, To::Same),
    ("properties", Holds::Table, To::Member),
    ("patternProperties", Holds::Table, To::Members),
    ("propertyNames", Holds::One, To::Members),
    ("unevaluatedProperties", Holds::One, To::Members),
    ("additionalProperties", Holds::One, To::Rest),
    ("prefixItems", Holds::List, To::Elements),
    ("items", Holds::One, To::Elements),
    ("items", Holds::List, To::Elements),
    ("additionalItems", Holds::One, To::Elements),
    ("unevaluatedItems", Holds::One, To::Elements),
    ("contains", Holds::One, To::Elements),
    ("$ref", Holds::One, To::Nothing),
    ("$dynamicRef", Holds::One, To::Nothing),
];

/// One schema.
#[derive(Debug, Default)]
pub(crate) struct Node {
    pub(crate) pointer: String,
    /// What it costs to hold one value against it, whatever is below it.
    pub(crate) weight: u64,
    /// What it costs for each byte of a text beside: its regular expressions, its format, what it says of the content.
    pub(crate) text: u64,
    /// Schemas that apply to the same value.
    pub(crate) same: Vec<usize>,
    /// Schemas of members, by name.
    pub(crate) members: BTreeMap<String, usize>,
    /// Schemas that any member may meet.
    pub(crate) any_member: Vec<usize>,
    /// The schema of members without one of their own.
    pub(crate) rest: Option<usize>,
    /// Schemas that elements may meet.
    pub(crate) elements: Vec<usize>,
}

/// All schemas of a document; the first is the root.
#[derive(Debug)]
pub(crate) struct Graph {
    pub(crate) nodes: Vec<Node>,
}

struct Builder<'a> {
    document: &'a mut Document,
    nodes: Vec<Node>,
    places: BTreeMap<String, usize>,
    /// References that are resolved when all schemas are known.
    references: Vec<(usize, String, String)>,
    patterns: usize,
    errors: Vec<SchemaError>,
}

/// Reads the graph of a document, and its anchors into it.
pub(crate) fn read(document: &mut Document) -> Result<Graph, SchemaErrors> {
    let root = std::mem::take(&mut document.root);
    let empty = (Vec::new(), BTreeMap::new(), Vec::new());
    let mut builder =
        Builder { document, nodes: empty.0, places: empty.1, references: empty.2, patterns: 0, errors: Vec::new() };
    let read = builder.node(&root, String::new(), 1);
    builder.resolve();
    let Builder { nodes, errors, .. } = builder;
    document.root = root;
    read?;
    SchemaErrors::check(errors)?;
    let graph = Graph { nodes };
    graph.check_chains()?;
    Ok(graph)
}

impl Builder<'_> {
    fn fault(&mut self, pointer: String, reason: SchemaReason) {
        if self.errors.len() < MISTAKES_MAX {
            self.errors.push(SchemaError { pointer, reason });
        }
    }

    /// Reads one schema and all within it; its number.
    fn node(&mut self, value: &Value, pointer: String, depth: usize) -> Result<usize, SchemaErrors> {
        let number = self.nodes.len();
        if number == SUBSCHEMAS_MAX {
            return Err(SchemaErrors::of(pointer, SchemaReason::TooMany));
        }
        if depth > SCHEMA_DEPTH_MAX {
            return Err(SchemaErrors::of(pointer, SchemaReason::TooDeep));
        }
        self.places.insert(pointer.clone(), number);
        self.nodes.push(Node { pointer: pointer.clone(), weight: 1, ..Node::default() });
        let Some(keywords) = value.as_object() else { return Ok(number) };
        if number > 0 && keywords.contains_key("$id") {
            self.fault(below(&pointer, "$id"), SchemaReason::Embedded);
        }
        for anchor in ["$anchor", "$dynamicAnchor"] {
            if let Some(name) = keywords.get(anchor).and_then(Value::as_str) {
                self.document.anchors.insert(name.to_owned(), pointer.clone());
            }
        }
        let mut node = Node { weight: 1 + listed(keywords), ..Node::default() };
        for (keyword, value) in keywords {
            let at = below(&pointer, keyword);
            match (keyword.as_str(), value) {
                ("$ref" | "$dynamicRef", Value::String(reference)) => {
                    self.references.push((number, at.clone(), reference.clone()));
                }
                ("pattern", Value::String(pattern)) => node.text += self.pattern(pattern, at.clone())?,
                ("patternProperties", Value::Object(table)) => {
                    for pattern in table.keys() {
                        node.text += self.pattern(pattern, below(&at, pattern))?;
                    }
                }
                ("format" | "contentEncoding", Value::String(_)) => node.text += READING_WORK,
                ("contentMediaType", Value::String(_)) => node.text += PARSING_WORK,
                ("uniqueItems", Value::Bool(true)) => node.weight += SORTING_WORK,
                ("unevaluatedProperties" | "unevaluatedItems", _) => node.weight += UNEVALUATED_WORK,
                _ => {}
            }
            for (_, holds, to) in KEYWORDS.iter().filter(|(name, ..)| name == keyword) {
                self.within(&mut node, (*holds, *to), value, (&at, depth))?;
            }
        }
        if let Some(place) = self.nodes.get_mut(number) {
            *place = Node { pointer, ..node };
        }
        Ok(number)
    }

    /// The work of a regular expression for each byte of text.
    fn pattern(&mut self, pattern: &str, at: String) -> Result<u64, SchemaErrors> {
        self.patterns += 1;
        if self.patterns > PATTERNS_MAX {
            return Err(SchemaErrors::of(at, SchemaReason::TooManyPatterns));
        }
        let work = pattern::work(pattern);
        if work.is_none() {
            self.fault(at, SchemaReason::Pattern);
        }
        Ok(work.unwrap_or_default())
    }

    /// Reads the schemas that one keyword holds.
    fn within(
        &mut self,
        node: &mut Node,
        (holds, to): (Holds, To),
        value: &Value,
        (at, depth): (&str, usize),
    ) -> Result<(), SchemaErrors> {
        let schemas: Vec<(String, &Value)> = match (holds, value) {
            (Holds::One, Value::Object(_) | Value::Bool(_)) => vec![(String::new(), value)],
            (Holds::List, Value::Array(list)) => list.iter().enumerate().map(|(n, it)| (n.to_string(), it)).collect(),
            (Holds::Table, Value::Object(table)) => table.iter().map(|(name, it)| (name.clone(), it)).collect(),
            _ => return Ok(()),
        };
        for (name, schema) in schemas {
            // The lists of names in `dependencies` are no schemas.
            if !schema.is_object() && !schema.is_boolean() {
                continue;
            }
            let pointer = if holds == Holds::One { at.to_owned() } else { below(at, &name) };
            let number = self.node(schema, pointer, depth + 1)?;
            match to {
                To::Same => node.same.push(number),
                To::Member => drop(node.members.insert(name, number)),
                To::Members => node.any_member.push(number),
                To::Rest => node.rest = Some(number),
                To::Elements => node.elements.push(number),
                To::Nothing => {}
            }
        }
        Ok(())
    }

    fn resolve(&mut self) {
        for (from, at, reference) in std::mem::take(&mut self.references) {
            let reason = match self.document.named(&reference) {
                Some(pointer) => match self.places.get(&pointer).copied() {
                    Some(target) => {
                        self.nodes.get_mut(from).into_iter().for_each(|node| node.same.push(target));
                        continue;
                    }
                    None => SchemaReason::Dangling { reference: cut(reference) },
                },
                None if reference.starts_with('#') => SchemaReason::Dangling { reference: cut(reference) },
                None => SchemaReason::Remote { reference: cut(reference) },
            };
            self.fault(at, reason);
        }
    }
}

/// What a schema lists, as work: eight names or values cost about what one schema does.
fn listed(keywords: &Map<String, Value>) -> u64 {
    fn values(value: &Value) -> usize {
        match value {
            Value::Array(items) => 1 + items.iter().map(values).sum::<usize>(),
            Value::Object(members) => 1 + members.values().map(values).sum::<usize>(),
            _ => 1,
        }
    }
    let names = ["enum", "const", "required", "dependentRequired", "dependencies"];
    let listed = names.into_iter().filter_map(|name| keywords.get(name)).map(values).sum::<usize>();
    let tables = ["properties", "patternProperties", "dependentSchemas"];
    let held = tables.into_iter().filter_map(|name| keywords.get(name)?.as_object()).map(Map::len).sum::<usize>();
    ((listed + held) / 8) as u64
}

impl Graph {
    /// The schemas that apply to the same value as this one, each as often as it does; `None` beyond a bound.
    pub(crate) fn closure(&self, start: &[(usize, u64)], most: u64) -> Option<BTreeMap<usize, u64>> {
        let mut found = BTreeMap::new();
        let mut left = most;
        let mut open = start.to_vec();
        while let Some((number, times)) = open.pop() {
            left = left.checked_sub(times)?;
            *found.entry(number).or_insert(0) += times;
            open.extend(self.nodes.get(number)?.same.iter().map(|&next| (next, times)));
        }
        Some(found)
    }

    /// Refuses schemas that lead back to themselves on the same value, and chains that are too long.
    fn check_chains(&self) -> Result<(), SchemaErrors> {
        // How long the chain from a schema is; `None` while it is being found out.
        let mut lengths: BTreeMap<usize, Option<usize>> = BTreeMap::new();
        for start in 0..self.nodes.len() {
            let mut way: Vec<(usize, usize)> = Vec::new();
            if let Entry::Vacant(unknown) = lengths.entry(start) {
                unknown.insert(None);
                way.push((start, 0));
            }
            while let Some((number, next)) = way.last_mut() {
                let (number, at) = (*number, *next);
                *next += 1;
                let Some(node) = self.nodes.get(number) else { break };
                let Some(&to) = node.same.get(at) else {
                    let below = node.same.iter().filter_map(|to| lengths.get(to).copied().flatten()).max();
                    let length = 1 + below.unwrap_or_default();
                    if length > CHAIN_MAX {
                        return Err(SchemaErrors::of(&node.pointer, SchemaReason::Chain));
                    }
                    lengths.insert(number, Some(length));
                    way.pop();
                    continue;
                };
                match lengths.get(&to) {
                    Some(Some(_)) => {}
                    Some(None) => return Err(self.loops(&way, to)),
                    None => {
                        lengths.insert(to, None);
                        way.push((to, 0));
                    }
                }
            }
        }
        Ok(())
    }

    fn loops(&self, way: &[(usize, usize)], to: usize) -> SchemaErrors {
        let along = way.iter().map(|(number, _)| *number).skip_while(|&number| number != to).chain([to]);
        let named = |number: usize| self.nodes.get(number).map_or(String::new(), |node| format!("#{}", node.pointer));
        let way = cut(along.map(named).collect::<Vec<_>>().join(" -> "));
        let pointer = self.nodes.get(to).map_or(String::new(), |node| node.pointer.clone());
        SchemaErrors::of(pointer, SchemaReason::Loop { way })
    }
}
