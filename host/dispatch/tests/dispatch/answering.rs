//! Goal: no answer to a request leaves that follows from what never became durable, be it one that says that its plugin failed.
//! Method: the plugin looks at the state behind a frame whose sync failed, which it waits for, and tries to answer.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::{FutureExt as _, future::BoxFuture};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Empty};
use serde_json::json;
use tokio::sync::Notify;
use wharf_capability::Effects;
use wharf_delivery::{Details, Failure};
use wharf_dispatch::{Dispatcher, Handler, HttpBody, Options, RuleSet, Surroundings, Takes, Unserved};
use wharf_event::{Code, Digest};
use wharf_faults::Fault;
use wharf_runtime::{Ending, Invocation, Report, RequestInvocation, RequestReport};

use crate::{
    host::{event, tenant},
    small_home::SmallHome,
};

/// A plugin that asks for a secret, when it may, and answers that it failed.
#[derive(Default)]
struct Failing {
    called: Notify,
    goes_on: Notify,
    /// What it was told of its secret.
    told: Mutex<Vec<Code>>,
}

fn nothing() -> HttpBody {
    Empty::new().map_err(|never: std::convert::Infallible| match never {}).boxed_unsync()
}

impl Failing {
    async fn run(&self, invocation: RequestInvocation) -> RequestReport {
        let RequestInvocation { context, answer, keep, .. } = invocation;
        self.called.notify_one();
        self.goes_on.notified().await;
        let opened = context.secrets.open(&context.tenant, &"signing".parse().unwrap()).await;
        self.told.lock().unwrap().push(opened.unwrap_err().code);
        // As the runtime does where the status is 500 or above.
        let kept = keep.unwrap()(None).await;
        let failure = kept.clone().err();
        let _ = answer.send(kept.map(|()| Response::builder().status(500).body(nothing()).unwrap()));
        RequestReport { status: None, failure, duration: Duration::ZERO, details: Details::default() }
    }
}

impl Handler for Failing {
    fn digest(&self) -> Digest {
        Digest::of(b"failing")
    }

    fn takes(&self) -> Takes {
        Takes::Requests
    }

    fn answer(&self, invocation: RequestInvocation) -> BoxFuture<'_, RequestReport> {
        self.run(invocation).boxed()
    }

    fn handle(&self, _: Invocation) -> BoxFuture<'_, Report> {
        let failure = Failure::new(Code::HandlerKind, "it answers requests");
        let ending = Ending::Verdict(wharf_delivery::Verdict::Failed(failure));
        let (effects, details) = (Effects::default(), Details::default());
        async { Report { ending, effects, duration: Duration::ZERO, details } }.boxed()
    }
}

async fn asked(dispatcher: &Dispatcher) -> Result<u16, Unserved> {
    let request = Request::post("/do").body(nothing()).unwrap();
    dispatcher.serve(&tenant(), request).await.map(|served| served.response.status().as_u16())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_says_that_it_failed_leaves_when_what_it_follows_from_is_durable_and_else_never() {
    let (home, web) = (SmallHome::new(64 << 20), Arc::new(Failing::default()));
    let here = tokio::runtime::Handle::current();
    let surroundings = Surroundings::of_this_machine(here.clone());
    let dispatcher = Dispatcher::open(&home, Options::default(), surroundings, here).unwrap();
    let limits = json!({"wall_ms": 10_000, "cpu_ms": 1_000, "memory_mib": 64, "concurrency": 4});
    let grants = json!({"publish": [], "kv": ["web"], "hold": ["signing"]});
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
    web.goes_on.notify_one();
    assert_eq!(asked(&dispatcher).await.ok(), Some(500));
    let fails = async {
        web.called.notified().await;
        home.disk
            .watch(|operation| (operation.is_sync() && operation.name.starts_with("log/")).then_some(Fault::Error));
        let taken = dispatcher.accept(&tenant(), &"default".parse().unwrap(), vec![event(1)]).await;
        assert!(taken.is_err(), "{taken:?}");
        web.goes_on.notify_one();
    };
    // That of the call before.
    web.called.notified().await;
    let (answer, ()) = tokio::join!(asked(&dispatcher), fails);
    assert_eq!(answer.map_err(|unserved| unserved.code), Err(Code::RouteUnkept));
    assert_eq!(*web.told.lock().unwrap(), [Code::SecretUnknown, Code::Internal]);
}
