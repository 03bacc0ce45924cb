//! Whether all that one side allows is allowed by the other. Invariant: it goes through the keywords of the wide side; each must
//! follow from what is known of the narrow side, else there is a gap. What the narrow side says beyond that is not needed, so
//! it may be left out; nothing of the wide side may be.

use rustc_hash::FxHashSet;
use serde_json::{Map, Value};

use super::side::{Side, named};
use crate::{
    document::{Document, Draft},
    limits::{COMPARISON_DEPTH_MAX, COMPARISON_STEPS_MAX, INCOMPATIBILITIES_MAX, VALUES_PER_STEP},
    pointer::below,
};

/// A keyword that allows less than the narrow side does.
#[derive(Clone, Debug)]
pub(super) struct Gap {
    pub(super) at: String,
    pub(super) why: String,
    pub(super) certain: bool,
}

/// One comparison, with what it has found.
pub(super) struct Search<'a> {
    pub(super) wide: &'a Document,
    pub(super) gaps: Vec<Gap>,
    /// Pairs that are being compared or were: a pair within itself holds if it holds elsewhere.
    seen: FxHashSet<(Vec<usize>, usize)>,
    steps: usize,
    depth: usize,
}

/// Keywords that refuse nothing.
const ANNOTATIONS: [&str; 17] = [
    "$schema",
    "$id",
    "$anchor",
    "$dynamicAnchor",
    "$comment",
    "$defs",
    "definitions",
    "title",
    "description",
    "default",
    "examples",
    "deprecated",
    "readOnly",
    "writeOnly",
    "contentSchema",
    "$vocabulary",
    "discriminator",
];

/// What one document allows and the other does not.
pub(super) fn gaps(narrow: &Document, wide: &Document) -> Vec<Gap> {
    let mut search = Search { wide, gaps: Vec::new(), seen: FxHashSet::default(), steps: 0, depth: 0 };
    search.compare(&Side::new(narrow).and(&narrow.root), &wide.root, "");
    if search.steps > COMPARISON_STEPS_MAX {
        search.gaps.insert(
            0,
            Gap {
                at: String::new(),
                why: "the schemas are too large to be compared to the end".to_owned(),
                certain: false,
            },
        );
    }
    search.gaps
}

impl<'a> Search<'a> {
    pub(super) fn gap(&mut self, at: &str, why: impl Into<String>, certain: bool) {
        if self.gaps.len() < INCOMPATIBILITIES_MAX && !self.gaps.iter().any(|gap| gap.at == at) {
            self.gaps.push(Gap { at: at.to_owned(), why: why.into(), certain });
        }
    }

    /// Whether so many comparisons of values, and the making of a validator for them, may still be done.
    pub(super) fn may(&mut self, comparisons: usize) -> bool {
        self.steps += VALUES_PER_STEP + comparisons / VALUES_PER_STEP;
        self.steps <= COMPARISON_STEPS_MAX
    }

    /// Whether all of `narrow` is allowed by a schema, without telling why not.
    pub(super) fn holds(&mut self, narrow: &Side<'a>, schema: &'a Value, at: &str) -> bool {
        let gaps = std::mem::take(&mut self.gaps);
        // What is assumed while this is tried holds for this try only.
        let seen = self.seen.clone();
        self.steps += seen.len() / 16;
        self.compare(narrow, schema, at);
        let holds = self.gaps.is_empty();
        if !holds {
            self.seen = seen;
        }
        self.gaps = gaps;
        holds
    }

    /// Finds what `narrow` allows and a schema of the wide side does not.
    pub(super) fn compare(&mut self, narrow: &Side<'a>, schema: &'a Value, at: &str) {
        self.steps += 1 + narrow.all.len();
        if self.steps > COMPARISON_STEPS_MAX || self.depth == COMPARISON_DEPTH_MAX {
            return self.gap(at, "the schemas are too large to be compared to the end", false);
        }
        self.depth += 1;
        self.compare_now(narrow, schema, at);
        self.depth -= 1;
    }

