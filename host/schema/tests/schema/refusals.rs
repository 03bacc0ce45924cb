//! What is no schema, and what each mistake is called.

use expect_test::{Expect, expect};
use serde_json::{Value, json};
use wharf_schema::{Draft, Schema};

fn check(json: &Value, expected: Expect) {
    let errors = Schema::parse(&json.to_string()).expect_err(&json.to_string());
    expected.assert_eq(&errors.iter().map(|error| format!("{error}\n")).collect::<String>());
}

#[test]
fn nothing_is_fetched() {
    check(
        &json!({ "properties": { "a": { "$ref": "https://example.com/a.json" }, "b": { "items": { "$ref": "b.json#/x" } } } }),
        expect![[r##"
            /properties/a/$ref: `https://example.com/a.json` is not in this document, and nothing is fetched: put it into `$defs` and refer to "#/$defs/…"
            /properties/b/items/$ref: `b.json#/x` is not in this document, and nothing is fetched: put it into `$defs` and refer to "#/$defs/…"
        "##]],
    );
    check(
        &json!({ "$ref": "#/$defs/none" }),
        expect![[r#"
        /$ref: `#/$defs/none` names no schema of this document
    "#]],
    );
    check(
        &json!({ "$ref": "#none" }),
        expect![[r#"
        /$ref: `#none` names no schema of this document
    "#]],
    );
    check(
        &json!({ "enum": [{ "a": 1 }], "$ref": "#/enum/0" }),
        expect![[r#"
        /$ref: `#/enum/0` names no schema of this document
    "#]],
    );
    check(
        &json!({ "$id": "https://example.com/a", "$defs": { "b": { "$id": "b" } } }),
        expect![[r#"
        /$defs/b/$id: only the root may have an `$id`: name a part of the document by `$anchor` or by its place in `$defs`
    "#]],
    );
    check(
        &json!({ "$dynamicRef": "https://example.com/a#b" }),
        expect![[r##"
        /$dynamicRef: `https://example.com/a#b` is not in this document, and nothing is fetched: put it into `$defs` and refer to "#/$defs/…"
    "##]],
    );
}

#[test]
fn mistakes_are_told_where_they_are() {
    check(
        &json!(7),
        expect![[r#"
            the schema: the value is not of types "boolean", "object"
        "#]],
    );
    check(
        &json!({ "type": "strin", "required": "a", "properties": { "x": { "minimum": "1" } } }),
        expect![[r#"
        /properties/x/minimum: the value is not of type "number"
        /required: the value is not of type "array"
        /type: a type is "array", "boolean", "integer", "null", "number", "object" or "string", or a list of them, each once
    "#]],
    );
    check(
        &json!({ "$schema": "https://json-schema.org/draft/2019-09/schema" }),
        expect![[r#"
        /$schema: `$schema` is "https://json-schema.org/draft/2019-09/schema"; write "https://json-schema.org/draft/2020-12/schema", "http://json-schema.org/draft-07/schema#", or nothing, which is 2020-12
    "#]],
    );
    check(
        &json!({ "$schema": 7 }),
        expect![[r#"
        /$schema: `$schema` is 7; write "https://json-schema.org/draft/2020-12/schema", "http://json-schema.org/draft-07/schema#", or nothing, which is 2020-12
    "#]],
    );
    let errors = Schema::parse("{\"type\":\n").unwrap_err();
    expect!["the schema: not JSON: EOF while parsing a value at line 2 column 0"].assert_eq(&errors.to_string());
}

#[test]
fn the_draft_is_what_the_schema_says() {
    let draft = |named: &str| Schema::parse(&json!({ "$schema": named }).to_string()).unwrap().draft();
    assert_eq!(Schema::parse("true").unwrap().draft(), Draft::TwentyTwenty);
    assert_eq!(draft("https://json-schema.org/draft/2020-12/schema"), Draft::TwentyTwenty);
    assert_eq!(draft("http://json-schema.org/draft-07/schema#"), Draft::Seven);
    assert_eq!(draft("http://json-schema.org/draft-07/schema"), Draft::Seven);
}

#[test]
fn a_document_cannot_pass_for_one_that_the_validator_knows() {
    let named = json!({ "$id": "https://json-schema.org/draft/2020-12/schema", "type": "string" });
    let schema = Schema::parse(&named.to_string()).unwrap();
    schema.validate_json(&json!("x")).unwrap();
    schema.validate_json(&json!({})).unwrap_err();
}
