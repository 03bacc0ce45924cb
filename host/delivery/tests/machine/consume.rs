//! Calls of a plugin with messages of a queue: each message ends once, with all effects of its call or with none.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use proptest::prelude::*;
use wharf_delivery::{
    Answer, Attempt, ConsumeRequest, Consumed, DeliveryId, Details, Outcome, PublishRequest, QueueOp, QueueRequest,
    QuotaSpent, Quotas, Read, ReadKey, Receipt, Refused, Request, Sequencer, TargetRef, Terms, Usage, Used, WriteOp,
};
use wharf_event::{Code, Digest, OrderingKey, Position};

use crate::{
    bench::{Partition, event, tenant, write},
    receive::{dead, depth, receive, send, send_ordered, target},
};

/// The end of a message, as its `number`-th receive, and what that used.
pub fn ended(receipt: Receipt, number: u32, outcome: Outcome) -> Consumed {
    let used = Used { cpu_ns: 10, host_calls: u64::from(number), ..Used::default() };
    let details = Some(Arc::new(Details { used: Some(used), ..Details::default() }));
    let attempt = Attempt { number, release: Some(Digest::of(b"release")), duration_us: 10, details };
    Consumed { receipt, attempt, outcome }
}

fn acked(receipts: &[Receipt]) -> Vec<Consumed> {
    receipts.iter().map(|receipt| ended(*receipt, 1, Outcome::Ack)).collect()
}

pub fn call(p: &Partition, ended: Vec<Consumed>) -> ConsumeRequest {
    ConsumeRequest {
        tenant: tenant(),
        queue: "jobs".parse().unwrap(),
        consumer: "sums".parse().unwrap(),
        ended,
        bus: Some("default".parse().unwrap()),
        reads: Vec::new(),
        rules_version: p.sequencer.rules_version(&tenant()),
        published: Vec::new(),
        writes: Vec::new(),
        quotas: Quotas::default(),
        publish_per_s: None,
    }
}

/// An event for the queue itself, behind those of its key.
fn published(id: &str, key: &str) -> PublishRequest {
    let order = Some((OrderingKey::of(key), false));
    let target = TargetRef { order, ..TargetRef::new("jobs".parse().unwrap(), target()) };
    PublishRequest { event: event(id), targets: vec![target], queues: Vec::new() }
}

pub fn consume(p: &mut Partition, call: ConsumeRequest) -> Result<Position, Refused> {
    match p.ask(Request::Consume(Box::new(call))).0? {
        Answer::Settled(settled) => Ok(settled.position),
        other => panic!("{other:?}"),
    }
}

fn receipts(p: &mut Partition, count: usize) -> Vec<Receipt> {
    receive(p, count).into_iter().map(|(_, receipt)| receipt).collect()
}

/// Attempts and what they used, of each plugin.
fn charged(p: &Partition) -> BTreeMap<String, (u64, u64)> {
    let usage = Usage::page_from(&p.tables, &tenant(), 0, u32::MAX, usize::MAX).unwrap();
    let mut sums = BTreeMap::new();
    for Usage { plugin, row, .. } in usage {
        let sum: &mut (u64, u64) = sums.entry(plugin.to_string()).or_default();
        (sum.0, sum.1) = (sum.0 + row.attempts, sum.1 + row.used.cpu_ns);
    }
    sums
}

pub fn reject() -> Outcome {
    Outcome::DeadLetter { queue: "failed".parse().unwrap(), code: Code::HandlerReject, reason: "no".into() }
}

#[test]
fn a_call_ends_all_its_messages_in_one_frame_with_its_effects_and_its_plugin_is_charged() {
    let mut p = Partition::new();
    let _ = ["0", "1", "2"].map(|id| send(&mut p, id, None));
    let had = receipts(&mut p, 3);
    let frames = p.log.last().unwrap().0.k;
    let effects = ConsumeRequest {
        published: vec![published("next", "a")],
        writes: vec![write("sum", WriteOp::Add(3))],
        ..call(&p, acked(&had))
    };
    consume(&mut p, effects).unwrap();
    assert!(p.log.iter().filter(|(at, ..)| at.k > frames).all(|(at, ..)| at.k == frames + 1), "one frame");
    assert_eq!((depth(&p), p.value("sum").map(|(sum, _)| sum)), (1, Some("3".into())));
    assert_eq!((p.stats().pending, p.stats().published, p.stats().attempts), (1, 1, 3));
    assert_eq!(charged(&p), BTreeMap::from([("sums".into(), (3, 30))]));
    assert_eq!(p.replayed(), p.tables);
    for _ in 0..6 {
        p.clean();
        assert_eq!(p.replayed(), p.tables, "a cleaned log has the sums");
    }
    assert_eq!(charged(&p), BTreeMap::from([("sums".into(), (3, 30))]));
    // A host that starts now knows what the hour used already.
    p.sequencer = Sequencer::new(300_000);
    p.quotas.host_calls_per_hour = Some(3);
    let refused = p.accept("more", 1).0;
    assert!(matches!(refused, Err(Refused::Quota(QuotaSpent::Hour { most: 3, .. }))), "{refused:?}");
}

