//! One behaviour a test.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use wharf_delivery::{
    AcceptEvent, AcceptRequest, Answer, BucketRow, DeadLetterRow, DeliveryId, Details, DiscardRequest, EditRequest,
    Expected, Hourly, Object, ObjectFate, ObjectKind, Outcome, QuotaSpent, Quotas, Read, ReadKey, RedriveRequest,
    RedriveWhich, Redriven, Refused, Request, SettleRequest, Table, Tables as _, Used, WriteOp, hops, keys,
    limits::TARGETS_PER_EVENT_MAX, sizes,
};
use wharf_event::{AttributeValue, Code, EDITED_ATTRIBUTE, Position, QueueName};

use crate::bench::{Partition, event, publish, settled, targets_of, tenant, write};

fn accepted(answer: Result<Answer, Refused>) -> (Position, bool) {
    match answer.unwrap() {
        Answer::Accepted(list) => {
            let one = list.into_iter().next().unwrap().unwrap();
            (one.position, one.duplicate)
        }
        other => panic!("{other:?}"),
    }
}

fn dead(reason: &str) -> Outcome {
    Outcome::DeadLetter { queue: "failed".parse().unwrap(), code: Code::HandlerReject, reason: reason.into() }
}

fn depth(partition: &Partition) -> Option<u64> {
    DeadLetterRow::depth(&partition.tables, &tenant(), &"failed".parse().unwrap()).unwrap()
}

#[test]
fn an_event_is_owed_to_each_target_once_and_known_when_it_comes_again() {
    let mut p = Partition::new();
    let (answer, due) = p.accept("a", 2);
    let (position, duplicate) = accepted(answer);
    assert!(!duplicate);
    assert_eq!(due.iter().map(|due| due.id.to_string()).collect::<Vec<_>>(), ["2-0.0", "2-0.1"]);
    let (again, due) = p.accept("a", 2);
    assert_eq!(accepted(again), (position, true));
    assert!(due.is_empty());
    p.now_ms += 400_000;
    assert!(!accepted(p.accept("a", 2).0).1, "the window is over");
    assert_eq!((p.stats().events, p.stats().deliveries, p.stats().pending), (2, 4, 4));
}

#[test]
fn what_cannot_be_taken_is_refused_and_changes_nothing() {
    let mut p = Partition::new();
    let before = p.tables.clone();
    let (answer, _) = p.accept("a", TARGETS_PER_EVENT_MAX + 1);
    let Answer::Accepted(list) = answer.unwrap() else { panic!() };
    assert_eq!(list, [Err(Refused::TooManyTargets { targets: TARGETS_PER_EVENT_MAX + 1 })]);
    let nowhere = DeliveryId { event: Position { k: 9, i: 0 }, n: 0 };
    assert_eq!(p.settle(settled(nowhere, 1, Outcome::Ack)).0.unwrap_err(), Refused::Gone);
    assert_eq!(p.tables, before);
    assert!(!accepted(p.accept("a", 1).0).1, "a refused event is not remembered");
}

#[test]
fn a_filtered_delivery_is_settled_and_owed_no_more() {
    let mut p = Partition::new();
    let (position, _) = accepted(p.accept("a", 1).0);
    let id = DeliveryId { event: position, n: 0 };
    let filtered = Outcome::Filtered { transform: "enrich".parse().unwrap() };
    let (answer, due) = p.settle(settled(id, 1, filtered));
    assert!(matches!(answer.unwrap(), Answer::Settled(_)) && due.is_empty());
    let stats = p.stats();
    assert_eq!((stats.pending, stats.attempts, stats.retries, stats.dead_letters), (0, 1, 0, 0));
    assert_eq!(p.settle(settled(id, 2, Outcome::Ack)).0.unwrap_err(), Refused::Gone);
}

