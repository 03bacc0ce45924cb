//! What becomes of canaries with such counts.

use wharf_catalog::{Canary, Channels, Judgement, Tally};

use crate::{release, wish};

/// So many first attempts, so many of them failed, each as long as that.
fn tally(attempts: u64, failures: u64, ms: u64) -> Tally {
    let mut tally = Tally::default();
    for n in 0..attempts {
        tally.count(n < failures, ms * 1_000);
    }
    tally
}

fn judge(canary: &Canary, on_canary: &Tally, on_stable: &Tally, now_ms: u64) -> Judgement {
    wharf_catalog::judge(canary, on_canary, on_stable, now_ms, "first attempts")
}

fn canary(abort_on: &str) -> Canary {
    let mut channels = Channels::new(release('a'), 0, "first");
    channels.try_out(wish('b', abort_on), 0, "try").unwrap();
    channels.canary().cloned().unwrap()
}

fn word(judgement: &Judgement) -> &'static str {
    match judgement {
        Judgement::GoesOn => "goes on",
        Judgement::Waits { .. } => "waits",
        Judgement::Advances { .. } => "advances",
        Judgement::Aborts { .. } => "aborts",
    }
}

#[test]
fn a_canary_is_judged_by_what_its_counts_prove() {
    let stable = tally(10_000, 100, 10);
    for (abort_on, on_canary, now_ms, expected, why) in [
        ("error_rate>2%", tally(0, 0, 10), 500, "goes on", "nothing is known"),
        ("error_rate>2%", tally(20, 1, 10), 500, "goes on", "one of twenty proves nothing"),
        ("error_rate>2%", tally(200, 4, 10), 500, "goes on", "two percent are not above two percent"),
        ("error_rate>2%", tally(200, 12, 10), 500, "aborts", "six percent of two hundred are certain"),
        ("error_rate>2%", tally(19, 19, 10), 500, "goes on", "too few say nothing, whatever they say"),
        ("error_rate>2%", tally(20, 20, 10), 500, "aborts", "twenty of twenty are more than chance"),
        ("error_rate>2%", tally(19, 19, 10), 1_000, "waits", "nor in the end"),
        ("error_rate>2%", tally(1_000, 30, 10), 1_000, "aborts", "at the end three percent are above two"),
        ("error_rate>2%", tally(1_000, 20, 10), 1_000, "advances", "at the end two percent are not"),
        ("error_rate>2%", tally(19, 0, 10), 1_000, "waits", "too few for all the traffic"),
        ("error_rate>2%", tally(20, 0, 10), 1_000, "advances", "just enough"),
        ("error_rate>2x", tally(1_000, 19, 10), 1_000, "advances", "stable has one percent"),
        ("error_rate>2x", tally(1_000, 30, 10), 1_000, "aborts", "more than twice what that may be"),
        ("p99>2x", tally(199, 0, 100), 500, "goes on", "too few for a quantile ahead of time"),
        ("p99>2x", tally(200, 0, 100), 500, "aborts", "ten times as long"),
        ("p99>2x", tally(200, 0, 19), 1_000, "advances", "not twice as long"),
        ("p95>50ms", tally(200, 0, 60), 500, "aborts", "longer than it may be"),
        ("p95>50ms", tally(200, 0, 40), 1_000, "advances", "shorter"),
        ("p50>1x,error_rate>1%", tally(500, 30, 5), 500, "aborts", "any of them is enough"),
    ] {
        let judgement = judge(&canary(abort_on), &on_canary, &stable, now_ms);
        assert_eq!(word(&judgement), expected, "{abort_on} at {now_ms}: {why}: {judgement:?}");
    }
}

#[test]
fn without_a_stable_figure_a_factor_proves_nothing() {
    for abort_on in ["error_rate>2x", "p99>2x"] {
        let judgement = judge(&canary(abort_on), &tally(500, 400, 900), &Tally::default(), 500);
        assert_eq!(judgement, Judgement::GoesOn, "{abort_on}");
    }
}

#[test]
fn that_the_stable_release_never_failed_does_not_make_one_failure_too_many() {
    let judged = |failures| judge(&canary("error_rate>2x"), &tally(10_000, failures, 10), &tally(10_000, 0, 10), 500);
    assert_eq!(judged(1), Judgement::GoesOn);
    assert_eq!(word(&judged(60)), "aborts");
}

#[test]
fn a_canary_without_an_end_goes_on_until_somebody_says_so() {
    let endless = Canary { for_ms: None, ..canary("error_rate>2%") };
    assert_eq!(judge(&endless, &tally(500, 0, 1), &tally(500, 0, 1), u64::MAX), Judgement::GoesOn);
    assert_eq!(word(&judge(&endless, &tally(500, 50, 1), &tally(500, 0, 1), 7)), "aborts");
}

#[test]
fn the_reason_names_bound_figure_and_count() {
    let judgement = judge(&canary("error_rate>2%"), &tally(200, 12, 10), &Tally::default(), 500);
    let reason = "error_rate>2%: error_rate was 6.00 %, after 200 first attempts".to_owned();
    assert_eq!(judgement, Judgement::Aborts { reason });
    let judgement = judge(&canary("error_rate>2%"), &tally(200, 3, 10), &Tally::default(), 1_000);
    let reason = "it kept its bounds: 3 of 200 first attempts failed".to_owned();
    assert_eq!(judgement, Judgement::Advances { reason });
    let judgement = judge(&canary("p99>2x"), &tally(200, 0, 100), &tally(200, 0, 10), 500);
    let Judgement::Aborts { reason } = judgement else { panic!("{judgement:?}") };
    assert!(reason.starts_with("p99>2x: p99 was 100") && reason.contains("(stable: 10."), "{reason}");
}
