//! Which new versions are taken, and what is said of the others.

use expect_test::{Expect, expect};
use serde_json::{Value, json};
use wharf_schema::{Mode, compatibility};

use crate::schema;

fn told(old: &Value, new: &Value, mode: Mode) -> String {
    let found = compatibility(&schema(old), &schema(new), mode);
    let line = |it: &wharf_schema::Incompatibility| {
        let unsure = if it.certain { "" } else { " ?" };
        format!("{:?} {} {}{unsure}\n", it.breaks, it.pointer, it.why)
    };
    found.iter().map(line).collect()
}

/// The two with this in a property of a closed object.
fn check(old: &Value, new: &Value, expected: Expect) {
    let closed = |x: &Value| json!({ "type": "object", "properties": { "x": x }, "additionalProperties": false });
    expected.assert_eq(&told(&closed(old), &closed(new), Mode::Backward));
    for same in [old, new] {
        assert_eq!(told(&closed(same), &closed(same), Mode::Full), "", "{same} with itself");
    }
}

#[test]
fn what_allows_more_is_compatible() {
    let more = [
        (json!({ "type": "integer" }), json!({ "type": "number" })),
        (json!({ "type": "string" }), json!({ "type": ["string", "null"] })),
        (json!({ "type": "string" }), json!({ "anyOf": [{ "type": "null" }, { "type": "string" }] })),
        (json!({ "type": ["string", "null"] }), json!({ "oneOf": [{ "type": "null" }, { "type": "string" }] })),
        (json!({ "type": "string" }), json!({ "type": "string", "minimum": 3, "items": false, "required": ["a"] })),
        (json!({ "enum": ["a", "b"] }), json!({ "enum": ["a", "b", "c"] })),
        (json!({ "const": "a" }), json!({ "enum": ["a", "b"], "type": "string", "minLength": 1, "pattern": "^a" })),
        (json!({ "minimum": 3, "type": "number" }), json!({ "exclusiveMinimum": 2.5 })),
        (json!({ "exclusiveMaximum": 3 }), json!({ "maximum": 3 })),
        (json!({ "multipleOf": 6 }), json!({ "multipleOf": 3 })),
        (json!({ "maxLength": 3, "minLength": 2 }), json!({ "maxLength": 4, "minLength": 0 })),
        (json!({ "required": ["a", "b"] }), json!({ "required": ["a"] })),
        (json!({ "items": { "type": "integer" } }), json!({ "items": { "type": "number" }, "prefixItems": [true] })),
        (json!({ "allOf": [{ "type": "string" }, { "maxLength": 3 }] }), json!({ "type": "string", "maxLength": 5 })),
        (json!({ "not": { "type": "string" }, "type": "integer" }), json!({ "not": { "type": "string" } })),
        (json!({ "contains": { "const": 1 } }), json!({ "contains": { "type": "integer" } })),
        (json!({ "pattern": "^a", "title": "A" }), json!({ "pattern": "^a", "description": "B", "format": "email" })),
        (
            json!({ "if": { "type": "string" }, "then": { "maxLength": 2 } }),
            json!({ "if": { "type": "string" }, "then": { "maxLength": 2 } }),
        ),
        (
            json!({ "anyOf": [{ "minimum": 3 }, { "type": "null" }], "type": ["number", "null"] }),
            json!({ "minimum": 1 }),
        ),
        (
            json!({ "properties": { "a": { "type": "integer" } }, "additionalProperties": false }),
            json!({ "properties": { "a": { "type": "number" }, "b": { "type": "string" } }, "additionalProperties": false }),
        ),
        (
            json!({ "properties": { "a": { "type": "integer" }, "b": false } }),
            json!({ "properties": { "a": true, "b": { "type": "string" } } }),
        ),
        (
            json!({ "patternProperties": { "^a": { "maximum": 3 } }, "additionalProperties": { "maximum": 1 } }),
            json!({ "additionalProperties": { "maximum": 4 } }),
        ),
        (json!({ "propertyNames": { "maxLength": 2 } }), json!({ "propertyNames": { "maxLength": 3 } })),
    ];
    for (old, new) in more {
        check(&old, &new, expect![""]);
    }
}

