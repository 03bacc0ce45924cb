//! Goal: of answers that the log does not have there are only a few, since a host that is killed pays for those again. Method: a plugin asks a model
//! again and again, on a disk that is well, on one whose syncs fail from the first answer on, and on one that is full from then on.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use futures_util::{FutureExt as _, future::BoxFuture};
use serde_json::json;
use tokio::sync::mpsc;
use wharf_capability::{AttemptContext, HttpAnswer, HttpFailed, HttpRequest, LlmCall, LlmFailed, LlmSpent, Pieces};
use wharf_delivery::Verdict;
use wharf_dispatch::{
    Books, Dispatcher, Handler, LlmAnswer, NoAnswer, Options, Outgoing, OutgoingAnswer, OutgoingRequest, RuleSet,
    Surroundings,
};
use wharf_event::{Code, SecretName};
use wharf_faults::Fault;
use wharf_faults::SmallHome;
use wharf_llm::{Ask, Embedding, Told, Usage, Vectors};

use crate::{
    full_disk::until,
    host::{BALLAST_BYTES, Scripted, send, small_home},
};

/// Questions of an attempt.
const ASKS: u32 = 50;

/// Questions of one that may be ahead of the log with all answers, which have no room in the log all the same.
const FEW: u32 = 15;

/// Numbers of each answer: all answers together have more bytes than the log has room for without another segment.
const NUMBERS: usize = 8_000;

const DISK_BYTES: u64 = 64 << 20;

/// What becomes of the disk with the first answer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Disk {
    IsWell,
    Fails,
    IsFull,
}

/// What answers at once.
struct Model {
    home: SmallHome,
    disk: Disk,
    asked: Arc<AtomicU32>,
    /// Requests by HTTP.
    sent: Arc<AtomicU32>,
}

impl Outgoing for Model {
    fn send(&self, _: OutgoingRequest) -> BoxFuture<'static, Result<OutgoingAnswer, NoAnswer>> {
        unreachable!("there are no webhooks")
    }

    fn call(&self, _: HttpRequest) -> BoxFuture<'static, Result<HttpAnswer, HttpFailed>> {
        self.sent.fetch_add(1, Ordering::Relaxed);
        async { Err(HttpFailed::new(Code::HttpUnreachable, "nobody is there")) }.boxed()
    }

    fn ask(
        &self,
        _: LlmCall,
        _: BTreeMap<SecretName, String>,
        _: Arc<dyn Books>,
    ) -> BoxFuture<'static, Result<LlmAnswer, LlmFailed>> {
        if self.asked.fetch_add(1, Ordering::Relaxed) == 0 {
            match self.disk {
                Disk::IsWell => {}
                Disk::Fails => self.home.disk().watch(|operation| {
                    (operation.is_sync() && operation.name.starts_with("log/")).then_some(Fault::Error)
                }),
                Disk::IsFull => {
                    self.home.disk().lose("ballast");
                    self.home.take_but(0);
                }
            }
        }
        let spent = LlmSpent { model: "m".parse().ok(), tries: 1, outside: true, ..LlmSpent::default() };
        let vectors = vec![vec![0.5; NUMBERS]];
        async { Ok(LlmAnswer { told: Told::Vectors(Vectors { vectors, usage: Usage::default() }), spent }) }.boxed()
    }
}

/// Asks until there is no answer, and gives how many there were.
async fn ask(context: &AttemptContext, questions: u32) -> u32 {
    for number in 1..=questions {
        let texts = vec![number.to_string()];
        let call = LlmCall {
            tenant: context.tenant.clone(),
            plugin: context.plugin.clone(),
            delivery: context.occasion.delivery().unwrap().to_string(),
            number,
            route: "r".parse().unwrap(),
            ask: Ask::Embed(Embedding { texts, dimensions: None }),
            trace: None,
            timeout: Duration::from_secs(10),
            answer_bytes_max: 1 << 20,
            pieces: Pieces::default(),
        };
        if context.llm.ask(call).await.is_err() {
            return number - 1;
        }
    }
    questions
}

/// Sends a request.
async fn send_one(context: &AttemptContext) {
    let request = HttpRequest {
        tenant: context.tenant.clone(),
        plugin: context.plugin.clone(),
        policy: "p".into(),
        method: http::Method::GET,
        url: "https://example.com/".to_owned(),
        headers: http::HeaderMap::new(),
        body: bytes::Bytes::new(),
        private: false,
        timeout: Duration::from_secs(1),
        room: Arc::new(tokio::sync::Semaphore::new(1)),
        secrets: Vec::new(),
    };
    assert!(context.http.call(request).await.is_err());
}

