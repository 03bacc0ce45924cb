//! What is no pattern: each is refused at its place, with a reason that says what to write.

use expect_test::{Expect, expect};
use serde_json::{Map, Value, json};
use wharf_event::Code;
use wharf_pattern::{
    Pattern, PatternReason,
    limits::{PATTERN_BYTES_MAX, PATTERN_DEPTH_MAX, PATTERN_VALUES_MAX},
};

fn check(json: Value, wanted: Expect) {
    let error = Pattern::parse(&json).expect_err(&json.to_string());
    assert_eq!(error.code(), Code::PatternInvalid);
    wanted.assert_eq(&error.to_string());
}

#[test]
fn shapes_that_are_no_pattern_are_refused_with_a_pointer() {
    check(
        json!([]),
        expect![[r#"the pattern: a pattern is an object of fields, such as {"type": ["order.created"]}, not a list"#]],
    );
    check(
        json!("x"),
        expect![[
            r#"the pattern: a pattern is an object of fields, such as {"type": ["order.created"]}, not a string"#
        ]],
    );
    check(json!({}), expect!["the pattern: an object of fields must not be empty: name a field, or leave it out"]);
    check(json!({"data": {}}), expect!["/data: an object of fields must not be empty: name a field, or leave it out"]);
    check(json!({"data": {"a": []}}), expect!["/data/a: a list of values must not be empty: it could never match"]);
    check(
        json!({"source": "shop"}),
        expect![[r#"/source: a field takes a list of values or an object of fields, not a string; write ["shop"]"#]],
    );
    check(
        json!({"data": {"a/b": null}}),
        expect!["/data/a~1b: a field takes a list of values or an object of fields, not null; write [null]"],
    );
    check(
        json!({"type": ["a", ["b"]]}),
        expect![
            "/type/1: a list of values must not have lists in it; an event's list matches if one of its elements does"
        ],
    );
    check(
        json!({"$or": [{"type": ["a"]}]}),
        expect!["/$or: there is no operator `$or`; use prefix, suffix, anything-but, exists or numeric"],
    );
}

#[test]
fn operators_that_are_none_are_refused_with_a_pointer() {
    check(
        json!({"type": [{}]}),
        expect!["/type/0: an operator is an object with one member, not 0; write one object for each operator"],
    );
    check(
        json!({"type": [{"prefix": "a", "suffix": "b"}]}),
        expect!["/type/0: an operator is an object with one member, not 2; write one object for each operator"],
    );
    check(
        json!({"type": ["a", {"wildcard": "a*"}]}),
        expect![
            "/type/1/wildcard: there is no operator `wildcard`; use prefix, suffix, anything-but, exists or numeric"
        ],
    );
    check(
        json!({"type": [{"Prefix": "a"}]}),
        expect!["/type/0/Prefix: there is no operator `Prefix`; use prefix, suffix, anything-but, exists or numeric"],
    );
    check(json!({"type": [{"prefix": 1}]}), expect!["/type/0/prefix: `prefix` takes a string, not a number"]);
    check(
        json!({"type": [{"suffix": {"equals-ignore-case": "x"}}]}),
        expect!["/type/0/suffix: `suffix` takes a string, not an object"],
    );
    check(json!({"type": [{"exists": "yes"}]}), expect!["/type/0/exists: `exists` takes true or false, not a string"]);
    check(
        json!({"type": [{"anything-but": null}]}),
        expect![
            "/type/0/anything-but: `anything-but` takes a string, a number, or a list of only strings or only numbers, not null"
        ],
    );
    check(
        json!({"type": [{"anything-but": []}]}),
        expect!["/type/0/anything-but: a list of values must not be empty: it could never match"],
    );
    check(
        json!({"type": [{"anything-but": ["a", 1]}]}),
        expect![
            "/type/0/anything-but/1: `anything-but` takes a string, a number, or a list of only strings or only numbers, not a number"
        ],
    );
    check(
        json!({"type": [{"anything-but": [1, [2]]}]}),
        expect![
            "/type/0/anything-but/1: `anything-but` takes a string, a number, or a list of only strings or only numbers, not a list"
        ],
    );
    check(
        json!({"type": [{"anything-but": {"prefix": "a"}}]}),
        expect![
            "/type/0/anything-but: `anything-but` takes a string, a number, or a list of only strings or only numbers, not an object"
        ],
    );
}

#[test]
fn ranges_that_are_none_are_refused() {
    let shapes = [
        json!([]),
        json!([1]),
        json!(["="]),
        json!(["=", "1"]),
        json!(["==", 1]),
        json!(["!=", 1]),
        json!(["<", 5, ">", 0]),
        json!([">", 0, ">", 1]),
        json!(["=", 0, "<", 1]),
        json!([">", 0, "<"]),
        json!([">", 0, "<", 1, "<", 2]),
    ];
    for shape in shapes {
        let error = Pattern::parse(&json!({"x": [{"numeric": shape}]})).unwrap_err();
        assert_eq!((error.pointer.as_str(), error.reason), ("/x/0/numeric", PatternReason::NumericShape), "{shape}");
    }
    for range in [json!([">", 5, "<", 5]), json!([">=", 5, "<=", 5.0]), json!([">", 6, "<", 5])] {
        let error = Pattern::parse(&json!({"x": [{"numeric": range}]})).unwrap_err();
        assert_eq!(error.reason, PatternReason::NumericRange, "{range}");
    }
    check(
        json!({"x": [{"numeric": 5}]}),
        expect![[r#"/x/0/numeric: `numeric` takes a list, such as [">", 0, "<=", 5], not a number"#]],
    );
    check(
        json!({"x": [{"numeric": ["<", 5, ">", 1]}]}),
        expect![[
            r#"/x/0/numeric: `numeric` takes one comparison, such as ["<=", 5], or a range with its lower end first, such as [">", 0, "<=", 5]"#
        ]],
    );
    check(
        json!({"x": [{"numeric": [">", 5, "<", 1]}]}),
        expect!["/x/0/numeric: the range is empty: its lower end must be below its upper end"],
    );
}

#[test]
fn limits_hold_up_to_and_not_beyond() {
    let nested = |depth: usize| (1..depth).fold(json!({"x": [1]}), |inner, _| json!({"x": inner}));
    let values = |count: usize| json!({"x": vec![1; count]});
    let excluded = |count: usize| json!({"x": [{"anything-but": vec![1; count]}]});
    let fields = |count: usize| {
        Value::Object(
            (0..count).map(|n| (format!("{n:07}{}", "x".repeat(24)), json!([{"exists": true}]))).collect::<Map<_, _>>(),
        )
    };
    let text = |bytes: usize| json!({"x": [{"prefix": "a".repeat(bytes)}]});
    let cases = [
        (nested(PATTERN_DEPTH_MAX), None),
        (nested(PATTERN_DEPTH_MAX + 1), Some(PatternReason::TooDeep)),
        (values(PATTERN_VALUES_MAX), None),
        (values(PATTERN_VALUES_MAX + 1), Some(PatternReason::TooManyValues)),
        (excluded(PATTERN_VALUES_MAX - 1), None),
        (excluded(PATTERN_VALUES_MAX), Some(PatternReason::TooManyValues)),
        (text(PATTERN_BYTES_MAX - 1), None),
        (text(PATTERN_BYTES_MAX), Some(PatternReason::TooLarge)),
        (fields(PATTERN_VALUES_MAX), None),
        (fields(PATTERN_VALUES_MAX + 1), Some(PatternReason::TooManyValues)),
    ];
    for (n, (json, wanted)) in cases.into_iter().enumerate() {
        assert_eq!(Pattern::parse(&json).err().map(|error| error.reason), wanted, "case {n}");
    }
}
