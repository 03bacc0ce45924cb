//! What matches what, operator by operator, and how a miss is explained.

use expect_test::{Expect, expect};
use serde_json::{Value, json};
use wharf_event::EventBuilder;
use wharf_pattern::Subject;

use crate::{field, pattern, subject};

/// Checks one condition against payloads `{"x": value}`; `None` is a payload without `x`.
fn check(condition: Value, hits: &[Option<Value>], misses: &[Option<Value>]) {
    let pattern = field(&condition);
    for (values, wanted) in [(hits, true), (misses, false)] {
        for value in values {
            let data = value.as_ref().map_or(json!({}), |value| json!({"x": value}));
            assert_eq!(pattern.matches(&subject(&data)), wanted, "{condition} on {data}");
        }
    }
}

/// `None` stands for "no such field".
macro_rules! values {
    ($($value:tt),* $(,)?) => { &[$(values!(@ $value)),*] };
    (@ absent) => { None };
    (@ $value:tt) => { Some(json!($value)) };
}

#[test]
fn exact_values_match_by_type_and_worth() {
    check(json!(["a"]), values!["a", ["b", "a"], [["a"]]], values!["A", "ab", "", null, 1, {"a": "a"}, [], absent]);
    check(json!([""]), values![""], values!["a", null, absent]);
    check(json!([300]), values![300, 300.0, 3e2], values![301, "300", null, absent]);
    check(json!([0.1]), values![0.1], values![0, 1]);
    check(json!([(-1)]), values![(-1)], values![1]);
    check(json!([9_007_199_254_740_993_u64]), values![9_007_199_254_740_993_u64], values![9_007_199_254_740_992_u64]);
    check(json!([true]), values![true], values![false, "true", 1, absent]);
    check(json!([null]), values![null, [1, null]], values![0, "", false, {}, [], absent]);
    check(json!(["a", 1, null]), values!["a", 1, null], values!["b", 2, false]);
}

#[test]
fn prefix_and_suffix_are_of_strings() {
    check(json!([{"prefix": "eu-"}]), values!["eu-", "eu-west", ["us", "eu-x"]], values!["EU-", "eu", 1, null, absent]);
    check(json!([{"suffix": ".png"}]), values![".png", "a.png"], values!["a.PNG", "png", absent]);
    check(json!([{"prefix": ""}]), values!["", "a"], values![1, null, absent]);
    check(json!([{"prefix": "\u{e9}"}]), values!["\u{e9}t\u{e9}"], values!["e\u{301}t\u{e9}"]);
    check(json!([{"prefix": "a"}, {"suffix": "z"}]), values!["a", "z", "abz"], values!["b"]);
}

#[test]
fn anything_but_wants_a_value_that_is_none_of_these() {
    check(
        json!([{"anything-but": "a"}]),
        values!["b", 1, null, true, ["a", "b"]],
        values!["a", ["a"], [], {"y": 1}, absent],
    );
    check(json!([{"anything-but": ["a", "b"]}]), values!["c", ""], values!["a", "b", absent]);
    check(json!([{"anything-but": 5}]), values![6, "5"], values![5, 5.0, absent]);
    check(json!([{"anything-but": [1, 2.5]}]), values![2], values![1.0, 2.5]);
}

#[test]
fn exists_is_about_leaves() {
    check(
        json!([{"exists": true}]),
        values!["", 0, null, false, [1], [{}, 1]],
        values![{"y": 1}, {}, [], [{"y": 1}], absent],
    );
    check(json!([{"exists": false}]), values![{"y": 1}, {}, [], absent], values!["", 0, null, [1]]);
    check(json!([{"exists": false}, "a"]), values!["a", absent], values!["b", null]);
}

#[test]
fn numeric_compares_numbers_and_only_numbers() {
    check(json!([{"numeric": ["=", 5]}]), values![5, 5.0], values![5.1, "5", absent]);
    check(json!([{"numeric": [">", 5]}]), values![5.1, 6], values![5, 4, "6", null, absent]);
    check(json!([{"numeric": [">=", 5]}]), values![5, 5.0, 6], values![4.9]);
    check(json!([{"numeric": ["<", 5]}]), values![4.9, (-1)], values![5]);
    check(json!([{"numeric": ["<=", 5]}]), values![5, 4], values![5.1]);
    check(json!([{"numeric": [">", 0, "<=", 5]}]), values![0.1, 5, [9, 3]], values![0, 5.1, [9, -9]]);
    check(json!([{"numeric": [">=", -1.5, "<", -1]}]), values![(-1.5), (-1.1)], values![(-1), (-1.6)]);
    check(
        json!([{"numeric": [">", 9_007_199_254_740_992_u64]}]),
        values![9_007_199_254_740_993_u64],
        values![9_007_199_254_740_992_u64],
    );
}

