//! What the script does to a queue: messages that wait, are delayed, leased, given back, given up, emptied, and one that stays.

use wharf_delivery::{
    AcceptEvent, AcceptRequest, Answer, Moved, QueueOp, QueueRequest, Receipt, Request, TargetRef, Terms,
};

use crate::{
    runner::{BrokenOff, Runner},
    script::{accept, event, name, tenant},
};

/// Sends messages of these names, delayed by so much.
fn send(run: &mut Runner, names: &[&str], delay_ms: Option<u64>) -> Result<(), BrokenOff> {
    let Request::Accept(request) = accept(run.rules_version, Vec::new()) else {
        return Err(BrokenOff("it accepts nothing".into()));
    };
    let to = TargetRef { rule: name("jobs"), to: name("queue/jobs") };
    let message = |id: &&str| AcceptEvent { event: event(id, 50), targets: vec![to.clone()] };
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

/// Six messages: one is done, one is given back for later, one is kept for longer, one is delayed, two wait.
pub fn begin(run: &mut Runner) -> Result<(), BrokenOff> {
    send(run, &["m1", "m2", "m3", "m4"], None)?;
    send(run, &["late", "later"], Some(60_000))?;
    let had = moved(run, QueueOp::Receive { count: 3, visibility_ms: 30_000 }, None)?;
    run.freeze()?;
    let [one, two, three] = had[..] else { return Err(BrokenOff(format!("{had:?} were received"))) };
    // Two requests in one frame.
    let release = QueueOp::Release { receipts: vec![two], delay_ms: 5_000 };
    run.ask(vec![asked(QueueOp::Ack(vec![one]), None), asked(release, None)])?;
    run.write()?;
    moved(run, QueueOp::Extend { receipts: vec![three], visibility_ms: 40_000 }, None).map(drop)
}

/// In another life, after a jump of the clock: all have come back, and one of them stays in the end.
pub fn end(run: &mut Runner) -> Result<(), BrokenOff> {
    // Two were received before and go to the dead letters, the next two come.
    let had = moved(run, QueueOp::Receive { count: 4, visibility_ms: 30_000 }, Some(1))?;
    let [four, late] = had[..] else { return Err(BrokenOff(format!("{had:?} were received after the others"))) };
    moved(run, QueueOp::Return(vec![four]), None)?;
    run.freeze()?;
    moved(run, QueueOp::Purge(vec![late.delivery]), None)?;
    run.write()
}
