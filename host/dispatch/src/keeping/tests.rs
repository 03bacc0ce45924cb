//! Goal: no answer is waited for that the log has; and what a call with messages of a queue was answered is found when it runs again, also where the
//! answer of another call that had a message at once stands in its place. Method: answers whose ways to the log have ended and that nobody looked at;
//! two calls that are both asked before either answer is kept, and that both run again.

use std::{
    collections::{BTreeMap, HashMap},
    sync::atomic::AtomicU16,
    time::Duration,
};

use cap_std::{ambient_authority, fs::Dir};
use futures_util::future::join;
use serde_json::json;
use tokio::{
    runtime::Handle,
    sync::{Barrier, oneshot},
    task::yield_now,
    time::timeout,
};
use wharf_capability::{HttpAnswer, Pieces};
use wharf_delivery::{RetryPolicy, answers_of};
use wharf_event::{EventBuilder, SecretName};
use wharf_llm::{Ask, Embedding, Told, Vectors};

use super::*;
use crate::{
    Books, Dispatcher, FolderHome, NoAnswer, Options, Outgoing, OutgoingAnswer, OutgoingRequest, RuleSet, Surroundings,
};

/// A model whose answers say how often it was asked. The first two it gives when it was asked twice.
#[derive(Clone)]
struct Model {
    asked: Arc<AtomicU16>,
    both: Arc<Barrier>,
}

impl Outgoing for Model {
    fn send(&self, _: OutgoingRequest) -> BoxFuture<'static, Result<OutgoingAnswer, NoAnswer>> {
        unreachable!("there are no webhooks")
    }

    fn call(&self, _: HttpRequest) -> BoxFuture<'static, Result<HttpAnswer, HttpFailed>> {
        unreachable!("nothing is requested")
    }

    fn ask(
        &self,
        _: LlmCall,
        _: BTreeMap<SecretName, String>,
        _: Arc<dyn Books>,
    ) -> BoxFuture<'static, Result<LlmAnswer, LlmFailed>> {
        let Self { asked, both } = self.clone();
        async move {
            let before = asked.fetch_add(1, Ordering::Relaxed);
            if before < 2 {
                timeout(Duration::from_secs(60), both.wait()).await.unwrap();
            }
            let told = Told::Vectors(Vectors { vectors: vec![vec![before.into()]], usage: Usage::default() });
            Ok(LlmAnswer { told, spent: LlmSpent { tries: 1, outside: true, ..LlmSpent::default() } })
        }
        .boxed()
    }
}

/// A partition with three messages in a queue.
async fn host(folder: &tempfile::TempDir, model: Model) -> (Dispatcher, Vec<DeliveryId>) {
    let home = FolderHome::new(Dir::open_ambient_dir(folder.path(), ambient_authority()).unwrap());
    let surroundings = Surroundings { outgoing: Arc::new(model), ..Surroundings::of_this_machine(Handle::current()) };
    let host = Dispatcher::open(&home, Options::default(), surroundings, Handle::current()).unwrap();
    let retry = RetryPolicy::default();
    let document = json!({"default_tenant": null, "tenants": {"acme": {
        "buses": ["default"],
        "plugins": {},
        "queues": {"q": {"visibility_ms": 30_000, "retention_ms": 600_000, "dead_letter": "dead"}},
        "rules": {"all": {"bus": "default", "pattern": {"type": ["t"]}, "targets": [
            {"queue": "q", "retry": retry, "dead_letter": "dead"}
        ]}},
    }}});
    let rules = RuleSet::new(serde_json::from_value(document).unwrap(), &HashMap::new(), &HashMap::new()).unwrap();
    host.configure(rules).await.unwrap();
    let events = (0..3).map(|n| EventBuilder::new(n.to_string(), "test", "t").build().unwrap()).collect();
    let taken = host.accept(&"acme".parse().unwrap(), &"default".parse().unwrap(), events).await.unwrap();
    let messages = taken.into_iter().map(|taken| DeliveryId { event: taken.unwrap().position, n: 0 });
    (host, messages.collect())
}

