//! What is done to a partition: every kind of record, batches and duplicates, segments that fill, checkpoints while others
//! commit, a jump of the clock, cleaning, trimming, and restarts.

use std::{collections::BTreeMap, ops::Bound, sync::Arc};

use bytes::Bytes;
use wharf_delivery::{
    AcceptEvent, AcceptRequest, Answer, Attempt, CarryRequest, ChangeRequest, Changed, ChargeRequest, ConfigureRequest,
    Cost, DeliveryId, Details, EditRequest, EraseRequest, Expected, ForgetRequest, KeepRequest, ObjectFate, ObjectKind,
    ObjectName, ObjectWish, Outcome, PublishRequest, Quotas, Remains, Request, ReserveRequest, Reserved, SegmentFacts,
    SettleRequest, SpendRequest, Table, Tables as _, TargetRef, Used, WriteOp, WriteRequest, hour_of, keys,
    limits::ERASED_ROWS_MAX,
};
use wharf_event::{Code, Digest, Event, EventBuilder, Position, RuleName, Target, TenantName};

use crate::{
    fan, firing, queue, redriving, replay,
    runner::{BrokenOff, Runner},
    serving,
};

/// Rows of a page when a tenant's go: so few that there are several.
const ERASED_ROWS: usize = 5;

/// Pages that are so small.
const ERASED_SMALL: usize = 6;

pub fn tenant() -> TenantName {
    name("acme")
}

/// An event whose payload is `bytes` long.
pub fn event(id: &str, bytes: usize) -> Event {
    let data = Bytes::from(format!("\"{}\"", "x".repeat(bytes)));
    match EventBuilder::new(id, "crash", "t").data(data).build() {
        Ok(event) => event,
        Err(error) => unreachable!("{error}"),
    }
}

pub fn name<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    match text.parse() {
        Ok(name) => name,
        Err(error) => unreachable!("{text}: {error:?}"),
    }
}

pub fn targets(count: usize) -> Vec<TargetRef> {
    (0..count).map(|n| TargetRef::new(name(&format!("rule-{n}")), name("handler"))).collect()
}

/// Events with so many targets each.
pub fn accept(rules_version: u64, events: Vec<(Event, usize)>) -> Request {
    let events = events.into_iter().map(|(event, count)| AcceptEvent { event, targets: targets(count) }).collect();
    Request::Accept(AcceptRequest {
        tenant: tenant(),
        bus: name("default"),
        rules_version,
        since_k: 0,
        quotas: Quotas::default(),
        backlogs: BTreeMap::new(),
        events,
        delayed: None,
    })
}

/// What an attempt is charged with.
pub fn told(number: u32) -> Arc<Details> {
    let used = Used { cpu_ns: u64::from(number), bytes_in: 40, ..Used::default() };
    Arc::new(Details { used: Some(used), ..Details::default() })
}

fn settle(event: Position, n: u16, number: u32, outcome: Outcome) -> SettleRequest {
    SettleRequest {
        delivery: DeliveryId { event, n },
        tenant: tenant(),
        target: name("handler"),
        attempt: Attempt { number, release: Some(Digest::of(b"release")), duration_us: 7, details: Some(told(number)) },
        outcome,
        reads: Vec::new(),
        rules_version: 0,
        published: Vec::new(),
        writes: Vec::new(),
        quotas: Quotas::default(),
        publish_per_s: None,
    }
}

fn ack(event: Position, n: u16, number: u32, writes: &[(&str, WriteOp)]) -> SettleRequest {
    let write = |(key, op): &(&str, WriteOp)| WriteRequest { bucket: name("kv"), key: (*key).into(), op: op.clone() };
    SettleRequest { writes: writes.iter().map(write).collect(), ..settle(event, n, number, Outcome::Ack) }
}

fn retry(at_ms: u64) -> Outcome {
    Outcome::Retry { at_ms, code: Code::HandlerRetry, reason: "as scripted".into() }
}

fn give_up() -> Outcome {
    Outcome::DeadLetter { queue: name("dead"), code: Code::HandlerReject, reason: "as scripted".into() }
}

/// What a model answered a call of a delivery's attempt, so many bytes.
fn keep(event: Position, n: u16, bytes: usize) -> Request {
    keep_for(name("handler"), (DeliveryId { event, n }, Arc::default()), 1, bytes)
}

/// The same, for whom it was asked, and for which messages of a batch.
pub fn keep_for(
    target: Target,
    (delivery, batch): (DeliveryId, Arc<[DeliveryId]>),
    call: u32,
    bytes: usize,
) -> Request {
    let (request, answer) = (Digest::of(b"asked"), Bytes::from(vec![b'a'; bytes]));
    Request::Keep(KeepRequest { tenant: tenant(), target, delivery, batch, call, request, answer })
}

