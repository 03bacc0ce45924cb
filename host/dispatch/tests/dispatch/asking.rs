//! Goal: of answers that the log does not have there are only a few, since a host that is killed pays for those again. Method: a plugin asks a model
//! again and again, on a disk that is well and on one whose syncs fail from the first answer on.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use futures_util::{FutureExt as _, future::BoxFuture};
use serde_json::json;
use tokio::sync::mpsc;
use wharf_capability::{AttemptContext, LlmCall, LlmFailed, LlmSpent, Pieces};
use wharf_delivery::Verdict;
use wharf_dispatch::{
    Books, Dispatcher, Handler, LlmAnswer, NoAnswer, Options, Outgoing, OutgoingAnswer, OutgoingRequest, RuleSet,
    Surroundings,
};
use wharf_event::SecretName;
use wharf_faults::Fault;
use wharf_llm::{Ask, Embedding, Told};

use crate::{
    host::{Scripted, send},
    small_home::SmallHome,
};

/// Questions of an attempt.
const ASKS: u32 = 50;

/// What answers at once, and breaks the disk before it does, if that is wished.
struct Model {
    home: SmallHome,
    breaks: bool,
}

impl Outgoing for Model {
    fn send(&self, _: OutgoingRequest) -> BoxFuture<'static, Result<OutgoingAnswer, NoAnswer>> {
        unreachable!("there are no webhooks")
    }

    fn ask(
        &self,
        _: LlmCall,
        _: BTreeMap<SecretName, String>,
        _: Arc<dyn Books>,
    ) -> BoxFuture<'static, Result<LlmAnswer, LlmFailed>> {
        if self.breaks {
            self.home
                .disk
                .watch(|operation| (operation.is_sync() && operation.name.starts_with("log/")).then_some(Fault::Error));
        }
        let spent = LlmSpent { model: "m".parse().ok(), tries: 1, outside: true, ..LlmSpent::default() };
        async { Ok(LlmAnswer { told: Told::Count(1), spent }) }.boxed()
    }
}

/// Asks until there is no answer, and gives how many there were.
async fn ask(context: AttemptContext) -> u32 {
    for number in 1..=ASKS {
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
            answer_bytes_max: 1_000,
            pieces: Pieces::default(),
        };
        if context.llm.ask(call).await.is_err() {
            return number - 1;
        }
    }
    ASKS
}

/// How many answers a plugin has that asks a model.
async fn answers(breaks: bool) -> u32 {
    let home = SmallHome::new(64 << 20);
    let here = tokio::runtime::Handle::current();
    let surroundings = Surroundings {
        outgoing: Arc::new(Model { home: home.clone(), breaks }),
        ..Surroundings::of_this_machine(here.clone())
    };
    let dispatcher = Dispatcher::open(&home, Options::default(), surroundings, here).unwrap();
    let (told, mut had) = mpsc::unbounded_channel();
    let plugin = Scripted::new(move |invocation| {
        let (told, context) = (told.clone(), invocation.context.clone());
        async move {
            told.send(ask(context).await).unwrap();
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
    had.recv().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_log_takes_nothing_a_plugin_has_eight_more_answers_and_no_ninth() {
    assert_eq!(answers(false).await, ASKS);
    assert_eq!(answers(true).await, 8);
}