#[test]
fn what_allows_less_is_told_with_its_place() {
    check(
        &json!({ "type": "number" }),
        &json!({ "type": "integer" }),
        expect![[r#"
        Backward /properties/x/type the type number is no longer allowed
    "#]],
    );
    check(
        &json!({ "enum": ["a", "b"] }),
        &json!({ "enum": ["a"] }),
        expect![[r#"
        Backward /properties/x/enum "b" is no longer allowed
    "#]],
    );
    check(
        &json!({}),
        &json!({ "const": 1 }),
        expect![[r#"
        Backward /properties/x/const only 1 is allowed now
    "#]],
    );
    check(
        &json!({ "minimum": 1 }),
        &json!({ "minimum": 2, "maximum": 5 }),
        expect![[r#"
        Backward /properties/x/maximum `maximum` is 5 now, which allows less
        Backward /properties/x/minimum `minimum` is 2 now, which allows less
    "#]],
    );
    check(
        &json!({ "required": ["a"] }),
        &json!({ "required": ["a", "b", "c"] }),
        expect![[r#"
        Backward /properties/x/required `b`, `c` must be there now
    "#]],
    );
}

#[test]
fn what_holds_less_within_is_told_with_its_place() {
    check(
        &json!({ "properties": { "a": {} } }),
        &json!({ "properties": { "a": {} }, "additionalProperties": false }),
        expect![[r#"
            Backward /properties/x/additionalProperties names that are not listed are no longer allowed
        "#]],
    );
    check(
        &json!({ "properties": { "a": {}, "b": {} }, "additionalProperties": false }),
        &json!({ "properties": { "a": {} }, "additionalProperties": false }),
        expect![[r#"
            Backward /properties/x/additionalProperties `b` is no longer allowed
        "#]],
    );
    check(
        &json!({ "type": "object" }),
        &json!({ "type": "object", "properties": { "new": { "type": "string" } } }),
        expect![[r#"
            Backward /properties/x/properties/new/type the type array, boolean, null, number, object is no longer allowed
        "#]],
    );
    check(
        &json!({ "items": { "type": "number" } }),
        &json!({ "items": { "type": "integer" }, "maxItems": 9 }),
        expect![[r#"
            Backward /properties/x/items/type the type number is no longer allowed
            Backward /properties/x/maxItems `maxItems` is 9 now, which allows less
        "#]],
    );
    check(
        &json!({ "anyOf": [{ "type": "string" }, { "type": "null" }] }),
        &json!({ "type": "string" }),
        expect![[r#"
            Backward /properties/x/type the type null is no longer allowed
        "#]],
    );
    check(
        &json!({ "uniqueItems": false }),
        &json!({ "uniqueItems": true }),
        expect![[r#"
        Backward /properties/x/uniqueItems elements may not be equal any more
    "#]],
    );
    check(
        &json!({}),
        &json!(false),
        expect![[r#"
        Backward /properties/x nothing is allowed here any more
    "#]],
    );
}

#[test]
fn what_structure_does_not_tell_is_said_to_be_unknown() {
    check(
        &json!({ "pattern": "^a" }),
        &json!({ "pattern": "^a|^b" }),
        expect![[r#"
        Backward /properties/x/pattern `pattern` is another; whether it allows all that the one before did cannot be told ?
    "#]],
    );
    check(
        &json!({}),
        &json!({ "pattern": "" }),
        expect![[r#"
        Backward /properties/x/pattern `pattern` is new, and may refuse what was allowed ?
    "#]],
    );
    check(
        &json!({}),
        &json!({ "not": { "type": "string", "maxLength": 2 } }),
        expect![[r#"
        Backward /properties/x/not whether this excludes something that was allowed cannot be told from its structure ?
    "#]],
    );
    check(
        &json!({}),
        &json!({ "if": { "type": "string" }, "then": { "maxLength": 2 } }),
        expect![[r#"
        Backward /properties/x/if what `if` allows cannot be told from its structure, and it is not the same on both sides ?
        Backward /properties/x/then what `then` allows cannot be told from its structure, and it is not the same on both sides ?
    "#]],
    );
    check(
        &json!({ "type": "integer" }),
        &json!({ "oneOf": [{ "minimum": 3 }, { "type": "integer" }] }),
        expect![[r#"
            Backward /properties/x/oneOf whether a value fits one branch only cannot be told from their structure ?
        "#]],
    );
    check(
        &json!({}),
        &json!({ "dependentSchemas": { "a": { "required": ["b"] } } }),
        expect![[r#"
        Backward /properties/x/dependentSchemas what `dependentSchemas` allows cannot be told from its structure, and it is not the same on both sides ?
    "#]],
    );
}

#[test]
fn references_are_followed_on_both_sides() {
    let old = json!({ "$ref": "#/$defs/node", "$defs": { "node": {
        "type": "object", "properties": { "next": { "$ref": "#/$defs/node" }, "n": { "type": "integer" } }, "additionalProperties": false,
    } } });
    let inlined = json!({ "type": "object", "properties": { "next": { "$ref": "#" }, "n": { "type": "number" } } });
    assert_eq!(told(&old, &inlined, Mode::Backward), "");
    expect![[r#"
        Forward /$defs/node/additionalProperties names that are not listed are no longer allowed
        Forward /$defs/node/properties/n/type the type number is no longer allowed
    "#]]
    .assert_eq(&told(&old, &inlined, Mode::Full));
}

#[test]
fn a_mode_says_which_way_it_has_to_hold() {
    let (narrow, wide) = (json!({ "type": "integer" }), json!({ "type": "number" }));
    assert_eq!(told(&narrow, &wide, Mode::Backward), "");
    assert_eq!(told(&wide, &narrow, Mode::Forward), "");
    assert_eq!(told(&wide, &narrow, Mode::None), "");
    expect![[r#"
        Backward /type the type number is no longer allowed
    "#]]
    .assert_eq(&told(&wide, &narrow, Mode::Backward));
    expect![[r#"
        Forward /type the type number is no longer allowed
    "#]]
    .assert_eq(&told(&narrow, &wide, Mode::Forward));
    expect![[r#"
        Forward /type the type number is no longer allowed
    "#]]
    .assert_eq(&told(&narrow, &wide, Mode::Full));
}

#[test]
fn schemas_that_are_different_only_in_depth_come_to_an_end() {
    let ring = |links: usize| {
        let link = |n: usize| json!({ "properties": { "a": { "$ref": format!("#/$defs/l{}", (n + 1) % links) } } });
        let links = (0..links).map(|n| (format!("l{n}"), link(n))).collect::<serde_json::Map<_, _>>();
        json!({ "$ref": "#/$defs/l0", "$defs": links })
    };
    assert_eq!(told(&ring(7), &ring(9), Mode::Full), "");
    assert!(told(&ring(997), &ring(1_009), Mode::Backward).contains("too large to be compared"));
}