#[test]
fn a_call_of_which_one_lease_is_over_changes_nothing_and_says_whose() {
    let mut p = Partition::new();
    let ids: Vec<DeliveryId> = (0..3).map(|n| send(&mut p, &n.to_string(), None)).collect();
    let early = receipts(&mut p, 1);
    p.now_ms += 20;
    let late = receipts(&mut p, 2);
    p.now_ms += 20;
    let before = p.tables.clone();
    let whole = [&early[..], &late].concat();
    let effects = |p: &Partition, of: &[Receipt]| ConsumeRequest {
        writes: vec![write("sum", WriteOp::Add(1))],
        ..call(p, acked(of))
    };
    let request = effects(&p, &whole);
    assert_eq!(consume(&mut p, request), Err(Refused::LeaseOver { deliveries: vec![ids[0]] }));
    assert_eq!(p.tables, before);
    let request = effects(&p, &late);
    consume(&mut p, request).unwrap();
    // Asked once more, as whoever did not hear the answer would, it finds nothing to end.
    let (request, before) = (effects(&p, &late), p.tables.clone());
    assert_eq!(consume(&mut p, request), Err(Refused::LeaseOver { deliveries: ids[1..].to_vec() }));
    assert_eq!((p.tables.clone(), depth(&p), charged(&p)["sums"]), (before, 1, (2, 20)));
    assert_eq!(p.replayed(), p.tables);
}

#[test]
fn a_call_that_read_what_changed_since_or_may_not_publish_ends_nothing() {
    let mut p = Partition::new();
    let _ = ["0", "1"].map(|id| send(&mut p, id, None));
    let had = receipts(&mut p, 2);
    let before = p.tables.clone();
    let key = ReadKey::Value("kv".parse().unwrap(), "sum".into());
    let read = Read { key: key.clone(), version: Position { k: 1, i: 0 } };
    let stale = ConsumeRequest { reads: vec![read], ..call(&p, acked(&had)) };
    assert_eq!(consume(&mut p, stale), Err(Refused::Conflict { keys: vec![key] }));
    let old = ConsumeRequest { rules_version: 0, published: vec![published("n", "a")], ..call(&p, acked(&had)) };
    assert_eq!(consume(&mut p, old), Err(Refused::StaleRules));
    let quotas = Quotas { kv_bytes: Some(1), ..Quotas::default() };
    let writes = vec![write("key", WriteOp::Set(Bytes::from_static(b"much")))];
    let much = ConsumeRequest { quotas, writes, ..call(&p, acked(&had)) };
    assert!(matches!(consume(&mut p, much), Err(Refused::Quota(_))));
    assert_eq!(p.tables, before);
    let plain = call(&p, acked(&had));
    consume(&mut p, plain).unwrap();
    assert_eq!((depth(&p), p.replayed()), (0, p.tables.clone()));
}

#[test]
fn what_failed_waits_or_is_given_up_and_is_charged_all_the_same() {
    let mut p = Partition::new();
    let ids: Vec<DeliveryId> = (0..3).map(|n| send(&mut p, &n.to_string(), None)).collect();
    let had = receipts(&mut p, 3);
    let retry = Outcome::Retry { at_ms: p.now_ms + 50, code: Code::HandlerRetry, reason: "later".into() };
    let failed = call(&p, vec![ended(had[0], 1, retry), ended(had[1], 1, reject())]);
    consume(&mut p, failed).unwrap();
    assert_eq!((depth(&p), dead(&p), charged(&p)["sums"]), (2, 1, (2, 20)));
    let rest = call(&p, acked(&had[2..]));
    consume(&mut p, rest).unwrap();
    assert!(receive(&mut p, 9).is_empty());
    p.now_ms += 50;
    let again = receive(&mut p, 9);
    assert_eq!(again.iter().map(|(id, _)| *id).collect::<Vec<_>>(), ids[..1]);
    let last = call(&p, vec![ended(again[0].1, 2, Outcome::Ack)]);
    consume(&mut p, last).unwrap();
    assert_eq!((depth(&p), p.stats().pending, p.stats().dead_letters, charged(&p)["sums"]), (0, 0, 1, (4, 40)));
    assert_eq!(p.replayed(), p.tables);
}

