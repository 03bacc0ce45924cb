//! What a matcher promises beside finding the right rules: every byte is checked, snapshots are cheap and stay, and events are
//! matched as they are and as EventBridge would name them.

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};
use wharf_event::EventBuilder;
use wharf_pattern::{JsonFault, Pattern, RuleMatcher, Scratch, Subject, limits::EVENT_DEPTH_MAX};

fn matcher(patterns: &[Value]) -> RuleMatcher {
    let mut matcher = RuleMatcher::new();
    for (rule, json) in (0..).zip(patterns) {
        matcher.insert(rule, &Pattern::parse(json).unwrap()).unwrap();
    }
    matcher
}

fn found(matcher: &RuleMatcher, text: &str) -> Vec<u64> {
    let mut scratch = Scratch::new();
    let mut rules = matcher.matches_json(text.as_bytes(), &mut scratch).unwrap().to_vec();
    rules.sort_unstable();
    rules
}

/// Whether the scanner takes a text, with a rule that looks at some of it.
fn fault(text: &[u8]) -> Option<JsonFault> {
    let matcher = matcher(&[json!({"a": {"b": [1]}}), json!({"c": [{"exists": true}]})]);
    matcher.matches_json(text, &mut Scratch::new()).err().map(|error| error.what)
}

#[test]
fn every_byte_is_checked() {
    let good = [
        r#"{}"#,
        " { \"a\" : { \"b\" : [ 1 , -0.5e+3 , true , null , \"x\\u00e9\\n\" ] } , \"z\" : [ [ ] , { } ] }\r\n\t",
        "{\"\u{e9}\u{1f680}\": \"\u{e9}\u{1f680} and more text than one word\"}",
    ];
    for text in good {
        assert_eq!(fault(text.as_bytes()), None, "{text}");
    }
    let bad: [(&[u8], JsonFault); 22] = [
        (b"", JsonFault::NotObject),
        (b"[]", JsonFault::NotObject),
        (b"{\"a\":1", JsonFault::End),
        (b"{\"a\":1}}", JsonFault::Tail),
        (b"{\"a\":1} x", JsonFault::Tail),
        (b"{\"a\" 1}", JsonFault::Byte),
        (b"{\"a\":1,}", JsonFault::Byte),
        (b"{\"z\":[1,]}", JsonFault::Byte),
        (b"{\"z\":[1}", JsonFault::Byte),
        (b"{\"z\":{\"y\":1]}", JsonFault::Byte),
        (b"{\"z\":01}", JsonFault::Byte),
        (b"{\"z\":1.}", JsonFault::Byte),
        (b"{\"z\":-}", JsonFault::Byte),
        (b"{\"z\":1e}", JsonFault::Byte),
        (b"{\"z\":+1}", JsonFault::Byte),
        (b"{\"z\":tru}", JsonFault::Byte),
        (b"{\"z\":nul", JsonFault::Byte),
        (b"{\"z\":\"a\nb\"}", JsonFault::Control),
        (b"{\"z\":\"a long enough text \x1f\"}", JsonFault::Control),
        (b"{\"z\":\"\\x\"}", JsonFault::Escape),
        (b"{\"z\":\"\\u12g4\"}", JsonFault::Escape),
        (b"{\"z\":\"a long enough text \xff\"}", JsonFault::Utf8),
    ];
    for (text, wanted) in bad {
        assert_eq!(fault(text), Some(wanted), "{}", String::from_utf8_lossy(text));
        // The same below a name that a rule looks at.
        if let Some(rest) = text.strip_prefix(b"{\"z\"") {
            assert_eq!(fault(&[b"{\"c\"", rest].concat()), Some(wanted), "{}", String::from_utf8_lossy(text));
        }
    }
}

