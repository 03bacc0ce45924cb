//! Payloads and schemas in which the same names and values come again and again.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

fn name() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a", "b", "ab", "c"]).prop_map(str::to_owned)
}

fn scalar() -> impl Strategy<Value = Value> {
    let scalars = vec![
        json!(null),
        json!(true),
        json!(false),
        json!(0),
        json!(1),
        json!(1.0),
        json!(1.5),
        json!(2),
        json!(3),
        json!(-1),
        json!(9_007_199_254_740_993_u64),
        json!(1e300),
        json!(""),
        json!("a"),
        json!("ab"),
        json!("abc"),
    ];
    prop::sample::select(scalars)
}

/// Any payload.
pub fn payload() -> impl Strategy<Value = Value> {
    scalar().prop_recursive(3, 20, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(name(), inner, 0..4).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn keyword() -> BoxedStrategy<(String, Value)> {
    let fixed = vec![
        ("type", json!("integer")),
        ("type", json!("number")),
        ("type", json!("string")),
        ("type", json!("object")),
        ("type", json!("array")),
        ("type", json!(["string", "null"])),
        ("type", json!(["integer", "object"])),
        ("const", json!(1)),
        ("const", json!("a")),
        ("enum", json!([1, "a", null])),
        ("enum", json!([0, 1, 1.5, 2])),
        ("enum", json!(["a", "ab", {"a": 1}])),
        ("minimum", json!(1)),
        ("minimum", json!(1.5)),
        ("maximum", json!(2)),
        ("maximum", json!(1.5)),
        ("exclusiveMinimum", json!(0)),
        ("exclusiveMinimum", json!(1)),
        ("exclusiveMaximum", json!(2)),
        ("exclusiveMaximum", json!(3)),
        ("multipleOf", json!(1)),
        ("multipleOf", json!(2)),
        ("multipleOf", json!(0.5)),
        ("minLength", json!(1)),
        ("minLength", json!(2)),
        ("maxLength", json!(1)),
        ("maxLength", json!(2)),
        ("pattern", json!("^a")),
        ("pattern", json!("b$")),
        ("required", json!(["a"])),
        ("required", json!(["a", "b"])),
        ("minProperties", json!(1)),
        ("maxProperties", json!(1)),
        ("minItems", json!(1)),
        ("maxItems", json!(2)),
        ("uniqueItems", json!(true)),
        ("dependentRequired", json!({"a": ["b"]})),
        ("minContains", json!(0)),
        ("minContains", json!(2)),
        ("maxContains", json!(1)),
        ("$ref", json!("#/$defs/d")),
        ("additionalProperties", json!(false)),
        ("items", json!(false)),
        ("unevaluatedProperties", json!(false)),
    ];
    prop::sample::select(fixed).prop_map(|(name, value)| (name.to_owned(), value)).boxed()
}

/// The keywords of a schema that may name `#/$defs/d`.
pub fn keywords() -> impl Strategy<Value = Value> {
    let flat = prop::collection::vec(keyword(), 0..3).prop_map(|list| Value::Object(list.into_iter().collect()));
    let flat = prop_oneof![8 => flat, 1 => any::<bool>().prop_map(Value::from)];
    flat.prop_recursive(3, 24, 3, |inner| {
        let table = |inner: BoxedStrategy<Value>| {
            prop::collection::btree_map(name(), inner, 1..3).prop_map(|map| Value::Object(map.into_iter().collect()))
        };
        let list = prop::collection::vec(inner.clone(), 1..3).prop_map(Value::from);
        let patterns = prop::collection::btree_map(prop::sample::select(vec!["^a", "b$"]), inner.clone(), 1..3)
            .prop_map(|map| Value::Object(map.into_iter().map(|(name, it)| (name.to_owned(), it)).collect()));
        let named = |names: Vec<&'static str>, values: BoxedStrategy<Value>| {
            (prop::sample::select(names), values).prop_map(|(name, value)| (name.to_owned(), value))
        };
        let inner = inner.boxed();
        let one = vec![
            "not",
            "if",
            "then",
            "else",
            "additionalProperties",
            "items",
            "contains",
            "propertyNames",
            "additionalItems",
        ];
        let keyword = prop_oneof![
            3 => keyword(),
            4 => named(vec!["properties"], table(inner.clone()).boxed()),
            1 => named(vec!["dependentSchemas"], table(inner.clone()).boxed()),
            1 => named(vec!["patternProperties"], patterns.boxed()),
            3 => named(one, inner),
            2 => named(vec!["allOf", "anyOf", "oneOf", "prefixItems"], list.boxed()),
        ];
        prop::collection::vec(keyword, 1..4).prop_map(|list| Value::Object(list.into_iter().collect()))
    })
}

/// A schema, and one that came of it by a few small changes.
pub fn versions() -> impl Strategy<Value = (Value, Value)> {
    let whole = |(root, named, seven): (Value, Value, bool)| {
        let mut root = root.as_object().cloned().unwrap_or_default();
        root.insert("$defs".to_owned(), json!({ "d": named }));
        if seven {
            root.insert("$schema".to_owned(), json!("http://json-schema.org/draft-07/schema#"));
        }
        Value::Object(root)
    };
    let drafts = || prop::sample::select(vec![false, false, false, true]);
    let base = (keywords(), keywords(), drafts()).prop_map(whole);
    let edits = prop::collection::vec((any::<prop::sample::Index>(), edit()), 0..3);
    (base, edits, drafts()).prop_map(|(old, edits, turn)| {
        let mut new = old.clone();
        for (at, edit) in edits {
            let mut places = 0;
            count(&new, &mut places);
            let mut left = at.index(places);
            change(&mut new, &mut left, &edit);
        }
        if turn {
            new.as_object_mut().map(|root| root.remove("$schema"));
        }
        (old, new)
    })
}

/// A change of one schema.
#[derive(Clone, Debug)]
enum Edit {
    Add(String, Value),
    Remove(prop::sample::Index),
    Replace(Value),
}

fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        keyword().prop_map(|(name, value)| Edit::Add(name, value)),
        any::<prop::sample::Index>().prop_map(Edit::Remove),
        keywords().prop_map(Edit::Replace),
        Just(Edit::Replace(json!(true))),
    ]
}