#[test]
fn fields_are_and_across_the_whole_event() {
    let data = json!({"region": "eu", "items": [{"sku": "a", "n": 1}, {"sku": "b", "n": 2}], "empty": []});
    let subject = subject(&data);
    let hits = [
        json!({"type": ["order.created"]}),
        json!({"type": [{"prefix": "order."}], "source": ["shop/eu"], "specversion": ["1.0"]}),
        json!({"subject": [{"suffix": "/1"}], "id": ["1"], "priority": [{"numeric": [">", 2]}], "urgent": [true]}),
        json!({"time": [{"exists": false}], "data_base64": [{"exists": false}]}),
        json!({"data": {"region": ["eu", "us"]}}),
        json!({"data": {"items": {"sku": ["b"], "n": [2]}}}),
        json!({"data": {"items": {"m": [{"exists": false}]}}}),
        json!({"data": {"empty": {"m": [{"exists": false}]}}}),
        json!({"data": {"region": {"m": [{"exists": false}]}}}),
        json!({"data": {"no": {"such": {"place": [{"exists": false}]}}}}),
    ];
    let misses = [
        json!({"type": ["order"]}),
        json!({"type": ["order.created"], "source": ["shop/us"]}),
        json!({"priority": ["3"]}),
        json!({"urgent": ["true"]}),
        json!({"data": {"region": ["eu"], "other": ["x"]}}),
        // One element has the one, another has the other.
        json!({"data": {"items": {"sku": ["a"], "n": [2]}}}),
        json!({"data": {"items": ["a"]}}),
        json!({"data": {"region": {"deeper": ["eu"]}}}),
        json!({"data": {"no": {"such": [{"exists": true}]}}}),
        json!({"data": [{"exists": true}]}),
    ];
    for json in hits {
        assert!(pattern(&json).matches(&subject), "{json}");
    }
    for json in misses {
        assert!(!pattern(&json).matches(&subject), "{json}");
    }
}

#[test]
fn a_payload_that_is_not_json_is_under_its_own_name() {
    let event = EventBuilder::new("1", "s", "t").datacontenttype("image/png").data(&b"\x89PNG"[..]).build().unwrap();
    let subject = Subject::of(&event);
    assert!(pattern(&json!({"data_base64": [{"exists": true}], "data": [{"exists": false}]})).matches(&subject));
    assert!(!pattern(&json!({"data": {"x": ["a"]}})).matches(&subject));
}

fn explained(json: Value, data: Value, wanted: Expect) {
    let mismatch = pattern(&json).explain(&subject(&data)).unwrap();
    wanted.assert_eq(&format!("{} | {mismatch}", mismatch.pointer));
}

#[test]
fn a_miss_names_the_first_field_that_failed() {
    explained(
        json!({"data": {"region": ["eu"]}}),
        json!({"region": "us"}),
        expect![[r#"/data/region | data.region = "us" is not in ["eu"]"#]],
    );
    explained(
        json!({"data": {"a": ["x"], "b": ["y"]}}),
        json!({"a": "x", "b": 7}),
        expect![[r#"/data/b | data.b = 7 is not in ["y"]"#]],
    );
    explained(
        json!({"data": {"order": {"total": [{"numeric": [">", 100, "<=", 1e3]}, {"exists": false}]}}}),
        json!({"order": {"total": 99.5}}),
        expect![[
            r#"/data/order/total | data.order.total = 99.5 is not in [{"numeric":[">",100,"<=",1000.0]},{"exists":false}]"#
        ]],
    );
    explained(
        json!({"data": {"order": {"total": [{"anything-but": ["a", "b"]}]}}}),
        json!({}),
        expect![[r#"/data/order/total | data.order.total is absent, not one of [{"anything-but":["a","b"]}]"#]],
    );
    explained(
        json!({"data": {"order": {"total": [1]}}}),
        json!({"order": "none"}),
        expect![[r#"/data/order | data.order = "none" is not an object"#]],
    );
    explained(
        json!({"data": {"items": {"sku": ["a"]}}}),
        json!({"items": [{"sku": "b"}]}),
        expect![[r#"/data/items/sku | data.items.sku = "b" is not in ["a"]"#]],
    );
    explained(
        json!({"data": {"items": {"sku": ["a"]}}}),
        json!({"items": [{"sku": "b"}, {"sku": "c"}]}),
        expect![[
            r#"/data/items | data.items = [{"sku":"b"},{"sku":"c"}] is not a list with one element that is {"sku":["a"]}"#
        ]],
    );
    explained(
        json!({"data": {"a/b~c": {"d": ["a"]}}}),
        json!({"a/b~c": {"d": []}}),
        expect![[r#"/data/a~1b~0c/d | data.a/b~c.d = [] is not in ["a"]"#]],
    );
    explained(
        json!({"type": [{"prefix": "com."}, {"suffix": ".x"}, null, true]}),
        json!(1),
        expect![[r#"/type | type = "order.created" is not in [{"prefix":"com."},{"suffix":".x"},null,true]"#]],
    );
}

#[test]
fn an_explanation_is_short_however_large_the_event_is() {
    let data = json!({"x": "\u{e9}".repeat(100_000)});
    let mismatch = field(&json!(["a".repeat(10_000)])).explain(&subject(&data)).unwrap();
    assert_eq!((mismatch.saw.chars().count(), mismatch.wanted.chars().count()), (201, 201));
    assert!(mismatch.saw.ends_with('…'));
}