/// The first call of a model of an attempt, and of each run of it.
async fn ask(ways: &Ways, text: &str) -> (Told, LlmKeeping) {
    let call = LlmCall {
        tenant: "acme".parse().unwrap(),
        plugin: "p".parse().unwrap(),
        delivery: text.to_owned(),
        number: 1,
        route: "r".parse().unwrap(),
        ask: Ask::Embed(Embedding { texts: vec![text.to_owned()], dimensions: None }),
        trace: None,
        timeout: Duration::from_secs(10),
        answer_bytes_max: 1 << 20,
        pieces: Pieces::default(),
    };
    let LlmAnswer { told, spent } = ways.llm.ask(call).await.unwrap();
    (told, spent.keeping)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_whose_answer_was_kept_behind_that_of_another_finds_it_when_it_runs_again() {
    let folder = tempfile::tempdir().unwrap();
    let model = Model { asked: Arc::default(), both: Arc::new(Barrier::new(2)) };
    let (host, messages) = host(&folder, model.clone()).await;
    let grants = Arc::new(Grants { llm: vec!["r".parse().unwrap()], ..Grants::default() });
    let ways = |messages: &[DeliveryId]| {
        let asker = Asker::batch(messages.into());
        Ways::new(&host.attempts.calls, Arc::clone(&grants), asker, &"queue/q".parse().unwrap())
    };
    // Both keep what they are answered of the first message.
    let (one, other) = (ways(&messages[..2]), ways(&[messages[0], messages[2]]));
    let first = join(ask(&one, "why"), ask(&other, "when")).await;
    assert_eq!((first.0.1, first.1.1), (LlmKeeping::Kept, LlmKeeping::Kept));
    let again = join(ask(&one, "why"), ask(&other, "when")).await;
    assert_eq!(again, ((first.0.0, LlmKeeping::Before), (first.1.0, LlmKeeping::Before)));
    assert_eq!(model.asked.load(Ordering::Relaxed), 2);
    let kept = host.read(|state| answers_of(state, &"acme".parse().unwrap(), messages[0])).await.unwrap().unwrap();
    assert_eq!(kept.len(), 2, "both are of one message, so the later one is not where its call put it");
}

/// An answer on its way to the log, and who says that it is there.
fn on_its_way() -> (oneshot::Sender<()>, Coming) {
    let (there, came) = oneshot::channel();
    (there, async move { came.await.map(|()| LlmKeeping::Kept).map_err(|_| Ended) }.boxed().shared())
}

#[tokio::test]
async fn an_answer_that_the_log_has_is_not_waited_for_and_who_waits_for_another_is_told_when_it_comes() {
    let keeps = Arc::new(Keeps::default());
    let (there, coming): (Vec<_>, Vec<_>) = (0..4).map(|_| on_its_way()).unzip();
    (1..).zip(coming).for_each(|(call, coming)| keeps.goes_ahead(call, coming));
    assert!(keeps.to_wait_for(3, None).is_some(), "four are on their way");
    let [first, second, third, _fourth] = <[_; 4]>::try_from(there).unwrap();
    first.send(()).unwrap();
    assert!(keeps.to_wait_for(3, None).is_none() && keeps.ahead().len() == 3);
    // It is waited for by another, whose waker is the one that is told.
    let waits = tokio::spawn({
        let keeps = Arc::clone(&keeps);
        async move { keeps.all_but(2, None).await }
    });
    while keeps.ahead().front().unwrap().1.strong_count() == Some(1) {
        yield_now().await;
    }
    assert!(keeps.to_wait_for(2, None).is_some());
    second.send(()).unwrap();
    assert!(timeout(Duration::from_secs(60), waits).await.unwrap().unwrap().is_ok());
    drop(third);
    assert!(keeps.all_but(2, None).await.is_err(), "the log takes nothing any more");
}
