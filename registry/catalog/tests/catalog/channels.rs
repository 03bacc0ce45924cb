//! Promoting, trying out, rolling back: one behaviour a test.

use wharf_catalog::{Action, CanaryWish, Cause, ChannelError, Channels, Condition, limits::CONDITIONS_MAX};

use crate::{release, wish};

const BY: Cause = Cause::Request;

fn promoted(names: &str) -> Channels {
    let mut names = names.chars();
    let mut channels = Channels::new(release(names.next().unwrap()), 0, "first");
    for (at_ms, name) in (1..).zip(names) {
        channels.promote(release(name), at_ms, BY, "next").unwrap();
    }
    channels
}

/// The wish for a larger part, which says neither a time nor bounds.
fn wider(name: char, share: &str) -> CanaryWish {
    CanaryWish { release: release(name), share: share.parse().unwrap(), for_ms: None, abort_on: Vec::new() }
}

#[test]
fn a_plain_name_is_the_stable_release_and_canary_is_it_too_where_none_is_on_trial() {
    let mut channels = promoted("ab");
    let named = |channels: &Channels, name: &str| channels.named(&name.parse().unwrap());
    assert_eq!(named(&channels, "stable"), Ok(release('b')));
    assert_eq!(named(&channels, "canary"), Ok(release('b')));
    channels.try_out(wish('c', "error_rate>2%"), 5, "try").unwrap();
    assert_eq!(named(&channels, "canary"), Ok(release('c')));
    assert_eq!(named(&channels, "stable"), Ok(release('b')));
    assert!(matches!(named(&channels, "beta"), Err(ChannelError::Unknown(_))));
    let beta = "beta".parse().unwrap();
    channels.promote_on(&beta, release('a'), 6, "").unwrap();
    assert_eq!(named(&channels, "beta"), Ok(release('a')));
    assert_eq!(channels.releases().collect::<Vec<_>>(), [release('b'), release('c'), release('a')]);
    for reserved in ["stable", "canary"] {
        let refused = channels.promote_on(&reserved.parse().unwrap(), release('a'), 7, "").unwrap_err();
        assert!(matches!(refused, ChannelError::Reserved(_)), "{reserved}");
    }
    channels.close(&beta, 8, "").unwrap();
    assert_eq!(channels.close(&beta, 9, ""), Err(ChannelError::Unknown(beta)));
}

#[test]
fn a_channel_of_ones_own_goes_back_to_what_it_named_before_and_to_nothing_of_another() {
    let mut channels = promoted("ab");
    let [next, other] = ["next", "other"].map(|name| name.parse().unwrap());
    channels.promote_on(&next, release('c'), 10, "").unwrap();
    assert_eq!(channels.roll_back_on(&next, None, 11, ""), Err(ChannelError::NoBefore));
    assert_eq!(channels.promote_on(&next, release('c'), 11, ""), Err(ChannelError::Already(release('c'))));
    channels.promote_on(&next, release('d'), 12, "").unwrap();
    channels.promote_on(&other, release('e'), 13, "").unwrap();
    assert_eq!(channels.roll_back_on(&next, Some(release('b')), 14, ""), Err(ChannelError::NeverHad(release('b'))));
    channels.roll_back_on(&next, None, 14, "worse").unwrap();
    assert_eq!(channels.named(&next), Ok(release('c')));
    let last = channels.history().last().unwrap();
    let back = Action::RolledBack { from: release('d'), to: release('c') };
    assert_eq!((last.action, last.channel.as_ref(), last.reason.as_str()), (back, Some(&next), "worse"));
    channels.close(&next, 15, "").unwrap();
    channels.promote_on(&next, release('e'), 16, "").unwrap();
    assert_eq!(channels.roll_back_on(&next, None, 17, ""), Err(ChannelError::NoBefore), "that was another channel");
    channels.roll_back(None, 18, BY, "").unwrap();
    assert_eq!(channels.stable(), release('a'), "the plain name has a past of its own");
}

