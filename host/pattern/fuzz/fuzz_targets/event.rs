//! Any bytes as an event. Invariants: they are JSON exactly if serde_json says so (and UTF-8, and an object, and not nested too
//! deep); and a matcher with rules of every kind finds what the evaluator finds.

#![no_main]

use std::{cell::RefCell, sync::LazyLock};

use libfuzzer_sys::fuzz_target;
use serde::de::IgnoredAny;
use wharf_pattern::{JsonFault, Pattern, RuleMatcher, Scratch, Subject};

const PATTERNS: [&str; 12] = [
    r#"{"a": ["x", 1, null, true, {"prefix": "p"}]}"#,
    r#"{"a": {"b": [{"suffix": "s"}, {"wildcard": "*w*x"}], "c": [{"exists": false}]}}"#,
    r#"{"a": {"b": [{"numeric": [">", 0, "<=", 100]}], "c": [{"anything-but": ["x", "y"]}]}}"#,
    r#"{"a": [{"equals-ignore-case": "aé"}], "b": [{"exists": true}]}"#,
    r#"{"a": [{"cidr": "10.0.0.0/8"}, "::1"]}"#,
    r#"{"b": [{"exists": false}]}"#,
    r#"{"$or": [{"a": [1.5, 1e3]}, {"b": {"c": [{"anything-but": {"prefix": "x"}}]}}], "c": [{"exists": true}]}"#,
    r#"{"a.b": ["x"], "c": {"": [1]}}"#,
    r#"{"a": [9007199254740993, {"numeric": ["<", -0.5]}]}"#,
    r#"{"b": [{"prefix": {"equals-ignore-case": "Ab"}}, {"suffix": {"equals-ignore-case": "Ba"}}]}"#,
    r#"{"c": [{"wildcard": "*"}], "a": {"b": [{"exists": true}], "c": [{"exists": true}]}}"#,
    r#"{"c": [{"anything-but": 1}]}"#,
];

static RULES: LazyLock<(Vec<Pattern>, RuleMatcher)> = LazyLock::new(|| {
    let patterns: Vec<Pattern> = PATTERNS.iter().map(|text| Pattern::from_json(text.as_bytes()).expect(text)).collect();
    let mut matcher = RuleMatcher::new();
    for (rule, pattern) in (0..).zip(&patterns) {
        matcher.insert(rule, pattern).expect("these are few rules");
    }
    (patterns, matcher)
});

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

fuzz_target!(|text: &[u8]| {
    let (patterns, matcher) = &*RULES;
    SCRATCH.with_borrow_mut(|scratch| {
        let object = text.trim_ascii_start().starts_with(b"{");
        let json = serde_json::from_slice::<IgnoredAny>(text).is_ok() && std::str::from_utf8(text).is_ok() && object;
        let rules = match matcher.matches_json(text, scratch) {
            Ok(rules) => rules.to_vec(),
            Err(error) => return assert!(!json || error.what == JsonFault::Depth, "{error}"),
        };
        assert!(json);
        let subject = Subject::from_json(text).expect("both read the same");
        for (rule, pattern) in (0..).zip(patterns) {
            assert_eq!(rules.contains(&rule), pattern.matches(&subject), "{pattern}");
        }
    });
});
