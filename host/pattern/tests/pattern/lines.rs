//! A line asks, a line answers.

use expect_test::{Expect, expect};
use serde_json::{Value, json};
use wharf_pattern::line::answer;

fn check(line: &str, wanted: Expect) {
    wanted.assert_eq(&answer(line.as_bytes()));
}

#[test]
fn a_line_is_answered_whatever_it_is() {
    check(r#"{"pattern":"{\"a\":[3e2]}","event":"{\"a\":300.0}"}"#, expect![[r#"{"match":true}"#]]);
    check(r#"{"name":"x","event":{"a":1},"pattern":{"a":[2]},"expected":[{}]}"#, expect![[r#"{"match":false}"#]]);
    check(r#"{"pattern":{"a":[9007199254740993]},"event":{"a":9007199254740993}}"#, expect![[r#"{"match":true}"#]]);
    check(r#"{"pattern":{"a":[1],"a":[2]},"event":{"a":2}}"#, expect![[r#"{"match":true}"#]]);
    check(
        r#"{"pattern":{"a":1,"b":[]},"event":{}}"#,
        expect![[
            r#"{"error":"pattern: /a: a field takes a list of values or an object of fields, not a number; write [1]; /b: a list of values must not be empty: it could never match"}"#
        ]],
    );
    check(
        r#"{"pattern":"{'a'}","event":{}}"#,
        expect![[r#"{"error":"pattern: the pattern: not JSON: an unexpected byte at byte 1"}"#]],
    );
    check(
        r#"{"pattern":{"a":[1]},"event":"{\"a\":1}}"}"#,
        expect![[r#"{"error":"event: not JSON: more text after the value at byte 7"}"#]],
    );
    check(
        r#"{"pattern":{"a":[1]},"event":[1]}"#,
        expect![[r#"{"error":"event: not JSON: a value that is not an object at byte 0"}"#]],
    );
    check(
        r#"{"pattern":{"a":[1]}}"#,
        expect![[r#"{"error":"there is no `event`: write {\"pattern\": ..., \"event\": ...}"}"#]],
    );
    check(r#"{}"#, expect![[r#"{"error":"there is no `pattern`: write {\"pattern\": ..., \"event\": ...}"}"#]]);
    check("", expect![[r#"{"error":"the line is not JSON: a value that is not an object at byte 0"}"#]]);
    check(
        r#"{"pattern":{"a":[1]},"event":{}} x"#,
        expect![[r#"{"error":"the line is not JSON: more text after the value at byte 33"}"#]],
    );
}

#[test]
fn lines_with_the_cases_of_aws_are_answered_as_aws_does() {
    for case in include_str!("../../../../tests/data/event-patterns-aws.jsonl").lines() {
        let wanted = serde_json::from_str::<Value>(case).unwrap()["expected"].clone();
        let answer: Value = serde_json::from_str(&answer(case.as_bytes())).unwrap();
        match wanted {
            Value::Bool(wanted) => assert_eq!(answer, json!({"match": wanted}), "{case}"),
            _ => assert!(
                answer["error"].as_str().is_some_and(|error| error.starts_with("pattern: ")),
                "{case}: {answer}"
            ),
        }
    }
}
