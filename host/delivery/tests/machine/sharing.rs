//! What models answered to a call with a batch: each message of the batch finds it, whichever of them leave first, and nothing is left behind the last.

use proptest::prelude::*;
use wharf_delivery::{
    Answer, DeliveryId, Outcome, QueueOp, Receipt, RedriveRequest, RedriveWhich, Refused, Request, ReserveRequest,
    Sequencer, Table, answers_of,
    limits::{ANSWERS_PER_DELIVERY_MAX, SHARED_PER_MESSAGE_MAX},
    shared_by,
};

use crate::{
    answers::{bytes, keep_of, kept},
    bench::{Partition, tenant},
    consume::{call, consume, ended, reject},
    receive::{good, receive, send, target},
};

/// Sends so many messages and receives them.
fn batch(p: &mut Partition, ids: &[&str]) -> Vec<(DeliveryId, Receipt)> {
    for id in ids {
        send(p, id, None);
    }
    let had = receive(p, ids.len());
    assert_eq!(had.len(), ids.len());
    had
}

fn ids(had: &[(DeliveryId, Receipt)]) -> Vec<DeliveryId> {
    had.iter().map(|(id, _)| *id).collect()
}

/// Keeps an answer for a batch, of the first of these.
fn keep(p: &mut Partition, batch: &[DeliveryId], call: u32, asked: &str) -> Result<(), Refused> {
    keep_of(p, (target(), batch[0]), batch.into(), (call, asked), asked.as_bytes())
}

/// What a message finds an answer to.
fn finds(p: &Partition, message: DeliveryId, asked: &str) -> bool {
    let of = [vec![message], shared_by(&p.tables, &tenant(), message).unwrap()].concat();
    let at =
        |of: DeliveryId| answers_of(&p.tables, &tenant(), of).unwrap().into_iter().map(move |kept| (of, kept.call));
    of.into_iter().flat_map(at).any(|(of, call)| kept(p, of, call, asked).is_some())
}

/// The machine begins anew with the state that is there.
fn restart(p: &mut Partition) {
    p.sequencer = Sequencer::new(300_000);
    p.sequencer.resume(&p.tables).unwrap();
}

/// A message is rejected, and sent again from the dead letters.
fn is_sent_again(p: &mut Partition, (id, receipt): (DeliveryId, Receipt)) {
    let request = call(p, vec![ended(receipt, 1, reject())]);
    consume(p, request).unwrap();
    let (queue, which) = ("failed".parse().unwrap(), RedriveWhich::Ids(vec![id]));
    p.ask(Request::Redrive(RedriveRequest { tenant: tenant(), queue, which })).0.unwrap();
}

fn is_empty(p: &Partition) {
    assert_eq!((p.tables_of(Table::Models), bytes(p)), (0, 0));
    assert_eq!(p.replayed(), p.tables);
}

#[test]
fn an_answer_to_a_batch_stays_when_its_first_message_leaves_and_goes_with_the_last() {
    for restarts in [false, true] {
        let mut p = Partition::new();
        let had = batch(&mut p, &["a", "b", "c"]);
        let of = ids(&had);
        keep(&mut p, &of, 1, "about a").unwrap();
        keep(&mut p, &of, 2, "about b").unwrap();
        // Three messages share two answers, and a message that was not there shares none.
        assert_eq!(p.tables_of(Table::Models), 3 + 2);
        let other = send(&mut p, "d", None);
        assert!(of.iter().all(|message| finds(&p, *message, "about b")) && !finds(&p, other, "about b"));
        let rejected = vec![ended(had[0].1, 1, reject())];
        let request = call(&p, rejected);
        consume(&mut p, request).unwrap();
        assert_eq!(p.tables_of(Table::Models), 2 + 2);
        assert!(finds(&p, of[1], "about b") && finds(&p, of[2], "about a"));
        if restarts {
            restart(&mut p);
        }
        // What is asked for the others alone is kept of one of them, and the same two share it.
        keep(&mut p, &of[1..], 1, "about both").unwrap();
        good(&mut p, QueueOp::Return(vec![had[1].1]));
        let request = call(&p, vec![ended(had[2].1, 1, Outcome::Ack)]);
        consume(&mut p, request).unwrap();
        assert!(finds(&p, of[1], "about b") && finds(&p, of[1], "about both"));
        assert_eq!(p.replayed(), p.tables);
        if restarts {
            restart(&mut p);
        }
        good(&mut p, QueueOp::Purge(vec![of[1]]));
        is_empty(&p);
    }
}