#[test]
fn an_attempt_settles_once_and_only_in_its_turn() {
    let mut p = Partition::new();
    let id = p.accept("a", 1).1[0].id;
    assert_eq!(p.settle(settled(id, 2, Outcome::Ack)).0.unwrap_err(), Refused::Gone);
    let retry = Outcome::Retry { at_ms: p.now_ms + 500, code: Code::HandlerRetry, reason: "later".into() };
    let (_, due) = p.settle(settled(id, 1, retry));
    assert_eq!((due[0].row.attempts, due[0].row.due_ms), (1, p.now_ms + 500));
    assert_eq!(p.settle(settled(id, 1, Outcome::Ack)).0.unwrap_err(), Refused::Gone);
    p.settle(settled(id, 2, Outcome::Ack)).0.unwrap();
    assert_eq!(p.settle(settled(id, 2, Outcome::Ack)).0.unwrap_err(), Refused::Gone);
    let stats = p.stats();
    assert_eq!((stats.attempts, stats.retries, stats.pending), (2, 1, 0));
}

#[test]
fn effects_commit_with_the_settlement_and_chain_to_new_deliveries() {
    let mut p = Partition::new();
    let id = p.accept("a", 1).1[0].id;
    let mut settle = settled(id, 1, Outcome::Ack);
    settle.published = vec![publish(event("x"), 1), publish(event("y"), 0), publish(event("z"), 2)];
    settle.writes = vec![write("n", WriteOp::Add(3)), write("s", WriteOp::Set(Bytes::from_static(b"v")))];
    let (_, due) = p.settle(settle);
    assert_eq!(due.iter().map(|due| due.id.to_string()).collect::<Vec<_>>(), ["3-1.0", "3-3.0", "3-3.1"]);
    assert_eq!(p.value("n"), Some(("3".into(), Position { k: 3, i: 0 })));
    let bucket = BucketRow::get(&p.tables, &keys::bucket(&tenant(), &"kv".parse().unwrap())).unwrap().unwrap();
    assert_eq!((bucket.keys, bucket.membership), (2, Position { k: 3, i: 0 }));
    assert_eq!((p.stats().published, p.stats().deliveries, p.stats().pending), (3, 4, 3));
}

#[test]
fn a_read_that_went_stale_is_a_conflict_and_adds_never_are() {
    let mut p = Partition::new();
    let due = p.accept("a", 3).1;
    let key = ReadKey::Value("kv".parse().unwrap(), "n".into());
    let listing = ReadKey::Listing("kv".parse().unwrap());
    let mut reader = settled(due[0].id, 1, Outcome::Ack);
    reader.reads = vec![
        Read { key: key.clone(), version: Position::ZERO },
        Read { key: listing.clone(), version: Position::ZERO },
    ];
    for delivery in &due[1..] {
        let mut adder = settled(delivery.id, 1, Outcome::Ack);
        adder.writes = vec![write("n", WriteOp::Add(1))];
        p.settle(adder).0.unwrap();
    }
    assert_eq!(p.value("n").unwrap().0, "2");
    let before = p.tables.clone();
    assert_eq!(p.settle(reader.clone()).0.unwrap_err(), Refused::Conflict { keys: vec![key.clone(), listing] });
    assert_eq!(p.tables, before);
    reader.reads = vec![Read { key, version: p.value("n").unwrap().1 }];
    p.settle(reader).0.unwrap();
}

#[test]
fn an_add_to_what_is_no_number_or_beyond_its_range_is_a_conflict() {
    for value in ["abc", "9223372036854775807", ""] {
        let mut p = Partition::new();
        let due = p.accept("a", 2).1;
        let mut set = settled(due[0].id, 1, Outcome::Ack);
        set.writes = vec![write("n", WriteOp::Set(Bytes::copy_from_slice(value.as_bytes())))];
        p.settle(set).0.unwrap();
        let mut add = settled(due[1].id, 1, Outcome::Ack);
        add.writes = vec![write("n", WriteOp::Add(1))];
        assert!(matches!(p.settle(add).0, Err(Refused::Conflict { .. })), "{value}");
    }
}

#[test]
fn events_matched_with_old_rules_are_sent_back() {
    let mut p = Partition::new();
    let id = p.accept("a", 1).1[0].id;
    let mut settle = settled(id, 1, Outcome::Ack);
    settle.rules_version = 0;
    settle.published = vec![publish(event("x"), 0)];
    assert_eq!(p.settle(settle).0.unwrap_err(), Refused::StaleRules);
}

