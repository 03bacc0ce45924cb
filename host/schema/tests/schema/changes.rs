//! What is told of two schemas side by side, and of all of them together.

use expect_test::{expect, expect_file};
use serde_json::{Value, json};
use wharf_schema::{Bound, Schema, asyncapi, diff};

#[test]
fn a_difference_is_a_list_of_places() {
    let old = json!({ "type": "object", "required": ["a"], "properties": { "a": { "type": "string" }, "b": {} }, "anyOf": [{}, { "minimum": 1 }] });
    let new = json!({ "type": "object", "required": ["a", "c"], "properties": { "a": { "type": "integer" }, "c/d": {} }, "anyOf": [{}] });
    let lines: String = diff(&old, &new).iter().map(|change| format!("{change}\n")).collect();
    expect![[r#"
        - /anyOf/1: {"minimum":1}
        ~ /properties/a/type: "string" -> "integer"
        - /properties/b: {}
        + /properties/c~1d: {}
        ~ /required: ["a"] -> ["a","c"]
    "#]]
    .assert_eq(&lines);
    expect![[r#"[{"change":"changed","pointer":"","old":true,"new":{}}]"#]]
        .assert_eq(&serde_json::to_string(&diff(&json!(true), &json!({}))).unwrap());
    assert!(diff(&old, &old).is_empty());
}

fn document(schemas: &[(&str, Value)]) -> Value {
    let parsed: Vec<_> = schemas.iter().map(|(name, it)| (*name, Schema::parse(&it.to_string()).unwrap())).collect();
    let bound: Vec<_> =
        parsed.iter().map(|(name, schema)| Bound { name, bus: "default", kind: name, schema }).collect();
    asyncapi("acme", &["default", "audit"], &bound)
}

#[test]
fn an_asyncapi_document_has_a_channel_for_each_bus_and_a_message_for_each_type() {
    let order = json!({
        "$id": "https://example.com/order", "$schema": "https://json-schema.org/draft/2020-12/schema", "title": "An order",
        "properties": { "lines": { "items": { "$ref": "#line" } }, "self": { "$ref": "#" } },
        "$defs": { "a line": { "$anchor": "line", "type": "object" } },
    });
    expect_file!["asyncapi.json"].assert_eq(&format!("{:#}\n", document(&[("order.created", order)])));
}

#[test]
fn every_reference_of_an_asyncapi_document_leads_to_something_in_it() {
    fn references<'a>(value: &'a Value, into: &mut Vec<&'a str>) {
        match value {
            Value::Object(members) => {
                into.extend(members.get("$ref").and_then(Value::as_str));
                members.values().for_each(|it| references(it, into));
            }
            Value::Array(items) => items.iter().for_each(|it| references(it, into)),
            _ => {}
        }
    }
    let tree = json!({ "properties": { "a": { "$ref": "#" }, "b": { "$ref": "#/$defs/x~1y" } }, "$defs": { "x/y": { "$ref": "#/$defs/z" }, "z": true } });
    let document = document(&[("tree", tree), ("anything", json!(true)), ("nothing", json!(false))]);
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > 10, "{found:?}");
    for reference in found {
        assert!(document.pointer(reference.strip_prefix('#').unwrap()).is_some(), "{reference}");
    }
}
