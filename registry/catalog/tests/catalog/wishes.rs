//! Whatever is wished in whatever order: traffic always goes to somebody, history tells all of it, and nothing refused changes anything.

use std::collections::BTreeMap;

use proptest::prelude::*;
use wharf_catalog::{Action, CanaryWish, Cause, ChannelError, Channels, limits::HISTORY_MAX};
use wharf_event::{ChannelName, Digest};

use crate::{release, wish};

#[derive(Clone, Debug)]
enum Wish {
    Promote(char),
    TryOut(char),
    Widen(char, u16),
    RollBack(Option<char>),
    PromoteOn(bool, char),
    RollBackOn(bool, Option<char>),
    Close(bool),
}

fn a_wish() -> impl Strategy<Value = Wish> {
    let name = || prop::char::range('a', 'e');
    prop_oneof![
        name().prop_map(Wish::Promote),
        name().prop_map(Wish::TryOut),
        (name(), 1..9_999u16).prop_map(|(name, share)| Wish::Widen(name, share)),
        prop::option::of(name()).prop_map(Wish::RollBack),
        (any::<bool>(), name()).prop_map(|(on, name)| Wish::PromoteOn(on, name)),
        (any::<bool>(), prop::option::of(name())).prop_map(|(on, name)| Wish::RollBackOn(on, name)),
        any::<bool>().prop_map(Wish::Close),
    ]
}

fn done(channels: &mut Channels, wish: &Wish, at_ms: u64) -> Result<(), ChannelError> {
    match wish {
        Wish::Promote(name) => channels.promote(release(*name), at_ms, Cause::Request, ""),
        Wish::TryOut(name) => channels.try_out(self::wish(*name, "error_rate>2%"), at_ms, ""),
        Wish::Widen(name, hundredths) => {
            let share = wharf_catalog::Share::of_hundredths(*hundredths).unwrap();
            channels.widen(CanaryWish { share, ..self::wish(*name, "p99>2x") }, at_ms, "")
        }
        Wish::RollBack(to) => channels.roll_back(to.map(release), at_ms, Cause::Request, ""),
        Wish::PromoteOn(on, name) => channels.promote_on(&own(*on), release(*name), at_ms, ""),
        Wish::RollBackOn(on, to) => channels.roll_back_on(&own(*on), to.map(release), at_ms, ""),
        Wish::Close(on) => channels.close(&own(*on), at_ms, ""),
    }
}

/// One of two channels.
fn own(on: bool) -> ChannelName {
    if on { "on" } else { "off" }.parse().unwrap()
}

/// What channels of one's own name, told by the history alone.
fn told_of_own(channels: &Channels) -> BTreeMap<ChannelName, Digest> {
    let mut named = BTreeMap::new();
    for entry in channels.history() {
        let Some(channel) = &entry.channel else { continue };
        match entry.action {
            Action::Promoted { release } => named.insert(channel.clone(), release),
            Action::RolledBack { to, .. } => named.insert(channel.clone(), to),
            _ => named.remove(channel),
        };
    }
    named
}

/// Who has the traffic, told by the history alone.
fn told(channels: &Channels) -> (Option<Digest>, Option<Digest>) {
    let (mut stable, mut canary) = (None, None);
    for entry in channels.history().iter().filter(|entry| entry.channel.is_none()) {
        match entry.action {
            Action::ChannelClosed { .. } => unreachable!("it was of no channel"),
            Action::Promoted { release } => {
                (stable, canary) = (Some(release), None);
            }
            Action::CanaryStarted { release, .. } | Action::CanaryWidened { release, .. } => canary = Some(release),
            Action::CanaryEnded { .. } => canary = None,
            Action::RolledBack { to, .. } => (stable, canary) = (Some(to), None),
        }
    }
    (stable, canary)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn channels_keep_their_promises(wishes in prop::collection::vec(a_wish(), 1..40)) {
        let mut channels = Channels::new(release('a'), 0, "first");
        for (at_ms, wish) in (1..).zip(&wishes) {
            let before = channels.clone();
            if done(&mut channels, wish, at_ms).is_err() {
                prop_assert_eq!(&channels, &before, "{:?} was refused", wish);
                continue;
            }
            prop_assert_ne!(&channels, &before, "{:?} did something", wish);
            prop_assert_ne!(channels.canary().map(|canary| canary.release), Some(channels.stable()));
            prop_assert!(channels.history().len() > before.history().len() || before.history().len() == HISTORY_MAX);
            prop_assert!(channels.history().is_sorted_by_key(|entry| entry.at_ms));
            prop_assert_eq!(told(&channels), (Some(channels.stable()), channels.canary().map(|canary| canary.release)));
            let named = channels.named_channels().map(|(name, release)| (name.clone(), release)).collect();
            prop_assert_eq!(told_of_own(&channels), named);
            if let (Wish::RollBack(None), None) = (wish, before.canary()) {
                // What it goes back to had all traffic at some time.
                let had = before.history().iter().any(|entry| match entry.action {
                    Action::Promoted { release } => release == channels.stable(),
                    Action::RolledBack { to, .. } => to == channels.stable(),
                    _ => false,
                });
                prop_assert!(had && channels.stable() != before.stable());
            }
        }
    }
}

#[test]
fn a_long_history_keeps_its_newest_entries() {
    let mut channels = Channels::new(release('a'), 0, "first");
    for n in 1..=300u64 {
        channels.promote(release(if n % 2 == 0 { 'a' } else { 'b' }), n, Cause::Request, "").unwrap();
    }
    assert_eq!(channels.history().len(), HISTORY_MAX);
    assert_eq!(channels.history().last().map(|entry| entry.at_ms), Some(300));
    channels.roll_back(None, 301, Cause::Request, "").unwrap();
    assert_eq!(channels.stable(), release('b'));
}

#[test]
fn trials_without_end_do_not_make_a_plugin_forget_what_had_all_traffic() {
    let mut channels = Channels::new(release('a'), 0, "first");
    channels.promote(release('b'), 1, Cause::Request, "").unwrap();
    for n in 0..200u64 {
        channels.try_out(wish('c', "error_rate>2%"), 2 + n, "").unwrap();
        channels.roll_back(None, 2 + n, Cause::Judgement, "").unwrap();
    }
    channels.promote(release('c'), 500, Cause::Request, "").unwrap();
    assert_eq!(
        channels.roll_back(Some(release('d')), 501, Cause::Request, ""),
        Err(ChannelError::NeverHad(release('d')))
    );
    channels.roll_back(None, 501, Cause::Request, "").unwrap();
    assert_eq!(channels.stable(), release('b'));
}