#[test]
fn an_event_beyond_the_hop_limit_is_kept_and_its_deliveries_are_dead_lettered() {
    let mut p = Partition::new();
    let id = p.accept("a", 1).1[0].id;
    let mut settle = settled(id, 1, Outcome::Ack);
    let far = |hops: i32| event("x").with_extension("wharfhops", hops).unwrap();
    settle.published = vec![publish(far(16), 1), publish(far(17), 2)];
    let (_, due) = p.settle(settle);
    assert_eq!(due.len(), 1);
    assert_eq!(DeadLetterRow::depth(&p.tables, &tenant(), &"loops".parse().unwrap()).unwrap(), Some(2));
    assert_eq!((p.stats().pending, p.stats().dead_letters), (1, 2));
}

#[test]
fn publishing_has_bounds_of_its_own_and_a_hop_count_cannot_be_talked_down() {
    let mut p = Partition::new();
    let id = p.accept("a", 1).1[0].id;
    let mut settle = settled(id, 1, Outcome::Ack);
    settle.published = vec![publish(event("x"), TARGETS_PER_EVENT_MAX + 1)];
    let before = p.tables.clone();
    assert!(matches!(p.settle(settle).0, Err(Refused::TooManyTargets { .. })));
    assert_eq!(p.tables, before);
    let cases =
        [(AttributeValue::from(i32::MIN), 0), (3.into(), 3), ("7".into(), 7), ("-7".into(), 0), (true.into(), 0)];
    for (said, counted) in cases {
        assert_eq!(hops(&event("x").with_extension("wharfhops", said).unwrap()), counted);
    }
}

#[test]
fn dead_letters_keep_their_reason_and_come_back_with_a_fresh_policy() {
    let mut p = Partition::new();
    let ids: Vec<_> = ["a", "b", "c"].iter().map(|id| p.accept(id, 1).1[0].id).collect();
    for id in &ids {
        p.settle(settled(*id, 1, dead("no"))).0.unwrap();
    }
    assert_eq!((depth(&p), p.stats().dead_letters, p.stats().pending), (Some(3), 3, 0));
    let redrive =
        |which| Request::Redrive(RedriveRequest { tenant: tenant(), queue: "failed".parse().unwrap(), which });
    let (answer, due) = p.ask(redrive(RedriveWhich::Ids(vec![ids[1], ids[1]])));
    assert!(matches!(answer, Ok(Answer::Redriven(Redriven { moved: 1, last: Some(id) })) if id == ids[1]));
    assert_eq!((due[0].id, due[0].row.attempts), (ids[1], 0));
    assert_eq!(
        p.ask(redrive(RedriveWhich::Ids(vec![ids[0], ids[1]]))).0.unwrap_err(),
        Refused::UnknownDeadLetter { id: ids[1] }
    );
    p.settle(settled(ids[1], 1, Outcome::Ack)).0.unwrap();
    let (answer, due) = p.ask(redrive(RedriveWhich::After(None)));
    assert!(matches!(answer, Ok(Answer::Redriven(Redriven { moved: 2, last: Some(id) })) if id == ids[2]));
    assert_eq!(due.len(), 2);
    assert!(p.ask(redrive(RedriveWhich::After(Some(ids[2])))).1.is_empty(), "nothing is behind the cursor");
    assert_eq!((depth(&p), p.stats().redriven, p.stats().pending), (Some(0), 3, 2));
    let nowhere =
        RedriveRequest { tenant: tenant(), queue: "other".parse().unwrap(), which: RedriveWhich::After(None) };
    assert_eq!(p.ask(Request::Redrive(nowhere)).0.unwrap_err(), Refused::UnknownQueue);
}

