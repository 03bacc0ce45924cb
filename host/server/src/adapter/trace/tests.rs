//! Goal: all pages of a trace together tell the tree once, wherever a page ends: between events, between deliveries, or within a delivery of more steps
//! than a page has; and the walk reads what came of the event to its end, and no further. Method: the walk as it is, over the core as it is on a disk in
//! memory, with pages of every size; frames are counted that are read before others that have nothing to do with it.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures_util::{FutureExt as _, future::BoxFuture};
use serde_json::{Value, json};
use wharf_delivery::{DeliveryId, Details, Failure, LimitsDocument, QueueOp, Receipt, RetryPolicy, Verdict};
use wharf_dispatch::{Dispatcher, Handler, Options, Receiving, RuleSet, Surroundings};
use wharf_event::{Code, Digest, EventBuilder, Position, TenantName};
use wharf_faults::{FaultyDisk, SimHome};
use wharf_gateway::{
    DeliveriesQuery,
    view::{DeliveryState, TraceCursor, TraceView},
};
use wharf_runtime::{Ending, Invocation, Report};

use super::{TracePage, trace};
use crate::adapter::{detail::detail, search::Searches};

/// Attempts that it fails before it publishes something.
const FAILED: u32 = 6;

struct Flaky;

impl Handler for Flaky {
    fn digest(&self) -> Digest {
        Digest::of(b"flaky")
    }

    fn handle(&self, invocation: Invocation) -> BoxFuture<'_, Report> {
        let failed = Failure { retry_after_ms: Some(0), ..Failure::new(Code::HandlerRetry, "as told") };
        let is_done = invocation.attempt > FAILED;
        let ending = Ending::Verdict(if is_done { Verdict::Ok } else { Verdict::Failed(failed) });
        let (duration, details) = (Duration::ZERO, Details::default());
        let mut report = Report { ending, effects: Default::default(), duration, details };
        if is_done {
            report.effects.publish(EventBuilder::new("child", "flaky", "child").build().unwrap()).unwrap();
        }
        async move { report }.boxed()
    }
}

/// A host with an event whose delivery to a plugin has seven steps, that to a queue twenty, and that of what the plugin published nine, with the
/// receipt of the last of those.
async fn grown() -> (Dispatcher, TenantName, Position, Receipt) {
    let home = SimHome { disk: FaultyDisk::default(), segment_sizes: Default::default() };
    let here = tokio::runtime::Handle::current();
    let surroundings = Surroundings::of_this_machine(here.clone());
    let dispatcher = Dispatcher::open(&home, Options::default(), surroundings, here).unwrap();
    let plugin = json!({
        "release": Flaky.digest(), "config": {}, "grants": {"publish": ["*"]}, "limits": LimitsDocument::default(),
    });
    let queue = json!({"visibility_ms": 60_000, "retention_ms": 3_600_000, "dead_letter": "dead"});
    let to = |kind: &str, name: &str| json!({kind: name, "dead_letter": "dead", "retry": RetryPolicy::default()});
    let rule =
        |kind: &str, targets: &[Value]| json!({"bus": "default", "pattern": {"type": [kind]}, "targets": targets});
    let rules = json!({
        "a": rule("root", &[to("plugin", "flaky"), to("queue", "roots")]), "b": rule("child", &[to("queue", "children")]),
    });
    let queues = json!({"roots": queue, "children": queue});
    let of_tenant = json!({"buses": ["default"], "plugins": {"flaky": plugin}, "queues": queues, "rules": rules});
    let document = serde_json::from_value(json!({"default_tenant": null, "tenants": {"acme": of_tenant}})).unwrap();
    let flaky: Arc<dyn Handler> = Arc::new(Flaky);
    let rules = RuleSet::new(document, &[(flaky.digest(), flaky)].into(), &Default::default()).unwrap();
    dispatcher.configure(rules).await.unwrap();
    dispatcher.begin();
    let tenant: TenantName = "acme".parse().unwrap();
    let root = EventBuilder::new("root", "test", "root").build().unwrap();
    let told = dispatcher.accept(&tenant, &"default".parse().unwrap(), vec![root]).await.unwrap();
    let position = told[0].as_ref().unwrap().position;
    // Each is received and given back; one is ended then, and somebody has the other.
    for n in 1..10 {
        let receipt = received(&dispatcher, &tenant, "roots", n).await;
        end(&dispatcher, &tenant, "roots", QueueOp::Return(vec![receipt])).await;
    }
    let receipt = received(&dispatcher, &tenant, "roots", 10).await;
    end(&dispatcher, &tenant, "roots", QueueOp::Ack(vec![receipt])).await;
    for n in 1..5 {
        let receipt = received(&dispatcher, &tenant, "children", n).await;
        end(&dispatcher, &tenant, "children", QueueOp::Return(vec![receipt])).await;
    }
    let receipt = received(&dispatcher, &tenant, "children", 5).await;
    (dispatcher, tenant, position, receipt)
}

/// Receives for so many minutes: by that the state tells one time from another.
async fn received(dispatcher: &Dispatcher, tenant: &TenantName, queue: &str, minutes: u64) -> Receipt {
    let receiving = Receiving { count: 1, visibility_ms: Some(minutes * 60_000), wait: Duration::from_secs(60) };
    dispatcher.receive(tenant, &queue.parse().unwrap(), receiving).await.unwrap()[0].receipt
}

