//! Schedules fire once for each due time, and never before it.

use wharf_delivery::{Answer, Due, Expected, FireRequest, Quotas, Refused, Request, ScheduleState};

use crate::bench::Partition;

fn state(next_ms: Option<u64>, last_ms: Option<u64>) -> Option<ScheduleState> {
    Some(ScheduleState { timing: [7; 16], next_ms, last_ms })
}

/// A partition with a schedule that is due at the time that it is.
fn planted() -> (Partition, u64) {
    let mut p = Partition::new();
    let due_ms = p.now_ms;
    let plant = p.fire("s", state(Some(due_ms), None), None);
    assert!(asked(&mut p, plant).is_ok());
    (p, due_ms)
}

fn asked(p: &mut Partition, request: FireRequest) -> Result<Vec<Due>, Refused> {
    let (answer, due) = p.ask(Request::Fire(Box::new(request)));
    answer.map(|answer| {
        assert!(matches!(answer, Answer::Noted | Answer::Accepted(_)), "{answer:?}");
        due
    })
}

#[test]
fn a_due_time_fires_once_whoever_asks_how_often() {
    let (mut p, due_ms) = planted();
    let fires = p.fire("s", state(Some(due_ms + 60), Some(due_ms)), Some(2));
    assert_eq!(asked(&mut p, fires.clone()).unwrap().len(), 2);
    let after = p.tables.clone();
    assert_eq!(asked(&mut p, fires).unwrap_err(), Refused::Gone);
    // Not even by somebody who knows how it stands.
    let again = p.fire("s", state(Some(due_ms + 120), Some(due_ms)), Some(2));
    assert_eq!(asked(&mut p, again).unwrap_err(), Refused::Gone);
    assert_eq!((p.tables.clone(), p.stats().events), (after, 1));
    assert_eq!(p.replayed(), p.tables);
}

#[test]
fn what_a_client_sent_under_its_id_keeps_no_due_time_from_firing() {
    let (mut p, due_ms) = planted();
    let fires = p.fire("s", state(None, Some(due_ms)), Some(2));
    p.ask(Request::Accept(fires.event.clone().unwrap())).0.unwrap();
    assert_eq!((asked(&mut p, fires).unwrap().len(), p.stats().events), (2, 2));
    assert_eq!(p.replayed(), p.tables);
}

#[test]
fn nothing_fires_before_its_time_and_what_was_read_under_other_rules_comes_to_nothing() {
    let (mut p, due_ms) = planted();
    let early = p.fire("s", state(None, Some(due_ms + 1)), Some(1));
    assert_eq!(asked(&mut p, early).unwrap_err(), Refused::Gone);
    let stale = p.fire("s", state(None, Some(due_ms)), Some(1));
    p.change(&[("r", Some("1"))], Expected::Any).unwrap();
    assert_eq!(asked(&mut p, stale).unwrap_err(), Refused::StaleRules);
    assert_eq!((p.stands("s"), p.stats().events), (state(Some(due_ms), None), 0));
}

#[test]
fn a_firing_for_which_there_is_no_room_leaves_the_schedule_where_it_is() {
    let (mut p, due_ms) = planted();
    p.quotas = Quotas { backlog: Some(1), ..Quotas::default() };
    let fires = p.fire("s", state(None, Some(due_ms)), Some(2));
    assert!(matches!(asked(&mut p, fires).unwrap_err(), Refused::Quota(_)));
    let wide = p.fire("s", state(None, Some(due_ms)), Some(10_001));
    assert!(matches!(asked(&mut p, wide).unwrap_err(), Refused::Quota(_) | Refused::TooManyTargets { .. }));
    assert_eq!((p.stands("s"), p.stats().events), (state(Some(due_ms), None), 0));
    p.quotas = Quotas::default();
    let wide = p.fire("s", state(None, Some(due_ms)), Some(10_001));
    assert_eq!(asked(&mut p, wide).unwrap_err(), Refused::TooManyTargets { targets: 10_001 });
    assert_eq!(p.stands("s"), state(Some(due_ms), None));
}

#[test]
fn a_schedule_that_runs_no_more_leaves_nothing() {
    let (mut p, due_ms) = planted();
    let over = p.fire("s", state(None, Some(due_ms)), Some(0));
    assert!(asked(&mut p, over).is_ok());
    p.clean();
    assert_eq!((p.stands("s"), p.replayed()), (state(None, Some(due_ms)), p.tables.clone()));
    let gone = p.fire("s", None, None);
    assert!(asked(&mut p, gone).is_ok());
    assert_eq!((p.stands("s"), p.replayed()), (None, p.tables.clone()));
}