/// A host whose plugin asks a model.
struct World {
    home: SmallHome,
    asked: Arc<AtomicU32>,
    sent: Arc<AtomicU32>,
    /// How many answers it had in the end.
    had: mpsc::UnboundedReceiver<u32>,
    _dispatcher: Dispatcher,
}

/// One that asks so often, and then sends a request.
async fn world(disk: Disk, questions: u32) -> World {
    let (home, asked, sent) = (small_home(DISK_BYTES), Arc::<AtomicU32>::default(), Arc::<AtomicU32>::default());
    let here = tokio::runtime::Handle::current();
    let model = Model { home: home.clone(), disk, asked: Arc::clone(&asked), sent: Arc::clone(&sent) };
    let surroundings = Surroundings { outgoing: Arc::new(model), ..Surroundings::of_this_machine(here.clone()) };
    let dispatcher = Dispatcher::open(&home, Options::default(), surroundings, here).unwrap();
    until("the ballast is made", || home.ballast() == BALLAST_BYTES).await;
    let (told, had) = mpsc::unbounded_channel();
    let plugin = Scripted::new(move |invocation| {
        let (told, context) = (told.clone(), invocation.context.clone());
        async move {
            let answers = ask(&context, questions).await;
            if answers == questions {
                send_one(&context).await;
            }
            told.send(answers).unwrap();
            Verdict::Ok
        }
        .boxed()
    });
    let limits = json!({"wall_ms": 10_000, "cpu_ms": 1_000, "memory_mib": 64, "concurrency": 1});
    let grants = json!({"publish": [], "kv": [], "llm": ["r"]});
    let document = json!({"default_tenant": null, "tenants": {"acme": {
        "buses": ["default"],
        "plugins": {"p": {"release": plugin.digest(), "config": {}, "grants": grants, "limits": limits}},
        "rules": {"all": {"bus": "default", "pattern": {"type": ["t"]}, "targets": [{
            "plugin": "p", "dead_letter": "dead",
            "retry": {"first_ms": 10, "max_ms": 10, "attempts": 1, "age_ms": 3_600_000},
        }]}},
    }}});
    let releases = HashMap::from([(plugin.digest(), plugin as Arc<dyn Handler>)]);
    let rules = RuleSet::new(serde_json::from_value(document).unwrap(), &releases, &HashMap::new()).unwrap();
    dispatcher.configure(rules).await.unwrap();
    dispatcher.begin();
    send(&dispatcher, 0..1).await;
    World { home, asked, sent, had, _dispatcher: dispatcher }
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_log_failed_a_plugin_has_sixteen_more_answers_at_most() {
    assert_eq!(world(Disk::IsWell, ASKS).await.had.recv().await, Some(ASKS));
    let had = world(Disk::Fails, ASKS).await.had.recv().await.unwrap();
    assert!((1..=16).contains(&had), "{had}");
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_full_disk_a_plugin_waits_with_its_next_question_until_there_is_room() {
    let mut world = world(Disk::IsFull, ASKS).await;
    until("it asks as often as it may", || world.asked.load(Ordering::Relaxed) >= 16).await;
    let waits = tokio::time::timeout(Duration::from_secs(1), world.had.recv()).await;
    let asked = world.asked.load(Ordering::Relaxed);
    assert!(waits.is_err() && asked < ASKS, "{waits:?} {asked}");
    world.home.resize(2 * DISK_BYTES);
    assert_eq!(world.had.recv().await, Some(ASKS));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_leaves_when_the_log_has_the_answers_that_it_may_follow_from() {
    let mut world = world(Disk::IsFull, FEW).await;
    until("it asked", || world.asked.load(Ordering::Relaxed) == FEW).await;
    let waits = tokio::time::timeout(Duration::from_secs(1), world.had.recv()).await;
    let (asked, sent) = (world.asked.load(Ordering::Relaxed), world.sent.load(Ordering::Relaxed));
    assert!(waits.is_err() && (asked, sent) == (FEW, 0), "{waits:?} {asked} {sent}");
    world.home.resize(2 * DISK_BYTES);
    assert_eq!(world.had.recv().await, Some(FEW));
    assert_eq!(world.sent.load(Ordering::Relaxed), 1);
}