#[test]
fn nesting_has_a_limit_wherever_it_is() {
    let nested =
        |name: &str, depth: usize| format!("{{\"{name}\":{}1{}}}", "[".repeat(depth - 1), "]".repeat(depth - 1));
    for name in ["a", "c", "z"] {
        assert_eq!(fault(nested(name, EVENT_DEPTH_MAX).as_bytes()), None, "{name}");
        assert_eq!(fault(nested(name, EVENT_DEPTH_MAX + 1).as_bytes()), Some(JsonFault::Depth), "{name}");
        assert!(Subject::from_json(nested(name, EVENT_DEPTH_MAX).as_bytes()).is_ok());
        assert!(Subject::from_json(nested(name, EVENT_DEPTH_MAX + 1).as_bytes()).is_err());
    }
    let objects = |depth: usize| format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth));
    assert_eq!(fault(objects(EVENT_DEPTH_MAX).as_bytes()), None);
    assert_eq!(fault(objects(EVENT_DEPTH_MAX + 1).as_bytes()), Some(JsonFault::Depth));
}

#[test]
fn a_rule_is_put_in_the_place_of_its_number_and_a_snapshot_stays() {
    let mut own = matcher(&[json!({"a": [1]}), json!({"a": ["x"]})]);
    let snapshot = Arc::new(own.clone());
    own.insert(0, &Pattern::parse(&json!({"a": [{"prefix": "x"}]})).unwrap()).unwrap();
    assert_eq!((own.len(), found(&own, r#"{"a": "x"}"#), found(&own, r#"{"a": 1}"#)), (2, vec![0, 1], vec![]));
    assert_eq!((found(&snapshot, r#"{"a": "x"}"#), found(&snapshot, r#"{"a": 1}"#)), (vec![1], vec![0]));
    assert!(own.remove(1) && !own.remove(1) && own.remove(0) && own.is_empty());
    assert!(found(&own, r#"{"a": "x"}"#).is_empty());
}

#[test]
fn all_rules_of_a_large_set_are_found_after_others_are_gone() {
    let mut own = RuleMatcher::new();
    let pattern = |rule: u64| {
        let list = match rule % 4 {
            0 => json!([format!("v{rule}")]),
            1 => json!([{"prefix": format!("v{rule}")}]),
            2 => json!([{"numeric": [">=", rule, "<", rule + 40]}]),
            _ => json!([{"wildcard": format!("*{rule}*")}]),
        };
        Pattern::parse(&json!({"kind": ["k"], "a": list})).unwrap()
    };
    for rule in 0..4_000 {
        own.insert(rule, &pattern(rule)).unwrap();
    }
    for rule in (0..4_000u64).filter(|rule| rule.is_multiple_of(3)) {
        own.remove(rule);
    }
    let mut scratch = Scratch::new();
    for n in (0..4_000).step_by(7) {
        for value in [json!(format!("v{n}")), json!(n), json!(format!("x{n}y"))] {
            let event = json!({"kind": "k", "a": value}).to_string();
            let subject = Subject::from_json(event.as_bytes()).unwrap();
            let mut rules = own.matches_json(event.as_bytes(), &mut scratch).unwrap().to_vec();
            rules.sort_unstable();
            let near = |rule: &u64| {
                !rule.is_multiple_of(3) && (rule.abs_diff(n) < 60 || n.to_string().contains(&rule.to_string()))
            };
            let wanted: Vec<u64> = (0..4_000).filter(near).filter(|rule| pattern(*rule).matches(&subject)).collect();
            assert_eq!(rules, wanted, "{event}");
        }
    }
}

#[test]
fn events_are_matched_by_their_own_names_and_by_those_of_eventbridge() {
    let own = matcher(&[
        json!({"type": ["t"], "data": {"items": {"a": [1]}}}),
        json!({"detail-type": ["t"], "detail": {"items": {"a": [1], "b": [2]}}}),
        // Both dialects in one rule, and still the same element.
        json!({"data": {"items": {"a": [1]}}, "detail": {"items": {"b": [3]}}}),
        json!({"detail": ["own"]}),
        json!({"resources": [{"prefix": "order/"}]}),
        json!({"n": [{"numeric": [">", 1]}], "flag": [true], "data_base64": [{"exists": false}]}),
    ]);
    let mut scratch = Scratch::new();
    let event = EventBuilder::new("1", "s", "t").subject("order/1").extension("n", 2).extension("flag", true);
    let event = event.data(r#"{"items": [{"a": 1, "b": 2}, {"b": 3}]}"#).build().unwrap();
    let rules = |event: &wharf_event::Event, scratch: &mut Scratch| {
        let mut rules = own.matches_event(event, scratch).to_vec();
        rules.sort_unstable();
        rules
    };
    assert_eq!(rules(&event, &mut scratch), [0, 1, 4, 5]);
    let event = event.with_extension("detail", "own").unwrap().with_extension("resources", "x").unwrap();
    assert_eq!(rules(&event, &mut scratch), [0, 3, 5]);
    let binary = EventBuilder::new("1", "s", "t").datacontenttype("image/png").data(&b"\x89PNG"[..]).build().unwrap();
    let binary = binary.with_extension("n", 2).unwrap().with_extension("flag", true).unwrap();
    assert!(rules(&binary, &mut scratch).is_empty());
}

/// Lists of lists of numbers and strings, long enough to be read many bytes at a time, spaced in one way or another.
fn long_json() -> impl Strategy<Value = Vec<u8>> {
    let number = "-?(0|[1-9][0-9]{0,18})(\\.[0-9]{1,18})?([eE][+-]?[0-9]{1,2})?";
    let item =
        prop_oneof![8 => number.prop_map(|text| text), 1 => "\"[a-z \u{e9}]{0,40}\"", 1 => "null|true|\\{\\}|\\[\\]"];
    let spaces = || prop::sample::select(vec!["", " ", "", " ", "\n  "]);
    let list = (prop::collection::vec(item, 0..9), spaces())
        .prop_map(|(items, space)| format!("[{}]", items.join(&format!(",{space}"))));
    let lists =
        (prop::collection::vec(list, 1..7), spaces()).prop_map(|(lists, space)| lists.join(&format!(",{space}")));
    (lists.clone(), lists, prop::sample::select(vec!["a", "c", "z"])).prop_map(|(first, second, name)| {
        format!("{{\"{name}\": [{first}], \"y\": {{\"x\": [[{second}], 1]}}, \"some text\": \"and more of it, plain as it is\"}}").into_bytes()
    })
}

/// Bytes that are JSON, or nearly.
fn nearly_json() -> impl Strategy<Value = Vec<u8>> {
    let text = crate::properties::payload()
        .prop_map(|value| json!({"a": value, "z": [1.5e3, "\u{e9}\\"]}).to_string().into_bytes());
    let edit = (any::<prop::sample::Index>(), prop::sample::select(b"{}[],:\"\\0.eE+-tnu \n\x1f\xc3\x80".to_vec()));
    let text = prop_oneof![text, long_json()];
    (text, prop::collection::vec((edit, 0..3u8), 0..3)).prop_map(|(mut text, edits)| {
        for ((index, byte), kind) in edits {
            let at = index.index(text.len());
            match kind {
                0 => text[at] = byte,
                1 => text.insert(at, byte),
                _ => drop(text.remove(at)),
            }
        }
        text
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 5_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_json_is_what_serde_json_says(text in nearly_json()) {
        let ours = fault(&text).is_none();
        let theirs = serde_json::from_slice::<serde::de::IgnoredAny>(&text).is_ok() && text.trim_ascii_start().starts_with(b"{")
            && std::str::from_utf8(&text).is_ok();
        prop_assert_eq!(ours, theirs, "{:?}", String::from_utf8_lossy(&text));
        prop_assert_eq!(Subject::from_json(&text).is_ok(), theirs);
    }
}