    fn compare_now(&mut self, narrow: &Side<'a>, schema: &'a Value, at: &str) {
        if narrow.is_empty() {
            return;
        }
        let keywords = match schema {
            Value::Bool(false) => return self.gap(at, "nothing is allowed here any more", true),
            Value::Object(keywords) => keywords,
            _ => return,
        };
        if !self.seen.insert((narrow.key(), std::ptr::from_ref(keywords).addr())) {
            return;
        }
        if let Some(branches) = self.branches(narrow, keywords) {
            for branch in branches {
                self.compare(&narrow.clone().and(branch), schema, at);
            }
            return;
        }
        for (name, value) in self.wide.counting(keywords) {
            let at = below(at, name);
            self.keyword(narrow, keywords, (name, value), &at);
        }
    }

    /// The branches that the narrow side is one of, where it has some that were not gone into yet.
    fn branches(&self, narrow: &Side<'a>, keywords: &'a Map<String, Value>) -> Option<&'a Vec<Value>> {
        if keywords.keys().all(|name| ANNOTATIONS.contains(&name.as_str())) {
            return None;
        }
        let entered = |branches: &Vec<Value>| {
            branches.iter().any(|branch| match branch {
                Value::Object(branch) => narrow.all.iter().any(|known| std::ptr::eq(*known, branch)),
                // A branch that allows everything tells nothing.
                Value::Bool(allows) => *allows,
                _ => true,
            })
        };
        let found = ["anyOf", "oneOf"].into_iter().flat_map(|name| narrow.every(name)).filter_map(Value::as_array);
        found.into_iter().find(|branches| !entered(branches))
    }

    fn keyword(
        &mut self,
        narrow: &Side<'a>,
        keywords: &'a Map<String, Value>,
        (name, value): (&'a str, &'a Value),
        at: &str,
    ) {
        self.steps += narrow.values() / VALUES_PER_STEP;
        match name {
            _ if ANNOTATIONS.contains(&name) => {}
            "$ref" => match value.as_str().and_then(|reference| Some((self.wide.named(reference)?, reference))) {
                Some((target, reference)) => {
                    if let Some(schema) = self.wide.resolve(reference) {
                        self.compare(narrow, schema, &target);
                    }
                }
                None => self.gap(at, "it is not known what this names", false),
            },
            "allOf" => {
                for (n, schema) in value.as_array().into_iter().flatten().enumerate() {
                    self.compare(narrow, schema, &below(at, &n.to_string()));
                }
            }
            "anyOf" => self.one_of_several(narrow, value, at, false),
            "oneOf" => self.one_of_several(narrow, value, at, true),
            "not" => self.negation(narrow, value, at),
            "type" => self.types(narrow, value, at),
            "if"
            | "then"
            | "else"
            | "dependentSchemas"
            | "dependencies"
            | "unevaluatedProperties"
            | "unevaluatedItems"
            | "$dynamicRef" => self.only_if_equal(narrow, (name, value), keywords, at),
            _ if self.members(narrow, keywords, (name, value), at) => {}
            _ if self.elements(narrow, keywords, (name, value), at) => {}
            _ => self.scalar(narrow, (name, value), at),
        }
    }

    fn types(&mut self, narrow: &Side<'a>, value: &Value, at: &str) {
        let allowed = named(value);
        let mut lost: Vec<_> = narrow.types().into_iter().filter(|name| !allowed.contains(name)).collect();
        if lost.contains(&"number") {
            lost.retain(|name| *name != "integer");
        }
        if !lost.is_empty() {
            self.gap(at, format!("the type {} is no longer allowed", lost.join(", ")), true);
        }
    }

    fn one_of_several(&mut self, narrow: &Side<'a>, value: &'a Value, at: &str, only_one: bool) {
        let branches = value.as_array().map_or(&[][..], Vec::as_slice);
        let wide = self.wide;
        let apart = || {
            let types: Vec<_> = branches.iter().map(|branch| Side::new(wide).and(branch).types()).collect();
            types.iter().enumerate().all(|(n, a)| types.iter().skip(n + 1).all(|b| a.is_disjoint(b)))
        };
        if only_one && branches.len() > 1 && !apart() {
            if !self.equal(narrow, "oneOf", value) {
                self.gap(at, "whether a value fits one branch only cannot be told from their structure", false);
            }
            return;
        }
        let fits =
            branches.iter().enumerate().any(|(n, branch)| self.holds(narrow, branch, &below(at, &n.to_string())));
        if fits {
            return;
        }
        // Each type by itself may fit a branch: {"type": ["string", "null"]} fits [{"type": "string"}, {"type": "null"}].
        let types = narrow.types();
        let each = |search: &mut Self, name: &'static str| {
            let one = narrow.clone().and(only(name));
            branches.iter().any(|branch| search.holds(&one, branch, at))
        };
        if types.len() > 1 && types.into_iter().all(|name| each(self, name)) {
            return;
        }
        self.gap(at, "no branch allows all that was allowed", false);
    }

    /// What is excluded must have been excluded before.
    fn negation(&mut self, narrow: &Side<'a>, value: &'a Value, at: &str) {
        let wide = self.wide;
        let apart = narrow.types().is_disjoint(&Side::new(wide).and(value).types());
        if !apart && !self.equal(narrow, "not", value) {
            self.gap(at, "whether this excludes something that was allowed cannot be told from its structure", false);
        }
    }

    fn only_if_equal(
        &mut self,
        narrow: &Side<'a>,
        (name, value): (&'a str, &'a Value),
        keywords: &'a Map<String, Value>,
        at: &str,
    ) {
        // `unevaluated…` depends on everything beside it, and `then` on its `if`.
        let whole = name.starts_with("unevaluated");
        let conditional = ["if", "then", "else"].contains(&name);
        if (name == "if" && !keywords.contains_key("then") && !keywords.contains_key("else"))
            || value == &Value::Bool(true)
        {
            return;
        }
        let object = ["dependentSchemas", "dependencies", "unevaluatedProperties"].contains(&name);
        let array = name == "unevaluatedItems";
        let types = narrow.types();
        if (object && !types.contains("object")) || (array && !types.contains("array")) {
            return;
        }
        let same = |known: &&'a Map<String, Value>| {
            let equal = |name: &str| narrow.get(known, name) == keywords.get(name);
            match (whole, conditional) {
                (true, _) => *known == keywords,
                (_, true) => ["if", "then", "else"].into_iter().all(equal),
                _ => equal(name),
            }
        };
        let found = narrow.all.iter().any(same);
        if !(found && alike(narrow.document, self.wide) && refers_nowhere(&Value::Object(keywords.clone()))) {
            self.gap(
                at,
                format!("what `{name}` allows cannot be told from its structure, and it is not the same on both sides"),
                false,
            );
        }
    }

    /// Whether the narrow side has this very keyword.
    pub(super) fn equal(&self, narrow: &Side<'a>, name: &str, value: &Value) -> bool {
        alike(narrow.document, self.wide) && refers_nowhere(value) && narrow.every(name).any(|known| known == value)
    }
}

/// Whether the same text means the same in both.
fn alike(a: &Document, b: &Document) -> bool {
    a.draft == b.draft
}

/// Whether a schema means the same in any document.
fn refers_nowhere(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().all(refers_nowhere),
        Value::Object(members) => {
            !members.contains_key("$ref")
                && !members.contains_key("$dynamicRef")
                && members.values().all(refers_nowhere)
        }
        _ => true,
    }
}

/// The schema of one type alone. `number` stands for those that are no integers; there is no schema for that, and none is needed:
/// what holds for all numbers holds for them.
fn only(name: &'static str) -> &'static Value {
    use std::sync::LazyLock;
    static ONLY: LazyLock<Vec<Value>> =
        LazyLock::new(|| super::side::TYPES.iter().map(|name| serde_json::json!({ "type": name })).collect());
    static ANY: Value = Value::Bool(true);
    let place = super::side::TYPES.iter().position(|candidate| *candidate == name);
    place.and_then(|place| ONLY.get(place)).unwrap_or(&ANY)
}

impl Document {
    /// Whether `format` refuses anything.
    pub(super) fn checks_formats(&self) -> bool {
        self.draft == Draft::Seven
    }
}
