//! What a schema says to a payload.

use expect_test::{Expect, expect};
use serde_json::{Value, json};

use crate::schema;

fn check(json: &Value, payload: &str, expected: Expect) {
    let told = match schema(json).validate(payload.as_bytes()) {
        Ok(()) => "valid".to_owned(),
        Err(violations) => {
            violations.list().iter().map(|it| format!("#{} #{} {}\n", it.pointer, it.schema, it.message)).collect()
        }
    };
    expected.assert_eq(&told);
}

fn order() -> Value {
    json!({
        "type": "object",
        "required": ["id", "lines"],
        "properties": {
            "id": { "type": "string", "pattern": "^o-[0-9]+$" },
            "lines": { "type": "array", "minItems": 1, "items": { "$ref": "#/$defs/line" } },
            "state": { "enum": ["open", "paid"] },
        },
        "additionalProperties": false,
        "$defs": { "line": {
            "$anchor": "line", "type": "object", "required": ["sku"],
            "properties": { "sku": { "type": "string" }, "count": { "type": "integer", "minimum": 1 } },
        } },
    })
}

#[test]
fn every_failing_place_is_told() {
    check(&order(), r#"{"id":"o-1","lines":[{"sku":"a","count":2}],"state":"paid"}"#, expect!["valid"]);
    check(
        &order(),
        r#"{"id":"1","lines":[{"sku":7,"count":0},{}],"state":"secret","more":1,"~/":2}"#,
        expect![[r##"
            #/id #/properties/id/pattern the value does not match "^o-[0-9]+$"
            #/lines/0/count #/$defs/line/properties/count/minimum the value is less than the minimum of 1
            #/lines/0/sku #/$defs/line/properties/sku/type the value is not of type "string"
            #/lines/1 #/$defs/line/required "sku" is a required property
            #/state #/properties/state/enum the value is not one of "open" or "paid"
            # #/additionalProperties the schema has no `more`, `~/`
        "##]],
    );
    check(
        &order(),
        "[]",
        expect![[r##"
            # #/type the value is not of type "object"
        "##]],
    );
}

#[test]
fn what_is_no_json_is_a_violation() {
    check(
        &json!({}),
        "",
        expect![[r#"
            # # the payload is no JSON that can be validated: EOF while parsing a value at line 1 column 0
        "#]],
    );
    check(
        &json!({}),
        r#"{"a":1"#,
        expect![[r#"
            # # the payload is no JSON that can be validated: EOF while parsing an object at line 1 column 6
        "#]],
    );
    check(
        &json!({}),
        r#"[1e999]"#,
        expect![[r#"
            # # the payload is no JSON that can be validated: number out of range at line 1 column 6
        "#]],
    );
    check(&json!({}), "\"\u{7f}\"", expect!["valid"]);
}

#[test]
fn references_stay_within_the_document() {
    let by_anchor = json!({ "items": { "$ref": "#line" }, "$defs": order()["$defs"].clone() });
    check(
        &by_anchor,
        r#"[{"sku":"a"},{}]"#,
        expect![[r##"
            #/1 #/$defs/line/required "sku" is a required property
        "##]],
    );
    let escaped = json!({ "$ref": "#/$defs/a%20b~1c", "$defs": { "a b/c": { "type": "null" } } });
    check(
        &escaped,
        "1",
        expect![[r##"
            # #/$defs/a b~1c/type the value is not of type "null"
        "##]],
    );
    let whole = json!({ "properties": { "child": { "$ref": "#" }, "n": { "type": "integer" } } });
    check(
        &whole,
        r#"{"child":{"child":{"n":"x"}}}"#,
        expect![[r##"
            #/child/child/n #/properties/n/type the value is not of type "integer"
        "##]],
    );
}

#[test]
fn a_format_is_checked_in_draft_7_and_means_nothing_more_in_2020_12() {
    let new = json!({ "format": "date-time" });
    check(&new, "\"yesterday\"", expect!["valid"]);
    let seven = json!({ "$schema": "http://json-schema.org/draft-07/schema#", "format": "date-time" });
    check(
        &seven,
        "\"yesterday\"",
        expect![[r##"
            # #/format the value is not a "date-time"
        "##]],
    );
    check(&seven, "\"2026-11-27T02:00:00Z\"", expect!["valid"]);
    let expression = json!({ "$schema": "http://json-schema.org/draft-07/schema#", "format": "regex" });
    check(&expression, "\"(\"", expect!["valid"]);
}

#[test]
fn draft_7_reads_its_own_keywords() {
    let list = json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "items": [{ "type": "integer" }], "additionalItems": false, "dependencies": { "a": ["b"] },
    });
    check(&list, "[1]", expect!["valid"]);
    check(
        &list,
        r#"["x",2]"#,
        expect![[r##"
            #/0 #/items/0/type the value is not of type "integer"
            # #/additionalItems Additional items are not allowed (1 item)
        "##]],
    );
    check(
        &list,
        r#"{"a":1}"#,
        expect![[r##"
            # #/dependencies "b" is a required property
        "##]],
    );
}

#[test]
fn a_message_never_repeats_the_event_and_is_no_longer_than_a_line() {
    let secret = "s3cr3t".repeat(100);
    let strict =
        json!({ "type": "integer", "const": 1, "pattern": "^a$", "anyOf": [{ "enum": [1] }, { "type": "null" }] });
    let told = schema(&strict).validate_json(&json!(secret)).unwrap_err();
    assert!(told.list().len() >= 4 && !told.to_string().contains("s3cr3t"), "{told}");
    let long = json!({ "enum": (0..1_000).collect::<Vec<_>>() });
    assert!(schema(&long).validate_json(&json!("x")).unwrap_err().to_string().chars().count() < 330);
}
