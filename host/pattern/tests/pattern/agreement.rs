//! The evaluator, the explanations and the matcher, held against the oracle: the same answer for every pattern and event.
//! A million cases: `cargo test -p wharf-pattern --release -- --ignored`.

use std::collections::BTreeSet;

use serde_json::json;
use wharf_event::EventBuilder;
use wharf_pattern::{Pattern, PatternReason, RuleMatcher, Scratch, Subject};

use crate::{
    generate::{self, Dice},
    oracle,
};

/// One event, and patterns made for it; how many match.
fn agree(seed: u64, scratch: &mut Scratch) -> (usize, usize) {
    let mut dice = Dice::new(seed);
    let event = generate::event(&mut dice);
    let text = event.to_string();
    let subject = Subject::from_json(text.as_bytes()).unwrap();
    let (mut matcher, mut wanted) = (RuleMatcher::new(), BTreeSet::new());
    let mut asked = 0;
    for rule in 0..8 {
        let json = generate::pattern(&mut dice, &event);
        let pattern = match Pattern::from_json(json.to_string().as_bytes()) {
            Ok(pattern) => pattern,
            Err(errors) => {
                // What is made is good, but for this.
                assert_eq!(errors.into_first().reason, PatternReason::TooManyWays, "{json}");
                continue;
            }
        };
        let matches = oracle::matches(&json, &event);
        assert_eq!(pattern.matches(&subject), matches, "seed {seed}: {json} on {event}");
        assert_eq!(pattern.explain(&subject).is_none(), matches, "seed {seed}: {json} on {event}");
        assert_eq!(pattern.evidence(&subject).is_some(), matches, "seed {seed}: {json} on {event}");
        matcher.insert(rule, &pattern).unwrap();
        if matches {
            wanted.insert(rule);
        }
        asked += 1;
    }
    assert_eq!(found(&matcher, &text, scratch), wanted, "seed {seed}: {text}");
    let matched = wanted.len();
    // A rule that is removed is found no more, the others are, and a snapshot stays as it is.
    let snapshot = matcher.clone();
    let mut rest = wanted.clone();
    for rule in [3, 0, 7, 1, 2, 4, 5, 6] {
        matcher.remove(rule);
        rest.remove(&rule);
        assert_eq!(found(&matcher, &text, scratch), rest, "seed {seed}: without {rule}");
    }
    assert!(matcher.is_empty());
    assert_eq!(found(&snapshot, &text, scratch), wanted, "seed {seed}: the snapshot");
    (asked, matched)
}

fn found(matcher: &RuleMatcher, text: &str, scratch: &mut Scratch) -> BTreeSet<u64> {
    let rules = matcher.matches_json(text.as_bytes(), scratch).unwrap();
    let all: BTreeSet<u64> = rules.iter().copied().collect();
    assert_eq!(all.len(), rules.len(), "a rule is found once");
    all
}

/// The same as the payload of an event, under our name of it and under EventBridge's.
fn agree_as_payload(seed: u64, scratch: &mut Scratch) {
    let mut dice = Dice::new(seed);
    let payload = generate::event(&mut dice);
    let event = EventBuilder::new("1", "shop", "t").data(payload.to_string()).build().unwrap();
    let subject = Subject::of(&event);
    let (mut matcher, mut wanted) = (RuleMatcher::new(), BTreeSet::new());
    for rule in 0..4 {
        let inner = generate::pattern(&mut dice, &payload);
        let json = match rule {
            0 => json!({"data": inner, "type": ["t"]}),
            1 => json!({"detail": inner, "detail-type": ["t"]}),
            2 => json!({"$or": [{"data": inner}, {"source": ["elsewhere"]}]}),
            _ => json!({"data": inner, "detail": generate::pattern(&mut dice, &payload)}),
        };
        let Ok(pattern) = Pattern::from_json(json.to_string().as_bytes()) else { continue };
        if pattern.matches(&subject) {
            wanted.insert(rule);
        }
        if rule < 3 {
            assert_eq!(
                pattern.matches(&subject),
                oracle::matches(&inner, &payload),
                "seed {seed}: {json} on {payload}"
            );
        }
        matcher.insert(rule, &pattern).unwrap();
    }
    let found: BTreeSet<u64> = matcher.matches_event(&event, scratch).iter().copied().collect();
    assert_eq!(found, wanted, "seed {seed}: {payload}");
}

fn agree_on(seeds: std::ops::Range<u64>) {
    let (mut asked, mut matched) = (0, 0);
    let mut scratch = Scratch::new();
    for seed in seeds {
        let (more, hits) = agree(seed, &mut scratch);
        agree_as_payload(seed, &mut scratch);
        asked += more;
        matched += hits;
    }
    let share = matched * 100 / asked;
    println!("{asked} cases, {share} % match");
    assert!((35..=65).contains(&share), "{matched} of {asked} match");
}

#[test]
fn all_ways_to_ask_agree_with_the_oracle() {
    agree_on(0..1_000);
}

#[test]
#[ignore = "a million cases: run it by hand, in release"]
fn all_ways_to_ask_agree_with_the_oracle_a_million_times() {
    agree_on(1_000..130_000);
}