#[test]
fn what_is_published_behind_a_group_that_leaves_comes_first_of_it_or_behind_those_that_stay() {
    let mut p = Partition::new();
    let [a, b] = ["a", "b"].map(|key| send_ordered(&mut p, key, Some(key), None));
    let a_2 = send_ordered(&mut p, "a-2", Some("a"), None);
    let had = receive(&mut p, 9);
    assert_eq!(had.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [a, b]);
    let receipts: Vec<_> = had.iter().map(|(_, receipt)| *receipt).collect();
    let events = vec![published("a-3", "a"), published("b-2", "b"), published("b-3", "b")];
    let request = ConsumeRequest { published: events, ..call(&p, acked(&receipts)) };
    let at = consume(&mut p, request).unwrap();
    assert_eq!(p.replayed(), p.tables);
    let mut order = Vec::new();
    loop {
        let had = receive(&mut p, 9);
        if had.is_empty() {
            break;
        }
        order.push(had.iter().map(|(id, _)| (id.event.k == at.k).then_some(id.event.i & 0xff)).collect::<Vec<_>>());
        assert!(order.len() > 1 || had[0].0 == a_2);
        let receipts: Vec<_> = had.iter().map(|(_, receipt)| *receipt).collect();
        let request = call(&p, acked(&receipts));
        consume(&mut p, request).unwrap();
    }
    // `a-2` waited before `a-3` came; of `b` nothing waited.
    assert_eq!(order, [vec![None, Some(2)], vec![Some(1), Some(3)]]);
    assert_eq!((depth(&p), p.replayed()), (0, p.tables.clone()));
}

/// What the storm does next.
#[derive(Clone, Debug)]
enum Step {
    Send(Option<u8>),
    /// Some are received, by a plugin with so many messages.
    Receive(usize),
    /// A call with all messages of a receive; the n-th fails.
    Call {
        of: usize,
        fails: Option<usize>,
        gives_up: bool,
        publishes: Option<u8>,
    },
    /// Somebody gives the messages of a receive back.
    Return(usize),
    Wait(u64),
    Clean,
}

fn step() -> impl Strategy<Value = Step> {
    let key = || proptest::option::weighted(0.7, 0..3_u8);
    let call = (any::<usize>(), proptest::option::weighted(0.3, 0..4_usize), any::<bool>(), key());
    prop_oneof![
        4 => key().prop_map(Step::Send),
        4 => (1..5_usize).prop_map(Step::Receive),
        4 => call.prop_map(|(of, fails, gives_up, publishes)| Step::Call { of, fails, gives_up, publishes }),
        1 => any::<usize>().prop_map(Step::Return),
        2 => (1..20_u64).prop_map(Step::Wait),
        1 => Just(Step::Clean),
    ]
}

/// The storm's own account.
#[derive(Default)]
struct Account {
    /// Messages that did not leave, with their groups.
    there: BTreeMap<DeliveryId, Option<u8>>,
    /// What was received at once, until when it is leased, with the receives of each.
    leases: Vec<(u64, Vec<(Receipt, u32)>)>,
    /// Messages that ended well; what left as a dead letter; attempts.
    good: u64,
    dead: u64,
    attempts: u64,
    published: u64,
}

impl Account {
    fn receive(&mut self, p: &mut Partition, count: usize) {
        let terms =
            Terms { delay_ms: 0, retention_ms: u64::MAX, max_receives: None, dead_letter: "failed".parse().unwrap() };
        let op = QueueOp::Receive { count, visibility_ms: 30 };
        let request = QueueRequest { tenant: tenant(), queue: "jobs".parse().unwrap(), terms, op };
        let Ok(Answer::Moved(moved)) = p.ask(Request::Queue(request)).0 else { panic!("it receives nothing") };
        let mut groups = Vec::new();
        for lease in &moved.leases {
            let id = lease.receipt.delivery;
            let group = self.there[&id];
            let before = self.there.range(..id).any(|(_, other)| group.is_some() && *other == group);
            assert!(!before, "{id} came before one of its group");
            assert!(group.is_none() || !groups.contains(&group), "two of a group came at once");
            groups.push(group);
        }
        let leased = moved.leases.iter().map(|lease| (lease.receipt, lease.row.attempts)).collect();
        self.leases.push((p.now_ms + 30, leased));
    }

