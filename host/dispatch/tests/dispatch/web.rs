//! A plugin that answers requests of the route `/do` and is a closure.

use std::{collections::HashMap, sync::Arc, time::Duration};

use futures_util::{FutureExt as _, future::BoxFuture};
use http::Request;
use http_body_util::{BodyExt as _, Empty};
use serde_json::{Value, json};
use wharf_capability::Effects;
use wharf_delivery::{Details, Failure, Verdict};
use wharf_dispatch::{Dispatcher, Handler, Home, HttpBody, Options, RuleSet, Surroundings, Takes};
use wharf_event::{Code, Digest};
use wharf_runtime::{Ending, Invocation, Report, RequestInvocation, RequestReport};

use crate::host::tenant;

type Answers = dyn Fn(RequestInvocation) -> BoxFuture<'static, RequestReport> + Send + Sync;

/// The plugin.
struct Web(Box<Answers>);

impl Handler for Web {
    fn digest(&self) -> Digest {
        Digest::of(b"web")
    }

    fn takes(&self) -> Takes {
        Takes::Requests
    }

    fn answer(&self, invocation: RequestInvocation) -> BoxFuture<'_, RequestReport> {
        (self.0)(invocation)
    }

    fn handle(&self, _: Invocation) -> BoxFuture<'_, Report> {
        let ending = Ending::Verdict(Verdict::Failed(Failure::new(Code::HandlerKind, "it answers requests")));
        let (effects, details) = (Effects::default(), Details::default());
        async { Report { ending, effects, duration: Duration::ZERO, details } }.boxed()
    }
}

/// A body of no bytes.
pub fn nothing() -> HttpBody {
    Empty::new().map_err(|never: std::convert::Infallible| match never {}).boxed_unsync()
}

/// Opens the partition in `home` with a plugin that answers so and has these grants, two at a time, and begins.
pub async fn open_web<F: Future<Output = RequestReport> + Send + 'static>(
    home: &dyn Home,
    grants: Value,
    answers: impl Fn(RequestInvocation) -> F + Send + Sync + 'static,
) -> Dispatcher {
    let web = Arc::new(Web(Box::new(move |invocation| answers(invocation).boxed())));
    let here = tokio::runtime::Handle::current();
    let surroundings = Surroundings::of_this_machine(here.clone());
    let dispatcher = Dispatcher::open(home, Options::default(), surroundings, here).unwrap();
    let limits = json!({"wall_ms": 10_000, "cpu_ms": 1_000, "memory_mib": 64, "concurrency": 2});
    let document = json!({"default_tenant": null, "tenants": {"acme": {
        "buses": ["default"],
        "plugins": {"web": {"release": web.digest(), "config": {}, "grants": grants, "limits": limits}},
        "rules": {},
        "routes": {"/do": {"plugin": "web", "request_bytes": 1024, "answer_bytes": 1024}},
    }}});
    let releases = HashMap::from([(web.digest(), web as Arc<dyn Handler>)]);
    let rules = RuleSet::new(serde_json::from_value(document).unwrap(), &releases, &HashMap::new()).unwrap();
    dispatcher.configure(rules).await.unwrap();
    dispatcher.begin();
    dispatcher
}

/// The status that a request is answered with, or why it is not; it fails when neither comes.
pub async fn asked(dispatcher: &Dispatcher) -> Result<u16, Code> {
    let (tenant, request) = (tenant(), Request::post("/do").body(nothing()).unwrap());
    let serving = tokio::time::timeout(Duration::from_secs(20), dispatcher.serve(&tenant, request));
    let served = serving.await.expect("it came to nothing");
    served.map(|served| served.response.status().as_u16()).map_err(|unserved| unserved.code)
}