/// A model is about to be asked.
fn reserve(most: Cost) -> Request {
    let (plugin, route) = (name("handler"), name("triage"));
    Request::Reserve(Box::new(ReserveRequest { tenant: tenant(), plugin, route, most, budgets: Vec::new() }))
}

/// Models are asked: what one cost is settled, and of the other nobody knows.
fn pay(run: &mut Runner) -> Result<(), BrokenOff> {
    let most = Cost { input_tokens: 900, output_tokens: 100, money: 7_000 };
    run.ask(vec![reserve(most), reserve(most)])?;
    let reserved = Some(Reserved { hour: hour_of(1_800_000_000_000), cost: most });
    let cost = Cost { input_tokens: 5, output_tokens: 2, money: 9 };
    let (tenant, plugin, route) = (tenant(), name("handler"), name("triage"));
    run.ask(vec![Request::Spend(Box::new(SpendRequest { tenant, plugin, route, reserved, cost }))]).map(drop)
}

/// A letter gets an event of another size.
fn edit(run: &mut Runner, letter: (Position, u16), bytes: usize) -> Result<(), BrokenOff> {
    let (tenant, queue, delivery) = (tenant(), name("dead"), DeliveryId { event: letter.0, n: letter.1 });
    let event = event("edited", bytes);
    run.ask(vec![Request::Edit(Box::new(EditRequest { tenant, queue, delivery, edits: None, event }))]).map(drop)
}

fn publish(id: &str) -> PublishRequest {
    PublishRequest { event: event(id, 20), targets: targets(1), queues: Vec::new() }
}

