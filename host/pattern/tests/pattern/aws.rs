//! What AWS answered to 161 patterns, and what we answer: see tests/data/NOTICE.md for where they come from.

use serde_json::Value;
use wharf_event::EventBuilder;
use wharf_pattern::{Pattern, PatternReason, Subject};

const CASES: &str = include_str!("../../../../tests/data/event-patterns-aws.jsonl");

/// Refused by AWS because of a limit of the service; ours is named, and in the same place.
const LIMITED: &str = "content_wildcard_complex_EXC";

fn cases() -> Vec<(String, String, String, Value)> {
    let case = |line: &str| {
        let case: Value = serde_json::from_str(line).unwrap();
        let text = |name: &str| case[name].as_str().unwrap().to_owned();
        (text("name"), text("pattern"), text("event"), case["expected"].clone())
    };
    CASES.lines().map(case).collect()
}

#[test]
fn every_answer_is_that_of_aws() {
    let cases = cases();
    assert_eq!(cases.len(), 161);
    for (name, pattern, event, wanted) in cases {
        let answer = match Pattern::from_json(pattern.as_bytes()) {
            Ok(pattern) => {
                let subject = Subject::from_json(event.as_bytes()).unwrap();
                let answer = pattern.matches(&subject);
                assert_eq!(pattern.explain(&subject).is_none(), answer, "{name}");
                assert_eq!(pattern.evidence(&subject).is_some(), answer, "{name}");
                Value::from(answer)
            }
            Err(errors) => {
                if name == LIMITED {
                    let reason = &errors.iter().next().unwrap().reason;
                    assert!(matches!(reason, PatternReason::WildcardComplex { complexity: 11 }), "{reason}");
                }
                Value::from("error")
            }
        };
        assert_eq!(answer, wanted, "{name}: {pattern} on {event}");
    }
}

/// The same patterns on the same events as CloudEvents: the names of EventBridge's envelope are understood.
#[test]
fn patterns_for_the_envelope_match_the_same_events_without_it() {
    let mut asked = 0;
    for (name, pattern, event, wanted) in cases() {
        let (Ok(pattern), Some(wanted)) = (Pattern::from_json(pattern.as_bytes()), wanted.as_bool()) else { continue };
        let event: Value = serde_json::from_str(&event).unwrap();
        // What has no place in a CloudEvent is left to the test above.
        // Such as a list where CloudEvents have one string.
        let strings = ["id", "source", "detail-type", "account", "region", "time"];
        if strings.iter().any(|name| event[*name].as_str().is_none_or(str::is_empty)) || event["detail"].is_null() {
            continue;
        }
        let known = ["id", "source", "detail-type", "account", "region", "time", "resources", "detail", "version"];
        if !event.as_object().unwrap().keys().all(|key| known.contains(&key.as_str())) || name.starts_with("arrays") {
            continue;
        }
        let text = |name: &str| event[name].as_str().unwrap();
        let mut builder = EventBuilder::new(text("id"), text("source"), text("detail-type"));
        for (theirs, ours) in [("account", "account"), ("region", "region")] {
            builder = builder.extension(ours, text(theirs).to_owned());
        }
        let event = builder.time(text("time")).data(event["detail"].to_string()).build();
        let Ok(event) = event else { continue };
        let answer = pattern.matches(&Subject::of(&event));
        assert_eq!(answer, wanted, "{name}: {pattern} on {event:?}");
        asked += 1;
    }
    assert!(asked > 60, "{asked}");
}
