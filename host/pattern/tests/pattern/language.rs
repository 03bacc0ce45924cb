//! What matches what, operator by operator, and how a miss is explained.

use expect_test::{Expect, expect};
use serde_json::{Value, json};
use wharf_event::EventBuilder;
use wharf_pattern::{Pattern, Subject};

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

/// Whether an event matches as it stands.
fn matches(pattern: &str, event: &str) -> bool {
    let pattern = Pattern::from_json(pattern.as_bytes()).unwrap();
    pattern.matches(&Subject::from_json(event.as_bytes()).unwrap())
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
    // More digits than doubles tell apart: as in event-ruler, such a number equals its own spelling and is not compared.
    check(
        json!([{"numeric": [">", 9_007_199_254_740_990_u64]}]),
        values![9_007_199_254_740_992_u64],
        values![9_007_199_254_740_993_u64],
    );
}

#[test]
fn strings_are_compared_in_every_way() {
    check(
        json!([{"equals-ignore-case": "aB\u{e9}"}]),
        values!["Ab\u{c9}", "ab\u{e9}"],
        values!["ab", "abe", 1, absent],
    );
    check(json!([{"prefix": {"equals-ignore-case": "Ab"}}]), values!["aBc", "AB"], values!["xab", "a"]);
    check(json!([{"suffix": {"equals-ignore-case": ".PNG"}}]), values!["a.png", ".Png"], values!["png", "a.png.x"]);
    check(json!([{"wildcard": "a*c*"}]), values!["ac", "abcd"], values!["ab", "bac", 1]);
    check(json!([{"wildcard": r"\*a\\*"}]), values![r"*a\", r"*a\x"], values!["xa\\", "*ax"]);
    check(json!([{"exactly": "10.0.0.1"}]), values!["10.0.0.1"], values!["010.0.0.1", 1]);
    check(json!(["10.0.0.1"]), values!["10.0.0.1", "010.0.0.1", "::ffff:a00:1"], values!["10.0.0.2", "10.0.0.1 "]);
    check(
        json!([{"cidr": "10.0.0.0/24"}, {"cidr": "2001:db8::/32"}]),
        values!["10.0.0.255", "2001:DB8::1"],
        values!["10.0.1.0", "2001:db9::", "10.0.0", 10, absent],
    );
}

#[test]
fn anything_but_takes_operators_too() {
    check(json!([{"anything-but": {"prefix": "a"}}]), values!["ba", "", 1, null], values!["a", "ab", absent, []]);
    check(json!([{"anything-but": {"suffix": ["a", "b"]}}]), values!["ac", 1], values!["a", "xb"]);
    check(json!([{"anything-but": {"equals-ignore-case": ["a", "Bc"]}}]), values!["b", true], values!["A", "bC"]);
    check(json!([{"anything-but": {"wildcard": ["a*c", ""]}}]), values!["ab", 1], values!["ac", "abc", ""]);
}

#[test]
fn or_is_one_of_several_objects_beside_the_other_fields() {
    let pattern = pattern(&json!({
        "type": ["order.created"],
        "data": {"$or": [{"a": [1]}, {"b": [2], "$or": [{"c": [3]}, {"d": [4]}]}], "e": [5]},
    }));
    for (data, wanted) in [
        (json!({"a": 1, "e": 5}), true),
        (json!({"b": 2, "d": 4, "e": 5}), true),
        (json!({"b": 2, "e": 5}), false),
        (json!({"a": 1}), false),
    ] {
        assert_eq!(pattern.matches(&subject(&data)), wanted, "{data}");
    }
    // What is said of a field again replaces what was said of it, along the ways that are open by then.
    let again = Pattern::from_json(br#"{"data": {"a": [1], "$or": [{"a": [2]}, {"b": [3]}]}}"#).unwrap();
    assert!(again.matches(&subject(&json!({"a": 2}))) && again.matches(&subject(&json!({"a": 1, "b": 3}))));
    assert!(!again.matches(&subject(&json!({"a": 1}))));
}

#[test]
fn an_or_that_is_none_is_a_field_of_that_name() {
    assert!(matches(r#"{"$or": ["a"]}"#, r#"{"$or": "a"}"#));
    assert!(matches(r#"{"$or": {"a": [1]}}"#, r#"{"$or": {"a": 1}}"#));
    assert!(matches(r#"{"$or": [{"prefix": "a"}, {"suffix": "b"}]}"#, r#"{"$or": "xb"}"#));
}

#[test]
fn members_that_are_there_twice_all_count_in_an_event_and_the_last_in_a_pattern() {
    assert!(matches(r#"{"a": [1]}"#, r#"{"a": 1, "a": 2}"#) && matches(r#"{"a": [2]}"#, r#"{"a": 1, "a": 2}"#));
    assert!(matches(r#"{"a": [1], "a": [2]}"#, r#"{"a": 2}"#) && !matches(r#"{"a": [1], "a": [2]}"#, r#"{"a": 1}"#));
    // Different fields of an object that is there twice are all wanted.
    assert!(!matches(r#"{"a": {"b": [1]}, "a": {"c": [2]}}"#, r#"{"a": {"c": 2}}"#));
}

#[test]
fn numbers_without_a_double_equal_their_own_spelling() {
    assert!(matches(r#"{"a": [9007199254740993]}"#, r#"{"a": 9007199254740993}"#));
    assert!(!matches(r#"{"a": [9007199254740993]}"#, r#"{"a": 9007199254740992}"#));
    assert!(!matches(r#"{"a": [9007199254740993]}"#, r#"{"a": 9007199254740993.0}"#));
    assert!(matches(r#"{"a": [1e400]}"#, r#"{"a": 1e400}"#) && matches(r#"{"a": [3.0E2]}"#, r#"{"a": 300}"#));
}

#[test]
fn a_name_with_dots_is_several_names() {
    let matches = |pattern: Value, event: Value| {
        Pattern::parse(&pattern).unwrap().matches(&Subject::from_json(event.to_string().as_bytes()).unwrap())
    };
    assert!(
        matches(json!({"a.b": [1]}), json!({"a": {"b": 1}})) && matches(json!({"a": {"b": [1]}}), json!({"a.b": 1}))
    );
    assert!(!matches(json!({"a.b": [1]}), json!({"a.b.c": 1})));
}

#[test]
fn names_of_the_eventbridge_envelope_are_understood() {
    let event = EventBuilder::new("1", "shop", "order.created").subject("order/1").data(r#"{"n": 1}"#).build().unwrap();
    let pattern = pattern(&json!({"detail-type": ["order.created"], "detail": {"n": [1]}, "resources": ["order/1"]}));
    assert!(pattern.matches(&Subject::of(&event)));
    // An attribute of that name of the event's own wins.
    let event = event.with_extension("detail", "own").unwrap().with_extension("resources", "r").unwrap();
    let subject = Subject::of(&event);
    assert!(!pattern.matches(&subject));
    assert!(super::pattern(&json!({"detail": ["own"], "resources": ["r"], "data": {"n": [1]}})).matches(&subject));
    let told = |pattern: Value| super::pattern(&pattern).explain(&subject).unwrap().to_string();
    assert_eq!(told(json!({"detail": ["x"]})), r#"detail = "own" is not in ["x"]"#);
    assert_eq!(told(json!({"detail-type": [1], "detail": ["own"]})), r#"type = "order.created" is not in [1]"#);
}

#[test]
fn an_object_as_it_stands_has_its_own_names_only() {
    let object = json!({"data": {"n": 300}, "type": "t"});
    let subject = Subject::from_json(object.to_string().as_bytes()).unwrap();
    let told = |pattern: Value| super::pattern(&pattern).explain(&subject).unwrap().to_string();
    assert_eq!(told(json!({"detail": {"n": [300]}})), "detail.n is absent, not one of [300]");
    assert_eq!(told(json!({"detail-type": ["t"]})), r#"detail-type is absent, not one of ["t"]"#);
    let absent = super::pattern(&json!({"detail": [{"exists": false}]})).evidence(&subject).unwrap();
    assert_eq!(absent[0].to_string(), "/detail is absent");
}

#[test]
fn dotted_names_are_told_by_the_names_of_the_event() {
    let said = |pattern: &Value, subject: &Subject| super::pattern(pattern).explain(subject).unwrap().pointer;
    let event = subject(&json!({"n": 1, "a.b": 1, "list": [{"c": 1}, {"c": 2}], "text": "x"}));
    for (pattern, pointer) in [
        (json!({"detail.n": [300]}), "/data/n"),
        (json!({"data.n": [300]}), "/data/n"),
        (json!({"detail": {"a": {"b": [300]}}}), "/data/a.b"),
        (json!({"detail.a.b": [300]}), "/data/a.b"),
        (json!({"detail.list.c": [300]}), "/data/list/c"),
        (json!({"detail.none.at": ["x"]}), "/data/none/at"),
        (json!({"detail.text": {"deeper.still": ["x"]}}), "/data/text"),
        (json!({"detail-type.x": ["x"]}), "/type"),
    ] {
        assert_eq!(said(&pattern, &event), pointer, "{pattern}");
    }
    let bare = EventBuilder::new("1", "s", "t").build().unwrap();
    assert_eq!(said(&json!({"detail.n": [1]}), &Subject::of(&bare)), "/data/n");
    let object = Subject::from_json(br#"{"a": {"b": 1}, "c.d/e": 1}"#).unwrap();
    assert_eq!(said(&json!({"a.b": [2]}), &object), "/a/b");
    assert_eq!(said(&json!({"c": {"d/e": [2]}}), &object), "/c.d~1e");
    let absent = super::pattern(&json!({"detail.no": [{"exists": false}]})).evidence(&event).unwrap();
    assert_eq!(absent[0].pointer, "/data/no");
}

#[test]
fn what_must_be_absent_is_looked_for_in_the_elements_that_were_found_before_it() {
    let matches = |pattern: Value| {
        let event = json!({"items": [{"b": 1}, {"b": 2, "m": 1}, {"z": 3}]});
        Pattern::parse(&pattern).unwrap().matches(&Subject::from_json(event.to_string().as_bytes()).unwrap())
    };
    assert!(matches(json!({"items": {"b": [1], "m": [{"exists": false}]}})));
    assert!(!matches(json!({"items": {"b": [2], "m": [{"exists": false}]}})));
    assert!(!matches(json!({"items": {"m": [{"exists": false}]}})));
    assert!(!matches(json!({"items": {"m": [{"exists": false}], "z": [3]}})));
}

#[test]
fn a_match_names_the_values() {
    let data = json!({"items": [{"sku": "b"}, {"sku": "a/x", "n": 2}], "a": "x"});
    let pattern = pattern(&json!({
        "data": {"items": {"sku": ["q", {"prefix": "a"}], "n": [{"numeric": [">", 1]}], "m": [{"exists": false}]}},
        "type": [{"suffix": "created"}],
    }));
    let evidence = pattern.evidence(&subject(&data)).unwrap();
    let told: Vec<String> = evidence.iter().map(ToString::to_string).collect();
    expect![[r#"
        /type = "order.created" is {"suffix":"created"}
        /data/items/m is absent
        /data/items/1/n = 2 is {"numeric":[">",1]}
        /data/items/1/sku = "a/x" is {"prefix":"a"}"#]]
    .assert_eq(&told.join("\n"));
    assert_eq!(pattern.explain(&subject(&data)), None);
}

#[test]
fn a_miss_in_no_single_element_is_told_of_the_list() {
    explained(
        json!({"data": {"items": {"sku": ["a"], "n": [2]}}}),
        json!({"items": [{"sku": "a", "n": 1}, {"sku": "b", "n": 2}]}),
        expect![[
            r#"/data/items | data.items = [{"n":1,"sku":"a"},{"n":2,"sku":"b"}] is not a list with one element that has all of {data.items.n: [2], data.items.sku: ["a"]}"#
        ]],
    );
    explained(
        json!({"$or": [{"data": {"a": [1]}}, {"data": {"b": [1], "c": [1]}}]}),
        json!({"b": 1, "c": 2}),
        expect!["/data/c | data.c = 2 is not in [1]"],
    );
    explained(json!({"detail": {"a": [1]}}), json!({"a": 2}), expect!["/data/a | data.a = 2 is not in [1]"]);
    explained(
        json!({"detail-type": ["x"]}),
        json!({"a": 2}),
        expect![[r#"/type | type = "order.created" is not in ["x"]"#]],
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
        expect![[r#"/data/items/sku | data.items.sku = ["b","c"] is not in ["a"]"#]],
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