#[test]
fn a_canary_gets_its_share_of_first_attempts_and_no_second_one() {
    let mut channels = promoted("a");
    channels.try_out(wish('b', "error_rate>2%"), 0, "try").unwrap();
    let keys: Vec<String> = (0..20_000).map(|n| format!("delivery-{n}")).collect();
    let tried: Vec<&String> = keys.iter().filter(|key| channels.pick(key.as_bytes(), true).canary).collect();
    assert!((1_800..=2_200).contains(&tried.len()), "{} of {}", tried.len(), keys.len());
    for key in &tried {
        let again = channels.pick(key.as_bytes(), false);
        assert_eq!((again.release, again.canary), (release('a'), false), "a retry goes to the stable release");
    }
    channels.widen(wider('b', "40%"), 1, "more").unwrap();
    assert!(tried.iter().all(|key| channels.pick(key.as_bytes(), true).canary), "who was in it stays in it");
    let narrower = channels.widen(wider('b', "40%"), 2, "less").unwrap_err();
    assert!(matches!(narrower, ChannelError::Narrower { .. }));
}

#[test]
fn a_canary_that_is_widened_has_the_time_and_the_bounds_that_are_said_and_keeps_the_others() {
    let mut channels = promoted("a");
    channels.try_out(wider('b', "10%"), 1_000, "try").unwrap();
    let [bounds, others] = ["error_rate>2%", "p99>2x,error_rate>5%"].map(|text| Condition::list(text).unwrap());
    for (at_ms, share, for_ms, abort_on, is_for, is_bound) in [
        (2_000, "20%", None, vec![], None, &vec![]),
        (3_000, "30%", Some(500), vec![], Some(2_500), &vec![]),
        (3_100, "40%", None, bounds.clone(), Some(2_500), &bounds),
        (3_200, "50%", None, vec![], Some(2_500), &bounds),
        (3_300, "60%", Some(1), others.clone(), Some(2_301), &others),
    ] {
        channels.widen(CanaryWish { for_ms, abort_on, ..wider('b', share) }, at_ms, "more").unwrap();
        let canary = channels.canary().unwrap();
        assert_eq!((canary.share.to_string().as_str(), canary.since_ms), (share, 1_000), "what was counted counts on");
        assert_eq!((canary.for_ms, &canary.abort_on), (is_for, is_bound), "{share}");
    }
    let before = channels.clone();
    for (for_ms, abort_on, why) in [
        (Some(0), vec![], ChannelError::CanaryTime),
        (Some(u64::MAX), vec![], ChannelError::CanaryTime),
        (None, vec![bounds[0]; CONDITIONS_MAX + 1], ChannelError::Conditions),
    ] {
        let wish = CanaryWish { for_ms, abort_on, ..wider('b', "70%") };
        assert_eq!(channels.widen(wish, 4_000, ""), Err(why));
    }
    assert_eq!(channels, before);
}

#[test]
fn one_release_is_on_trial_at_a_time_and_never_the_stable_one() {
    let mut channels = promoted("a");
    assert_eq!(channels.try_out(wish('a', "p99>2x"), 1, ""), Err(ChannelError::Already(release('a'))));
    channels.try_out(wish('b', "p99>2x"), 1, "").unwrap();
    assert_eq!(channels.try_out(wish('c', "p99>2x"), 2, ""), Err(ChannelError::CanaryRuns(release('b'))));
    assert_eq!(promoted("a").widen(wider('b', "20%"), 2, ""), Err(ChannelError::NoCanary));
    assert_eq!(channels.widen(wider('c', "20%"), 2, ""), Err(ChannelError::NoCanary), "it is another one");
    let mut endless = wish('b', "p99>2x");
    endless.for_ms = Some(u64::MAX);
    assert_eq!(promoted("a").try_out(endless, 1, ""), Err(ChannelError::CanaryTime));
}

