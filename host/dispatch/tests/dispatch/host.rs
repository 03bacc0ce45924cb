//! A partition in a temporary folder, with one tenant, one rule for everything, and one plugin that is a closure.

use std::{collections::HashMap, sync::Arc, time::Duration};

use bytes::Bytes;
use cap_std::{ambient_authority, fs::Dir};
use futures_util::{FutureExt as _, future::BoxFuture};
use serde_json::{Value, json};
use wharf_capability::Effects;
use wharf_delivery::{Details, Failure, StatsRow, Verdict, keys};
use wharf_dispatch::{Dispatcher, FolderHome, Handler, Home, Options, RuleSet, Surroundings};
use wharf_event::{Code, Digest, Event, EventBuilder, TenantName};
use wharf_faults::{FaultyDisk, SimHome, SmallHome};
use wharf_log::SegmentSizes;
use wharf_runtime::{Ending, Invocation, Report};

type Act = dyn Fn(&Invocation) -> BoxFuture<'static, Ending> + Send + Sync;

/// A handler that is a closure.
pub struct Scripted(Box<Act>, &'static [u8]);

impl Scripted {
    pub fn new(act: impl Fn(&Invocation) -> BoxFuture<'static, Verdict> + Send + Sync + 'static) -> Arc<Self> {
        Self::ending(move |invocation| act(invocation).map(Ending::Verdict).boxed())
    }

    /// One that may also come to no verdict.
    pub fn ending(act: impl Fn(&Invocation) -> BoxFuture<'static, Ending> + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self(Box::new(act), b"scripted"))
    }
}

impl Scripted {
    /// Another release.
    pub fn named(
        name: &'static [u8],
        act: impl Fn(&Invocation) -> BoxFuture<'static, Verdict> + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self(Box::new(move |invocation| act(invocation).map(Ending::Verdict).boxed()), name))
    }
}

impl Handler for Scripted {
    fn digest(&self) -> Digest {
        Digest::of(self.1)
    }

    fn handle(&self, invocation: Invocation) -> BoxFuture<'_, Report> {
        let acting = (self.0)(&invocation);
        async move {
            let ending = acting.await;
            Report { ending, effects: Effects::default(), duration: Duration::ZERO, details: Details::default() }
        }
        .boxed()
    }
}

/// What the ballast of a [`small_home`] holds where there is room.
pub const BALLAST_BYTES: u64 = 1 << 20;

/// A home on a disk in memory of so many bytes, with segments of 256 KiB at most.
pub fn small_home(bytes: u64) -> SmallHome {
    let segment_sizes = SegmentSizes { first_bytes: 64 << 10, max_bytes: 256 << 10 };
    SmallHome::of(SimHome { disk: FaultyDisk::default(), segment_sizes }, bytes, BALLAST_BYTES)
}

pub fn retry(after_ms: u64) -> Verdict {
    Verdict::Failed(Failure { retry_after_ms: Some(after_ms), ..Failure::new(Code::HandlerRetry, "as scripted") })
}

pub fn tenant() -> TenantName {
    "acme".parse().unwrap()
}

pub fn event_of(id: usize, bytes: usize) -> Event {
    EventBuilder::new(id.to_string(), "test", "t")
        .data(Bytes::from(format!("\"{}\"", "x".repeat(bytes))))
        .build()
        .unwrap()
}

pub fn event(id: usize) -> Event {
    EventBuilder::new(id.to_string(), "test", "t").data(Bytes::from_static(b"{}")).build().unwrap()
}

/// Opens the partition in `folder`. No attempt is made before `begin`.
pub async fn open(folder: &tempfile::TempDir, handler: Arc<Scripted>, concurrency: u32) -> Dispatcher {
    let home = FolderHome::new(Dir::open_ambient_dir(folder.path(), ambient_authority()).unwrap());
    open_home(&home, handler, concurrency).await
}

/// Opens the partition in `home`. No attempt is made before `begin`.
pub async fn open_home(home: &dyn Home, handler: Arc<Scripted>, concurrency: u32) -> Dispatcher {
    let here = tokio::runtime::Handle::current();
    let surroundings = Surroundings::of_this_machine(here.clone());
    let dispatcher = Dispatcher::open(home, Options::default(), surroundings, here).unwrap();
    configure(&dispatcher, handler, concurrency).await;
    dispatcher
}

/// Puts the tenant, the rule and the plugin into force.
pub async fn configure(dispatcher: &Dispatcher, handler: Arc<Scripted>, concurrency: u32) {
    let limits = json!({"wall_ms": 10_000, "cpu_ms": 1_000, "memory_mib": 64, "concurrency": concurrency});
    configure_with(dispatcher, handler, limits).await;
}

/// Puts the tenant, the rule and the plugin into force, with these limits.
pub async fn configure_with(dispatcher: &Dispatcher, handler: Arc<Scripted>, limits: Value) {
    let release = handler.digest();
    let document = json!({"default_tenant": null, "tenants": {"acme": {
        "buses": ["default"],
        "plugins": {"p": {
            "release": release, "config": {}, "grants": {"publish": [], "kv": []}, "limits": limits,
        }},
        "rules": {"all": {"bus": "default", "pattern": {"type": ["t"]}, "targets": [{
            "plugin": "p", "dead_letter": "dead",
            "retry": {"first_ms": 10, "max_ms": 10, "attempts": 5, "age_ms": 3_600_000},
        }]}},
    }}});
    let releases: HashMap<_, Arc<dyn Handler>> = HashMap::from([(release, handler as Arc<dyn Handler>)]);
    let rules = RuleSet::new(serde_json::from_value(document).unwrap(), &releases, &HashMap::new()).unwrap();
    dispatcher.configure(rules).await.unwrap();
}

/// Sends the events with the numbers of `ids`, in batches.
pub async fn send(dispatcher: &Dispatcher, ids: std::ops::Range<usize>) {
    for from in ids.clone().step_by(500) {
        let events = (from..ids.end.min(from + 500)).map(event).collect();
        let answers = dispatcher.accept(&tenant(), &"default".parse().unwrap(), events).await.unwrap();
        assert!(answers.iter().all(Result::is_ok));
    }
}

/// Waits until nothing is owed any more.
pub async fn settled(dispatcher: &Dispatcher) -> StatsRow {
    for _ in 0..12_000 {
        let stats = dispatcher.read(|state| StatsRow::get(state, &keys::tenant(&tenant())).unwrap()).await.unwrap();
        if let Some(stats) = stats.filter(|stats| stats.pending == 0) {
            return stats;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("deliveries are still owed");
}
