//! An event that is owed to very many comes to be owed to each of them once, a page at a time, whoever asks how often.

use std::collections::{BTreeSet, HashMap};

use wharf_delivery::{
    Answer, DeliveryId, DeliveryRow, Due, FanOut, FanRequest, Outcome, Refused, Request, Table, TargetRef, keys,
    limits::{TARGETS_AT_ONCE, TARGETS_PER_EVENT_MAX},
};
use wharf_event::{AttributeValue, OrderingKey, Position};

use crate::{
    bench::{Partition, event, publish, settled, targets_of, tenant},
    receive,
};

/// How far an event came.
fn stands(p: &Partition, event: Position) -> Option<(u16, u16)> {
    FanOut::get(&p.tables, &tenant(), event).unwrap().map(|of| (of.next, of.total))
}

/// Lets the next deliveries arise, of these targets.
fn fan(p: &mut Partition, event: Position, next: u16, targets: &[TargetRef]) -> Result<Vec<Due>, Refused> {
    let targets: Vec<_> = targets.iter().skip(usize::from(next)).take(TARGETS_AT_ONCE).cloned().collect();
    let (answer, due) =
        p.ask(Request::Fan(FanRequest { tenant: tenant(), event, next, targets, delays: HashMap::new() }));
    answer.map(|_| due)
}

fn ids(due: &[Due]) -> BTreeSet<DeliveryId> {
    due.iter().map(|due| due.id).collect()
}

const AT: Position = Position { k: 2, i: 0 };

#[test]
fn each_delivery_arises_once_and_all_of_them_wait_from_the_beginning() {
    let (mut p, targets) = (Partition::new(), targets_of(600));
    let (answer, due) = p.accept("e", 600);
    answer.unwrap();
    let mut all = ids(&due);
    assert_eq!((due.len(), stands(&p, AT), p.tables_of(Table::Deliveries)), (256, Some((256, 600)), 256));
    let counted = |p: &Partition| (p.stats().deliveries, p.stats().pending, p.sequencer.pending());
    assert_eq!(counted(&p), (600, 600, 600));
    let since_ms = due[0].row.since_ms;
    p.now_ms += 5_000;
    for (next, arise) in [(256, 256), (512, 88)] {
        let before = p.tables.clone();
        assert_eq!(fan(&mut p, AT, next - 1, &targets).unwrap_err(), Refused::Gone);
        assert_eq!(p.tables, before);
        let due = fan(&mut p, AT, next, &targets).unwrap();
        // They wait for a time that has come: those of events behind it may be gone already.
        let has_come = |row: &DeliveryRow| (row.since_ms, row.due_ms, row.timed) == (since_ms, since_ms + 5_000, true);
        assert!(due.iter().all(|due| has_come(&due.row)));
        assert_eq!(due.len(), arise);
        all.extend(ids(&due));
        assert_eq!(p.replayed(), p.tables);
    }
    assert_eq!(fan(&mut p, AT, 512, &targets).unwrap_err(), Refused::Gone);
    assert_eq!((all.len(), stands(&p, AT), counted(&p)), (600, None, (600, 600, 600)));
    // Each is owed to whom it says, and is settled as any other.
    for (n, target) in (0..).zip(&targets) {
        let id = DeliveryId { event: AT, n };
        let row = DeliveryRow::waiting(&p.tables, &tenant(), target, id).unwrap().unwrap();
        assert_eq!(row.target.rule, target.rule);
        p.settle(settled(id, 1, Outcome::Ack)).0.unwrap();
    }
    assert_eq!(counted(&p), (600, 0, 0));
    assert_eq!(p.replayed(), p.tables);
}

#[test]
fn what_is_published_to_very_many_comes_to_them_too_and_nothing_beyond_the_hop_limit() {
    let mut p = Partition::new();
    p.accept("e", 1).0.unwrap();
    let mut settle = settled(DeliveryId { event: AT, n: 0 }, 1, Outcome::Ack);
    settle.published = vec![publish(event("x"), 1), publish(event("y"), 300)];
    let far = event("z").with_extension("wharfhops", AttributeValue::Integer(17)).unwrap();
    let mut beyond = settle.clone();
    beyond.published = vec![publish(far, 300)];
    assert_eq!(p.settle(beyond).0.unwrap_err(), Refused::TooManyTargets { targets: 300 });
    let (answer, due) = p.settle(settle);
    answer.unwrap();
    let at = Position { k: 3, i: 2 };
    assert_eq!((due.len(), stands(&p, at), p.stats().pending), (257, Some((256, 300)), 301));
    assert_eq!(fan(&mut p, at, 256, &targets_of(300)).unwrap().len(), 44);
    assert_eq!((stands(&p, at), p.stats().pending, p.tables_of(Table::Deliveries)), (None, 301, 301));
    assert_eq!(p.replayed(), p.tables);
}