#[test]
fn letters_that_are_let_go_of_are_in_no_table_and_come_back_in_no_way() {
    let mut p = Partition::new();
    let ids: Vec<_> = ["a", "b", "c", "d"].iter().map(|id| p.accept(id, 1).1[0].id).collect();
    for id in &ids {
        p.settle(settled(*id, 1, dead("no"))).0.unwrap();
    }
    let queue: QueueName = "failed".parse().unwrap();
    let discard = |which| Request::Discard(DiscardRequest { tenant: tenant(), queue: queue.clone(), which });
    let redrive = |which| Request::Redrive(RedriveRequest { tenant: tenant(), queue: queue.clone(), which });
    let before = p.tables.clone();
    let other = discard(RedriveWhich::Ids(vec![ids[0], DeliveryId { n: 7, ..ids[0] }]));
    assert!(matches!(p.ask(other).0, Err(Refused::UnknownDeadLetter { .. })));
    assert_eq!(p.tables, before, "all or none");
    let (answer, due) = p.ask(discard(RedriveWhich::Ids(vec![ids[1], ids[1]])));
    assert!(matches!(answer, Ok(Answer::Discarded(Redriven { moved: 1, last: Some(id) })) if id == ids[1]));
    assert!(due.is_empty());
    assert_eq!((depth(&p), p.stats().dead_letters, p.stats().redriven, p.stats().pending), (Some(3), 4, 0, 0));
    let again = p.ask(redrive(RedriveWhich::Ids(vec![ids[1]]))).0.unwrap_err();
    assert_eq!(again, Refused::UnknownDeadLetter { id: ids[1] });
    let (answer, _) = p.ask(discard(RedriveWhich::After(Some(ids[2]))));
    assert!(matches!(answer, Ok(Answer::Discarded(Redriven { moved: 1, last: Some(id) })) if id == ids[3]));
    assert_eq!(p.ask(redrive(RedriveWhich::After(None))).1.len(), 2);
    let (answer, _) = p.ask(discard(RedriveWhich::After(None)));
    assert!(matches!(answer, Ok(Answer::Discarded(Redriven { moved: 0, last: None }))));
    assert_eq!(depth(&p), Some(0));
    for table in [Table::DeadLetters, Table::Letters] {
        assert!(p.tables.scan(table, &[], std::ops::Bound::Unbounded, 10).unwrap().is_empty());
    }
}

#[test]
fn an_edited_letter_comes_back_with_its_new_event_where_everything_else_is_as_it_was() {
    let mut p = Partition::new();
    let ids: Vec<_> = ["a", "b"].iter().map(|id| p.accept(id, 1).1[0].id).collect();
    for id in &ids {
        p.settle(settled(*id, 1, dead("no"))).0.unwrap();
    }
    let queue: QueueName = "failed".parse().unwrap();
    let edit = |delivery, queue: &QueueName, id| {
        let event = event(id).with_extension(EDITED_ATTRIBUTE, "now").unwrap();
        Request::Edit(Box::new(EditRequest { tenant: tenant(), queue: queue.clone(), delivery, edits: None, event }))
    };
    let (stats, lay) = (p.stats(), depth(&p));
    for id in ["first", "second"] {
        assert!(matches!(p.ask(edit(ids[0], &queue, id)).0, Ok(Answer::Noted)));
    }
    assert_eq!((p.stats(), depth(&p)), (stats, lay), "nothing is counted");
    let (queue_of, late) = (queue.clone(), event("late"));
    let stale =
        EditRequest { tenant: tenant(), queue: queue_of, delivery: ids[0], edits: Some(ids[0].event), event: late };
    assert_eq!(p.ask(Request::Edit(Box::new(stale))).0.unwrap_err(), Refused::Gone, "it has another event since");
    let redrive = |id| RedriveRequest { tenant: tenant(), queue: queue.clone(), which: RedriveWhich::Ids(vec![id]) };
    let due = p.ask(Request::Redrive(redrive(ids[0]))).1;
    assert_eq!(due[0].id, ids[0]);
    let event = p.event_at(due[0].row.event_at(ids[0])).unwrap();
    assert_eq!((event.id(), event.extension(EDITED_ATTRIBUTE)), ("second", Some(&"now".into())));
    assert_eq!(p.event_at(ids[0].event).unwrap().id(), "a", "what came in is where it was");
    let refused = p.ask(edit(ids[0], &queue, "late")).0.unwrap_err();
    assert_eq!(refused, Refused::UnknownDeadLetter { id: ids[0] });
    let nowhere = "other".parse().unwrap();
    assert_eq!(p.ask(edit(ids[1], &nowhere, "lost")).0.unwrap_err(), Refused::UnknownQueue);
}

