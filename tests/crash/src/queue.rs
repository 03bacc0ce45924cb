//! What the script does to a queue: messages that wait, are delayed, leased, given back, given up, emptied, consumed by a plugin, and one that
//! stays.

use std::sync::Arc;

use wharf_delivery::{
    AcceptEvent, AcceptRequest, Answer, Attempt, ConsumeRequest, Consumed, DeliveryId, Moved, Outcome, PublishRequest,
    QueueOp, QueueRequest, Quotas, Receipt, RedriveRequest, RedriveWhich, Request, TargetRef, Terms, WriteOp,
    WriteRequest,
};
use wharf_event::{Code, Digest, OrderingKey};

use crate::{
    runner::{BrokenOff, Runner},
    script::{accept, event, keep_for, name, tenant, told},
};

/// The group of two of the messages.
const GROUP: &str = "g";

/// Who has a message of that name, which is of the group if it begins with its name.
fn to(id: &str) -> TargetRef {
    let group = if id.starts_with("g-") { Some("other") } else { id.starts_with(GROUP).then_some(GROUP) };
    let order = group.map(|group| (OrderingKey::of(group), false));
    TargetRef { order, ..TargetRef::new(name("jobs"), name("queue/jobs")) }
}

/// Sends messages of these names, delayed by so much; those of a group begin with its name.
fn send(run: &mut Runner, names: &[&str], delay_ms: Option<u64>) -> Result<(), BrokenOff> {
    let Request::Accept(request) = accept(run.rules_version, Vec::new()) else {
        return Err(BrokenOff("it accepts nothing".into()));
    };
    let message = |id: &&str| AcceptEvent { event: event(id, 50), targets: vec![to(id)] };
    let delayed = delay_ms.map(|delay_ms| (name("jobs"), delay_ms));
    let request = AcceptRequest { events: names.iter().map(message).collect(), delayed, ..request };
    run.ask(vec![Request::Accept(request)]).map(drop)
}

fn asked(op: QueueOp, max_receives: Option<u32>) -> Request {
    let terms = Terms { delay_ms: 0, retention_ms: u64::MAX, max_receives, dead_letter: name("dead") };
    Request::Queue(QueueRequest { tenant: tenant(), queue: name("jobs"), terms, op })
}

/// Asks, and gives the receipts of what was received.
fn moved(run: &mut Runner, op: QueueOp, max_receives: Option<u32>) -> Result<Vec<Receipt>, BrokenOff> {
    match &run.ask(vec![asked(op, max_receives)])?[..] {
        [Answer::Moved(Moved { leases, .. })] => Ok(leases.iter().map(|lease| lease.receipt).collect()),
        other => Err(BrokenOff(format!("a queue answers with {other:?}"))),
    }
}

/// A message is older than its queue keeps any when it would be received, and goes.
fn expire(run: &mut Runner) -> Result<(), BrokenOff> {
    send(run, &["old"], None)?;
    let terms = Terms { delay_ms: 0, retention_ms: 0, max_receives: None, dead_letter: name("dead") };
    let op = QueueOp::Receive { count: 1, visibility_ms: 30_000 };
    match &run.ask(vec![Request::Queue(QueueRequest { tenant: tenant(), queue: name("jobs"), terms, op })])?[..] {
        [Answer::Moved(Moved { left: 1, leases, .. })] if leases.is_empty() => Ok(()),
        other => Err(BrokenOff(format!("what is too old is let go of with {other:?}"))),
    }
}

/// Six messages, behind one that is too old: one is done, one is given back for later, one is kept for longer, one waits behind that, two are delayed. Gives the one that
/// is kept.
pub fn begin(run: &mut Runner) -> Result<DeliveryId, BrokenOff> {
    expire(run)?;
    send(run, &["m1", "m2", "g1", "g2"], None)?;
    send(run, &["late", "later"], Some(60_000))?;
    let had = moved(run, QueueOp::Receive { count: 3, visibility_ms: 30_000 }, None)?;
    let [one, two, three] = had[..] else { return Err(BrokenOff(format!("{had:?} were received"))) };
    // What was asked for all three is kept of the first, which leaves; the others share it until they do, and it is carried.
    shares(run, &had, 300)?;
    run.freeze()?;
    // Two requests in one frame.
    let release = QueueOp::Release { receipts: vec![two], delay_ms: 5_000 };
    run.ask(vec![asked(QueueOp::Ack(vec![one]), None), asked(release, None)])?;
    run.write()?;
    consume(run)?;
    moved(run, QueueOp::Extend { receipts: vec![three], visibility_ms: 40_000 }, None)?;
    Ok(three.delivery)
}