async fn end(dispatcher: &Dispatcher, tenant: &TenantName, queue: &str, op: QueueOp) {
    assert_eq!(dispatcher.end(tenant, &queue.parse().unwrap(), op).await.unwrap(), [true]);
    // What comes back within the same millisecond is the same to the state.
    let now_ms = dispatcher.now_ms();
    while dispatcher.now_ms() == now_ms {
        tokio::task::yield_now().await;
    }
}

/// What pages tell: the events in their order, and of each delivery how it stands and its steps.
#[derive(Debug, Default, PartialEq)]
struct Told {
    events: Vec<Position>,
    deliveries: BTreeMap<DeliveryId, (Value, Vec<Value>)>,
}

impl Told {
    /// Takes a page in, of which it gives how many steps it has.
    fn hear(&mut self, page: &TraceView) -> usize {
        let mut steps = 0;
        for of in &page.events {
            // A page that goes on within an event begins with it once more.
            if self.events.last() != Some(&of.event.position) {
                self.events.push(of.event.position);
            }
            for delivery in &of.deliveries {
                steps += delivery.steps.len();
                let state = json!(delivery.state);
                let id: DeliveryId = delivery.id.parse().unwrap();
                let known = self.deliveries.entry(id).or_insert_with(|| (state.clone(), Vec::new()));
                assert_eq!(known.0, state, "{id}: a page that does not tell it to its end knows how it stands");
                known.1.extend(delivery.steps.iter().map(|step| json!(step)));
            }
        }
        steps
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_pages_together_tell_each_step_once_and_in_order() {
    let (dispatcher, tenant, root, _) = grown().await;
    let searches = Searches::new();
    let page = async |limit, steps, after| {
        let (dispatcher, own, tenant) = (dispatcher.clone(), tenant.clone(), tenant.clone());
        let page = TracePage { limit, steps, after };
        searches.run(&own, move |asked| trace(asked, &dispatcher, &tenant, root, page)).await.unwrap()
    };
    let (mut whole, all) = (Told::default(), page(100, 1_000, None).await);
    assert_eq!((whole.hear(&all), all.next, all.truncated), (7 + 20 + 9, None, false));
    let counts: Vec<_> = whole.deliveries.values().map(|(_, steps)| steps.len()).collect();
    assert_eq!((whole.events.len(), counts), (2, vec![7, 20, 9]));
    for (limit, steps) in [1, 2, 100].iter().flat_map(|limit| (1..=37).map(move |steps| (*limit, steps))) {
        let (mut told, mut within, mut after): (_, _, Option<TraceCursor>) = (Told::default(), 0, None);
        loop {
            let next = page(limit, steps, after).await;
            let has = told.hear(&next);
            assert!((1..=steps).contains(&has), "{limit} events, {steps} steps, after {after:?}: {has}");
            assert_eq!(next.truncated, next.next.is_some());
            within += usize::from(next.next.is_some_and(|next| next.step.is_some()));
            if next.next.is_none() {
                break;
            }
            assert_ne!(next.next, after, "it goes on");
            after = next.next;
        }
        assert_eq!(told, whole, "{limit} events, {steps} steps");
        assert!(steps >= 20 || within > 0, "{limit} events, {steps} steps: some page ends within a delivery");
    }
    assert!(dispatcher.stop(Duration::from_secs(60)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_walk_reads_what_came_of_an_event_to_its_end_and_no_further() {
    let (dispatcher, tenant, root, receipt) = grown().await;
    let (searches, child) = (Searches::new(), receipt.delivery.event);
    // Somebody has it; then it was given back, and waits.
    for (is_back, state) in [(false, DeliveryState::Running), (true, DeliveryState::Waiting)] {
        if is_back {
            end(&dispatcher, &tenant, "children", QueueOp::Return(vec![receipt])).await;
        }
        let last_k = dispatcher.archive().last_k();
        // Nobody listens for these.
        for n in 0..9 {
            let other = EventBuilder::new(format!("{is_back} {n}"), "test", "other").build().unwrap();
            dispatcher.accept(&tenant, &"default".parse().unwrap(), vec![other]).await.unwrap();
        }
        let (of, whose) = (dispatcher.clone(), tenant.clone());
        let (traced, told, read) = searches
            .run(&tenant, move |asked| {
                let page = TracePage { limit: 100, steps: 1_000, after: None };
                let traced = trace(asked, &of, &whose, root, page)?;
                let read = asked.frames.take();
                let query = DeliveriesQuery { limit: 1, ..DeliveriesQuery::default() };
                let told = detail(asked, &of, &whose, child, query)?;
                Ok((traced, told, [read, asked.frames.take()]))
            })
            .await
            .unwrap();
        assert_eq!(Told::default().hear(&traced), 7 + 20 + 9 + usize::from(is_back));
        assert!(read[0] <= last_k + 1 - root.k, "{read:?} frames from {root} to {last_k}");
        // An attempt may have come of it if somebody has it, and none if it was given back.
        let most = if is_back { 0 } else { last_k + 1 - child.k };
        assert!(read[1] <= most, "{read:?} frames from {child} to {last_k}");
        assert_eq!((told.deliveries[0].state, told.deliveries[0].attempts.len()), (state, 0));
    }
    assert!(dispatcher.stop(Duration::from_secs(60)).await);
}
