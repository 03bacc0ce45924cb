//! A target gets what its input makes of an event: a part, a constant, or a template filled with parts.

use serde_json::{Value, json};

use crate::host::{Host, Site};

/// A rule for events of a subject, whose target is the probe with this input.
fn rule(subject: &str, input: &str) -> String {
    format!(
        r#"
[tenants.acme.rules.{subject}]
pattern = {{ type = ["probe.tell"], subject = ["{subject}"] }}
[[tenants.acme.rules.{subject}.targets]]
plugin = "probe"
dead_letter = "dead"
{input}
"#
    )
}

fn site(rules: &str) -> Site {
    Site::transforming("", rules)
}

/// Sends an event for a rule, and gives what its target was given: the event's id and payload.
fn told(host: &Host, id: &str, subject: &str, data: &str) -> String {
    send(host, id, subject, data);
    host.settled("acme");
    let told = host.value("probe", "told").unwrap();
    told.replacen(&format!(" test {subject} "), "", 1)
}

fn send(host: &Host, id: &str, subject: &str, data: &str) {
    let event = format!(
        r#"{{"specversion": "1.0", "id": "{id}", "source": "test", "type": "probe.tell", "subject": "{subject}", "data": {data}}}"#
    );
    assert_eq!(host.post("/events", "application/cloudevents+json", event).0, 202);
}

fn delivery(host: &Host, event: &str) -> Value {
    host.get(&format!("/v1/tenants/acme/events/{event}")).1["deliveries"][0].clone()
}

const ISSUE: &str =
    r#"{"issue": {"number": 7.0, "title": "a \"quoted\" title", "labels": [{"name": "bug"}, {"name": "ui"}]}}"#;