/// A plugin ends four messages in two calls, each of which is one frame: the first succeeds, with effects, and of the second one event is given up.
/// What it publishes is the next of a group whose first leaves by that frame.
fn consume(run: &mut Runner) -> Result<(), BrokenOff> {
    send(run, &["g-one", "two", "three", "four"], None)?;
    let had = moved(run, QueueOp::Receive { count: 4, visibility_ms: 30_000 }, None)?;
    shares(run, &had, 20)?;
    let (good, bad) = had.split_at(had.len().min(2));
    let published = PublishRequest { event: event("g-next", 30), targets: vec![to("g-next")], queues: Vec::new() };
    let write = WriteRequest { bucket: name("kv"), key: "consumed".into(), op: WriteOp::Add(2) };
    let ended = good.iter().map(|receipt| consumed(*receipt, Outcome::Ack)).collect();
    let call = ConsumeRequest { published: vec![published], writes: vec![write], ..consuming(run, ended) };
    let reject = Outcome::DeadLetter { queue: name("dead"), code: Code::HandlerReject, reason: "as scripted".into() };
    let outcomes = [reject, Outcome::Ack];
    let ended = bad.iter().zip(outcomes).map(|(receipt, outcome)| consumed(*receipt, outcome)).collect();
    run.ask(vec![Request::Consume(Box::new(call))])?;
    let failed = consuming(run, ended);
    run.ask(vec![Request::Consume(Box::new(failed))])?;
    // What it published came behind nobody.
    match moved(run, QueueOp::Receive { count: 4, visibility_ms: 30_000 }, None)?[..] {
        [next] => moved(run, QueueOp::Ack(vec![next]), None).map(drop),
        ref other => Err(BrokenOff(format!("{other:?} were received"))),
    }
}

/// Models answer two questions about messages that somebody has, so many bytes each.
fn shares(run: &mut Runner, had: &[Receipt], bytes: usize) -> Result<(), BrokenOff> {
    let batch: Arc<[DeliveryId]> = had.iter().map(|receipt| receipt.delivery).collect();
    let Some(first) = batch.first().copied() else { return Err(BrokenOff("nothing was received".into())) };
    let keep = |call| keep_for(name("queue/jobs"), (first, Arc::clone(&batch)), call, bytes);
    run.ask(vec![keep(1), keep(2)]).map(drop)
}

fn consumed(receipt: Receipt, outcome: Outcome) -> Consumed {
    let attempt = Attempt { number: 1, release: Some(Digest::of(b"release")), duration_us: 7, details: Some(told(1)) };
    Consumed { receipt, attempt, outcome }
}

fn consuming(run: &Runner, ended: Vec<Consumed>) -> ConsumeRequest {
    ConsumeRequest {
        tenant: tenant(),
        queue: name("jobs"),
        consumer: name("sums"),
        ended,
        bus: Some(name("default")),
        reads: Vec::new(),
        rules_version: run.rules_version,
        published: Vec::new(),
        writes: Vec::new(),
        quotas: Quotas::default(),
        publish_per_s: None,
    }
}

/// In another life, after a jump of the clock: all have come back. What was kept is given up, and the next of its group takes its place; it comes
/// back behind that, and is let go of there. Two messages stay.
pub fn end(run: &mut Runner, kept: DeliveryId) -> Result<(), BrokenOff> {
    // Two were received before and go to the dead letters, the next two come.
    let had = moved(run, QueueOp::Receive { count: 4, visibility_ms: 30_000 }, Some(1))?;
    let [late, later] = had[..] else { return Err(BrokenOff(format!("{had:?} were received after the others"))) };
    moved(run, QueueOp::Return(vec![late]), None)?;
    run.freeze()?;
    let which = RedriveWhich::Ids(vec![kept]);
    run.ask(vec![Request::Redrive(RedriveRequest { tenant: tenant(), queue: name("dead"), which })])?;
    moved(run, QueueOp::Purge(vec![later.delivery]), None)?;
    run.write()?;
    match &run.ask(vec![asked(QueueOp::PurgeBehind(vec![(kept, OrderingKey::of(GROUP))]), None)])?[..] {
        [Answer::Moved(Moved { left: 1, .. })] => Ok(()),
        other => Err(BrokenOff(format!("what waits behind another is let go of with {other:?}"))),
    }
}
