//! Goal: requests have places as attempts do, though they take and leave them without the scheduler while nobody waits for one; a host that
//! stops lets those end that run, and begins none then. Method: a plugin that answers when it is told to.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::{FutureExt as _, future::BoxFuture};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Empty};
use serde_json::json;
use tokio::sync::Semaphore;
use wharf_capability::Effects;
use wharf_delivery::{Details, Failure};
use wharf_dispatch::{Dispatcher, Handler, HttpBody, Options, RuleSet, Surroundings, Takes};
use wharf_event::{Code, Digest};
use wharf_runtime::{Ending, Invocation, Report, RequestInvocation, RequestReport};

use crate::{host::tenant, small_home::SmallHome};

/// A plugin that answers as often as it is told to.
struct Patient {
    called: AtomicUsize,
    answers: Semaphore,
}

fn nothing() -> HttpBody {
    Empty::new().map_err(|never: std::convert::Infallible| match never {}).boxed_unsync()
}

impl Handler for Patient {
    fn digest(&self) -> Digest {
        Digest::of(b"patient")
    }

    fn takes(&self) -> Takes {
        Takes::Requests
    }

    fn answer(&self, invocation: RequestInvocation) -> BoxFuture<'_, RequestReport> {
        async {
            self.called.fetch_add(1, Ordering::SeqCst);
            self.answers.acquire().await.unwrap().forget();
            // Nobody may be there any more.
            let _ = invocation.answer.send(Ok(Response::new(nothing())));
            RequestReport { status: Some(200), failure: None, duration: Duration::ZERO, details: Details::default() }
        }
        .boxed()
    }

    fn handle(&self, _: Invocation) -> BoxFuture<'_, Report> {
        let failure = Failure::new(Code::HandlerKind, "it answers requests");
        let ending = Ending::Verdict(wharf_delivery::Verdict::Failed(failure));
        let (effects, details) = (Effects::default(), Details::default());
        async { Report { ending, effects, duration: Duration::ZERO, details } }.boxed()
    }
}

/// Waits until something is so.
async fn until(is_so: impl Fn() -> bool) {
    let waits = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waits).await.expect("it never came to that");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_waits_for_a_place_where_all_are_taken_and_a_host_that_stops_lets_it_end() {
    let (home, web) =
        (SmallHome::new(64 << 20), Arc::new(Patient { called: AtomicUsize::new(0), answers: Semaphore::new(0) }));
    let here = tokio::runtime::Handle::current();
    let surroundings = Surroundings::of_this_machine(here.clone());
    let dispatcher = Dispatcher::open(&home, Options::default(), surroundings, here).unwrap();
    let limits = json!({"wall_ms": 10_000, "cpu_ms": 1_000, "memory_mib": 64, "concurrency": 2});
    let grants = json!({"publish": [], "kv": []});
    let document = json!({"default_tenant": null, "tenants": {"acme": {
        "buses": ["default"],
        "plugins": {"web": {"release": web.digest(), "config": {}, "grants": grants, "limits": limits}},
        "rules": {},
        "routes": {"/do": {"plugin": "web", "request_bytes": 1024, "answer_bytes": 1024}},
    }}});
    let releases = HashMap::from([(web.digest(), Arc::clone(&web) as Arc<dyn Handler>)]);
    let rules = RuleSet::new(serde_json::from_value(document).unwrap(), &releases, &HashMap::new()).unwrap();
    dispatcher.configure(rules).await.unwrap();
    dispatcher.begin();
    let ask = || {
        let dispatcher = dispatcher.clone();
        tokio::spawn(async move {
            let request = Request::get("/do").body(nothing()).unwrap();
            let tenant = tenant();
            let serving = tokio::time::timeout(Duration::from_secs(20), dispatcher.serve(&tenant, request));
            let served = serving.await.expect("it came to nothing");
            served.map(|served| served.response.status().as_u16()).map_err(|unserved| unserved.code)
        })
    };
    let called = || web.called.load(Ordering::SeqCst);
    let running = || dispatcher.load(&tenant()).running;
    // Two have places, and three more wait: each has one when another ends.
    let mut asked: Vec<_> = (0..5).map(|_| ask()).collect();
    until(|| called() == 2).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!((called(), running()), (2, 2), "no more than may run at a time");
    web.answers.add_permits(3);
    until(|| called() == 5).await;
    until(|| running() == 2).await;
    web.answers.add_permits(2);
    for one in asked.drain(..) {
        assert_eq!(one.await.unwrap(), Ok(200));
    }
    until(|| running() == 0).await;
    // One by one nobody waits for anything.
    web.answers.add_permits(10);
    for _ in 0..10 {
        assert_eq!(ask().await.unwrap(), Ok(200));
    }
    until(|| running() == 0).await;
    // A host that stops waits for the one that runs, and begins none when it has stopped.
    let last = ask();
    until(|| called() == 16).await;
    let stops = {
        let dispatcher = dispatcher.clone();
        tokio::spawn(async move { dispatcher.stop(Duration::from_secs(20)).await })
    };
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!stops.is_finished(), "it stopped though a request was under way");
    web.answers.add_permits(1);
    assert_eq!(last.await.unwrap(), Ok(200));
    assert!(stops.await.unwrap(), "it drains");
    assert_eq!((ask().await.unwrap(), called()), (Err(Code::ShuttingDown), 16));
}