    fn call(&mut self, p: &mut Partition, step: &Step) {
        let Step::Call { of, fails, gives_up, publishes } = *step else { return };
        let Some((until_ms, leased)) = of.checked_rem(self.leases.len()).map(|at| self.leases[at].clone()) else {
            return;
        };
        let later = Outcome::Retry { at_ms: p.now_ms + 7, code: Code::HandlerRetry, reason: "later".into() };
        let outcome = |at: usize| match fails {
            Some(place) if place == at => Some(if gives_up { reject() } else { later.clone() }),
            _ => None,
        };
        // As a host does: what failed is settled alone, without effects.
        let failed: Vec<_> = (0..leased.len()).filter_map(|at| Some((at, outcome(at)?))).collect();
        let ended: Vec<_> = match &failed[..] {
            [] => leased.iter().map(|(receipt, number)| ended(*receipt, *number, Outcome::Ack)).collect(),
            _ => failed.iter().map(|(at, how)| ended(leased[*at].0, leased[*at].1, how.clone())).collect(),
        };
        let (count, effects) = (ended.len() as u64, failed.is_empty() && !ended.is_empty());
        let mut request = call(p, ended);
        if effects {
            request.writes = vec![write("n", WriteOp::Add(i64::try_from(count).unwrap()))];
            request.published = publishes.map(|key| published("p", &key.to_string())).into_iter().collect();
        }
        let before = p.tables.clone();
        match consume(p, request) {
            Err(Refused::LeaseOver { deliveries }) => {
                assert!(!deliveries.is_empty());
                assert_eq!(p.tables, before, "what is refused leaves no trace");
            }
            Err(other) => panic!("{other:?}"),
            Ok(at) => {
                assert!(count == 0 || p.now_ms < until_ms, "a lease was good when it was over");
                self.attempts += count;
                for (place, (receipt, _)) in leased.iter().enumerate() {
                    match outcome(place) {
                        Some(Outcome::DeadLetter { .. }) => self.dead += 1,
                        Some(_) => continue,
                        None if effects => self.good += 1,
                        None => continue,
                    }
                    assert!(self.there.remove(&receipt.delivery).is_some(), "it ended twice");
                }
                if let (Some(key), true) = (publishes, effects) {
                    // Records that give a place in a group may stand between.
                    let place = p.log.iter().filter(|(place, ..)| place.k == at.k).find_map(|(place, ..)| {
                        let place = Position { k: place.k, i: place.i + 1 };
                        p.published_at(place).then_some(place)
                    });
                    self.there.insert(DeliveryId { event: place.unwrap(), n: 0 }, Some(key));
                    self.published += 1;
                }
            }
        }
    }

    fn returned(&mut self, p: &mut Partition, of: usize) {
        let Some((_, leased)) = of.checked_rem(self.leases.len()).map(|at| self.leases.remove(at)) else { return };
        let terms =
            Terms { delay_ms: 0, retention_ms: u64::MAX, max_receives: None, dead_letter: "failed".parse().unwrap() };
        let op = QueueOp::Return(leased.iter().map(|(receipt, _)| *receipt).collect());
        p.ask(Request::Queue(QueueRequest { tenant: tenant(), queue: "jobs".parse().unwrap(), terms, op })).0.unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn each_message_ends_once_and_what_is_kept_comes_from_calls_that_ended_all_of_theirs(
        steps in proptest::collection::vec(step(), 1..80)
    ) {
        let (mut p, mut account) = (Partition::new(), Account::default());
        for (n, step) in steps.into_iter().enumerate() {
            match step {
                Step::Send(key) => {
                    let id = send_ordered(&mut p, &n.to_string(), key.map(|key| key.to_string()).as_deref(), None);
                    account.there.insert(id, key);
                }
                Step::Receive(count) => account.receive(&mut p, count),
                Step::Call { .. } => account.call(&mut p, &step),
                Step::Return(of) => account.returned(&mut p, of),
                Step::Wait(ms) => p.now_ms += ms,
                Step::Clean => p.clean(),
            }
            prop_assert_eq!(depth(&p), account.there.len() as u64);
        }
        let sum = p.value("n").map_or(0, |(sum, _)| sum.parse().unwrap());
        prop_assert_eq!((sum, dead(&p)), (account.good, account.dead));
        let sums = charged(&p).remove("sums").unwrap_or_default();
        prop_assert_eq!(sums, (account.attempts, account.attempts * 10));
        prop_assert_eq!(p.stats().published, account.published);
        prop_assert_eq!(p.replayed(), p.tables);
    }
}
