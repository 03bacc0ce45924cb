//! Replays: each event of the archive is owed again once, whoever asks how often, within the bounds that hold for others.

use wharf_delivery::{
    Answer, Due, Quotas, Refused, ReplayPhase, ReplayRequest, ReplayState, Request, Table, Tables as _, keys,
};
use wharf_event::Position;

use crate::bench::{Partition, tenant};

fn state(cursor_k: u64, replayed: u64, phase: ReplayPhase) -> ReplayState {
    let at = |k| Position { k, i: 0 };
    ReplayState { document: "{}".into(), cursor: at(cursor_k), until: at(100), replayed, phase, reason: String::new() }
}

fn stands(p: &Partition) -> Option<ReplayState> {
    ReplayState::get(&p.tables, &tenant(), &"r".parse().unwrap()).unwrap()
}

/// The wish that it comes to stand so, with the event of that id for so many targets.
fn wish(p: &Partition, state: Option<ReplayState>, event: Option<(&str, usize)>) -> ReplayRequest {
    let events = event.map(|(id, targets)| p.accepting(id, targets));
    ReplayRequest { tenant: tenant(), replay: "r".parse().unwrap(), was: stands(p), state, events }
}

fn asked(p: &mut Partition, request: ReplayRequest) -> Result<Vec<Due>, Refused> {
    let (answer, due) = p.ask(Request::Replay(Box::new(request)));
    answer.map(|answer| {
        assert!(matches!(answer, Answer::Noted | Answer::Accepted(_)), "{answer:?}");
        due
    })
}

/// A partition with the event `e`, and a replay that is at its beginning.
fn started() -> Partition {
    let mut p = Partition::new();
    p.accept("e", 2).0.unwrap();
    let start = wish(&p, Some(state(0, 0, ReplayPhase::Running)), None);
    assert_eq!(asked(&mut p, start).unwrap().len(), 0);
    p
}

#[test]
fn an_event_is_owed_again_once_though_it_was_received_a_moment_ago() {
    let mut p = started();
    let on = wish(&p, Some(state(5, 1, ReplayPhase::Running)), Some(("e", 2)));
    assert_eq!(asked(&mut p, on.clone()).unwrap().len(), 2);
    let after = p.tables.clone();
    assert_eq!(asked(&mut p, on).unwrap_err(), Refused::Gone);
    assert_eq!((p.tables.clone(), p.stats().events, p.stats().pending), (after, 2, 4));
    assert_eq!(p.replayed(), p.tables);
    // A client that sends it once more has sent it before.
    let Answer::Accepted(answers) = p.accept("e", 2).0.unwrap() else { panic!("it is an answer of another kind") };
    assert!(answers[0].as_ref().unwrap().duplicate);
}

#[test]
fn a_replay_moves_forward_only_and_counts_what_it_brings() {
    let mut p = started();
    let on = wish(&p, Some(state(5, 1, ReplayPhase::Running)), Some(("e", 1)));
    asked(&mut p, on).unwrap();
    for (cursor_k, replayed) in [(4, 2), (5, 2), (101, 2), (6, 1), (6, 3)] {
        let bad = wish(&p, Some(state(cursor_k, replayed, ReplayPhase::Running)), Some(("e", 1)));
        assert_eq!(asked(&mut p, bad).unwrap_err(), Refused::Gone, "{cursor_k} {replayed}");
    }
    let other = ReplayState { document: "{ }".into(), ..state(6, 1, ReplayPhase::Running) };
    let other = wish(&p, Some(other), None);
    assert_eq!(asked(&mut p, other).unwrap_err(), Refused::Gone);
    assert_eq!((stands(&p), p.stats().events), (Some(state(5, 1, ReplayPhase::Running)), 2));
}

#[test]
fn one_that_is_cancelled_brings_nothing_more_and_is_kept_until_it_is_let_go_of() {
    let mut p = started();
    let late = wish(&p, Some(state(5, 1, ReplayPhase::Running)), Some(("e", 1)));
    let cancel = wish(&p, Some(state(0, 0, ReplayPhase::Cancelled)), None);
    asked(&mut p, cancel).unwrap();
    assert_eq!(asked(&mut p, late).unwrap_err(), Refused::Gone);
    let on = wish(&p, Some(state(5, 1, ReplayPhase::Running)), Some(("e", 1)));
    assert_eq!(asked(&mut p, on).unwrap_err(), Refused::Gone);
    assert_eq!(stands(&p).unwrap().phase, ReplayPhase::Cancelled);
    let forget = wish(&p, None, None);
    asked(&mut p, forget).unwrap();
    assert!(p.tables.get(Table::Replays, &keys::replay(&tenant(), &"r".parse().unwrap())).unwrap().is_none());
    assert_eq!((p.stats().events, p.replayed()), (1, p.tables.clone()));
}

#[test]
fn a_replay_for_which_there_is_no_room_stays_where_it_is() {
    let mut p = started();
    p.quotas = Quotas { backlog: Some(2), ..Quotas::default() };
    let on = wish(&p, Some(state(5, 1, ReplayPhase::Running)), Some(("e", 1)));
    assert!(matches!(asked(&mut p, on).unwrap_err(), Refused::Quota(_)));
    assert_eq!((stands(&p), p.stats().events), (Some(state(0, 0, ReplayPhase::Running)), 1));
}

#[test]
fn a_tenant_that_is_deleted_takes_its_replays_along() {
    let mut p = started();
    p.erase(3);
    assert!(p.of_tenant().is_empty());
}
