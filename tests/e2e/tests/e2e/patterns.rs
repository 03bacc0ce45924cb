//! Patterns are asked over HTTP: whether they match, and by which values.

use serde_json::{Value, json};

use crate::host::{Host, Site, wharf};

const CASES: &str = include_str!("../../../data/event-patterns-aws.jsonl");

fn ask(host: &Host, question: &str) -> (u16, Value) {
    host.post("/v1/tenants/acme/rules:test", "application/json", question)
}

#[test]
fn the_cases_of_aws_are_answered_over_http_as_aws_answers_them() {
    let host = Site::probe("", "").start("serve");
    assert!(CASES.lines().count() > 150);
    for case in CASES.lines() {
        let wanted = serde_json::from_str::<Value>(case).unwrap()["expected"].clone();
        let (status, answer) = ask(&host, case);
        match wanted {
            Value::Bool(wanted) => {
                assert_eq!((status, &answer["match"]), (200, &wanted.into()), "{case}: {answer}");
                assert_eq!(answer["evidence"].is_array(), wanted, "{answer}");
                assert_eq!(answer["mismatch"].is_object(), !wanted, "{answer}");
            }
            _ => assert_eq!((status, &answer["code"]), (422, &"pattern-invalid".into()), "{case}: {answer}"),
        }
    }
}

#[test]
fn a_question_counts_as_it_is_spelled_and_its_answer_says_why() {
    let host = Site::probe("", "").start("serve");
    // Two integers that are one double are two numbers; 3e2 is 300.
    let (_, answer) = ask(&host, r#"{"pattern": {"n": [9007199254740993]}, "event": {"n": 9007199254740992}}"#);
    let mismatch = json!({"pointer": "/n", "wanted": "[9007199254740993]", "saw": "9007199254740992"});
    assert_eq!(answer, json!({"match": false, "mismatch": mismatch}));
    let (_, answer) =
        ask(&host, r#"{"pattern": "{\"a\": {\"n\": [1, 3.0e2]}}", "event": {"a": [{"n": 2}, {"n": 300}]}}"#);
    let evidence = json!([{"pointer": "/a/1/n", "wanted": "3.0e2", "saw": "300"}]);
    assert_eq!(answer, json!({"match": true, "evidence": evidence}));
    let (status, answer) = ask(&host, r#"{"pattern": {"a": 1, "b": []}, "event": {}}"#);
    let pointers: Vec<_> = answer["errors"].as_array().unwrap().iter().map(|error| &error["pointer"]).collect();
    assert_eq!((status, pointers), (422, vec![&json!("/a"), &json!("/b")]));
    for (question, status, code) in [
        ("broken", 400, "query-invalid"),
        (r#"{"pattern": {"a": [1]}}"#, 400, "query-invalid"),
        (r#"{"pattern": {"a": [1]}, "event": [1]}"#, 400, "event-json"),
        (r#"{"pattern": {"a": [1]}, "event": "{"}"#, 400, "event-json"),
    ] {
        let (said, answer) = ask(&host, question);
        assert_eq!((said, &answer["code"]), (status, &code.into()), "{question}: {answer}");
    }
}

#[test]
fn a_rule_that_matches_an_event_says_by_which_values() {
    let host = Site::probe("", "").start("serve");
    let event = json!({"specversion": "1.0", "id": "e", "source": "s", "type": "probe.none"}).to_string();
    let (status, answer) = host.post("/v1/tenants/acme/buses/default/explain", "application/cloudevents+json", event);
    let evidence = json!([{"pointer": "/type", "wanted": "{\"prefix\":\"probe.\"}", "saw": "\"probe.none\""}]);
    assert_eq!((status, &answer[0]["matched"], &answer[0]["evidence"]), (200, &true.into(), &evidence), "{answer}");
}

#[test]
fn what_rules_say_to_an_event_comes_in_pages() {
    let site = Site::probe("", "");
    let host = site.start("serve");
    for n in 0..5 {
        let rule = json!({"pattern": {"type": [format!("t{n}")]}, "targets": [{"queue": "q"}]}).to_string();
        if n == 0 {
            assert_eq!(host.put("/v1/tenants/acme/queues/q", None, "{}").0, 201);
        }
        assert_eq!(host.put(&format!("/v1/tenants/acme/buses/default/rules/r{n}"), None, &rule).0, 201);
    }
    let event = json!({"specversion": "1.0", "id": "e", "source": "s", "type": "t3"}).to_string();
    let page = |query: &str| {
        let path = format!("/v1/tenants/acme/buses/default/explain?{query}");
        let (status, answer) = host.post(&path, "application/cloudevents+json", event.clone());
        assert_eq!(status, 200, "{answer}");
        let rules = answer.as_array().unwrap().iter();
        rules.map(|rule| rule["rule"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(
        (page("limit=2&after=r0"), page("after=r3&limit=9")),
        (vec!["r1".into(), "r2".into()], vec!["r4".into()])
    );
    assert_eq!((page("after=r4").len(), page("").len()), (0, 6));
    // The command asks for all of them.
    site.write("event.json", &event);
    let mut explain = wharf();
    explain.current_dir(site.folder.path()).args([
        "--url",
        &host.url,
        "-o",
        "json",
        "rules",
        "explain",
        "-e",
        "event.json",
    ]);
    let said: Value = serde_json::from_slice(&explain.output().unwrap().stdout).unwrap();
    assert_eq!(said.as_array().unwrap().len(), 6);
}
