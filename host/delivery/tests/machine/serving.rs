//! What a plugin does for a request that it answers: all of it is there or nothing, known events are left out, and it outlives its segment.

use bytes::Bytes;
use wharf_delivery::{
    AcceptEvent, Answer, Quotas, Read, ReadKey, Record, RecordKind, Refused, Request, ServeRequest, Table, Tables as _,
    ValueRow, WriteOp, WriteRequest, keys,
};
use wharf_event::{BucketName, Position};

use crate::bench::{Partition, event, targets_of, tenant};

fn bucket() -> BucketName {
    "kv".parse().unwrap()
}

fn write(key: &str, op: WriteOp) -> WriteRequest {
    WriteRequest { bucket: bucket(), key: key.to_owned(), op }
}

fn set(key: &str, value: &'static str) -> WriteRequest {
    write(key, WriteOp::Set(Bytes::from_static(value.as_bytes())))
}

/// A request that brings these events, each owed to one target.
fn request(p: &Partition, ids: &[&str], writes: Vec<WriteRequest>) -> ServeRequest {
    let events = ids.iter().map(|id| AcceptEvent { event: event(id), targets: targets_of(1) }).collect();
    let (plugin, request) = ("web".parse().unwrap(), "r1".to_owned());
    let accept = wharf_delivery::AcceptRequest { events, ..p.accepting("none", 0) };
    ServeRequest { accept, plugin, request, reads: Vec::new(), writes, publish_per_s: None }
}

fn serve(p: &mut Partition, request: ServeRequest) -> Result<Vec<bool>, Refused> {
    match p.ask(Request::Serve(Box::new(request))).0? {
        Answer::Accepted(answers) => Ok(answers.into_iter().map(|one| one.unwrap().duplicate).collect()),
        other => panic!("{other:?}"),
    }
}

fn value(p: &Partition, key: &str) -> Option<(Position, Bytes)> {
    let row = ValueRow::get(&p.tables, &keys::value(&tenant(), &bucket(), key)).unwrap();
    row.map(|row| (row.version, row.value))
}

#[test]
fn events_and_values_of_a_request_are_in_one_frame_and_known_events_are_left_out() {
    let mut p = Partition::new();
    let wish = request(&p, &["a", "b"], vec![set("k", "1"), write("n", WriteOp::Add(2))]);
    assert_eq!(serve(&mut p, wish), Ok(vec![false, false]));
    let frame: Vec<_> = p.log.iter().skip(1).map(|(at, _, kind, _)| (at.k, at.i, *kind)).collect();
    let (accept, served) = (RecordKind::Accept, RecordKind::Served);
    assert_eq!(frame, [(2, 0, accept), (2, 256, accept), (2, 512, served)]);
    assert_eq!(value(&p, "n"), Some((Position { k: 2, i: 512 }, Bytes::from_static(b"2"))));
    assert_eq!(p.tables_of(Table::Deliveries), 2);
    // One of them again: what else it does is done.
    let wish = request(&p, &["b", "c", "c"], vec![write("n", WriteOp::Add(1))]);
    assert_eq!(serve(&mut p, wish), Ok(vec![true, false, true]));
    assert_eq!((value(&p, "n").unwrap().1, p.tables_of(Table::Deliveries)), (Bytes::from_static(b"3"), 3));
    // The same event by the API is the same one.
    match p.accept("c", 1).0.unwrap() {
        Answer::Accepted(answers) => assert!(answers[0].as_ref().unwrap().duplicate),
        other => panic!("{other:?}"),
    }
    assert_eq!(p.replayed(), p.tables);
}