#[test]
fn an_answer_is_kept_as_long_as_any_message_of_its_batch_may_ask_again() {
    let mut p = Partition::new();
    let had = batch(&mut p, &["a", "b"]);
    let of = ids(&had);
    good(&mut p, QueueOp::Ack(vec![had[0].1]));
    // The first one left while the call went on.
    keep(&mut p, &of, 1, "why").unwrap();
    assert_eq!((finds(&p, of[1], "why"), p.tables_of(Table::Models)), (true, 2));
    good(&mut p, QueueOp::Ack(vec![had[1].1]));
    assert_eq!(keep(&mut p, &of, 2, "when"), Err(Refused::Gone));
    is_empty(&p);
}

#[test]
fn a_message_takes_along_what_is_its_own_and_leaves_what_it_shares() {
    let mut p = Partition::new();
    let had = batch(&mut p, &["a", "b"]);
    let of = ids(&had);
    keep(&mut p, &of[..1], 1, "alone").unwrap();
    assert_eq!(p.tables_of(Table::Models), 1, "nobody shares it");
    keep(&mut p, &[of[1], of[0]], 1, "together").unwrap();
    good(&mut p, QueueOp::Ack(vec![had[0].1]));
    assert_eq!((finds(&p, of[1], "alone"), finds(&p, of[1], "together")), (false, true));
    good(&mut p, QueueOp::Ack(vec![had[1].1]));
    is_empty(&p);
}

#[test]
fn a_message_that_is_sent_again_shares_nothing_and_changes_nothing_for_those_that_do() {
    let mut p = Partition::new();
    let had = batch(&mut p, &["a", "b"]);
    let of = ids(&had);
    keep(&mut p, &of, 1, "why").unwrap();
    is_sent_again(&mut p, had[1]);
    assert_eq!((finds(&p, of[0], "why"), finds(&p, of[1], "why")), (true, false));
    let again = receive(&mut p, 1);
    assert_eq!(again[0].0, of[1]);
    good(&mut p, QueueOp::Ack(vec![again[0].1]));
    assert!(finds(&p, of[0], "why"));
    good(&mut p, QueueOp::Ack(vec![had[0].1]));
    is_empty(&p);
}

#[test]
fn what_is_shared_outlives_a_restart_and_the_segment_that_it_came_in() {
    let mut p = Partition::new();
    let had = batch(&mut p, &["a", "b", "c"]);
    let of = ids(&had);
    keep(&mut p, &of, 1, "why").unwrap();
    good(&mut p, QueueOp::Ack(vec![had[0].1]));
    // Sums of what models cost lie between answers and who shares them.
    let (plugin, route, most) = ("sums".parse().unwrap(), "triage".parse().unwrap(), wharf_delivery::Cost::default());
    let reserve = ReserveRequest { tenant: tenant(), plugin, route, most, budgets: Vec::new() };
    assert!(matches!(p.ask(Request::Reserve(Box::new(reserve))).0, Ok(Answer::Reserved(_))));
    let rows = p.tables_of(Table::Models);
    // What was carried once is carried again.
    for round in 0..2 {
        for n in 0..6 {
            send(&mut p, &format!("more-{round}-{n}"), None);
        }
        p.clean();
        assert_eq!(p.replayed(), p.tables);
        restart(&mut p);
        assert!(finds(&p, of[1], "why") && finds(&p, of[2], "why"));
    }
    good(&mut p, QueueOp::Purge(vec![of[1], of[2]]));
    assert_eq!((p.tables_of(Table::Models), bytes(&p)), (rows - 3, 0), "the sums are there");
    assert_eq!(p.replayed(), p.tables);
}

