//! What holds for every pattern and every event.

use proptest::prelude::*;
use serde_json::{Value, json};
use wharf_pattern::Pattern;

use crate::subject;

fn name() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a", "b", "c"]).prop_map(str::to_owned)
}

fn scalar() -> impl Strategy<Value = Value> {
    prop::sample::select(vec![
        json!(null),
        json!(true),
        json!(0),
        json!(1),
        json!(1.0),
        json!(1.5),
        json!(""),
        json!("x"),
        json!("xy"),
    ])
}

/// Payloads in which names and values come again and again.
pub fn payload() -> impl Strategy<Value = Value> {
    scalar().prop_recursive(4, 40, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(name(), inner, 0..4).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn condition() -> impl Strategy<Value = Value> {
    prop_oneof![
        scalar(),
        prop::sample::select(vec![
            json!({"prefix": "x"}),
            json!({"suffix": "y"}),
            json!({"anything-but": "x"}),
            json!({"anything-but": [1, 1.5]}),
            json!({"exists": true}),
            json!({"exists": false}),
            json!({"numeric": ["=", 1]}),
            json!({"numeric": [">", 0]}),
            json!({"numeric": [">=", 1, "<", 1.5]}),
        ])
    ]
}

/// The part of a pattern under `data`.
fn fields() -> impl Strategy<Value = Value> {
    let object = |field: BoxedStrategy<Value>| {
        prop::collection::btree_map(name(), field, 1..3).prop_map(|map| Value::Object(map.into_iter().collect()))
    };
    let leaf = prop::collection::vec(condition(), 1..3).prop_map(Value::from).boxed();
    object(leaf.clone()).prop_recursive(3, 20, 3, move |inner| object(prop_oneof![leaf.clone(), inner].boxed()))
}

/// Any JSON at all, operators among the names.
fn anything() -> impl Strategy<Value = Value> {
    let names = prop::sample::select(vec!["prefix", "suffix", "anything-but", "exists", "numeric", "$or", "a", ""]);
    let leaf = prop_oneof![scalar(), prop::sample::select(vec![json!(">"), json!("="), json!("<="), json!(-1e308)])];
    leaf.prop_recursive(5, 40, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(names.clone().prop_map(str::to_owned), inner, 0..3)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Every way to a scalar that passes objects only, as the pattern that asks for it.
fn exact_patterns(value: &Value, found: &mut Vec<Value>) {
    match value {
        Value::Object(object) => {
            for (name, inner) in object {
                let before = found.len();
                exact_patterns(inner, found);
                for pattern in found.iter_mut().skip(before) {
                    *pattern = json!({name: pattern.take()});
                }
            }
        }
        Value::Array(_) => {}
        scalar => found.push(json!([scalar])),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn matches_and_explain_agree(fields in fields(), payload in payload()) {
        let pattern = Pattern::parse(&json!({"data": fields})).unwrap();
        let subject = subject(&payload);
        prop_assert_eq!(pattern.explain(&subject).is_none(), pattern.matches(&subject));
    }

    #[test]
    fn a_pattern_printed_and_parsed_again_is_the_same(fields in fields()) {
        let pattern = Pattern::parse(&json!({"data": fields})).unwrap();
        let printed: Value = serde_json::from_str(&pattern.to_string()).unwrap();
        prop_assert_eq!(Pattern::parse(&printed).unwrap(), pattern);
    }

    #[test]
    fn anything_parses_or_is_refused_at_a_place_that_is_there(json in anything()) {
        if let Err(error) = Pattern::parse(&json) {
            prop_assert!(json.pointer(&error.pointer).is_some(), "{} in {}", error.pointer, json);
        }
    }

    #[test]
    fn every_scalar_matches_the_pattern_that_asks_for_it(payload in payload()) {
        let subject = subject(&payload);
        let mut patterns = Vec::new();
        exact_patterns(&json!({"data": payload}), &mut patterns);
        for json in patterns {
            prop_assert!(Pattern::parse(&json).unwrap().matches(&subject), "{}", json);
        }
    }

    #[test]
    fn a_field_exists_or_does_not(payload in payload(), first in name(), second in name()) {
        let subject = subject(&json!({"a": payload}));
        let asked = |exists: bool| Pattern::parse(&json!({"data": {first.as_str(): {second.as_str(): [{"exists": exists}]}}})).unwrap();
        prop_assert!(asked(true).matches(&subject) || asked(false).matches(&subject));
    }
}