#[test]
fn objects_change_together_by_what_they_are_taken_to_be() {
    let mut p = Partition::new();
    let made = p.change(&[("a", Some("1")), ("b", Some("2"))], Expected::Absent).unwrap();
    let at = Position { k: 2, i: 0 };
    assert_eq!((made.rules_version, &made.objects[..]), (2, &[ObjectFate::Created(at), ObjectFate::Created(at)][..]));
    assert_eq!(p.sequencer.rules_version(&tenant()), 2);
    assert_eq!(p.sequencer.rules_version(&"other".parse().unwrap()), 1, "another tenant's events need no new match");
    let before = p.tables.clone();
    for (expected, wishes) in [
        (Expected::Absent, &[("c", Some("3")), ("a", Some("3"))][..]),
        (Expected::Present, &[("a", Some("3")), ("c", None)]),
        (Expected::Version(Position { k: 1, i: 0 }), &[("a", Some("3"))]),
    ] {
        let refused = p.change(wishes, expected).unwrap_err();
        assert!(matches!(refused, Refused::ObjectChanged { .. }), "{refused:?}");
        assert_eq!((refused.code(), &p.tables), (Code::VersionConflict, &before), "all or none");
    }
    let same = p.change(&[("a", Some("1")), ("c", None)], Expected::Any).unwrap();
    assert_eq!((same.rules_version, &same.objects[..]), (2, &[ObjectFate::Unchanged(at), ObjectFate::Absent][..]));
    let other = p.change(&[("a", Some("3")), ("b", None)], Expected::Version(at)).unwrap();
    let at = Position { k: 3, i: 0 };
    assert_eq!((other.rules_version, &other.objects[..]), (3, &[ObjectFate::Replaced(at), ObjectFate::Removed][..]));
    assert_eq!((p.object("a").unwrap().version, p.object("b")), (at, None));
}

#[test]
fn an_event_that_was_matched_before_the_rules_changed_is_matched_again() {
    let mut p = Partition::new();
    let (old, _) = (p.sequencer.rules_version(&tenant()), p.change(&[("a", Some("1"))], Expected::Any).unwrap());
    let events = vec![AcceptEvent { event: event("e"), targets: targets_of(1) }];
    let bus = "default".parse().unwrap();
    let accept = AcceptRequest {
        tenant: tenant(),
        bus,
        rules_version: old,
        since_k: 0,
        quotas: Quotas::default(),
        backlogs: BTreeMap::new(),
        events,
        delayed: None,
    };
    assert_eq!(p.ask(Request::Accept(accept)).0.unwrap_err(), Refused::StaleRules);
    assert!(p.accept("e", 1).0.is_ok());
}

#[test]
fn objects_are_listed_by_name_and_page() {
    let mut p = Partition::new();
    let names: Vec<String> = (0..7).map(|n| format!("rule-{n}")).collect();
    let wishes: Vec<_> = names.iter().map(|name| (name.as_str(), Some("{}"))).collect();
    p.change(&wishes, Expected::Any).unwrap();
    let mut listed: Vec<String> = Vec::new();
    let mut after = None;
    loop {
        let page = Object::page(&p.tables, &tenant(), ObjectKind::Rule, after.as_ref(), 3).unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.name.clone());
        listed.extend(page.iter().map(|object| object.name.to_string()));
    }
    assert_eq!(listed, names);
}

