//! Plugins that are made while events flow: promoted, tried out, rolled back, found again after a restart.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::{FutureExt as _, future::BoxFuture};
use wharf_capability::Effects;
use wharf_catalog::{Action, CanaryWish, Cause, Channels, Condition, PluginObject};
use wharf_delivery::{Details, Expected, Failure, LimitsDocument, ObjectKind, ObjectName, ObjectWish, Verdict};
use wharf_dispatch::{Callable, ChangeError, Dispatcher, Handler, PluginError, RulesError};
use wharf_event::{Code, Digest, Event, EventBuilder, PluginName, RuleName};
use wharf_runtime::{Ending, Invocation, Report};

use crate::host::{Scripted, open, settled, tenant};

/// A release that notes what it handled; it fails what it is told to.
struct Release {
    name: char,
    handled: Arc<Mutex<Vec<(char, String)>>>,
    failing: Arc<AtomicBool>,
}

impl Handler for Release {
    fn digest(&self) -> Digest {
        digest(self.name)
    }

    fn handle(&self, invocation: Invocation) -> BoxFuture<'_, Report> {
        let id = invocation.context.event.id().to_owned();
        // One of ten.
        let fails = self.failing.load(Ordering::Relaxed) && id.ends_with('7');
        self.handled.lock().unwrap().push((self.name, id));
        let failure = Failure { retry_after_ms: Some(0), ..Failure::new(Code::HandlerRetry, "as told") };
        let verdict = if fails { Verdict::Failed(failure) } else { Verdict::Ok };
        async move {
            let (effects, details) = (Effects::default(), Details::default());
            Report { ending: Ending::Verdict(verdict), effects, duration: Duration::from_micros(50), details }
        }
        .boxed()
    }
}

fn digest(name: char) -> Digest {
    Digest::of(name.to_string().as_bytes())
}

fn plugin() -> PluginName {
    "made".parse().unwrap()
}

/// A host with releases on its shelf, and what they handled.
struct Stage {
    host: Dispatcher,
    handled: Arc<Mutex<Vec<(char, String)>>>,
    failing: Arc<AtomicBool>,
}

impl Stage {
    async fn open(folder: &tempfile::TempDir) -> Self {
        let host = open(folder, Scripted::new(|_| async { Verdict::Ok }.boxed()), 8).await;
        let stage = Self { host, handled: Arc::default(), failing: Arc::default() };
        stage.host.begin();
        stage
    }

    /// Puts a release on the shelf that fails one event of ten, or none.
    fn shelve(&self, name: char, fails: bool) {
        let failing = if fails { Arc::clone(&self.failing) } else { Arc::default() };
        let release = Release { name, handled: Arc::clone(&self.handled), failing };
        self.host.shelf().put(digest(name), Callable::Handler(Arc::new(release)));
    }

    async fn put(&self, object: Option<&PluginObject>) -> Result<(), ChangeError> {
        let document = object.map(|object| serde_json::to_vec(object).unwrap().into());
        let name = ObjectName::from(&plugin());
        let wish = ObjectWish { kind: ObjectKind::Plugin, name, document, expected: Expected::Any };
        self.host.change(&tenant(), vec![wish]).await.map(drop)
    }