/// Control objects that come, by their documents, or go.
fn change(wishes: &[(&str, Option<&'static str>)]) -> Request {
    changing(ObjectKind::Rule, wishes)
}

fn changing(kind: ObjectKind, wishes: &[(&str, Option<&'static str>)]) -> Request {
    let wish = |(rule, document): &(&str, Option<&'static str>)| ObjectWish {
        kind,
        name: ObjectName::from(&name::<RuleName>(rule)),
        document: document.map(|text| Bytes::from_static(text.as_bytes())),
        expected: Expected::Any,
    };
    Request::Change(ChangeRequest { tenant: tenant(), wishes: wishes.iter().map(wish).collect() })
}

fn settling(settle: SettleRequest) -> Request {
    Request::Settle(Box::new(settle))
}

fn positions(answers: &[Answer]) -> Vec<Position> {
    let accepted = |answer: &Answer| match answer {
        Answer::Accepted(list) => list.iter().flatten().map(|one| one.position).collect(),
        Answer::Settled(settled) => vec![settled.position],
        _ => Vec::new(),
    };
    answers.iter().flat_map(accepted).collect()
}

/// The whole script; it ends early when the disk fails.
pub fn run(run: &mut Runner) -> Result<(), BrokenOff> {
    run.open()?;
    configure(run)?;
    let (owed, kept) = first_life(run)?;
    run.open()?;
    let letter = DeliveryId { event: owed.c, n: 0 };
    second_life(run, owed)?;
    run.open()?;
    run.ask(vec![accept(run.rules_version, vec![(event("last", 30), 1)])])?;
    queue::end(run, kept)?;
    replay::end(run)?;
    firing::end(run)?;
    redriving::end(run, letter)?;
    fan::widen(run)?;
    erase(run)
}

/// The tenant is closed, and all that there is of it goes, in several pages.
fn erase(run: &mut Runner) -> Result<(), BrokenOff> {
    let closed = run.ask(vec![changing(ObjectKind::Tenant, &[("acme", Some("closed"))])])?;
    let [Answer::Changed(Changed { objects, .. })] = &closed[..] else {
        return Err(BrokenOff(format!("closing is answered with {closed:?}")));
    };
    let closed_at = objects.first().copied().and_then(ObjectFate::version).unwrap_or(Position::ZERO);
    let mut behind = None;
    for page in 0.. {
        // What an event is owed to very many goes in larger ones.
        let rows_max = if page < ERASED_SMALL { ERASED_ROWS } else { ERASED_ROWS_MAX };
        let request = EraseRequest { tenant: tenant(), closed_at, rows_max, behind: behind.take() };
        let answers = run.ask(vec![Request::Erase(request)])?;
        match &answers[..] {
            [Answer::Erased { behind: last, left: true }] => behind.clone_from(last),
            [Answer::Erased { behind: None, left: false }] if page > 1 => break,
            _ => return Err(BrokenOff(format!("erasing is answered with {answers:?} at page {page}"))),
        }
    }
    Ok(())
}

fn configure(run: &mut Runner) -> Result<(), BrokenOff> {
    run.ask(vec![Request::Configure(ConfigureRequest { document: Bytes::from_static(b"{}") })]).map(drop)
}

/// Events of the first life whose letters the second goes on with.
struct Owed {
    /// Its first delivery is redriven.
    c: Position,
    /// Its second delivery stays a letter.
    b: Position,
}

/// Events, every outcome, a checkpoint while others commit. Gives the events that stay owed, and a message that somebody has.
fn first_life(run: &mut Runner) -> Result<(Owed, DeliveryId), BrokenOff> {
    let got = positions(&run.ask(vec![accept(run.rules_version, vec![(event("a", 40), 2), (event("b", 700), 2)])])?);
    let [a, b] = got[..] else { return Err(BrokenOff("two events have two positions".into())) };
    let mut publishing = ack(a, 0, 1, &[("n", WriteOp::Add(5)), ("gone", WriteOp::Set(Bytes::from_static(b"soon")))]);
    (publishing.published, publishing.rules_version) = (vec![publish("p"), publish("q")], run.rules_version);
    let published = positions(&run.ask(vec![settling(publishing)])?);
    // One delivery has its answer as long as it is owed, and it is carried; the other's goes with its end.
    run.ask(vec![keep(b, 0, 300)])?;
    run.ask(vec![keep(b, 1, 20)])?;
    pay(run)?;
    run.ask(vec![change(&[("kept", Some("k")), ("other", Some("o"))])])?;
    run.freeze()?;
    // A duplicate beside new ones, and two requests in one frame.
    let batch = vec![(event("c", 10), 1), (event("a", 40), 2), (event("d", 10), 0)];
    let got = positions(
        &run.ask(vec![accept(run.rules_version, batch), settling(settle(b, 0, 1, retry(1_800_000_500_000)))])?,
    );
    run.write()?;
    run.ask(vec![settling(settle(b, 1, 1, give_up()))])?;
    edit(run, (b, 1), 70)?;
    let child = published.first().map(|p| Position { k: p.k, i: p.i + 1 }).unwrap_or(Position::ZERO);
    run.ask(vec![settling(ack(child, 0, 1, &[("n", WriteOp::Add(2)), ("gone", WriteOp::Delete)]))])?;
    forward(run)?;
    serving::answers(run)?;
    run.committer()?.idle()?;
    // One goes and one comes in one record; what is so already is in none.
    run.ask(vec![change(&[("other", None), ("kept", Some("k")), ("new", Some("n"))])])?;
    for n in 0..6 {
        run.ask(vec![accept(run.rules_version, vec![(event(&format!("large-{n}"), 2_500), 0)])])?;
    }
    let c = got.first().copied().unwrap_or(Position::ZERO);
    run.ask(vec![settling(settle(c, 0, 1, give_up()))])?;
    edit(run, (c, 0), 20)?;
    run.ask(vec![settling(settle(b, 0, 2, retry(1_800_000_900_000)))])?;
    replay::begin(run)?;
    firing::begin(run)?;
    Ok((Owed { c, b }, queue::begin(run)?))
}

/// An event is owed to another bus, and published there.
fn forward(run: &mut Runner) -> Result<(), BrokenOff> {
    let to_bus = || Target::Bus(name("aside"));
    let mut accept = accept(run.rules_version, vec![(event("for-aside", 30), 1)]);
    if let Request::Accept(AcceptRequest { events, .. }) = &mut accept {
        events.iter_mut().for_each(|event| event.targets = vec![TargetRef::new(name("to-aside"), to_bus())]);
    }
    let at = positions(&run.ask(vec![accept])?).first().copied().unwrap_or(Position::ZERO);
    let published = vec![publish("aside")];
    let settle = settle(at, 0, 1, Outcome::Ack);
    let settle = SettleRequest { target: to_bus(), published, rules_version: run.rules_version, ..settle };
    run.ask(vec![settling(settle)]).map(drop)
}

/// Redriving, a jump of the clock, cleaning and trimming.
fn second_life(run: &mut Runner, Owed { c, b }: Owed) -> Result<(), BrokenOff> {
    redriving::begin(run, DeliveryId { event: c, n: 0 })?;
    run.freeze()?;
    run.write()?;
    run.hands.jump(3_600_000);
    run.committer()?.idle()?;
    run.hands.pass(700_000);
    // The clock is read once more, so that the step was seen to last.
    run.committer()?.idle()?;
    run.hands.pass(700_000);
    if !run.committer()?.follow_clock(true)? {
        return Err(BrokenOff("the clock's step is not followed".into()));
    }
    run.ask(vec![accept(run.rules_version, vec![(event("e", 60), 1)])])?;
    run.ask(vec![change(&[("new", Some("nn"))])])?;
    // What made it a letter goes, and the edit stays.
    edit(run, (b, 1), 90)?;
    clean(run)?;
    begin_segment(run)?;
    run.freeze()?;
    run.ask(vec![accept(run.rules_version, vec![(event("f", 60), 1)])])?;
    run.write()?;
    for n in 0..3 {
        run.ask(vec![accept(run.rules_version, vec![(event(&format!("more-{n}"), 2_500), 0)])])?;
    }
    // What was used before the clock jumped is forgotten, what is used from now on stays.
    run.ask(vec![Request::Forget(ForgetRequest { tenant: tenant(), from_hour: hour_of(1_800_000_000_000) + 1 })])?;
    // Requests that a plugin answered are charged.
    let plugin = "web".parse().map_err(|_| BrokenOff("no name".to_owned()))?;
    let (used, quotas) = (Used { cpu_ns: 7, ..Used::default() }, Quotas::default());
    run.ask(vec![Request::Charge(ChargeRequest { tenant: tenant(), plugin, calls: 3, used, quotas })])?;
    run.ask(vec![settling(ack(c, 0, 1, &[("n", WriteOp::Add(1)), ("kept", WriteOp::Set(Bytes::from_static(b"k")))]))])?;
    run.freeze()?;
    run.write()
}

/// Events until another segment is begun, which has no next one yet: what is trimmed now becomes its file.
fn begin_segment(run: &mut Runner) -> Result<(), BrokenOff> {
    let before = run.committer()?.archive().segments().len();
    for n in 0.. {
        if run.committer()?.archive().segments().len() > before {
            break;
        }
        run.ask(vec![accept(run.rules_version, vec![(event(&format!("pad-{n}"), 2_500), 0)])])?;
    }
    Ok(())
}

/// Carries what is needed of all segments but the last one, and says so.
fn clean(run: &mut Runner) -> Result<(), BrokenOff> {
    let archive = run.committer()?.archive();
    let segments = archive.segments();
    let Some(below_k) = segments.last().map(|last| last.first_k) else { return Ok(()) };
    for segment in segments.iter().rev().skip(1).rev() {
        let facts = SegmentFacts { first_k: segment.first_k, last_k: segment.last_k, ..SegmentFacts::default() };
        run.ask(vec![Request::Seal(facts)])?;
    }
    for k in archive.first_k()..below_k {
        let items = archive.frame(k).map_err(|error| BrokenOff(error.to_string()))?;
        for item in items {
            let remains = Remains::of(&item.record, item.position).map_err(|error| BrokenOff(error.to_string()))?;
            let Some(Remains { tenant, events, held }) = remains else { continue };
            let carry = CarryRequest::Events { tenant: tenant.clone(), events };
            let values = CarryRequest::Held { tenant, held, bytes: 0 };
            run.ask(vec![Request::Carry(carry), Request::Carry(values)])?;
        }
    }
    run.ask(vec![Request::Carry(CarryRequest::Rules { below_k })])?;
    let usage = run.committer()?.read(|state| state.scan(Table::Usage, &[], Bound::Unbounded, usize::MAX));
    let keys = usage.map_err(|error| BrokenOff(error.to_string()))?.into_iter().map(|(key, _)| key).collect();
    run.ask(vec![Request::Carry(CarryRequest::Usage { tenant: tenant(), keys, below_k })])?;
    let models =
        run.committer()?.read(|state| state.scan(Table::Models, &keys::spents(&tenant()), Bound::Unbounded, 500));
    let keys = models.map_err(|error| BrokenOff(error.to_string()))?.into_iter().map(|(key, _)| key).collect();
    run.ask(vec![Request::Carry(CarryRequest::Spent { tenant: tenant(), keys, below_k })])?;
    let (buckets, queues) = (vec![name("kv")], vec![name("dead")]);
    run.ask(vec![Request::Carry(CarryRequest::Sums { tenant: tenant(), buckets, queues })])?;
    // From the moment that it is asked for, what lies before may be gone.
    run.told.cleaned_below = below_k;
    run.ask(vec![Request::Carry(CarryRequest::Cleaned { below_k })])?;
    Ok(())
}

/// A few requests more, by which a partition that was opened again is used.
pub fn tail(run: &mut Runner, round: u64) -> Result<(), BrokenOff> {
    configure(run)?;
    for n in 0..3 {
        run.ask(vec![accept(run.rules_version, vec![(event(&format!("tail-{round}-{n}"), 900 * n), 1)])])?;
    }
    Ok(())
}