#[test]
fn what_there_is_of_a_tenant_goes_and_nobody_takes_it_for_his_own() {
    let mut p = Partition::new();
    p.change(&[("a", Some("1"))], Expected::Any).unwrap();
    let ids: Vec<DeliveryId> = p.accept("e", 3).1.iter().map(|due| due.id).collect();
    let mut first = settled(ids[0], 1, Outcome::Ack);
    first.writes = vec![write("k", WriteOp::Set(Bytes::from_static(b"1")))];
    p.settle(first).0.unwrap();
    let again = Outcome::Retry { at_ms: 2_000_000, code: Code::HandlerRetry, reason: "r".into() };
    p.settle(settled(ids[1], 1, again)).0.unwrap();
    let queue = "failed".parse().unwrap();
    p.settle(settled(ids[2], 1, Outcome::DeadLetter { queue, code: Code::HandlerReject, reason: "no".into() }))
        .0
        .unwrap();
    let of: std::collections::BTreeSet<wharf_delivery::Table> =
        p.of_tenant().into_iter().map(|(table, _)| table).collect();
    assert_eq!(of.len(), 11, "a row in every table of a tenant, timers and letters among them: {of:?}");
    // Nothing goes on the word of a record that is not the last one of its kind.
    let closed_at = p.own(Some(b"closed")).unwrap();
    p.own(Some(b"made again")).unwrap();
    let (before, pending) = (p.of_tenant(), p.sequencer.pending());
    assert!(!p.erase_page(closed_at, usize::MAX));
    assert_eq!((p.of_tenant(), p.sequencer.pending()), (before, pending));
    p.erase(usize::MAX);
    assert_eq!((p.of_tenant(), p.sequencer.pending()), (Vec::new(), 0));
    assert_eq!(p.settle(settled(ids[1], 2, Outcome::Ack)).0.unwrap_err(), Refused::Gone, "an attempt that still ran");
    // Another tenant of that name: what was accepted for the first one is none of its duplicates.
    for duplicate in [false, true] {
        let Ok(Answer::Accepted(answers)) = p.accept("e", 1).0 else { panic!("it was refused") };
        assert_eq!(answers[0].as_ref().map(|one| one.duplicate), Ok(duplicate));
    }
}

/// The quota that a request met.
fn spent(answer: Result<Answer, Refused>) -> Option<QuotaSpent> {
    match answer {
        Ok(_) => None,
        Err(Refused::Quota(spent)) => Some(spent),
        Err(other) => panic!("{other:?}"),
    }
}

#[test]
fn as_many_deliveries_wait_as_the_tenant_and_its_plugin_may() {
    let mut p = Partition::new();
    p.quotas.backlog = Some(5);
    let ids: Vec<DeliveryId> = p.accept("a", 4).1.iter().map(|due| due.id).collect();
    let met = |of, waiting, most| Some(QuotaSpent::Backlog { of, waiting, most });
    assert_eq!(spent(p.accept("b", 2).0), met(None, 4, 5));
    p.backlog = Some(4);
    assert_eq!(spent(p.accept("b", 1).0), met(Some("handler".parse().unwrap()), 4, 4));
    assert_eq!(spent(p.accept("c", 0).0), None, "an event that nobody gets waits for nobody");
    // A retry waits still, a dead letter does not, and what is published has a fifth more room.
    p.settle(settled(ids[0], 1, Outcome::Retry { at_ms: 1, code: Code::HandlerRetry, reason: "r".into() })).0.unwrap();
    assert_eq!(spent(p.accept("b", 1).0), met(Some("handler".parse().unwrap()), 4, 4));
    p.settle(settled(ids[1], 1, dead("no"))).0.unwrap();
    assert_eq!(spent(p.accept("b", 1).0), None);
    let publishing = |targets| SettleRequest {
        published: vec![publish(event("p"), targets)],
        quotas: Quotas { backlog: Some(5), ..Quotas::default() },
        ..settled(ids[2], 1, Outcome::Ack)
    };
    assert_eq!(spent(p.settle(publishing(3)).0), met(None, 4, 6));
    assert_eq!(spent(p.settle(publishing(2)).0), None);
    assert_eq!(sizes::backlogs(&p.tables, &tenant()).unwrap(), [("handler".parse().unwrap(), 5)]);
}

