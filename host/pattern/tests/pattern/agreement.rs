//! The evaluator, the explanations and the matcher, held against the oracle: the same answer for every pattern and event.
//! A million cases: `cargo test -p wharf-pattern --release -- --ignored`.

use serde_json::Value;
use wharf_pattern::{Pattern, Subject};

use crate::{
    generate::{self, Dice},
    oracle,
};

/// One event, and patterns made for it; how many match.
fn agree(seed: u64) -> (usize, usize) {
    let mut dice = Dice::new(seed);
    let event = generate::event(&mut dice);
    let text = event.to_string();
    let subject = Subject::from_json(text.as_bytes()).unwrap();
    let patterns: Vec<Value> = (0..8).map(|_| generate::pattern(&mut dice, &event)).collect();
    let mut matched = 0;
    for json in &patterns {
        let pattern = Pattern::from_json(json.to_string().as_bytes()).unwrap_or_else(|error| panic!("{json}: {error}"));
        let wanted = oracle::matches(json, &event);
        assert_eq!(pattern.matches(&subject), wanted, "seed {seed}: {json} on {event}");
        assert_eq!(pattern.explain(&subject).is_none(), wanted, "seed {seed}: {json} on {event}");
        assert_eq!(pattern.evidence(&subject).is_some(), wanted, "seed {seed}: {json} on {event}");
        matched += usize::from(wanted);
    }
    (patterns.len(), matched)
}

fn agree_on(seeds: std::ops::Range<u64>) {
    let (mut asked, mut matched) = (0, 0);
    for seed in seeds {
        let (more, hits) = agree(seed);
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