#[test]
fn the_target_gets_a_part_a_constant_or_a_template_and_the_archive_keeps_what_was_received() {
    let rules = [
        rule("part", r#"input_path = "$.detail.issue.labels[*].name""#),
        rule("nowhere", r#"input_path = "$.data.nothing""#),
        rule("constant", r#"input = '{"kind": "tick", "n": 1.50}'"#),
        rule(
            "object",
            r#"input_transformer = { paths = { n = "$.data.issue.number", title = "$.data.issue.title", no = "$.no" }, template = '''
{
  "line": "<n>: <title>",
  "number": <n>, "title": <title>, "none": <no>,
  "rule": <aws.events.rule-name>
}''' }"#,
        ),
        rule("lines", "input_transformer = { template = '''\n\"<wharf.rule-name> says:\"\n\"\\thello\"\n''' }"),
    ];
    let site = site(&rules.concat());
    let host = site.start("serve");
    let cases = [
        ("part", r#"["bug","ui"]"#),
        ("nowhere", ""),
        ("constant", r#"{"kind": "tick", "n": 1.50}"#),
        (
            "object",
            r#"{"line":"7.0: a \"quoted\" title","number":7.0,"title":"a \"quoted\" title","none":"","rule":"object"}"#,
        ),
        ("lines", "lines says:\n\thello"),
    ];
    for (subject, wanted) in cases {
        assert_eq!(told(&host, subject, subject, ISSUE), format!("{subject} {wanted}"));
        let archived = host.get(&format!("/v1/tenants/acme/events/{subject}")).1["event"]["event"]["data"].clone();
        assert_eq!(archived, serde_json::from_str::<Value>(ISSUE).unwrap());
    }
    // The rule set in the log has the inputs too.
    assert_eq!(host.stop(), Some(0));
    let host = site.start("serve");
    assert_eq!(told(&host, "again", "part", ISSUE), r#"again ["bug","ui"]"#);
}

#[test]
fn the_input_is_made_of_what_the_transforms_made_at_the_time_of_the_event() {
    let input = r#"input_transformer = { paths = { id = "$.id" }, template = '[<id>, <cloudevents.event.json>, <wharf.event.ingestion-time>]' }"#;
    let rule = rule("bent", input).replace("[[", "transforms = [\"bend\"]\n[[");
    let host = site(&rule).start("serve");
    send(&host, "a", "bent", "{}");
    host.settled("acme");
    let told = host.value("probe", "told").unwrap();
    let made: Value = serde_json::from_str(told.get(told.find('[').unwrap()..).unwrap()).unwrap();
    assert_eq!(
        (&made[0], &made[1]["id"], &made[1]["source"]),
        (&json!("a-changed"), &json!("a-changed"), &json!("transform"))
    );
    let accepted = host.get("/v1/tenants/acme/events/a").1["event"]["time"].clone();
    assert_eq!(made[2], accepted);
}

#[test]
fn an_input_that_cannot_be_made_of_an_event_is_given_up_at_once_and_says_why() {
    let template =
        |values: &str| format!("input_transformer = {{ paths = {{ d = \"$.data\" }}, template = '{values}' }}");
    let deeper = format!("{}<d>{}", "[".repeat(30), "]".repeat(30));
    let rules = [rule("twice", &template("[<d>, <d>]")), rule("deeper", &template(&deeper))];
    let host = site(&rules.concat()).start("serve");
    send(&host, "large", "twice", &json!("x".repeat(600 * 1024)).to_string());
    send(&host, "deep", "deeper", &format!("{}{}", "[".repeat(100), "]".repeat(100)));
    assert_eq!(told(&host, "small", "twice", "1"), "small [1,1]");
    for (event, said) in [("large", "would have more than 1048576 bytes"), ("deep", "makes no event: ")] {
        let delivery = delivery(&host, event);
        assert_eq!(delivery["state"], "dead-lettered", "{event}: {delivery}");
        let attempts = delivery["attempts"].as_array().unwrap();
        assert_eq!((attempts.len(), &attempts[0]["outcome"]["code"]), (1, &json!("target-input")), "{event}");
        let reason = attempts[0]["outcome"]["reason"].as_str().unwrap();
        assert!(reason.starts_with("the target's input ") && reason.contains(said), "{event}: {reason}");
    }
    assert_eq!(host.dead("dead").len(), 2);
}

#[test]
fn an_input_with_mistakes_keeps_a_host_from_starting() {
    let wrong = r#"input_transformer = { paths = { n = "n" }, template = '{"n": <n>, "m": <m>' }"#;
    let (status, said) = site(&rule("wrong", wrong)).refuse("serve");
    assert_ne!(status, 0);
    for expected in
        ["a path begins with `$`", "the template at 1:17: there is no path `m`", "the template at 1:20: a comma"]
    {
        assert!(said.contains(expected), "{expected:?} is not in:\n{said}");
    }
    assert_eq!(said.matches("error[input-invalid]").count(), 3, "{said}");
}

#[test]
fn a_rule_of_the_api_has_inputs_too_shows_them_and_is_refused_where_they_are_wrong() {
    let host = site("").start("serve");
    let path = "/v1/tenants/acme/buses/default/rules/put";
    let document = |input: Value| {
        let mut target = json!({"plugin": "probe"});
        target.as_object_mut().unwrap().extend(input.as_object().unwrap().clone());
        json!({"pattern": {"type": ["probe.tell"], "subject": ["put"]}, "targets": [target]}).to_string()
    };
    let cases = [
        (json!({"input_path": "$.data[0]"}), "1.50"),
        (json!({"input": "{\"n\": 1.50}"}), "{\"n\": 1.50}"),
        (json!({"input_transformer": {"paths": {"n": "$.data[0]"}, "template": "[<n>]"}}), "[1.50]"),
    ];
    for (n, (input, wanted)) in cases.iter().enumerate() {
        assert!(host.put(path, None, document(input.clone())).0 < 300);
        let target = host.get(path).1["targets"][0].clone();
        let name = input.as_object().unwrap().keys().next().unwrap();
        assert_eq!(target.get(name), input.get(name), "{target}");
        assert_eq!(told(&host, &format!("e{n}"), "put", "[1.50]"), format!("e{n} {wanted}"));
    }
    let wrong = [
        (json!({"input_path": "n"}), vec!["/targets/0/input_path"]),
        (json!({"input": "{"}), vec!["/targets/0/input"]),
        (
            json!({"input_transformer": {"paths": {"n": "n"}, "template": "[<m>, <o>]"}}),
            vec![
                "/targets/0/input_transformer/paths/n",
                "/targets/0/input_transformer/template",
                "/targets/0/input_transformer/template",
            ],
        ),
    ];
    for (input, pointers) in wrong {
        let (status, _, answer) = host.put(path, None, document(input));
        assert_eq!((status, &answer["code"]), (422, &json!("input-invalid")), "{answer}");
        let told = answer["errors"].as_array().unwrap().iter().map(|error| error["pointer"].as_str().unwrap());
        assert_eq!(told.collect::<std::collections::BTreeSet<_>>(), pointers.iter().copied().collect(), "{answer}");
        assert_eq!(answer["errors"].as_array().unwrap().len(), pointers.len(), "{answer}");
    }
    assert_eq!(told(&host, "last", "put", "[2]"), "last [2]");
}