#[test]
fn a_tenant_keeps_as_many_bytes_as_it_may_and_can_always_keep_fewer() {
    let mut p = Partition::new();
    let ids: Vec<DeliveryId> = p.accept("a", 5).1.iter().map(|due| due.id).collect();
    let mut keep = |n: usize, key: &str, op: WriteOp, most| {
        let quotas = Quotas { kv_bytes: Some(most), ..Quotas::default() };
        let settle = SettleRequest { writes: vec![write(key, op)], quotas, ..settled(ids[n], 1, Outcome::Ack) };
        let refused = spent(p.settle(settle).0);
        (refused, sizes::value_bytes(&p.tables, &tenant()).unwrap())
    };
    let set = |bytes: &'static [u8]| WriteOp::Set(Bytes::from_static(bytes));
    assert_eq!(keep(0, "key", set(b"1234567"), 10), (None, 10), "keys count as values do");
    let beyond = Some(QuotaSpent::Values { bytes: 11, most: 10 });
    assert_eq!(keep(1, "key", set(b"12345678"), 10), (beyond, 10));
    assert_eq!(keep(1, "key", set(b"123456"), 4), (None, 9), "fewer than before are never too many");
    assert_eq!(keep(2, "key", WriteOp::Add(1), 10), (None, 9));
    assert_eq!(keep(3, "other", WriteOp::Delete, 0), (None, 9));
    assert_eq!(keep(4, "key", WriteOp::Delete, 0), (None, 0));
    assert!(p.of_tenant().iter().all(|(table, _)| *table != Table::Sizes), "a size of nothing has no row");
}

#[test]
fn events_are_taken_and_published_as_fast_as_they_may() {
    let mut p = Partition::new();
    p.quotas.receive_per_s = Some(2);
    let ids: Vec<DeliveryId> = p.accept("a", 3).1.iter().map(|due| due.id).collect();
    assert_eq!(spent(p.accept("b", 0).0), None);
    assert_eq!(spent(p.accept("c", 0).0), Some(QuotaSpent::Receive { per_s: 2, after_ms: 500 }));
    p.now_ms += 500;
    assert_eq!(spent(p.accept("c", 0).0), None);
    let publishing = |n: usize, own| SettleRequest {
        published: vec![publish(event("p"), 0)],
        quotas: Quotas { publish_per_s: Some(2), ..Quotas::default() },
        publish_per_s: own,
        ..settled(ids[n], 1, Outcome::Ack)
    };
    assert_eq!(spent(p.settle(publishing(0, Some(1))).0), None);
    let of = Some("handler".parse().unwrap());
    assert_eq!(spent(p.settle(publishing(1, Some(1))).0), Some(QuotaSpent::Publish { of, per_s: 1, after_ms: 1_000 }));
    assert_eq!(spent(p.settle(publishing(1, None)).0), None);
    assert_eq!(spent(p.settle(publishing(2, None)).0), Some(QuotaSpent::Publish { of: None, per_s: 2, after_ms: 500 }));
    assert_eq!(spent(p.settle(settled(ids[2], 1, Outcome::Ack)).0), None, "who publishes nothing needs nothing");
}

