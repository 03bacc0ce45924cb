//! Queues: what clients receive comes once at a time, in log order, and ends with its own receipt only.

use std::collections::BTreeMap;

use proptest::prelude::*;
use wharf_delivery::{
    Answer, DeadLetterRow, DeliveryId, Due, Moved, QueueOp, QueueRequest, Receipt, Refused, Request, Table, TargetRef,
    Terms, keys,
    limits::{LEASED_PER_QUEUE_MAX, QUEUE_MOVES_MAX},
    sizes,
};
use wharf_event::{OrderingKey, Target};

use crate::bench::{Partition, tenant};

pub fn target() -> Target {
    "queue/jobs".parse().unwrap()
}

fn terms() -> Terms {
    Terms { delay_ms: 0, retention_ms: 100_000, max_receives: Some(3), dead_letter: "failed".parse().unwrap() }
}

/// Sends one message, and gives its id.
pub fn send(p: &mut Partition, id: &str, delay_ms: Option<u64>) -> DeliveryId {
    send_ordered(p, id, None, delay_ms)
}

pub fn send_ordered(p: &mut Partition, id: &str, key: Option<&str>, delay_ms: Option<u64>) -> DeliveryId {
    let mut request = p.accepting(id, 0);
    let order = key.map(|key| (OrderingKey::of(key), false));
    request.events[0].targets = vec![TargetRef { order, ..TargetRef::new("jobs".parse().unwrap(), target()) }];
    request.delayed = delay_ms.map(|delay_ms| ("jobs".parse().unwrap(), delay_ms));
    match p.ask(Request::Accept(request)).0.unwrap() {
        Answer::Accepted(answers) => DeliveryId { event: answers[0].as_ref().unwrap().position, n: 0 },
        other => panic!("{other:?}"),
    }
}

fn ask(p: &mut Partition, op: QueueOp) -> Result<(Moved, Vec<Due>), Refused> {
    let request = QueueRequest { tenant: tenant(), queue: "jobs".parse().unwrap(), terms: terms(), op };
    let (answer, due) = p.ask(Request::Queue(request));
    answer.map(|answer| match answer {
        Answer::Moved(moved) => (moved, due),
        other => panic!("{other:?}"),
    })
}

pub fn receive(p: &mut Partition, count: usize) -> Vec<(DeliveryId, Receipt)> {
    let (moved, _) = ask(p, QueueOp::Receive { count, visibility_ms: 30 }).unwrap();
    moved.leases.iter().map(|lease| (lease.receipt.delivery, lease.receipt)).collect()
}

fn ids(received: &[(DeliveryId, Receipt)]) -> Vec<DeliveryId> {
    received.iter().map(|(id, _)| *id).collect()
}

pub fn good(p: &mut Partition, op: QueueOp) -> Vec<bool> {
    ask(p, op).unwrap().0.good
}

pub fn depth(p: &Partition) -> u64 {
    sizes::backlog(&p.tables, &tenant(), &target()).unwrap()
}

pub fn dead(p: &Partition) -> u64 {
    DeadLetterRow::depth(&p.tables, &tenant(), &"failed".parse().unwrap()).unwrap().unwrap_or(0)
}

#[test]
fn messages_come_in_log_order_and_again_when_nobody_ended_them() {
    let mut p = Partition::new();
    let sent: Vec<_> = (0..5).map(|n| send(&mut p, &n.to_string(), None)).collect();
    let first = receive(&mut p, 2);
    assert_eq!(ids(&first), sent[..2]);
    assert_eq!(ids(&receive(&mut p, 10)), sent[2..]);
    assert!(receive(&mut p, 10).is_empty());
    p.now_ms += 30;
    // The lease is over, so its receipt is none.
    assert_eq!(good(&mut p, QueueOp::Ack(vec![first[0].1])), [false]);
    let again = receive(&mut p, 1);
    assert_eq!(ids(&again), sent[..1]);
    assert_eq!(good(&mut p, QueueOp::Ack(vec![first[0].1, again[0].1, again[0].1])), [false, true, false]);
    assert_eq!((depth(&p), p.stats().pending, p.stats().attempts), (4, 4, 6));
    assert_eq!(p.replayed(), p.tables);
}

