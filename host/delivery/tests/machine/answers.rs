//! What models answered: it is there for further attempts of its delivery, and for nobody and nothing else.

use std::sync::Arc;

use bytes::Bytes;
use wharf_delivery::{
    Answer, DeliveryId, KeepRequest, Outcome, QueueOp, RedriveRequest, RedriveWhich, Refused, Request, Sequencer,
    Table, Tables as _, answers_are_full, answers_left, kept_answer, keys,
    limits::{ANSWERS_PER_DELIVERY_BYTES_MAX, ANSWERS_PER_TENANT_BYTES_MAX},
    sizes,
};
use wharf_event::{Code, Digest, Target};

use crate::{
    bench::{Partition, settled, tenant},
    receive::{good, receive, send, target},
};

fn handler() -> Target {
    "handler".parse().unwrap()
}

/// An event that is owed to the handler.
fn owed(p: &mut Partition, id: &str) -> DeliveryId {
    match p.accept(id, 1).0.unwrap() {
        Answer::Accepted(answers) => DeliveryId { event: answers[0].as_ref().unwrap().position, n: 0 },
        other => panic!("{other:?}"),
    }
}

fn keep_for(p: &mut Partition, of: (Target, DeliveryId), call: u32, asked: &str, answer: &[u8]) -> Result<(), Refused> {
    keep_of(p, of, Arc::default(), (call, asked), answer)
}

/// Keeps an answer to what was asked for a batch, if it was.
pub fn keep_of(
    p: &mut Partition,
    (target, delivery): (Target, DeliveryId),
    batch: Arc<[DeliveryId]>,
    (call, asked): (u32, &str),
    answer: &[u8],
) -> Result<(), Refused> {
    let (request, answer) = (Digest::of(asked.as_bytes()), Bytes::copy_from_slice(answer));
    let request = KeepRequest { tenant: tenant(), target, delivery, batch, call, request, answer };
    p.ask(Request::Keep(request)).0.map(drop)
}

fn keep(p: &mut Partition, delivery: DeliveryId, call: u32, asked: &str, answer: &[u8]) -> Result<(), Refused> {
    keep_for(p, (handler(), delivery), call, asked, answer)
}

pub fn kept(p: &Partition, delivery: DeliveryId, call: u32, asked: &str) -> Option<Bytes> {
    kept_answer(&p.tables, (&tenant(), delivery, call), &Digest::of(asked.as_bytes())).unwrap()
}

pub fn bytes(p: &Partition) -> u64 {
    sizes::answer_bytes(&p.tables, &tenant()).unwrap()
}

fn retry() -> Outcome {
    Outcome::Retry { at_ms: 2_000_000, code: Code::HandlerRetry, reason: "again".into() }
}

fn give_up() -> Outcome {
    Outcome::DeadLetter { queue: "failed".parse().unwrap(), code: Code::HandlerReject, reason: "no".into() }
}

#[test]
fn an_answer_is_there_for_the_same_question_of_the_same_call_until_its_delivery_is_settled() {
    let mut p = Partition::new();
    let (id, other) = (owed(&mut p, "a"), owed(&mut p, "b"));
    assert_eq!(keep(&mut p, id, 1, "why", b"because"), Ok(()));
    assert_eq!(keep(&mut p, id, 2, "when", b""), Ok(()));
    assert_eq!(kept(&p, id, 1, "why").as_deref(), Some(&b"because"[..]));
    assert_eq!(kept(&p, id, 2, "when").as_deref(), Some(&b""[..]));
    for none in [kept(&p, id, 1, "when"), kept(&p, id, 2, "why"), kept(&p, id, 3, "why"), kept(&p, other, 1, "why")] {
        assert_eq!(none, None);
    }
    p.settle(settled(id, 1, retry())).0.unwrap();
    assert_eq!(kept(&p, id, 1, "why").as_deref(), Some(&b"because"[..]));
    // Another question as the same call takes its place.
    assert_eq!(keep(&mut p, id, 1, "who", b"me"), Ok(()));
    assert_eq!((kept(&p, id, 1, "why"), kept(&p, id, 1, "who").as_deref()), (None, Some(&b"me"[..])));
    assert_eq!(p.replayed(), p.tables);
    p.settle(settled(id, 2, Outcome::Ack)).0.unwrap();
    assert_eq!((p.tables_of(Table::Models), bytes(&p)), (0, 0));
    assert_eq!(keep(&mut p, id, 1, "why", b"late"), Err(Refused::Gone));
    assert_eq!(p.replayed(), p.tables);
}

