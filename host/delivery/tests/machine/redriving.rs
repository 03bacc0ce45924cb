//! Redrives at a rate: each letter goes once, in the frame in which the cursor passes it, whoever asks how often.

use wharf_delivery::{
    Answer, DeadLetterRow, DeliveryId, Due, Outcome, RedriveRequest, RedriveState, RedriveWhich, Redriven,
    RedrivingRequest, Refused, ReplayPhase, Request,
};
use wharf_event::{Code, QueueName};

use crate::bench::{Partition, settled, tenant};

fn queue() -> QueueName {
    "failed".parse().unwrap()
}

fn state(after: Option<DeliveryId>, phase: ReplayPhase) -> RedriveState {
    RedriveState { document: "{}".into(), after, redriven: 0, phase, reason: String::new() }
}

fn stands(p: &Partition) -> Option<RedriveState> {
    RedriveState::get(&p.tables, &tenant(), &queue()).unwrap()
}

fn wish(p: &Partition, state: RedriveState, letters: &[DeliveryId]) -> RedrivingRequest {
    let (was, letters) = (stands(p), letters.to_vec());
    RedrivingRequest { tenant: tenant(), queue: queue(), rules_version: None, was, state, letters }
}

fn asked(p: &mut Partition, request: RedrivingRequest) -> Result<(u64, Vec<Due>), Refused> {
    let (answer, due) = p.ask(Request::Redriving(Box::new(request)));
    answer.map(|answer| match answer {
        Answer::Redriven(Redriven { moved, .. }) => (moved, due),
        other => panic!("{other:?}"),
    })
}

/// A partition with so many letters, and a redrive of them that is at its beginning.
fn begun(letters: usize) -> (Partition, Vec<DeliveryId>) {
    let mut p = Partition::new();
    let ids: Vec<_> = (0..letters).map(|n| p.accept(&format!("e{n}"), 1).1[0].id).collect();
    for id in &ids {
        let outcome = Outcome::DeadLetter { queue: queue(), code: Code::HandlerReject, reason: "no".to_owned() };
        p.settle(settled(*id, 1, outcome)).0.unwrap();
    }
    let begin = wish(&p, state(None, ReplayPhase::Running), &[]);
    assert_eq!(asked(&mut p, begin).unwrap().0, 0);
    (p, ids)
}

fn depth(p: &Partition) -> Option<u64> {
    DeadLetterRow::depth(&p.tables, &tenant(), &queue()).unwrap()
}

#[test]
fn a_letter_goes_once_with_the_cursor_that_passes_it() {
    let (mut p, ids) = begun(3);
    let on = wish(&p, state(Some(ids[1]), ReplayPhase::Running), &ids[..2]);
    let (moved, due) = asked(&mut p, on.clone()).unwrap();
    assert_eq!((moved, due.iter().map(|due| due.id).collect::<Vec<_>>()), (2, ids[..2].to_vec()));
    let after = p.tables.clone();
    assert_eq!(asked(&mut p, on).unwrap_err(), Refused::Gone);
    assert_eq!((p.tables == after, depth(&p), stands(&p).unwrap().redriven), (true, Some(1), 2));
    assert_eq!(p.replayed(), p.tables);
}

#[test]
fn one_that_somebody_else_sent_is_passed_over_and_not_counted() {
    let (mut p, ids) = begun(2);
    let on = wish(&p, state(Some(ids[1]), ReplayPhase::Running), &ids);
    let which = RedriveWhich::Ids(vec![ids[0]]);
    p.ask(Request::Redrive(RedriveRequest { tenant: tenant(), queue: queue(), which })).0.unwrap();
    assert_eq!(asked(&mut p, on).unwrap().0, 1);
    assert_eq!((depth(&p), stands(&p).unwrap().redriven, p.stats().redriven), (Some(0), 1, 2));
}

#[test]
fn it_moves_forward_only_and_sends_what_lies_between() {
    let (mut p, ids) = begun(4);
    let on = wish(&p, state(Some(ids[1]), ReplayPhase::Running), &ids[1..2]);
    asked(&mut p, on).unwrap();
    for (after, letters) in [(0, &ids[..0]), (2, &ids[..1]), (2, &ids[1..2]), (2, &ids[3..])] {
        let bad = wish(&p, state(Some(ids[after]), ReplayPhase::Running), letters);
        assert_eq!(asked(&mut p, bad).unwrap_err(), Refused::Gone, "{after} {letters:?}");
    }
    let other = RedriveState { document: "{ }".into(), ..state(Some(ids[2]), ReplayPhase::Running) };
    let other = wish(&p, other, &[]);
    assert_eq!(asked(&mut p, other).unwrap_err(), Refused::Gone);
    assert_eq!((depth(&p), stands(&p).unwrap().after), (Some(3), Some(ids[1])));
}

#[test]
fn one_that_is_over_sends_nothing_and_makes_room_for_the_next() {
    let (mut p, ids) = begun(2);
    let late = wish(&p, state(Some(ids[0]), ReplayPhase::Running), &ids[..1]);
    let second = wish(&p, RedriveState { document: "2".into(), ..state(None, ReplayPhase::Running) }, &[]);
    assert_eq!(asked(&mut p, second).unwrap_err(), Refused::Gone, "while it runs there is no other");
    let cancel = wish(&p, state(None, ReplayPhase::Cancelled), &[]);
    asked(&mut p, cancel).unwrap();
    assert_eq!(asked(&mut p, late).unwrap_err(), Refused::Gone);
    let on = wish(&p, state(Some(ids[0]), ReplayPhase::Running), &ids[..1]);
    assert_eq!(asked(&mut p, on).unwrap_err(), Refused::Gone);
    let next = wish(&p, RedriveState { document: "2".into(), ..state(None, ReplayPhase::Running) }, &[]);
    asked(&mut p, next).unwrap();
    assert_eq!((depth(&p), stands(&p).unwrap().document, p.replayed()), (Some(2), "2".into(), p.tables.clone()));
    p.erase(3);
    assert!(p.of_tenant().is_empty(), "a tenant that is deleted takes it along");
}
