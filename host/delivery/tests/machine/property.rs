//! Whatever is asked in whatever order, the log alone gives the same tables, also after its older half was cleaned and
//! dropped any number of times; every event that is owed is still there; and the counters are exact.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Bound,
};

use bytes::Bytes;
use proptest::prelude::*;
use wharf_delivery::{
    DeadLetterRow, DeliveryId, DeliveryRow, EditRequest, Expected, ForgetRequest, ObjectFate, Outcome, RedriveRequest,
    RedriveWhich, Request, ScheduleState, Table, Tables as _, Usage, Used, ValueRow, WriteOp, hour_of, keys, sizes,
};
use wharf_event::{Code, QueueName};

use crate::bench::{Partition, event, publish, settled, tenant, used, write};

#[derive(Clone, Debug)]
enum Step {
    Accept { id: u8, targets: usize },
    Ack { pick: usize, publish: usize, key: u8, op: u8 },
    Retry { pick: usize },
    Dead { pick: usize },
    Redrive,
    Edit { pick: usize },
    Change { name: u8, document: Option<u8> },
    Clean,
    Erase { rows_max: usize },
    Forget { hours: u32 },
    Fire { schedule: u8, targets: Option<usize> },
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..30u8, 0..4usize).prop_map(|(id, targets)| Step::Accept { id, targets }),
        4 => (any::<usize>(), 0..3usize, 0..4u8, 0..3u8)
            .prop_map(|(pick, publish, key, op)| Step::Ack { pick, publish, key, op }),
        2 => any::<usize>().prop_map(|pick| Step::Retry { pick }),
        2 => any::<usize>().prop_map(|pick| Step::Dead { pick }),
        1 => Just(Step::Redrive),
        1 => any::<usize>().prop_map(|pick| Step::Edit { pick }),
        1 => (0..3u8, any::<Option<u8>>()).prop_map(|(name, document)| Step::Change { name, document }),
        2 => Just(Step::Clean),
        1 => (2..20usize).prop_map(|rows_max| Step::Erase { rows_max }),
        1 => (0..4u32).prop_map(|hours| Step::Forget { hours }),
        2 => (0..3u8, proptest::option::of(0..3usize)).prop_map(|(schedule, targets)| Step::Fire { schedule, targets }),
        1 => (0..4_000_000u64).prop_map(Step::Wait),
    ]
}

type Charged = BTreeMap<u32, (u64, Used)>;