fn count(value: &Value, places: &mut usize) {
    *places += 1;
    match value {
        Value::Object(members) => members.values().for_each(|it| count(it, places)),
        Value::Array(items) => items.iter().for_each(|it| count(it, places)),
        _ => {}
    }
}

/// Changes the object that is so many places from the start, or the nearest one around it.
fn change(value: &mut Value, left: &mut usize, edit: &Edit) -> bool {
    let here = *left == 0;
    *left = left.saturating_sub(1);
    let within = !here
        && match value {
            Value::Object(members) => members.values_mut().any(|it| change(it, left, edit)),
            Value::Array(items) => items.iter_mut().any(|it| change(it, left, edit)),
            _ => false,
        };
    if within || !here {
        return within;
    }
    match (edit, &mut *value) {
        (Edit::Add(name, added), Value::Object(members)) => drop(members.insert(name.clone(), added.clone())),
        (Edit::Remove(at), Value::Object(members)) if !members.is_empty() => {
            let name: String = members.keys().nth(at.index(members.len())).unwrap().clone();
            members.remove(&name);
        }
        (Edit::Replace(other), Value::Object(_)) => *value = other.clone(),
        _ => return false,
    }
    true
}

/// Members of an object, for tests that need one.
pub fn object() -> impl Strategy<Value = Value> {
    prop::collection::btree_map(name(), payload(), 0..4)
        .prop_map(|map| Value::Object(map.into_iter().collect::<Map<_, _>>()))
}
