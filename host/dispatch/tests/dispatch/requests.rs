//! Goal: requests have places as attempts do, though they take and leave them without the scheduler while nobody waits for one; a host that
//! stops lets those end that run, and begins none then. Method: a plugin that answers when it is told to.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use http::Response;
use serde_json::json;
use tokio::sync::Semaphore;
use wharf_delivery::Details;
use wharf_event::Code;
use wharf_runtime::{RequestInvocation, RequestReport};

use crate::{
    host::{small_home, tenant},
    web::{asked, nothing, open_web},
};

/// How often the plugin was called and has answered, and how many of its calls ran at most at a time.
struct Patient {
    called: AtomicUsize,
    answered: AtomicUsize,
    most: AtomicUsize,
    /// As often it may answer.
    answers: Semaphore,
}

impl Patient {
    async fn run(self: Arc<Self>, invocation: RequestInvocation) -> RequestReport {
        let running = self.called.fetch_add(1, Ordering::SeqCst) + 1 - self.answered.load(Ordering::SeqCst);
        self.most.fetch_max(running, Ordering::SeqCst);
        self.answers.acquire().await.unwrap().forget();
        self.answered.fetch_add(1, Ordering::SeqCst);
        // Nobody may be there any more.
        let _ = invocation.answer.send(Ok(Response::new(nothing())));
        RequestReport { status: Some(200), failure: None, duration: Duration::ZERO, details: Details::default() }
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
    let [called, answered, most] = [0; 3].map(AtomicUsize::new);
    let web = Arc::new(Patient { called, answered, most, answers: Semaphore::new(0) });
    let (home, answers) = (small_home(64 << 20), Arc::clone(&web));
    let grants = json!({"publish": [], "kv": []});
    let dispatcher = open_web(&home, grants, move |invocation| Arc::clone(&answers).run(invocation)).await;
    let ask = || {
        let dispatcher = dispatcher.clone();
        tokio::spawn(async move { asked(&dispatcher).await })
    };
    let called = || web.called.load(Ordering::SeqCst);
    let running = || dispatcher.load(&tenant()).running;
    // Two have places, and three more wait: each has one when another ends.
    let all: Vec<_> = (0..5).map(|_| ask()).collect();
    until(|| called() == 2 && running() == 2).await;
    web.answers.add_permits(5);
    for one in all {
        assert_eq!(one.await.unwrap(), Ok(200));
    }
    assert_eq!(web.most.load(Ordering::SeqCst), 2, "as many as may run at a time");
    until(|| running() == 0).await;
    // One by one nobody waits for anything.
    web.answers.add_permits(10);
    for _ in 0..10 {
        assert_eq!(asked(&dispatcher).await, Ok(200));
    }
    until(|| running() == 0).await;
    // A host that stops waits for the one that runs, and begins none when it has stopped.
    let last = ask();
    until(|| called() == 16).await;
    let stops = async {
        let drained = dispatcher.stop(Duration::from_secs(20)).await;
        (drained, web.answered.load(Ordering::SeqCst))
    };
    // It is asked to stop first.
    let (stopped, ()) = tokio::join!(biased; stops, async { web.answers.add_permits(1) });
    assert_eq!(stopped, (true, 16), "drained, and all were answered");
    assert_eq!(last.await.unwrap(), Ok(200));
    assert_eq!((asked(&dispatcher).await, called()), (Err(Code::ShuttingDown), 16));
}
