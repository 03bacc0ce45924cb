//! Schemas and events that were made to cost much. Each must be refused by a bound that is counted, not timed; what is let
//! through ends, on a stack as small as a thread of the host has.

use std::thread;

use serde_json::{Map, Value, json};
use wharf_schema::{Mode, Schema, compatibility, limits};

use crate::schema;

const WORK: &str = "could be held against this schema";
/// The stack of a thread that may be busy, unless it is said otherwise.
const THREAD_STACK_BYTES: usize = 2 << 20;

const TOO_LARGE: &str = "too large to be validated";

fn refused(json: &Value, why: &str) {
    let told = Schema::parse(&json.to_string()).expect_err(&json.to_string()).to_string();
    assert!(told.contains(why), "{told}");
}

/// `$defs` that each name the next, by a schema made of that reference.
fn chain(links: usize, link: impl Fn(Value) -> Value, last: &Value) -> Value {
    let next = |n: usize| link(json!({ "$ref": format!("#/$defs/a{}", n + 1) }));
    let mut defs: Map<_, _> = (0..links).map(|n| (format!("a{n}"), next(n))).collect();
    defs.insert(format!("a{links}"), last.clone());
    json!({ "$ref": "#/$defs/a0", "$defs": defs })
}

fn nested(levels: usize) -> Value {
    (0..levels).fold(json!(1), |inner, _| json!({ "a": inner }))
}

#[test]
fn references_that_double_are_counted_before_anything_is_validated() {
    let twice = |next: Value| json!({ "allOf": [next, next] });
    refused(&chain(11, twice, &json!({})), WORK);
    let through_members =
        json!({ "anyOf": [{ "properties": { "a": { "$ref": "#" } } }, { "properties": { "a": { "$ref": "#" } } }] });
    refused(&through_members, WORK);
    let through_elements = json!({ "items": { "$ref": "#" }, "contains": { "$ref": "#" } });
    refused(&through_elements, WORK);
    let through_patterns = json!({ "patternProperties": { "^a": { "$ref": "#" }, "a$": { "$ref": "#" } } });
    refused(&through_patterns, WORK);
}

#[test]
fn a_tree_that_refers_to_itself_once_for_each_member_is_fine() {
    let tree =
        schema(&json!({ "type": ["object", "integer"], "properties": { "a": { "$ref": "#" }, "b": { "$ref": "#" } } }));
    tree.validate_json(&nested(100)).unwrap();
    assert_eq!(tree.validate_json(&json!({"a": {"b": {"a": "x"}}})).unwrap_err().list()[0].pointer, "/a/b/a");
}

#[test]
fn a_loop_on_one_value_is_told_with_its_way() {
    refused(&json!({ "$ref": "#" }), "# -> #");
    refused(&json!({ "allOf": [{ "not": { "$ref": "#" } }] }), "# -> #/allOf/0 -> #/allOf/0/not -> #");
    refused(
        &chain(3, |next| next, &json!({ "if": { "$ref": "#/$defs/a1" } })),
        "#/$defs/a1 -> #/$defs/a2 -> #/$defs/a3 -> ",
    );
}

#[test]
fn the_longest_chain_at_every_level_of_the_deepest_event_fits_a_small_stack() {
    // Per level of the event, `anyOf` and `$ref` make two links of each.
    let links = (limits::CHAIN_MAX - 2) / 2;
    let branches = |next: Value| json!({ "anyOf": [false, next] });
    let deepest = schema(&chain(links - 1, branches, &json!({ "properties": { "a": { "$ref": "#" } } })));
    refused(&chain(links + 1, branches, &json!({})), "each by way of the one before");
    let small = thread::Builder::new().stack_size(1 << 20);
    let text = nested(126).to_string();
    small.spawn(move || deepest.validate(text.as_bytes()).unwrap()).unwrap().join().unwrap();
    let error = schema(&json!({})).validate("[".repeat(200).as_bytes()).unwrap_err();
    assert!(error.to_string().contains("recursion limit"), "{error}");
}

#[test]
fn an_event_that_would_meet_too_many_schemas_is_a_violation_at_once() {
    let branches: Vec<_> = (0..1_000).map(|n| json!({ "const": n.to_string() })).collect();
    let many = schema(&json!({ "items": { "not": { "anyOf": branches } } }));
    many.validate_json(&json!(vec![0; 1_000])).unwrap();
    assert!(many.validate_json(&json!(vec![0; 100_000])).unwrap_err().to_string().contains(TOO_LARGE));
    let values: Vec<_> = (0..20_000).collect();
    refused(&json!({ "enum": values }), WORK);
}