#[test]
fn what_an_hour_may_use_is_what_all_attempts_in_it_used() {
    let mut p = Partition::new();
    let ids: Vec<DeliveryId> = p.accept("a", 4).1.iter().map(|due| due.id).collect();
    let charged = |n: usize, cpu_ms: u64| {
        let used = Used { cpu_ns: cpu_ms * 1_000_000, ..Used::default() };
        let details = Some(Arc::new(Details { used: Some(used), ..Details::default() }));
        let mut settle = settled(ids[n], 1, Outcome::Ack);
        settle.attempt.details = details;
        settle
    };
    p.settle(charged(0, 30)).0.unwrap();
    p.quotas.cpu_ms_per_hour = Some(50);
    assert_eq!(spent(p.accept("b", 1).0), None, "what was used before anybody asked counts: 30 ms");
    p.settle(charged(1, 20)).0.unwrap();
    let after_ms = 3_600_000 - p.now_ms % 3_600_000;
    let met = Some(QuotaSpent::Hour { what: Hourly::CpuMs, most: 50, after_ms });
    assert_eq!(spent(p.accept("c", 1).0), met);
    assert_eq!(spent(p.accept("c", 0).0), None, "who is owed to nobody uses nothing");
    let mut publishing = charged(2, 1);
    publishing.quotas = p.quotas;
    publishing.published = vec![publish(event("p"), 1)];
    assert_eq!(spent(p.settle(publishing).0), met);
    assert_eq!(spent(p.settle(charged(2, 1)).0), None);
    p.now_ms += after_ms;
    assert_eq!(spent(p.accept("c", 1).0), None, "another hour");
    p.settle(charged(3, 50)).0.unwrap();
    assert!(spent(p.accept("d", 1).0).is_some());
    p.erase(usize::MAX);
    assert_eq!(spent(p.accept("d", 1).0), None, "another one of its name");
    // The other figures of an hour.
    let mut settle = settled(DeliveryId { event: p.accept("e", 1).1[0].id.event, n: 0 }, 1, Outcome::Ack);
    let used = Used { bytes_in: 3, bytes_out: 4, host_calls: 5, ..Used::default() };
    settle.attempt.details = Some(Arc::new(Details { used: Some(used), ..Details::default() }));
    p.settle(settle).0.unwrap();
    for (quotas, what, most) in [
        (Quotas { bytes_per_hour: Some(7), ..Quotas::default() }, Hourly::Bytes, 7),
        (Quotas { host_calls_per_hour: Some(5), ..Quotas::default() }, Hourly::HostCalls, 5),
    ] {
        p.quotas = quotas;
        let Some(QuotaSpent::Hour { what: met, most: bound, .. }) = spent(p.accept("f", 1).0) else {
            panic!("{what:?}")
        };
        assert_eq!((met, bound), (what, most));
    }
    p.quotas = Quotas { bytes_per_hour: Some(8), host_calls_per_hour: Some(6), ..Quotas::default() };
    assert_eq!(spent(p.accept("f", 1).0), None);
}

#[test]
fn a_bus_has_a_bound_of_its_own_and_its_count_is_that_of_what_waits() {
    let mut p = Partition::new();
    p.quotas = Quotas { of_bus: Some(3), ..Quotas::default() };
    let bus = "default".parse().unwrap();
    let waiting = |p: &Partition| sizes::bus_backlog(&p.tables, &tenant(), &bus).unwrap();
    let met = |waiting, most| Some(QuotaSpent::BusBacklog { bus: "default".parse().unwrap(), waiting, most });
    let ids: Vec<_> = p.accept("a", 2).1.iter().map(|due| due.id).collect();
    assert_eq!((waiting(&p), spent(p.accept("b", 2).0)), (2, met(2, 3)));
    assert_eq!(spent(p.accept("c", 0).0), None, "what is owed to nobody waits for nobody");
    assert_eq!(spent(p.accept("d", 1).0), None);
    // A retry waits still; what is published has a fifth more room.
    p.settle(settled(ids[0], 1, Outcome::Retry { at_ms: 1, code: Code::HandlerRetry, reason: "r".into() })).0.unwrap();
    assert_eq!(waiting(&p), 3);
    let publishing = |targets| SettleRequest {
        published: vec![publish(event("p"), targets)],
        quotas: Quotas { of_bus: Some(5), ..Quotas::default() },
        ..settled(ids[1], 1, Outcome::Ack)
    };
    assert_eq!((spent(p.settle(publishing(4)).0), waiting(&p)), (met(3, 6), 3));
    assert_eq!((spent(p.settle(publishing(3)).0), waiting(&p)), (None, 5));
    // One that is given up waits no more, and waits again when it is sent again.
    p.settle(settled(ids[0], 2, dead("no"))).0.unwrap();
    assert_eq!(waiting(&p), 4);
    let (queue, which) = ("failed".parse().unwrap(), RedriveWhich::Ids(vec![ids[0]]));
    p.ask(Request::Redrive(RedriveRequest { tenant: tenant(), queue, which })).0.unwrap();
    assert_eq!((waiting(&p), p.replayed()), (5, p.tables.clone()));
    // Of an event that is owed to very many all count from the beginning.
    p.quotas = Quotas::default();
    p.accept("wide", TARGETS_PER_EVENT_MAX).0.unwrap();
    assert_eq!(waiting(&p), 5 + TARGETS_PER_EVENT_MAX as u64);
    p.erase(1_000);
    assert!(p.of_tenant().is_empty(), "a size of nothing has no row");
}