#[test]
fn rolling_back_with_a_canary_ends_it_and_else_goes_to_what_had_all_traffic() {
    let mut channels = promoted("abc");
    channels.try_out(wish('d', "p99>2x"), 10, "try").unwrap();
    channels.roll_back(None, 11, BY, "no").unwrap();
    assert_eq!((channels.stable(), channels.canary()), (release('c'), None));
    channels.roll_back(None, 12, BY, "no").unwrap();
    assert_eq!(channels.stable(), release('b'), "d never had all traffic");
    channels.roll_back(None, 13, BY, "no").unwrap();
    assert_eq!(channels.stable(), release('a'), "c was rolled back, and is not gone back to");
    assert_eq!(channels.roll_back(None, 14, BY, "no"), Err(ChannelError::NoBefore));
    channels.roll_back(Some(release('c')), 15, BY, "it was not that one").unwrap();
    assert_eq!(channels.stable(), release('c'));
    assert_eq!(channels.roll_back(Some(release('c')), 16, BY, ""), Err(ChannelError::Already(release('c'))));
}

#[test]
fn a_verdict_holds_for_the_trial_that_was_judged_and_for_no_other() {
    let by = Cause::Judgement;
    for (advances, stable, last) in [
        (true, release('b'), Action::Promoted { release: release('b') }),
        (false, release('a'), Action::CanaryEnded { release: release('b') }),
    ] {
        let mut channels = promoted("a");
        channels.try_out(wish('b', "p99>2x"), 1, "try").unwrap();
        let judged = channels.canary().cloned().unwrap();
        // Whoever changes it meanwhile wins.
        let mut wider = channels.clone();
        wider.widen(self::wider('b', "40%"), 2, "more").unwrap();
        let mut again = channels.clone();
        again.roll_back(None, 2, BY, "no").unwrap();
        let ended = again.clone();
        again.try_out(wish('b', "p99>2x"), 3, "try").unwrap();
        for mut changed in [wider, again, ended] {
            let before = changed.clone();
            assert_eq!(changed.judged(&judged, advances, 4, by, "why"), Err(ChannelError::NoCanary));
            assert_eq!(changed, before);
        }
        channels.judged(&judged, advances, 4, by, "why").unwrap();
        assert_eq!((channels.stable(), channels.canary()), (stable, None));
        let entry = channels.history().last().unwrap();
        assert_eq!((entry.action, entry.cause, entry.reason.as_str()), (last, by, "why"));
    }
}

#[test]
fn promoting_ends_a_canary_whichever_it_is() {
    for (name, ended) in [('b', false), ('c', true)] {
        let mut channels = promoted("a");
        channels.try_out(wish('b', "p99>2x"), 1, "try").unwrap();
        channels.promote(release(name), 2, Cause::Judgement, "go").unwrap();
        assert_eq!((channels.stable(), channels.canary()), (release(name), None));
        let actions: Vec<_> = channels.history().iter().map(|entry| entry.action).collect();
        assert_eq!(actions.contains(&Action::CanaryEnded { release: release('b') }), ended, "{actions:?}");
        assert_eq!(channels.promote(release(name), 3, BY, ""), Err(ChannelError::Already(release(name))));
    }
    let mut channels = promoted("a");
    channels.try_out(wish('b', "p99>2x"), 1, "try").unwrap();
    channels.promote(release('a'), 2, BY, "enough").unwrap();
    assert_eq!((channels.stable(), channels.canary()), (release('a'), None), "the canary is called off");
}

#[test]
fn channels_are_the_same_after_they_were_written_and_read() {
    let mut channels = promoted("ab");
    channels.try_out(wish('c', "error_rate>2%,p99>2x,p95>250ms"), 7, "try").unwrap();
    channels.promote_on(&"beta".parse().unwrap(), release('a'), 8, "").unwrap();
    let text = serde_json::to_string(&channels).unwrap();
    assert_eq!(serde_json::from_str::<Channels>(&text).unwrap(), channels);
    assert!(text.contains(r#""share":"10%""#) && text.contains(r#"["error_rate>2%","p99>2x","p95>250ms"]"#), "{text}");
}