#[test]
fn a_letter_has_no_answers_and_comes_back_without_them() {
    let mut p = Partition::new();
    let id = owed(&mut p, "a");
    keep(&mut p, id, 1, "why", b"because").unwrap();
    p.settle(settled(id, 1, give_up())).0.unwrap();
    assert_eq!(p.tables_of(Table::Models), 0);
    let (queue, which) = ("failed".parse().unwrap(), RedriveWhich::Ids(vec![id]));
    p.ask(Request::Redrive(RedriveRequest { tenant: tenant(), queue, which })).0.unwrap();
    assert_eq!(kept(&p, id, 1, "why"), None);
    assert_eq!(p.replayed(), p.tables);
}

#[test]
fn a_message_of_a_queue_takes_its_answers_along_however_it_leaves() {
    let mut p = Partition::new();
    let (done, purged) = (send(&mut p, "a", None), send(&mut p, "b", None));
    let had = receive(&mut p, 2);
    for id in [done, purged] {
        assert_eq!(keep(&mut p, id, 1, "why", b"x"), Err(Refused::Gone), "it is for the queue");
        keep_for(&mut p, (target(), id), 1, "why", b"because").unwrap();
    }
    assert_eq!(good(&mut p, QueueOp::Return(vec![had[0].1])), [true]);
    assert!(kept(&p, done, 1, "why").is_some());
    let again = receive(&mut p, 1);
    assert_eq!(good(&mut p, QueueOp::Ack(vec![again[0].1])), [true]);
    assert_eq!((kept(&p, done, 1, "why"), kept(&p, purged, 1, "why").is_some()), (None, true));
    good(&mut p, QueueOp::Purge(vec![purged]));
    assert_eq!((p.tables_of(Table::Models), bytes(&p)), (0, 0));
    assert_eq!(p.replayed(), p.tables);
}

#[test]
fn answers_have_room_for_each_delivery_and_for_all_of_a_tenant() {
    let mut p = Partition::new();
    let large = vec![b'x'; usize::try_from(ANSWERS_PER_DELIVERY_BYTES_MAX).unwrap() / 2];
    let id = owed(&mut p, "a");
    assert_eq!(answers_left(&p.tables, &tenant(), id).unwrap(), ANSWERS_PER_DELIVERY_BYTES_MAX);
    keep(&mut p, id, 1, "a", &large).unwrap();
    let left = answers_left(&p.tables, &tenant(), id).unwrap();
    assert_eq!(left, ANSWERS_PER_DELIVERY_BYTES_MAX - bytes(&p));
    assert!(left < large.len() as u64, "a key and a digest count too");
    assert!(matches!(keep(&mut p, id, 2, "b", &large), Err(Refused::AnswersFull { .. })));
    // In place of the one before it has room.
    keep(&mut p, id, 1, "b", &large).unwrap();
    // As if others had nearly all of the tenant's room.
    for (free, full, fits) in
        [(ANSWERS_PER_DELIVERY_BYTES_MAX, false, true), (ANSWERS_PER_DELIVERY_BYTES_MAX / 4, true, false)]
    {
        let others = ANSWERS_PER_TENANT_BYTES_MAX - free;
        p.tables.put(Table::Sizes, &keys::answers_size(&tenant()), others.to_le_bytes().to_vec());
        assert_eq!(answers_are_full(&p.tables, &tenant()).unwrap(), full);
        let id = owed(&mut p, &free.to_string());
        assert_eq!(keep(&mut p, id, 1, "a", &large).is_ok(), fits);
    }
}

#[test]
fn answers_outlive_a_restart_and_the_segment_that_they_came_in() {
    let mut p = Partition::new();
    let id = owed(&mut p, "a");
    keep(&mut p, id, 1, "why", b"because").unwrap();
    for n in 0..4 {
        owed(&mut p, &n.to_string());
    }
    p.clean();
    assert_eq!(p.replayed(), p.tables);
    assert_eq!(kept(&p, id, 1, "why").as_deref(), Some(&b"because"[..]));
    p.sequencer = Sequencer::new(300_000);
    p.sequencer.resume(&p.tables).unwrap();
    // What was carried once is carried again.
    for n in 4..12 {
        owed(&mut p, &n.to_string());
    }
    p.clean();
    assert_eq!(p.replayed(), p.tables);
    assert_eq!(kept(&p, id, 1, "why").as_deref(), Some(&b"because"[..]));
    p.settle(settled(id, 1, Outcome::Ack)).0.unwrap();
    assert_eq!((p.tables_of(Table::Models), bytes(&p)), (0, 0));
    assert_eq!(p.replayed(), p.tables);
}

#[test]
fn a_tenant_that_is_deleted_takes_its_answers_along() {
    let mut p = Partition::new();
    let id = owed(&mut p, "a");
    keep(&mut p, id, 1, "why", b"because").unwrap();
    keep(&mut p, id, 2, "why", b"because").unwrap();
    p.erase(2);
    assert_eq!(p.of_tenant(), []);
    assert_eq!(keep(&mut p, id, 1, "why", b"late"), Err(Refused::Gone));
    assert_eq!(p.replayed(), p.tables);
}