#[test]
fn a_message_that_others_share_with_keeps_what_it_asks_when_it_is_sent_again() {
    let mut p = Partition::new();
    let had = batch(&mut p, &["a", "b"]);
    let of = ids(&had);
    keep(&mut p, &of, 1, "why").unwrap();
    is_sent_again(&mut p, had[0]);
    let again = receive(&mut p, 1);
    assert_eq!(again[0].0, of[0]);
    keep(&mut p, &of[..1], 2, "alone").unwrap();
    // Those that it shares with have ended, and it has not.
    good(&mut p, QueueOp::Ack(vec![had[1].1]));
    assert!(finds(&p, of[0], "alone"));
    good(&mut p, QueueOp::Ack(vec![again[0].1]));
    is_empty(&p);
}

#[test]
fn what_two_calls_ask_about_a_message_at_once_is_kept_side_by_side_until_there_is_no_place() {
    let mut p = Partition::new();
    let had = batch(&mut p, &["a", "b", "c"]);
    let of = ids(&had);
    // Both had found nothing, as the lease of the first ended while its call went on.
    keep(&mut p, &of[..2], 1, "why").unwrap();
    keep(&mut p, &[of[0], of[2]], 1, "when").unwrap();
    keep(&mut p, &of[..2], 2, "who").unwrap();
    for asked in ["why", "when", "who"] {
        assert!(finds(&p, of[0], asked), "{asked}");
    }
    // What was found is there once, and what was asked again and answered otherwise is another answer.
    keep(&mut p, &[of[0], of[2]], 1, "why").unwrap();
    assert_eq!(answers_of(&p.tables, &tenant(), of[0]).unwrap().len(), 3);
    keep_of(&mut p, (target(), of[0]), of.as_slice().into(), (3, "who"), b"somebody else").unwrap();
    let told: Vec<_> = (1..=5).map(|call| kept(&p, of[0], call, "who")).collect();
    assert_eq!(told, [None, None, Some("who".into()), Some("somebody else".into()), None]);
    keep(&mut p, &of[..2], ANSWERS_PER_DELIVERY_MAX, "last").unwrap();
    keep(&mut p, &of[..2], 2, "in place of another").unwrap();
    assert!(finds(&p, of[0], "in place of another") && !finds(&p, of[0], "when") && finds(&p, of[0], "last"));
    assert_eq!(p.replayed(), p.tables);
    good(&mut p, QueueOp::Ack(had.iter().map(|(_, receipt)| *receipt).collect()));
    is_empty(&p);
}

#[test]
fn an_answer_that_was_found_is_shared_with_those_that_are_new_and_not_written_again() {
    let mut p = Partition::new();
    let had = batch(&mut p, &["a", "b", "c"]);
    let of = ids(&had);
    keep(&mut p, &of[..2], 1, "why").unwrap();
    let (rows, answers) = (p.tables_of(Table::Models), bytes(&p));
    keep(&mut p, &[of[0], of[2]], 1, "why").unwrap();
    assert_eq!((p.tables_of(Table::Models), bytes(&p)), (rows + 1, answers), "one more shares it");
    keep(&mut p, &[of[0], of[2]], 1, "why").unwrap();
    assert_eq!(p.tables_of(Table::Models), rows + 1, "nobody is new");
    good(&mut p, QueueOp::Ack(vec![had[0].1, had[1].1]));
    assert!(finds(&p, of[2], "why"));
    good(&mut p, QueueOp::Ack(vec![had[2].1]));
    is_empty(&p);
}