#[test]
fn expressions_that_backtrack_are_refused_and_large_ones_are_paid_for_by_the_byte() {
    for wrong in ["(?=a)", "(a)\\1", "(?<!a)b", "a{100000}", "(((a{100}){100}){100})", "("] {
        let told = Schema::parse(&json!({ "properties": { "x": { "pattern": wrong } } }).to_string()).unwrap_err();
        assert_eq!(told.iter().next().unwrap().pointer, "/properties/x/pattern", "{wrong}");
        refused(&json!({ "patternProperties": { wrong: true } }), "/patternProperties/");
    }
    // Backtracking, this would take 2^100 steps.
    let nested = schema(&json!({ "pattern": "^(a+)+$" }));
    nested.validate_json(&json!("a".repeat(100) + "b")).unwrap_err();
    // Three thousand places of this one can be open at once.
    let large = schema(&json!({ "pattern": "a[ab]{3000}c" }));
    large.validate_json(&json!("ab".repeat(2_000) + "ac")).unwrap();
    assert!(large.validate_json(&json!("ab".repeat(50_000))).unwrap_err().to_string().contains(TOO_LARGE));
    let many: Map<_, _> = (0..=limits::PATTERNS_MAX).map(|n| (format!("^a{n}"), json!(true))).collect();
    refused(&json!({ "patternProperties": many }), "regular expressions");
}

#[test]
fn texts_are_paid_for_by_the_byte_wherever_their_format_or_content_is_looked_at() {
    let text = json!("1".repeat(1 << 20));
    for said in [
        json!({ "contentMediaType": "application/json" }),
        json!({ "contentEncoding": "base64" }),
        json!({ "format": "uri" }),
    ] {
        let of = |times: usize| {
            let all = vec![said.clone(); times];
            schema(&json!({ "$schema": "http://json-schema.org/draft-07/schema#", "items": { "allOf": all } }))
        };
        let many = of(100).validate_json(&json!([text])).unwrap_err().to_string();
        assert!(many.contains(TOO_LARGE), "{said}: {many}");
        let told = of(2).validate_json(&json!([text])).map_or_else(|error| error.to_string(), |()| String::new());
        assert!(!told.contains(TOO_LARGE), "{said}: {told}");
        assert!(of(100).work_at_most(32 << 10) > 3_000_000);
    }
}

#[test]
fn lists_of_empty_lists_are_told_apart_without_comparing_each_with_each() {
    // A hash of what is in them is the same for all of these: by pairs these would be 800 million comparisons.
    let one = |n: u32| (0..16).map(|bit| if n >> bit & 1 == 1 { json!([[]]) } else { json!([]) }).collect::<Value>();
    let mut lists: Vec<_> = (0..40_000).map(one).collect();
    let unique = schema(&json!({ "uniqueItems": true }));
    unique.validate_json(&json!(lists)).unwrap();
    lists.push(one(7));
    let told = unique.validate_json(&json!(lists)).unwrap_err();
    assert!(told.to_string().contains("too large to say where"), "{told}");
    let told = unique.validate_json(&json!([[1], [1.0]])).unwrap_err();
    assert_eq!(told.to_string(), "the payload: two elements of the list are equal");
    schema(&json!({ "uniqueItems": false })).validate_json(&json!([1, 1])).unwrap();
}

#[test]
fn large_schemas_are_refused_by_their_size() {
    refused(&json!({ "description": "x".repeat(limits::SCHEMA_BYTES_MAX) }), "bytes, at most");
    let deep = (0..limits::SCHEMA_DEPTH_MAX).fold(json!({}), |inner, _| json!({ "not": inner }));
    refused(&deep, "nested deeper");
    let wide: Map<_, _> = (0..limits::SUBSCHEMAS_MAX).map(|n| (n.to_string(), json!(true))).collect();
    refused(&json!({ "$defs": wide }), "more than 4096 schemas");
}

#[test]
fn violations_are_told_up_to_a_limit() {
    let numbers = schema(&json!({ "items": { "type": "string" } }));
    let told = numbers.validate_json(&json!(vec![0; 500])).unwrap_err();
    assert_eq!((told.list().len(), told.more()), (limits::VIOLATIONS_MAX, true));
    let told = numbers.validate_json(&json!(vec![0; 600_000])).unwrap_err();
    assert_eq!((told.list().len(), told.more()), (1, false));
    assert!(told.to_string().contains("too large to say where"), "{told}");
}

#[test]
fn the_deepest_comparison_of_two_schemas_fits_the_stack_of_a_thread() {
    let wraps: [fn(Value) -> Value; 4] = [
        |next| json!({ "properties": { "a": next } }),
        |next| json!({ "anyOf": [{ "items": next, "type": ["array", "null"] }] }),
        |next| json!({ "additionalProperties": { "allOf": [next] } }),
        |next| json!({ "prefixItems": [{ "oneOf": [{ "contains": next }] }] }),
    ];
    for wrap in wraps {
        let pair = ["x", "y"].map(|last| schema(&chain(300, wrap, &json!({ "const": last }))));
        let compare = move || compatibility(&pair[0], &pair[1], Mode::Full);
        let found = thread::Builder::new().stack_size(THREAD_STACK_BYTES).spawn(compare).unwrap().join().unwrap();
        assert!(!found.is_empty(), "{:?}", wrap(json!(true)));
    }
}

#[test]
fn lists_of_values_are_compared_as_far_as_that_is_paid_for() {
    let list = |from: usize, count: usize| schema(&json!({ "enum": (from..from + count).collect::<Vec<_>>() }));
    assert_eq!(compatibility(&list(0, 1_000), &list(0, 1_001), Mode::Backward), []);
    let told = compatibility(&list(0, 12_000), &list(0, 12_001), Mode::Backward);
    assert!(told.iter().all(|gap| !gap.certain && gap.why.contains("to be compared to the end")), "{told:?}");
    assert!(!told.is_empty());
}
