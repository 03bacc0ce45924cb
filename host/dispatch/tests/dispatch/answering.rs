//! Goal: no answer to a request leaves that follows from what never became durable, be it one that says that its plugin failed.
//! Method: the plugin looks at the state behind a frame whose sync failed, which it waits for, and tries to answer.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use http::Response;
use serde_json::json;
use tokio::sync::Notify;
use wharf_delivery::Details;
use wharf_event::Code;
use wharf_faults::Fault;
use wharf_runtime::{RequestInvocation, RequestReport};

use crate::{
    host::{event, small_home, tenant},
    web::{asked, nothing, open_web},
};

/// A plugin that asks for a secret, when it may, and answers that it failed.
#[derive(Default)]
struct Failing {
    called: Notify,
    goes_on: Notify,
    /// What it was told of its secret.
    told: Mutex<Vec<Code>>,
}

impl Failing {
    async fn run(self: Arc<Self>, invocation: RequestInvocation) -> RequestReport {
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

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_says_that_it_failed_leaves_when_what_it_follows_from_is_durable_and_else_never() {
    let (home, web) = (small_home(64 << 20), Arc::new(Failing::default()));
    let grants = json!({"publish": [], "kv": ["web"], "hold": ["signing"]});
    let answers = Arc::clone(&web);
    let dispatcher = open_web(&home, grants, move |invocation| Arc::clone(&answers).run(invocation)).await;
    web.goes_on.notify_one();
    assert_eq!(asked(&dispatcher).await, Ok(500));
    let fails = async {
        web.called.notified().await;
        home.disk()
            .watch(|operation| (operation.is_sync() && operation.name.starts_with("log/")).then_some(Fault::Error));
        let taken = dispatcher.accept(&tenant(), &"default".parse().unwrap(), vec![event(1)]).await;
        assert!(taken.is_err(), "{taken:?}");
        web.goes_on.notify_one();
    };
    // That of the call before.
    web.called.notified().await;
    let (answer, ()) = tokio::join!(asked(&dispatcher), fails);
    assert_eq!(answer, Err(Code::RouteUnkept));
    assert_eq!(*web.told.lock().unwrap(), [Code::SecretUnknown, Code::Internal]);
}