#[test]
fn what_is_given_back_comes_when_it_is_to_and_what_is_kept_longer_does_not() {
    let mut p = Partition::new();
    let sent: Vec<_> = (0..3).map(|n| send(&mut p, &n.to_string(), None)).collect();
    let had = receive(&mut p, 3);
    assert_eq!(good(&mut p, QueueOp::Release { receipts: vec![had[0].1], delay_ms: 10 }), [true]);
    assert_eq!(good(&mut p, QueueOp::Extend { receipts: vec![had[1].1], visibility_ms: 100 }), [true]);
    assert_eq!(good(&mut p, QueueOp::Return(vec![had[2].1])), [true]);
    assert_eq!(ids(&receive(&mut p, 9)), sent[2..]);
    p.now_ms += 10;
    assert_eq!(ids(&receive(&mut p, 9)), sent[..1]);
    p.now_ms += 80;
    assert_eq!(ids(&receive(&mut p, 9)), [sent[0], sent[2]]);
    // Kept for longer, the receipt is the same.
    assert_eq!(good(&mut p, QueueOp::Ack(vec![had[1].1])), [true]);
    assert_eq!(p.replayed(), p.tables);
}

/// Receives of the queue as if it had such a delay.
fn received_after(p: &mut Partition, delay_ms: u64) -> Vec<(DeliveryId, Receipt)> {
    let op = QueueOp::Receive { count: 9, visibility_ms: 1_000 };
    let terms = Terms { delay_ms, ..terms() };
    match p.ask(Request::Queue(QueueRequest { tenant: tenant(), queue: "jobs".parse().unwrap(), terms, op })).0 {
        Ok(Answer::Moved(moved)) => moved.leases.iter().map(|it| (it.receipt.delivery, it.receipt)).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_message_that_becomes_the_first_of_its_group_waits_for_the_queues_delay_too() {
    let mut p = Partition::new();
    let first = send_ordered(&mut p, "first", Some("a"), None);
    p.now_ms += 15;
    let second = send_ordered(&mut p, "second", Some("a"), None);
    p.now_ms += 5;
    let had = received_after(&mut p, 20);
    assert_eq!(ids(&had), [first]);
    assert_eq!(good(&mut p, QueueOp::Ack(vec![had[0].1])), [true]);
    p.now_ms += 14;
    assert!(received_after(&mut p, 20).is_empty());
    p.now_ms += 1;
    assert_eq!(ids(&received_after(&mut p, 20)), [second]);
    assert_eq!(p.replayed(), p.tables);
}

#[test]
fn delays_are_of_a_message_or_of_the_queue() {
    let mut p = Partition::new();
    let (late, now) = (send(&mut p, "late", Some(50)), send(&mut p, "now", None));
    assert_eq!(ids(&receive(&mut p, 9)), [now]);
    p.now_ms += 50;
    assert_eq!(ids(&receive(&mut p, 9)), [late, now]);
    let young = send(&mut p, "young", None);
    assert!(received_after(&mut p, 20).is_empty());
    p.now_ms += 20;
    assert_eq!(ids(&received_after(&mut p, 20)), [young]);
    // A duplicate of a delayed message delays nothing.
    let mut twice = p.accepting("late", 0);
    twice.delayed = Some(("jobs".parse().unwrap(), 5));
    assert!(matches!(p.ask(Request::Accept(twice)).0, Ok(Answer::Accepted(it)) if it[0].as_ref().unwrap().duplicate));
    assert_eq!(p.replayed(), p.tables);
}

#[test]
fn as_many_are_out_as_may_and_those_that_came_back_can_still_be_had() {
    let mut p = Partition::new();
    let most = usize::try_from(LEASED_PER_QUEUE_MAX).unwrap();
    let sent: Vec<_> = (0..=most).map(|n| send(&mut p, &n.to_string(), None)).collect();
    for part in sent[..most].chunks(QUEUE_MOVES_MAX) {
        assert_eq!(ids(&receive(&mut p, QUEUE_MOVES_MAX)), part);
    }
    let op = || QueueOp::Receive { count: 9, visibility_ms: 30 };
    assert_eq!(ask(&mut p, op()).map(|_| ()), Err(Refused::TooManyLeased));
    // Nobody ended them, and their time is over: they come again, and what nobody had waits until there is room.
    p.now_ms += 30;
    let again = receive(&mut p, 9);
    assert_eq!(ids(&again), sent[..9]);
    assert_eq!(good(&mut p, QueueOp::Ack(vec![again[0].1])), [true]);
    p.now_ms += 30;
    let mut rest = Vec::new();
    while rest.len() < most {
        rest.extend(ids(&receive(&mut p, QUEUE_MOVES_MAX)));
    }
    rest.sort_unstable();
    assert!(rest == sent[1..], "each once");
    assert_eq!(ask(&mut p, op()).map(|_| ()), Err(Refused::TooManyLeased));
}

#[test]
fn what_was_received_too_often_or_is_too_old_leaves() {
    let mut p = Partition::new();
    let (often, old) = (send(&mut p, "often", None), send(&mut p, "old", None));
    for _ in 0..3 {
        assert_eq!(ids(&receive(&mut p, 1)), [often]);
        p.now_ms += 30;
    }
    // It goes when it would be received next, in the same request, and the next one comes.
    let (moved, _) = ask(&mut p, QueueOp::Receive { count: 9, visibility_ms: 30 }).unwrap();
    assert_eq!((moved.left, moved.leases.len(), depth(&p), dead(&p)), (1, 1, 1, 1));
    p.now_ms += 100_000;
    let (moved, _) = ask(&mut p, QueueOp::Tend(vec![often, old])).unwrap();
    assert_eq!((moved.left, depth(&p), dead(&p), p.stats().dead_letters), (1, 0, 1, 1));
    // Redriven it is young again, and an old receipt is none for its new lease.
    let which = wharf_delivery::RedriveWhich::After(None);
    let queue = "failed".parse().unwrap();
    p.ask(Request::Redrive(wharf_delivery::RedriveRequest { tenant: tenant(), queue, which })).0.unwrap();
    assert_eq!((ids(&receive(&mut p, 9)), depth(&p), dead(&p)), (vec![often], 1, 0));
    // Given back for the last time it goes at once.
    for left in [0, 0, 1] {
        let held = match receive(&mut p, 1).first() {
            Some((_, receipt)) => *receipt,
            None => {
                p.now_ms += 30;
                receive(&mut p, 1)[0].1
            }
        };
        let (moved, _) = ask(&mut p, QueueOp::Release { receipts: vec![held], delay_ms: 0 }).unwrap();
        if left == 1 || moved.left == 1 {
            assert_eq!((moved.left, dead(&p)), (1, 1));
            break;
        }
    }
    assert_eq!(p.replayed(), p.tables);
}

#[test]
fn emptying_takes_what_somebody_has_and_a_queue_that_is_gone_leaves_dead_letters() {
    let mut p = Partition::new();
    let sent: Vec<_> = (0..4).map(|n| send(&mut p, &n.to_string(), None)).collect();
    let had = receive(&mut p, 2);
    assert_eq!(ask(&mut p, QueueOp::Purge(vec![sent[0], sent[2], sent[2]])).unwrap().0.left, 2);
    assert_eq!(good(&mut p, QueueOp::Ack(vec![had[0].1])), [false]);
    assert_eq!(ask(&mut p, QueueOp::Gone(sent.clone())).unwrap().0.left, 2);
    assert_eq!((depth(&p), dead(&p), p.stats().pending), (0, 2, 0));
    assert!(keys::hidden_until(&keys::hidden(&tenant(), &target(), true, 7, sent[0])) == Some(7));
    assert_eq!(p.replayed(), p.tables);
}

#[test]
fn a_tenant_that_goes_takes_its_messages_along() {
    let mut p = Partition::new();
    for n in 0..6 {
        send(&mut p, &n.to_string(), (n % 3 == 0).then_some(1_000));
    }
    receive(&mut p, 2);
    p.erase(2);
    assert!(p.of_tenant().is_empty(), "{:?}", p.of_tenant());
    assert_eq!(p.sequencer.pending(), 0);
    assert_eq!(p.replayed(), p.tables);
    let next = send(&mut p, "next", None);
    assert_eq!(ids(&receive(&mut p, 9)), [next]);
}

#[test]
fn messages_of_one_group_come_one_after_the_other_and_groups_beside_each_other() {
    let mut p = Partition::new();
    let ids_of = |p: &mut Partition| ids(&receive(p, 9));
    let a: Vec<_> = (0..3).map(|n| send_ordered(&mut p, &format!("a{n}"), Some("a"), None)).collect();
    let b = send_ordered(&mut p, "b0", Some("b"), None);
    let free = send(&mut p, "free", None);
    let had = receive(&mut p, 9);
    assert_eq!(ids(&had), [a[0], b, free]);
    assert!(ids_of(&mut p).is_empty());
    // Given back it stays the first.
    assert_eq!(good(&mut p, QueueOp::Release { receipts: vec![had[0].1], delay_ms: 5 }), [true]);
    assert!(ids_of(&mut p).is_empty());
    p.now_ms += 5;
    let again = receive(&mut p, 9);
    assert_eq!(ids(&again), a[..1]);
    assert_eq!(good(&mut p, QueueOp::Ack(vec![again[0].1])), [true]);
    assert_eq!(ids_of(&mut p), a[1..2]);
    // Emptying takes those behind others too.
    let (behind, _) = wharf_delivery::behind(&p.tables, &tenant(), &target(), None, 9).unwrap();
    let keyed = behind.into_iter().map(|(id, row)| (id, row.target.key().unwrap().clone())).collect();
    assert_eq!(ask(&mut p, QueueOp::PurgeBehind(keyed)).unwrap().0.left, 1);
    assert_eq!((depth(&p), p.replayed()), (3, p.tables.clone()));
    p.clean();
    assert_eq!(p.replayed(), p.tables);
    p.erase(2);
    assert!(p.of_tenant().is_empty(), "{:?}", p.of_tenant());
}

#[test]
fn dead_letters_come_back_behind_those_of_their_group() {
    let mut p = Partition::new();
    let a: Vec<_> = (0..4).map(|n| send_ordered(&mut p, &format!("a{n}"), Some("a"), None)).collect();
    for _ in 0..3 {
        assert_eq!(ids(&receive(&mut p, 1)), a[..1]);
        p.now_ms += 30;
    }
    // The first is given up, and the next comes with the next request.
    assert!(receive(&mut p, 9).is_empty());
    let second = receive(&mut p, 9);
    assert_eq!((ids(&second), dead(&p)), (a[1..2].to_vec(), 1));
    let queue = "failed".parse().unwrap();
    let which = wharf_delivery::RedriveWhich::After(None);
    p.ask(Request::Redrive(wharf_delivery::RedriveRequest { tenant: tenant(), queue, which })).0.unwrap();
    assert!(receive(&mut p, 9).is_empty());
    let mut order = Vec::new();
    let mut held = second;
    while let Some((id, receipt)) = held.first().copied() {
        order.push(id);
        assert_eq!(good(&mut p, QueueOp::Ack(vec![receipt])), [true]);
        held = receive(&mut p, 9);
    }
    // The oldest of those that wait comes next.
    assert_eq!((order, depth(&p)), (vec![a[1], a[0], a[2], a[3]], 0));
    assert_eq!((p.tables_of(Table::Behind), p.replayed()), (0, p.tables.clone()));
}

/// What a message is to be, kept apart from the machine.
#[derive(Clone, Debug, Default)]
struct Message {
    receives: u32,
    /// Until when nobody gets it.
    hidden_ms: u64,
    /// Whom it comes behind.
    key: Option<u8>,
    /// The lease that it has.
    held: Option<Receipt>,
}

/// What the storm does next.
#[derive(Clone, Debug)]
enum Step {
    Send(Option<u8>, Option<u64>),
    Receive(usize),
    Ack(usize),
    Release(usize, u64),
    Extend(usize, u64),
    Return(usize),
    Wait(u64),
    Clean,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (proptest::option::weighted(0.6, 0..3_u8), proptest::option::weighted(0.2, 1..40_u64))
            .prop_map(|(key, ms)| Step::Send(key, ms)),
        4 => (1..5_usize).prop_map(Step::Receive),
        3 => (0..64_usize).prop_map(Step::Ack),
        1 => (0..64_usize, 0..40_u64).prop_map(|(n, ms)| Step::Release(n, ms)),
        1 => (0..64_usize, 1..60_u64).prop_map(|(n, ms)| Step::Extend(n, ms)),
        1 => (0..64_usize).prop_map(Step::Return),
        3 => (1..40_u64).prop_map(Step::Wait),
        1 => Just(Step::Clean),
    ]
}

/// The storm's own account of the queue.
#[derive(Default)]
struct Account {
    messages: BTreeMap<DeliveryId, Message>,
    /// Every receipt that was ever given.
    receipts: Vec<Receipt>,
    dead: u64,
}

impl Account {
    fn receive(&mut self, now_ms: u64, count: usize) -> Vec<DeliveryId> {
        let mut next = Vec::new();
        for kind in 0..3 {
            // Those that nobody had yet, those that were given back or delayed, and those whose lease is over.
            let of_kind = self.messages.iter().filter(|(id, message)| {
                let mut before = self.messages.range(..**id).map(|(_, other)| other.key);
                if message.key.is_some() && before.any(|key| key == message.key) {
                    return false;
                }
                let is = if message.held.is_some() { 2 } else { u32::from(message.hidden_ms > 0) };
                is == kind && message.hidden_ms <= now_ms
            });
            let mut free: Vec<_> = of_kind.map(|(id, message)| (message.hidden_ms, *id)).collect();
            free.sort_unstable();
            next.extend(free.iter().take(count).map(|(_, id)| *id));
        }
        next.sort_unstable();
        next.truncate(count);
        let mut given = Vec::new();
        for id in next {
            let message = self.messages.get_mut(&id).unwrap();
            if message.receives >= 3 {
                self.leaves(id, now_ms);
                self.dead += 1;
                continue;
            }
            message.receives += 1;
            message.hidden_ms = now_ms + 30;
            given.push(id);
        }
        given
    }

    /// A message leaves, and the next one behind it takes its place.
    fn leaves(&mut self, id: DeliveryId, now_ms: u64) {
        let Some(Message { key: Some(key), .. }) = self.messages.remove(&id) else { return };
        if let Some((_, next)) = self.messages.iter_mut().find(|(_, other)| other.key == Some(key)) {
            next.hidden_ms = now_ms;
        }
    }

    /// The message that a receipt is good for.
    fn held(&mut self, receipt: Receipt, now_ms: u64) -> Option<&mut Message> {
        let message = self.messages.get_mut(&receipt.delivery)?;
        (message.held == Some(receipt) && message.hidden_ms > now_ms).then_some(message)
    }

    fn end(&mut self, p: &mut Partition, step: &Step) {
        let (Step::Ack(n) | Step::Release(n, _) | Step::Extend(n, _) | Step::Return(n)) = *step else { return };
        if self.receipts.is_empty() {
            return;
        }
        let (receipt, now_ms) = (self.receipts[n % self.receipts.len()], p.now_ms);
        let (receipts, held) = (vec![receipt], self.held(receipt, now_ms));
        let is_good = held.is_some();
        let mut gone = None;
        let op = match *step {
            Step::Ack(_) => {
                gone = held.map(|_| 0);
                QueueOp::Ack(receipts)
            }
            Step::Release(_, delay_ms) => {
                if let Some(held) = held {
                    gone = (held.receives >= 3).then_some(1);
                    (held.hidden_ms, held.held) = (now_ms + delay_ms, None);
                }
                QueueOp::Release { receipts, delay_ms }
            }
            Step::Extend(_, visibility_ms) => {
                if let Some(held) = held {
                    held.hidden_ms = now_ms + visibility_ms;
                }
                QueueOp::Extend { receipts, visibility_ms }
            }
            _ => {
                if let Some(held) = held {
                    *held = Message { receives: held.receives - 1, hidden_ms: now_ms, held: None, key: held.key };
                }
                QueueOp::Return(receipts)
            }
        };
        assert_eq!(good(p, op), [is_good], "{step:?}");
        if let Some(dead) = gone {
            self.leaves(receipt.delivery, now_ms);
            self.dead += dead;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn a_storm_leaves_exactly_what_a_list_of_messages_says(steps in proptest::collection::vec(step(), 1..120)) {
        let (mut p, mut account) = (Partition::new(), Account::default());
        for (n, step) in steps.iter().enumerate() {
            match *step {
                Step::Send(key, delay_ms) => {
                    let name = key.map(|key| format!("group {key}"));
                    let id = send_ordered(&mut p, &n.to_string(), name.as_deref(), delay_ms);
                    let is_first = key.is_none() || account.messages.values().all(|other| other.key != key);
                    let hidden_ms = delay_ms.filter(|_| is_first).map_or(0, |delay_ms| p.now_ms + delay_ms);
                    account.messages.insert(id, Message { hidden_ms, key, ..Message::default() });
                }
                Step::Receive(count) => {
                    let given = receive(&mut p, count);
                    prop_assert_eq!(ids(&given), account.receive(p.now_ms, count));
                    for (id, receipt) in given {
                        account.messages.get_mut(&id).unwrap().held = Some(receipt);
                        account.receipts.push(receipt);
                    }
                }
                Step::Wait(ms) => p.now_ms += ms,
                Step::Clean => p.clean(),
                ref ending => account.end(&mut p, ending),
            }
            prop_assert_eq!((depth(&p), dead(&p)), (account.messages.len() as u64, account.dead));
            prop_assert_eq!(p.sequencer.pending(), depth(&p));
        }
        let hidden = p.tables_of(Table::Hidden);
        let was_received = |message: &&Message| message.receives > 0 || message.hidden_ms > 0;
        prop_assert_eq!(hidden, account.messages.values().filter(was_received).count());
        prop_assert_eq!(p.replayed(), p.tables.clone());
        for id in account.messages.keys() {
            let row = wharf_delivery::DeliveryRow::find(&p.tables, &tenant(), &target(), *id).unwrap();
            let (behind, _) = wharf_delivery::behind(&p.tables, &tenant(), &target(), None, 1_000).unwrap();
            let behind = behind.into_iter().find(|(other, _)| other == id).map(|(_, row)| row);
            prop_assert!(row.is_some() != behind.is_some());
            prop_assert!(p.event_at(row.or(behind).unwrap().event_at(*id)).is_some());
        }
    }
}