    /// A rule for the plugin; none = removed.
    async fn rule(&self, there: bool) -> Result<(), ChangeError> {
        let rule = r#"{"bus":"default","pattern":{"type":["u"]},"targets":[{"plugin":"made","dead_letter":"dead",
            "retry":{"first_ms":1,"max_ms":1,"attempts":5,"age_ms":3600000}}]}"#;
        let name = ObjectName::from(&"made".parse::<RuleName>().unwrap());
        let document = there.then(|| rule.to_owned().into());
        let wish = ObjectWish { kind: ObjectKind::Rule, name, document, expected: Expected::Any };
        self.host.change(&tenant(), vec![wish]).await.map(drop)
    }

    async fn send(&self, from: usize, count: usize) {
        let event = |n: usize| -> Event { EventBuilder::new(format!("e{n}"), "test", "u").build().unwrap() };
        for page in (from..from + count).collect::<Vec<_>>().chunks(50) {
            let events = page.iter().map(|n| event(*n)).collect();
            let answers = self.host.accept(&tenant(), &"default".parse().unwrap(), events).await.unwrap();
            assert!(answers.iter().all(Result::is_ok));
        }
    }

    fn by(&self, name: char) -> usize {
        self.handled.lock().unwrap().iter().filter(|(by, _)| *by == name).count()
    }

    fn channels(&self) -> Channels {
        self.host.rules().plugin(&tenant(), &plugin()).unwrap().channels().unwrap().clone()
    }

    /// Waits until no release is on trial.
    async fn judged(&self) -> Channels {
        for n in 0..200 {
            let channels = self.channels();
            if channels.canary().is_none() {
                return channels;
            }
            self.send(10_000 + n * 100, 100).await;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("the canary is still on trial: {:?}", self.channels())
    }
}

fn made(release: char) -> PluginObject {
    PluginObject {
        config: Default::default(),
        grants: Default::default(),
        limits: LimitsDocument::default(),
        breaker: None,
        channels: Some(Channels::new(digest(release), 1, "first")),
    }
}

fn wish(release: char, for_ms: u64) -> CanaryWish {
    CanaryWish {
        release: digest(release),
        share: "30%".parse().unwrap(),
        for_ms: Some(for_ms),
        abort_on: Condition::list("error_rate>2%").unwrap(),
    }
}

async fn promote(stage: &Stage, release: char) {
    let (tenant, plugin) = (tenant(), plugin());
    let edited = stage.host.edit_plugin(&tenant, &plugin, &[], |object| {
        let channels = object.channels.as_mut().unwrap();
        channels.promote(digest(release), 2, Cause::Request, "next")
    });
    edited.await.unwrap();
}

