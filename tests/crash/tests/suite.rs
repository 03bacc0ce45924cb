//! The crash suite in short form; `cargo xtask faults` is the long one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use wharf_crash::{every_crash, every_error, every_recovery, mutations};

#[test]
fn everything_holds_after_a_crash_at_any_operation() {
    let figures = every_crash(4, None).unwrap_or_else(|why| panic!("{why}"));
    println!("{figures:?}");
    assert!(figures.syncs > 50 && figures.points > 2 * figures.syncs, "{figures:?}");
}

#[test]
fn everything_holds_after_an_error_at_any_operation() {
    println!("{:?}", every_error(2, None).unwrap_or_else(|why| panic!("{why}")));
}

#[test]
fn everything_holds_after_a_crash_while_opening() {
    println!("{:?}", every_recovery(9, 2).unwrap_or_else(|why| panic!("{why}")));
}

#[test]
fn with_any_one_fsync_left_out_the_suite_fails() {
    let missed: Vec<_> = mutations(6).into_iter().filter(|one| one.found.is_none()).map(|one| one.site).collect();
    assert!(missed.is_empty(), "nothing was found without {missed:?}");
}