#[test]
fn deliveries_with_an_ordering_key_take_their_places_with_the_event() {
    let mut p = Partition::new();
    let key = OrderingKey::of("k");
    let ordered = |rule: &str| {
        let target = TargetRef::new(rule.parse().unwrap(), "queue/jobs".parse().unwrap());
        TargetRef { order: Some((key.clone(), false)), ..target }
    };
    let accept = |p: &mut Partition, id: &str, targets: Vec<TargetRef>| {
        let mut request = p.accepting(id, 0);
        request.events[0].targets = targets;
        let (answer, due) = p.ask(Request::Accept(request));
        let Ok(Answer::Accepted(answers)) = answer else { panic!("{answer:?}") };
        answers.into_iter().next().unwrap().map(|_| due.len())
    };
    let mut targets = targets_of(256);
    targets.push(ordered("one"));
    // It would arise behind those of events that come later.
    assert_eq!(accept(&mut p, "wide", targets.clone()).unwrap_err(), Refused::TooManyTargets { targets: 257 });
    targets.rotate_right(1);
    assert_eq!(accept(&mut p, "wide", targets.clone()), Ok(256));
    assert_eq!(accept(&mut p, "narrow", vec![ordered("two")]), Ok(0), "it comes behind the other");
    assert_eq!(fan(&mut p, AT, 256, &targets).unwrap().len(), 1);
    let line = keys::line(&tenant(), &"queue/jobs".parse().unwrap(), &key);
    let line = wharf_delivery::Tables::scan(&p.tables, Table::Behind, &line, std::ops::Bound::Unbounded, 9).unwrap();
    assert_eq!(line.iter().map(|(_, row)| row.is_empty()).collect::<Vec<_>>(), [true, false]);
    assert_eq!((p.replayed(), p.stats().pending), (p.tables.clone(), 258));
}

#[test]
fn an_event_of_which_the_log_has_only_the_rest_is_whole_when_it_was_cleaned() {
    let (mut p, targets) = (Partition::new(), targets_of(600));
    p.accept("e", 600).0.unwrap();
    for next in [256, 512] {
        fan(&mut p, AT, next, &targets).unwrap();
    }
    // The log begins behind the event from now on, and before what came of it.
    p.clean();
    assert_eq!(p.replayed(), p.tables);
    let places = (0..600).map(|n| {
        let target = &targets[usize::from(n)];
        DeliveryRow::waiting(&p.tables, &tenant(), target, DeliveryId { event: AT, n }).unwrap().unwrap()
    });
    let places: Vec<_> = places.collect();
    assert!(places.iter().all(|row| p.event_at(row.place.unwrap()).unwrap() == event("e")));
}

#[test]
fn a_tenant_that_goes_takes_what_did_not_arise_along() {
    let (mut p, targets) = (Partition::new(), targets_of(600));
    p.own(Some(b"open"));
    let at = Position { k: 3, i: 0 };
    p.accept("e", 600).0.unwrap();
    fan(&mut p, at, 256, &targets).unwrap();
    assert_eq!(stands(&p, at), Some((512, 600)));
    p.erase(100);
    assert_eq!((p.of_tenant(), p.sequencer.pending()), (vec![], 0));
    assert_eq!(fan(&mut p, at, 512, &targets).unwrap_err(), Refused::Gone);
    assert_eq!(p.replayed(), p.tables);
}

#[test]
fn no_event_is_owed_to_more_than_may_be_and_no_step_brings_more_than_one_record_may() {
    let mut p = Partition::new();
    p.accept("e", TARGETS_PER_EVENT_MAX).0.unwrap();
    let targets = targets_of(TARGETS_PER_EVENT_MAX);
    for targets in [&targets[256..513], &targets[..0]] {
        let targets = targets.to_vec();
        let request = FanRequest { tenant: tenant(), event: AT, next: 256, targets, delays: HashMap::new() };
        assert_eq!(p.ask(Request::Fan(request)).0.unwrap_err(), Refused::Gone);
    }
    let mut next = 256;
    while let Some((at, _)) = stands(&p, AT) {
        assert_eq!(at, next);
        next += u16::try_from(fan(&mut p, AT, at, &targets).unwrap().len()).unwrap();
    }
    assert_eq!((usize::from(next), p.stats().pending), (TARGETS_PER_EVENT_MAX, TARGETS_PER_EVENT_MAX as u64));
}

#[test]
fn what_arises_behind_a_later_message_of_its_queue_is_received_when_the_queue_lets_it() {
    for delay_ms in [0, 20] {
        let mut p = Partition::new();
        let mut targets = targets_of(256);
        targets.extend(["one", "two"].map(|rule| TargetRef::new(rule.parse().unwrap(), receive::target())));
        let mut request = p.accepting("wide", 0);
        request.events[0].targets = targets.clone();
        p.ask(Request::Accept(request)).0.unwrap();
        let later = receive::send(&mut p, "later", None);
        assert_eq!(receive::receive(&mut p, 9)[0].0, later);
        p.now_ms += 5;
        let delays = HashMap::from([("jobs".parse().unwrap(), delay_ms)]);
        let delays = if delay_ms > 0 { delays } else { HashMap::new() };
        let request = FanRequest { tenant: tenant(), event: AT, next: 256, targets: targets[256..].to_vec(), delays };
        p.ask(Request::Fan(request)).0.unwrap();
        if delay_ms > 0 {
            p.now_ms += 14;
            assert!(receive::receive(&mut p, 9).is_empty(), "its delay counts from the event on");
            p.now_ms += 1;
        }
        let received: Vec<_> = receive::receive(&mut p, 9).into_iter().map(|(id, _)| id.n).collect();
        assert_eq!(received, [256, 257]);
        assert_eq!(p.replayed(), p.tables);
    }
}