#[test]
fn a_message_shares_the_answers_of_so_many_and_what_comes_on_top_is_there_for_the_others() {
    let mut p = Partition::new();
    let names: Vec<_> = (0..=SHARED_PER_MESSAGE_MAX + 1).map(|n| n.to_string()).collect();
    let had = batch(&mut p, &names.iter().map(String::as_str).collect::<Vec<_>>());
    let of = ids(&had);
    for other in &of[1..] {
        keep(&mut p, &[*other, of[0]], 1, "why").unwrap();
    }
    assert_eq!(shared_by(&p.tables, &tenant(), of[0]).unwrap(), of[1..=SHARED_PER_MESSAGE_MAX]);
    assert!(finds(&p, *of.last().unwrap(), "why"));
    // What it asks by itself is kept all the same.
    keep(&mut p, &of[..1], 1, "alone").unwrap();
    restart(&mut p);
    good(&mut p, QueueOp::Ack(vec![had[0].1]));
    assert!(of[1..].iter().all(|other| finds(&p, *other, "why")));
    good(&mut p, QueueOp::Ack(had[1..].iter().map(|(_, receipt)| *receipt).collect()));
    is_empty(&p);
}

#[test]
fn a_tenant_that_is_deleted_takes_along_what_its_messages_share() {
    let mut p = Partition::new();
    let had = batch(&mut p, &["a", "b", "c"]);
    let of = ids(&had);
    keep(&mut p, &of, 1, "why").unwrap();
    p.erase(2);
    assert_eq!(p.of_tenant(), []);
    assert_eq!(keep(&mut p, &of, 2, "why"), Err(Refused::Gone));
    assert_eq!(p.replayed(), p.tables);
    // Whoever has the name next begins anew.
    let had = batch(&mut p, &["a"]);
    good(&mut p, QueueOp::Ack(vec![had[0].1]));
    is_empty(&p);
}

/// What happens to some of six messages, by the bits of a number.
#[derive(Clone, Debug)]
enum Step {
    Ask(u8, u8),
    Leave(u8),
    Restart,
    Clean,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (1..64u8, 0..6u8).prop_map(|(batch, asked)| Step::Ask(batch, asked)),
        4 => (0..6u8).prop_map(Step::Leave),
        1 => Just(Step::Restart),
        1 => Just(Step::Clean),
    ]
}

proptest! {
    /// Of whatever batches they were in: a message that is there finds all that was answered to them, and behind the last nothing is left.
    #[test]
    fn whoever_is_there_finds_all_that_its_batches_were_answered(steps in prop::collection::vec(step(), 1..40)) {
        let mut p = Partition::new();
        let names = ["0", "1", "2", "3", "4", "5"];
        let had = batch(&mut p, &names);
        let mut there: Vec<(DeliveryId, Receipt, Vec<String>)> =
            had.into_iter().map(|(id, receipt)| (id, receipt, Vec::new())).collect();
        let all: Vec<_> = there.iter().map(|(id, ..)| *id).collect();
        for (n, step) in steps.into_iter().enumerate() {
            match step {
                Step::Ask(batch, first) => {
                    let mut of: Vec<_> = (0..6).filter(|n| batch & (1 << n) != 0).map(|n| all[n]).collect();
                    let places = of.len();
                    of.rotate_left(usize::from(first) % places);
                    let asked = format!("question {n}");
                    let call = answers_of(&p.tables, &tenant(), of[0]).unwrap().last().map_or(0, |last| last.call) + 1;
                    let is_there = there.iter().any(|(id, ..)| of.contains(id));
                    prop_assert_eq!(keep(&mut p, &of, call, &asked).is_ok(), is_there);
                    there.iter_mut().filter(|(id, ..)| of.contains(id)).for_each(|one| one.2.push(asked.clone()));
                }
                Step::Leave(n) if there.len() > 1 => {
                    let (_, receipt, _) = there.remove(usize::from(n) % there.len());
                    prop_assert_eq!(good(&mut p, QueueOp::Ack(vec![receipt])), [true]);
                }
                Step::Leave(_) => {}
                Step::Restart => restart(&mut p),
                Step::Clean => p.clean(),
            }
            for (id, _, asked) in &there {
                prop_assert!(asked.iter().all(|asked| finds(&p, *id, asked)), "{} of {:?}", id, asked);
            }
            prop_assert_eq!(p.replayed(), p.tables.clone());
        }
        for (_, receipt, _) in there {
            good(&mut p, QueueOp::Ack(vec![receipt]));
        }
        is_empty(&p);
    }
}