#[test]
fn what_a_request_read_is_checked_and_reading_alone_writes_nothing() {
    let mut p = Partition::new();
    let wish = request(&p, &[], vec![set("k", "1")]);
    serve(&mut p, wish).unwrap();
    let (version, _) = value(&p, "k").unwrap();
    let read = |version| Read { key: ReadKey::Value(bucket(), "k".to_owned()), version };
    let frames = p.log.len();
    let looked = ServeRequest { reads: vec![read(version)], ..request(&p, &[], Vec::new()) };
    assert_eq!(serve(&mut p, looked), Ok(Vec::new()));
    let stale = read(Position::ZERO);
    let looked = ServeRequest { reads: vec![stale.clone()], ..request(&p, &[], Vec::new()) };
    let conflict = Err(Refused::Conflict { keys: vec![stale.key.clone()] });
    assert_eq!(serve(&mut p, looked), conflict);
    let wrote = ServeRequest { reads: vec![stale], ..request(&p, &["a"], vec![set("k", "2")]) };
    assert_eq!(serve(&mut p, wrote), conflict);
    assert_eq!((p.log.len(), value(&p, "k").unwrap().1), (frames, Bytes::from_static(b"1")));
    // Nothing of it is remembered either: the event is new.
    let wish = request(&p, &["a"], Vec::new());
    assert_eq!(serve(&mut p, wish), Ok(vec![false]));
}

#[test]
fn what_is_refused_of_a_request_leaves_nothing() {
    let mut p = Partition::new();
    let wish = request(&p, &[], vec![set("k", "none")]);
    serve(&mut p, wish).unwrap();
    let (frames, tables) = (p.log.len(), p.tables.clone());
    let sum = request(&p, &["a"], vec![write("k", WriteOp::Add(1))]);
    assert!(matches!(serve(&mut p, sum), Err(Refused::Conflict { .. })));
    let mut stale = request(&p, &[], vec![set("k", "2")]);
    stale.accept.rules_version += 1;
    assert_eq!(serve(&mut p, stale), Err(Refused::StaleRules));
    for quotas in [
        Quotas { kv_bytes: Some(6), ..Quotas::default() },
        Quotas { backlog: Some(0), ..Quotas::default() },
        Quotas { publish_per_s: Some(1), ..Quotas::default() },
    ] {
        // A second's worth is taken of what there was none of before.
        let mut wish = request(&p, &["a", "b", "c"], vec![set("more", "x")]);
        wish.accept.quotas = quotas;
        if quotas.publish_per_s.is_some() {
            let mut first = request(&p, &["first"], Vec::new());
            first.accept.events[0].targets.clear();
            first.accept.quotas = quotas;
            p.ask(Request::Serve(Box::new(first))).0.unwrap();
            let refused = serve(&mut p, wish);
            assert!(matches!(refused, Err(Refused::Quota(_))), "{refused:?}");
            assert_eq!((p.log.len(), p.tables_of(Table::Deliveries)), (frames + 1, 0));
            continue;
        }
        let refused = serve(&mut p, wish);
        assert!(matches!(refused, Err(Refused::Quota(_))), "{refused:?}");
        assert_eq!((p.log.len(), &p.tables), (frames, &tables));
    }
    let mut wide = request(&p, &["w"], vec![set("k", "2")]);
    wide.accept.events[0].targets = targets_of(10_001);
    assert!(matches!(serve(&mut p, wide), Err(Refused::TooManyTargets { targets: 10_001 })));
    assert_eq!(value(&p, "k").unwrap().1, Bytes::from_static(b"none"));
}

#[test]
fn a_value_of_a_request_is_carried_when_its_segment_goes() {
    let mut p = Partition::new();
    let wish = request(&p, &["a"], vec![set("k", "1"), write("gone", WriteOp::Delete)]);
    serve(&mut p, wish).unwrap();
    let (position, _, kind, bytes) = p.log.last().unwrap().clone();
    let record = Record::decode(kind, &bytes).unwrap();
    assert!(matches!(&record, Record::Served { request, writes, .. } if request == "r1" && writes.len() == 2));
    let remains = wharf_delivery::Remains::of(&record, position).unwrap().unwrap();
    let held: Vec<_> = remains.held.iter().map(|held| (held.table, held.key.clone(), held.from)).collect();
    assert_eq!(held, [(Table::Values, Bytes::from(keys::value(&tenant(), &bucket(), "k")), position)]);
    assert!(p.tables.get(Table::Values, &held[0].1).unwrap().is_some());
}