async fn try_out(stage: &Stage, release: char, for_ms: u64) {
    let now_ms = stage.host.now_ms();
    let (tenant, plugin) = (tenant(), plugin());
    let edited = stage.host.edit_plugin(&tenant, &plugin, &[], |object| {
        object.channels.as_mut().unwrap().try_out(wish(release, for_ms), now_ms, "try")
    });
    edited.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promoted_release_handles_the_next_event_and_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let stage = Stage::open(&folder).await;
    stage.shelve('a', false);
    stage.shelve('b', false);
    stage.put(Some(&made('a'))).await.unwrap();
    stage.rule(true).await.unwrap();
    stage.send(0, 20).await;
    settled(&stage.host).await;
    promote(&stage, 'b').await;
    stage.send(20, 30).await;
    settled(&stage.host).await;
    assert_eq!((stage.by('a'), stage.by('b')), (20, 30));
    assert!(stage.host.stop(Duration::from_secs(10)).await);

    // What needs a release that is not ready is refused, and nothing of it is in use.
    let host = Dispatcher::open(
        &wharf_dispatch::FolderHome::new(
            cap_std::fs::Dir::open_ambient_dir(folder.path(), cap_std::ambient_authority()).unwrap(),
        ),
        Default::default(),
        wharf_dispatch::Surroundings::of_this_machine(tokio::runtime::Handle::current()),
        tokio::runtime::Handle::current(),
    );
    let host = host.unwrap();
    let document = serde_json::json!({"default_tenant": null, "tenants": {"acme": {"buses": ["default"], "plugins": {}, "rules": {}}}});
    let rules = || {
        let document = serde_json::from_value(document.clone()).unwrap();
        wharf_dispatch::RuleSet::new(document, &Default::default(), &Default::default()).unwrap()
    };
    let refused = host.configure(rules()).await.unwrap_err().to_string();
    assert!(refused.contains("is not ready"), "{refused}");
    let handled = Arc::<Mutex<_>>::default();
    let release = Release { name: 'b', handled: Arc::clone(&handled), failing: Arc::default() };
    host.shelf().put(digest('b'), Callable::Handler(Arc::new(release)));
    host.configure(rules()).await.unwrap();
    let stage = Stage { host, handled, failing: Arc::default() };
    stage.host.begin();
    stage.send(50, 10).await;
    settled(&stage.host).await;
    assert_eq!(stage.by('b'), 10);
    stage.host.stop(Duration::from_secs(10)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_that_fails_is_rolled_back_by_itself_and_its_events_are_settled_by_the_stable_release() {
    let folder = tempfile::tempdir().unwrap();
    let stage = Stage::open(&folder).await;
    stage.shelve('a', false);
    stage.shelve('b', true);
    stage.failing.store(true, Ordering::Relaxed);
    stage.put(Some(&made('a'))).await.unwrap();
    stage.rule(true).await.unwrap();
    try_out(&stage, 'b', 3_600_000).await;
    stage.send(0, 2_000).await;
    let channels = stage.judged().await;
    assert_eq!(channels.stable(), digest('a'));
    let last = channels.history().last().unwrap();
    assert_eq!((last.action, last.cause), (Action::CanaryEnded { release: digest('b') }, Cause::Judgement));
    assert!(last.reason.starts_with("error_rate>2%: error_rate was "), "{}", last.reason);
    let stats = settled(&stage.host).await;
    assert!(stats.retries > 0 && stats.dead_letters == 0, "{stats:?}");
    let failed: Vec<String> = {
        let handled = stage.handled.lock().unwrap();
        handled.iter().filter(|(by, id)| *by == 'b' && id.ends_with('7')).map(|(_, id)| id.clone()).collect()
    };
    let handled = stage.handled.lock().unwrap().clone();
    for id in &failed {
        let by: Vec<char> = handled.iter().filter(|(_, of)| of == id).map(|(by, _)| *by).collect();
        assert_eq!(by, ['b', 'a'], "{id} is tried again by the stable release");
    }
    stage.host.stop(Duration::from_secs(10)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_that_keeps_its_bounds_gets_all_traffic() {
    let folder = tempfile::tempdir().unwrap();
    let stage = Stage::open(&folder).await;
    stage.shelve('a', false);
    stage.shelve('b', false);
    stage.put(Some(&made('a'))).await.unwrap();
    stage.rule(true).await.unwrap();
    try_out(&stage, 'b', 1_500).await;
    let channels = stage.judged().await;
    assert_eq!(channels.stable(), digest('b'));
    assert_eq!(channels.history().last().unwrap().cause, Cause::Judgement);
    assert!(stage.by('a') > 0 && stage.by('b') > 0, "both had their share");
    stage.host.stop(Duration::from_secs(10)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_leave_a_rule_without_its_plugin_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let stage = Stage::open(&folder).await;
    stage.shelve('a', false);
    let refused = stage.put(Some(&made('x'))).await.unwrap_err();
    let unready = matches!(&refused, ChangeError::Rules(RulesError::Plugin { source: PluginError::Release(_), .. }));
    assert!(unready, "{refused}");
    assert!(stage.rule(true).await.is_err(), "there is no such plugin yet");
    stage.put(Some(&made('a'))).await.unwrap();
    stage.rule(true).await.unwrap();
    for object in [None, Some(PluginObject { channels: None, ..made('a') })] {
        let refused = stage.put(object.as_ref()).await.unwrap_err();
        let in_use = matches!(&refused, ChangeError::Rules(RulesError::Plugin { source: PluginError::InUse(_), .. }));
        assert!(in_use, "{refused}");
    }
    stage.rule(false).await.unwrap();
    stage.put(None).await.unwrap();
    let of_file = ObjectWish {
        kind: ObjectKind::Plugin,
        name: ObjectName::from(&"p".parse::<PluginName>().unwrap()),
        document: None,
        expected: Expected::Any,
    };
    assert!(stage.host.change(&tenant(), vec![of_file]).await.is_err(), "a plugin of the file stays");
    stage.host.stop(Duration::from_secs(10)).await;
}