fn charge(charged: &mut Charged, hour: u32, number: u32) {
    if let Some(used) = used(number) {
        let sums = charged.entry(hour).or_default();
        sums.0 += 1;
        sums.1.add(&used);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn replaying_the_log_gives_the_same_tables_and_nothing_is_owed_twice(steps in proptest::collection::vec(step(), 1..120)) {
        let mut p = Partition::new();
        // What is owed: delivery -> settled attempts. And what adds should have come to.
        let mut owed: HashMap<DeliveryId, u32> = HashMap::new();
        let mut dead: u64 = 0;
        let mut published: u64 = 0;
        // What is charged, by hour, and the first hour that was not forgotten.
        let mut forgotten = 0;
        let mut charged = Charged::new();
        // When schedules fired last.
        let mut standing: HashMap<u8, u64> = HashMap::new();
        for step in steps {
            let mut open: Vec<_> = owed.iter().map(|(id, attempts)| (*id, *attempts)).collect();
            open.sort();
            let chosen = |pick: usize| open.get(pick.checked_rem(open.len()).unwrap_or(0)).copied();
            let due = match step {
                Step::Accept { id, targets } => p.accept(&format!("e{id}"), targets).1,
                Step::Ack { pick, publish: count, key, op } => {
                    let Some((id, attempts)) = chosen(pick) else { continue };
                    let mut settle = settled(id, attempts + 1, Outcome::Ack);
                    settle.rules_version = p.sequencer.rules_version(&tenant());
                    settle.published = (0..count).map(|n| publish(event(&format!("p{n}")), n)).collect();
                    let op = match op { 0 => WriteOp::Add(1), 1 => WriteOp::Set(Bytes::from_static(b"7")), _ => WriteOp::Delete };
                    settle.writes = vec![write(&format!("k{key}"), op)];
                    let (answer, due) = p.settle(settle);
                    prop_assert!(answer.is_ok());
                    published += count as u64;
                    charge(&mut charged, hour_of(p.now_ms), attempts + 1);
                    owed.remove(&id);
                    due
                }
                Step::Retry { pick } => {
                    let Some((id, attempts)) = chosen(pick) else { continue };
                    let retry = Outcome::Retry { at_ms: p.now_ms + 5, code: Code::HandlerRetry, reason: "r".into() };
                    charge(&mut charged, hour_of(p.now_ms), attempts + 1);
                    p.settle(settled(id, attempts + 1, retry)).1
                }
                Step::Dead { pick } => {
                    let Some((id, attempts)) = chosen(pick) else { continue };
                    let queue = "failed".parse().unwrap();
                    let give_up = Outcome::DeadLetter { queue, code: Code::HandlerReject, reason: "no".into() };
                    prop_assert!(p.settle(settled(id, attempts + 1, give_up)).0.is_ok());
                    charge(&mut charged, hour_of(p.now_ms), attempts + 1);
                    owed.remove(&id);
                    dead += 1;
                    continue;
                }
                Step::Change { name, document } => {
                    let document = document.map(|n| format!("{n}"));
                    let told = p.change(&[(&format!("rule-{name}"), document.as_deref())], Expected::Any).unwrap();
                    let now = p.object(&format!("rule-{name}")).map(|object| (object.version, object.document.to_vec()));
                    prop_assert_eq!(now.as_ref().map(|(_, bytes)| bytes.clone()), document.map(String::into_bytes));
                    if let [ObjectFate::Created(at) | ObjectFate::Replaced(at) | ObjectFate::Unchanged(at)] = told.objects[..] {
                        prop_assert_eq!(now.map(|(version, _)| version), Some(at));
                    }
                    continue;
                }
                Step::Redrive => {
                    let queue = "failed".parse().unwrap();
                    p.ask(Request::Redrive(RedriveRequest { tenant: tenant(), queue, which: RedriveWhich::After(None) })).1
                }
                Step::Edit { pick } => {
                    let queue: QueueName = "failed".parse().unwrap();
                    let letters = p.tables.scan(Table::DeadLetters, &keys::queue(&tenant(), &queue), Bound::Unbounded, 100).unwrap();
                    if !letters.is_empty() {
                        let delivery = keys::delivery_of(&letters[pick % letters.len()].0).unwrap();
                        let edited = event(&format!("edited-{pick}"));
                        let edit = EditRequest { tenant: tenant(), queue: queue.clone(), delivery, edits: None, event: edited.clone() };
                        p.ask(Request::Edit(Box::new(edit))).0.unwrap();
                        let letter = p.tables.get(Table::DeadLetters, &keys::dead_letter(&tenant(), &queue, delivery)).unwrap();
                        let letter = DeadLetterRow::from_bytes(&letter.unwrap()).unwrap();
                        prop_assert_eq!(p.event_at(letter.delivery.event_at(delivery)), Some(edited));
                    }
                    continue
                }
                Step::Clean => { p.clean(); continue }
                Step::Erase { rows_max } => {
                    p.erase(rows_max);
                    prop_assert_eq!(p.of_tenant(), Vec::new());
                    (dead, published) = (0, 0);
                    owed.clear();
                    charged.clear();
                    standing.clear();
                    prop_assert_eq!(p.sequencer.pending(), 0);
                    continue;
                }
                Step::Forget { hours } => {
                    let from_hour = hour_of(p.now_ms).saturating_sub(hours);
                    p.ask(Request::Forget(ForgetRequest { tenant: tenant(), from_hour })).0.unwrap();
                    forgotten = forgotten.max(from_hour);
                    continue
                }
                Step::Fire { schedule, targets } => {
                    let (name, last_ms) = (format!("s{schedule}"), standing.get(&schedule).copied());
                    // Each fires at a time of its own; what has none fires no more.
                    p.now_ms += 1;
                    let fired_ms = targets.map(|_| p.now_ms).or(last_ms);
                    let state = ScheduleState { timing: [schedule; 16], next_ms: targets.map(|_| p.now_ms + 1), last_ms: fired_ms };
                    let state = (targets.is_some() || schedule > 0).then_some(state);
                    let (answer, due) = p.ask(Request::Fire(Box::new(p.fire(&name, state, targets))));
                    prop_assert!(answer.is_ok(), "{answer:?}");
                    match state.and_then(|state| state.last_ms) {
                        Some(ms) => standing.insert(schedule, ms),
                        None => standing.remove(&schedule),
                    };
                    prop_assert_eq!(p.stands(&name), state);
                    due
                }
                Step::Wait(ms) => { p.now_ms += ms; continue }
            };
            for due in due {
                let before = owed.insert(due.id, due.row.attempts);
                prop_assert!(before.is_none() || due.row.attempts > 0, "{} is owed twice", due.id);
            }
        }
        prop_assert_eq!(p.replayed(), p.tables.clone());
        for id in owed.keys() {
            let row = DeliveryRow::find(&p.tables, &tenant(), &"handler".parse().unwrap(), *id).unwrap().unwrap();
            prop_assert!(p.event_at(row.event_at(*id)).is_some(), "the event of {id} is gone");
        }
        charged.retain(|hour, _| *hour >= forgotten);
        let usage = Usage::page_from(&p.tables, &tenant(), 0, u32::MAX, usize::MAX).unwrap();
        let usage: BTreeMap<_, _> = usage.iter().map(|usage| (usage.hour, (usage.row.attempts, usage.row.used))).collect();
        prop_assert_eq!(usage, charged);
        let (mut bytes, mut waiting) = (0, 0);
        for (table, key) in p.of_tenant() {
            let row = p.tables.get(table, &key).unwrap().unwrap();
            match table {
                Table::Values => bytes += (keys::third(&key).unwrap().len() + ValueRow::from_bytes(&row).unwrap().value.len()) as u64,
                Table::Deliveries => waiting += 1,
                _ => {}
            }
        }
        prop_assert_eq!(sizes::value_bytes(&p.tables, &tenant()).unwrap(), bytes);
        prop_assert_eq!(sizes::backlog(&p.tables, &tenant(), &"handler".parse().unwrap()).unwrap(), waiting);
        let stats = p.stats();
        prop_assert_eq!((stats.pending, stats.dead_letters, stats.published), (owed.len() as u64, dead, published));
    }
}
