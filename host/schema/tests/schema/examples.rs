//! Schemas made of examples.

use expect_test::{Expect, expect};
use serde_json::{Value, json};
use wharf_schema::infer;

fn check(examples: &[Value], expected: Expect) {
    let mut schema = infer(examples);
    schema.as_object_mut().unwrap().remove("$schema").unwrap();
    expected.assert_eq(&schema.to_string());
    let mut turned = infer(examples.iter().rev());
    turned.as_object_mut().unwrap().remove("$schema").unwrap();
    assert_eq!(turned, schema, "the order of examples must not matter");
}

#[test]
fn what_all_have_is_required_and_what_differs_is_either() {
    check(&[], expect!["{}"]);
    check(
        &[json!({ "a": 1, "b": "x" }), json!({ "a": 2.5, "c": null }), json!({ "a": 3, "c": true })],
        expect![[
            r#"{"properties":{"a":{"type":"number"},"b":{"type":"string"},"c":{"type":["boolean","null"]}},"required":["a"],"type":"object"}"#
        ]],
    );
    check(
        &[json!([1, "x"]), json!([]), json!([{ "a": 1 }, { "b": 2 }])],
        expect![[
            r#"{"items":{"properties":{"a":{"type":"integer"},"b":{"type":"integer"}},"type":["integer","object","string"]},"type":"array"}"#
        ]],
    );
    check(&[json!({}), json!({ "a": {} })], expect![[r#"{"properties":{"a":{"type":"object"}},"type":"object"}"#]]);
}

#[test]
fn a_format_is_there_if_all_texts_have_it() {
    let at = |at: &str| json!({ "at": at });
    check(
        &[at("2026-11-27T01:38:00Z"), at("2026-11-27T01:38:00.5+01:00")],
        expect![[r#"{"properties":{"at":{"format":"date-time","type":"string"}},"required":["at"],"type":"object"}"#]],
    );
    check(
        &[at("2026-11-27T01:38:00Z"), at("2026-11-27")],
        expect![[r#"{"properties":{"at":{"type":"string"}},"required":["at"],"type":"object"}"#]],
    );
    check(&[json!("0b0e7a0c-8f5e-4c57-9a0b-1f1f5a1f3a11")], expect![[r#"{"format":"uuid","type":"string"}"#]]);
}

#[test]
fn an_object_of_very_many_names_is_a_table() {
    let many: serde_json::Map<_, _> = (0..150).map(|n| (format!("user-{n}"), json!({ "n": n }))).collect();
    check(
        &[Value::Object(many), json!({ "user-7": { "n": "x" } })],
        expect![[
            r#"{"additionalProperties":{"properties":{"n":{"type":["integer","string"]}},"required":["n"],"type":"object"},"type":"object"}"#
        ]],
    );
}

#[test]
fn very_deep_examples_are_described_to_a_depth() {
    let deep = (0..100).fold(json!(1), |inner, _| json!([inner]));
    let text = infer([&deep]).to_string();
    assert!(text.matches("items").count() < 20 && text.contains("\"items\":{}"), "{text}");
}
