//! Goal: a history is the same again under its seed, another one under another; what is found without a bug is nothing, and
//! the bugs that live outside the product are found. Method: a few seeds; `cargo xtask sim` runs thousands, with all bugs.

use crate::{history, mutation::Mutation, sweep};

#[test]
fn a_history_replays_to_the_byte_and_has_something_in_it() {
    for seed in 100..110 {
        let (once, again) = (history::run(seed, None), history::run(seed, None));
        let line = once.trace.lines().zip(again.trace.lines()).find(|(one, other)| one != other);
        assert!(once.trace == again.trace, "seed {seed}: {line:?}");
        assert_ne!(once.trace, history::run(seed + 1_000, None).trace);
    }
}

#[test]
fn nothing_is_found_in_the_product_as_it_is() {
    let swept = sweep::run(1, 20, None, |_| {});
    let failed = swept.failed.map(|(_, seed, outcome)| (seed, outcome.wrong));
    assert_eq!(failed, None);
    let figures = swept.figures;
    assert!(figures.lives > 40 && figures.acknowledged > 200 && figures.duplicates > 20, "{figures:?}");
    assert!(figures.deleted > 5 && figures.erased > figures.deleted, "{figures:?}");
    assert!(figures.paced > 0 && figures.discards > 0, "{figures:?}");
    assert!(figures.requests > 100, "{figures:?}");
    assert!(figures.ordered > 50, "{figures:?}");
    assert!(figures.fired > 1_000 && figures.messages > 100, "{figures:?}");
    assert!(figures.settles > 400 && figures.runs > figures.settles / 2, "{figures:?}");
}

#[test]
fn a_disk_that_lies_and_an_index_that_forgets_are_found() {
    for mutation in [Mutation::Fsync, Mutation::Dedup] {
        assert!(mutation.switch_in());
        assert!(sweep::run(1, 300, Some(mutation), |_| {}).failed.is_some(), "{}", mutation.name());
    }
}
