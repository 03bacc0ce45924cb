//! What is no pattern: each is refused at its place, with a reason that says what to write.

use expect_test::{Expect, expect};
use serde_json::{Map, Value, json};
use wharf_event::Code;
use wharf_pattern::{
    Pattern, PatternReason,
    limits::{
        NUMBER_DIGITS_MAX, PATTERN_BYTES_MAX, PATTERN_DEPTH_MAX, PATTERN_FIELDS_MAX, PATTERN_PATH_BYTES_MAX,
        PATTERN_TEXT_BYTES_MAX, PATTERN_VALUES_MAX, PATTERN_WAYS_MAX, WILDCARD_COMPLEXITY_MAX,
    },
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
    check(json!({"$or": [{"type": ["a"]}]}), expect!["/$or: `$or` takes a list of at least two objects of fields"]);
    check(
        json!({"data": {"$or": {"type": ["a"], "x": 1}}}),
        expect!["/data/$or: `$or` takes a list of at least two objects of fields"],
    );
    check(
        json!({"$or": [{"type": ["a"]}, {"numeric": ["b"]}]}),
        expect!["/$or/1/numeric: `numeric` cannot be a field within `$or`: it is the name of an operator"],
    );
    check(
        json!({"$or": [{"type": ["a"]}, {"data": {}}]}),
        expect!["/$or/1/data: an object of fields must not be empty: name a field, or leave it out"],
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
        json!({"type": ["a", {"wildcards": "a*"}]}),
        expect![
            "/type/1/wildcards: there is no operator `wildcards`; use prefix, suffix, equals-ignore-case, wildcard, anything-but, numeric, cidr or exists"
        ],
    );
    check(
        json!({"type": [{"wildcard": "a**"}]}),
        expect!["/type/0/wildcard: a wildcard must not have two `*` in a row: one is any number of characters"],
    );
    check(
        json!({"type": [{"wildcard": r"a\b"}]}),
        expect![[
            r#"/type/0/wildcard: in a wildcard, a backslash stands before `*` or another backslash only: write \* or \\"#
        ]],
    );
    check(
        json!({"type": [{"wildcard": "*:*:*:*:*:event-bus/*"}]}),
        expect![
            "/type/0/wildcard: the wildcard has 11 readings open at once, more than 10: use fewer `*`, or fewer characters that come again after them"
        ],
    );
    check(
        json!({"type": [{"cidr": "10.0.0.0/32"}]}),
        expect![[
            r#"/type/0/cidr: `cidr` takes an IP address and a mask, such as "10.0.0.0/8" (0 to 31 bits) or "2001:db8::/32" (0 to 127)"#
        ]],
    );
    check(
        json!({"type": [{"equals-ignore-case": ["a"]}]}),
        expect!["/type/0/equals-ignore-case: `equals-ignore-case` takes a string, not a list"],
    );
    check(
        json!({"type": [{"prefix": {"suffix": "a"}}]}),
        expect![[
            r#"/type/0/prefix: `prefix` does not take `suffix`; it takes a string or {"equals-ignore-case": "..."}"#
        ]],
    );
    check(
        json!({"type": [{"anything-but": {"prefix": ""}}]}),
        expect![
            "/type/0/anything-but/prefix: `anything-but` of an empty prefix could never match: every string has it"
        ],
    );
    check(
        json!({"type": [{"anything-but": {"cidr": "10.0.0.0/8"}}]}),
        expect![
            "/type/0/anything-but/cidr: `anything-but` does not take `cidr`; it takes prefix, suffix, equals-ignore-case or wildcard"
        ],
    );
    check(
        json!({"type": [{"anything-but": {"suffix": ["a", 1]}}]}),
        expect!["/type/0/anything-but/suffix/1: `suffix` takes a string, not a number"],
    );
    check(
        json!({"type": [{"anything-but": 9_007_199_254_740_993_u64}]}),
        expect![
            "/type/0/anything-but: a number that is compared must be one that a double is written as: at most 17 digits"
        ],
    );
    check(
        json!({"type": [{"numeric": [">", 0, "<", 9_007_199_254_740_993_u64]}]}),
        expect![
            "/type/0/numeric/3: a number that is compared must be one that a double is written as: at most 17 digits"
        ],
    );
    check(
        json!({"type": [{"Prefix": "a"}]}),
        expect![
            "/type/0/Prefix: there is no operator `Prefix`; use prefix, suffix, equals-ignore-case, wildcard, anything-but, numeric, cidr or exists"
        ],
    );
    check(
        json!({"type": [{"prefix": 1}]}),
        expect![[r#"/type/0/prefix: `prefix` takes a string or {"equals-ignore-case": "..."}, not a number"#]],
    );
    check(json!({"type": [{"exists": "yes"}]}), expect!["/type/0/exists: `exists` takes true or false, not a string"]);
    check(
        json!({"type": [{"anything-but": null}]}),
        expect![
            "/type/0/anything-but: `anything-but` takes a string, a number, a list of only strings or only numbers, or one of prefix, suffix, equals-ignore-case and wildcard, not null"
        ],
    );
    check(
        json!({"type": [{"anything-but": []}]}),
        expect!["/type/0/anything-but: a list of values must not be empty: it could never match"],
    );
    check(
        json!({"type": [{"anything-but": ["a", 1]}]}),
        expect![
            "/type/0/anything-but/1: `anything-but` takes a string, a number, a list of only strings or only numbers, or one of prefix, suffix, equals-ignore-case and wildcard, not a number"
        ],
    );
    check(
        json!({"type": [{"anything-but": [1, [2]]}]}),
        expect!["/type/0/anything-but/1: `anything-but` takes strings or numbers in a list, not a list"],
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
    let path = |bytes: usize| json!({"x": {"y".repeat(bytes - 2): [1]}});
    let ors = |count: usize| {
        let branches = |count: usize| json!((0..count).map(|n| json!({"x": [n]})).collect::<Vec<_>>());
        json!({"$or": branches(count), "data": {"$or": branches(10)}})
    };
    // Each letter that follows a `*` is another, so that one more reading than there are `*` is open at most.
    let wildcard = |complexity: usize| {
        let letters = ('a'..='z').take(complexity - 1).map(|letter| format!("*{letter}"));
        json!({"x": [{"wildcard": letters.collect::<String>()}]})
    };
    let cases = [
        (nested(PATTERN_DEPTH_MAX), None),
        (nested(PATTERN_DEPTH_MAX + 1), Some(PatternReason::TooDeep)),
        (values(PATTERN_VALUES_MAX), None),
        (values(PATTERN_VALUES_MAX + 1), Some(PatternReason::TooManyValues)),
        (excluded(PATTERN_VALUES_MAX - 1), None),
        (excluded(PATTERN_VALUES_MAX), Some(PatternReason::TooManyValues)),
        (text(PATTERN_BYTES_MAX - 1), None),
        (text(PATTERN_BYTES_MAX), Some(PatternReason::TooLarge)),
        (fields(PATTERN_FIELDS_MAX), None),
        (fields(PATTERN_FIELDS_MAX + 1), Some(PatternReason::TooManyFields)),
        (path(PATTERN_PATH_BYTES_MAX), None),
        (path(PATTERN_PATH_BYTES_MAX + 1), Some(PatternReason::PathTooLong)),
        (ors(PATTERN_WAYS_MAX / 10), None),
        (ors(PATTERN_WAYS_MAX / 10 + 1), Some(PatternReason::TooManyWays)),
        (wildcard(WILDCARD_COMPLEXITY_MAX), None),
        (
            wildcard(WILDCARD_COMPLEXITY_MAX + 1),
            Some(PatternReason::WildcardComplex { complexity: WILDCARD_COMPLEXITY_MAX + 1 }),
        ),
    ];
    for (n, (json, wanted)) in cases.into_iter().enumerate() {
        assert_eq!(Pattern::parse(&json).err().map(|error| error.reason), wanted, "case {n}");
    }
}

#[test]
fn all_mistakes_are_told_in_the_order_of_the_text() {
    let text = r#"{"type": "a", "data": {"x": [{"prefx": "a"}, 1, {"numeric": [">", 1, "<", 0]}], "y": {}, "$or": [{"z": [1]}, 2]}}"#;
    let errors = Pattern::from_json(text.as_bytes()).unwrap_err();
    let pointers: Vec<&str> = errors.iter().map(|error| error.pointer.as_str()).collect();
    assert_eq!(pointers, ["/type", "/data/x/0/prefx", "/data/x/2/numeric", "/data/y", "/data/$or/1"]);
    assert!(errors.to_string().ends_with("; /data/$or/1: `$or` takes a list of at least two objects of fields"));
}

#[test]
fn a_text_that_is_no_json_or_too_long_is_refused() {
    let reason = |text: &str| Pattern::from_json(text.as_bytes()).unwrap_err().to_string();
    expect!["the pattern: not JSON: an unexpected byte at byte 1"].assert_eq(&reason("{'a': [1]}"));
    expect!["the pattern: not JSON: the text ends too early at byte 9"].assert_eq(&reason(r#"{"a": [1]"#));
    expect!["the pattern: not JSON: more text after the value at byte 11"].assert_eq(&reason(r#"{"a": [1]} x"#));
    expect!["the pattern: not JSON: an unknown escape at byte 8"].assert_eq(&reason(r#"{"a": ["\ud800"]}"#));
    let spaces = format!("{}{}", r#"{"a": [1]}"#, " ".repeat(PATTERN_TEXT_BYTES_MAX));
    assert_eq!(Pattern::from_json(spaces.as_bytes()).unwrap_err().into_first().reason, PatternReason::TooLarge);
    let digits = |count: usize| format!(r#"{{"a": [{{"numeric": ["=", 1.{}]}}]}}"#, "1".repeat(count - 1));
    assert!(Pattern::from_json(digits(NUMBER_DIGITS_MAX - 1).as_bytes()).is_ok());
    assert_eq!(
        Pattern::from_json(digits(NUMBER_DIGITS_MAX + 1).as_bytes()).unwrap_err().into_first().reason,
        PatternReason::NumberDigits
    );
}
