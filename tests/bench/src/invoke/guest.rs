//! One guest: what it is given, and what that costs.

use std::{collections::BTreeMap, fs, path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use wharf_capability::{
    AttemptContext, CommittedValues, KeyPage, NoHttp, NoLlm, NoModels, NoSecrets, ReadFailed, Tape,
};
use wharf_delivery::{DeliveryId, LimitsDocument, ReadKey, Verdict};
use wharf_event::{BucketName, Event, EventBuilder, Grants, Position, TenantName};
use wharf_runtime::{Ending, Invocation, Parts, Prepared, Release, Runtime, TransformRelease, Transformed};

/// Attempts that are timed together.
const BATCH: usize = 50;

/// How often.
const BATCHES: usize = 60;

/// Attempts that are made before any is timed.
const WARM_UP: usize = 500;

/// Calls of one warm instance: fewer than the events that an attempt may publish.
const WARM_CALLS: u32 = 40;

/// A guest and its event.
#[derive(Deserialize)]
pub struct Guest {
    /// Its name.
    pub name: String,
    /// The component.
    path: PathBuf,
    /// The event's type.
    kind: String,
    /// Its payload.
    data: String,
}

/// CPU microseconds, medians.
#[derive(Serialize)]
pub struct Cost {
    name: String,
    component_kib: usize,
    payload_bytes: usize,
    /// A whole attempt as the host makes it: the event for the guest, deadline, store, instance, call, and all of it given back.
    fresh: f64,
    /// The parts of it that can be told apart, each with 0.3 us for the looks at the clock; none of a transform.
    store: Option<f64>,
    instantiate: Option<f64>,
    call: Option<f64>,
    drop: Option<f64>,
    /// Another call of the same instance.
    warm: Option<f64>,
}

/// No key has a value.
struct NoValues;

impl CommittedValues for NoValues {
    fn value(&self, _: &TenantName, _: &BucketName, _: &str) -> Result<Option<(Position, Bytes)>, ReadFailed> {
        Ok(None)
    }

    fn keys(&self, _: &TenantName, _: &BucketName, _: Option<&str>, _: usize) -> Result<KeyPage, ReadFailed> {
        Ok(KeyPage::default())
    }

    fn is_taken(&self, _: &TenantName, _: &ReadKey) -> bool {
        false
    }
}

impl Guest {
    /// What it costs in this runtime.
    ///
    /// # Errors
    /// When it does not do what it should.
    pub async fn cost(&self, runtime: &Runtime) -> Result<Cost> {
        let wasm = fs::read(&self.path).with_context(|| format!("reading {}", self.path.display()))?;
        let event = EventBuilder::new("1", "bench", self.kind.as_str()).data(Bytes::from(self.data.clone())).build()?;
        let context = self.context(&event)?;
        let mut cost = Cost {
            name: self.name.clone(),
            component_kib: wasm.len() >> 10,
            payload_bytes: self.data.len(),
            fresh: 0.0,
            store: None,
            instantiate: None,
            call: None,
            drop: None,
            warm: None,
        };
        match runtime.prepare(&wasm)? {
            Prepared::Handler(release) => handled(runtime, &release, &context, &mut cost).await?,
            Prepared::Batch(_) => anyhow::bail!("{} handles batches, which is not measured here", self.name),
            Prepared::Http(_) => anyhow::bail!("{} answers requests, which is not measured here", self.name),
            Prepared::Transform(release) => cost.fresh = transformed(runtime, &release, &context).await?,
        }
        Ok(cost)
    }

    fn context(&self, event: &Event) -> Result<AttemptContext> {
        let grants = Grants { publish: vec!["*".parse()?], kv: vec![self.name.parse()?], ..Grants::default() };
        Ok(AttemptContext {
            tenant: "bench".parse()?,
            plugin: self.name.parse()?,
            occasion: "1-0.0".parse::<DeliveryId>()?.into(),
            event: event.clone(),
            received: event.clone(),
            config: Arc::new(BTreeMap::new()),
            grants: Arc::new(grants),
            values: Arc::new(NoValues),
            http: Arc::new(NoHttp),
            llm: Arc::new(NoLlm),
            infer: Arc::new(NoModels),
            secrets: Arc::new(NoSecrets),
            time: "2026-01-01T00:00:00Z".to_owned(),
            clock_ms: None,
            tape: Tape::default(),
        })
    }
}

/// The limits of any plugin, but for so much CPU time that the clock of the benchmark's own thread does not spend it.
fn limits() -> LimitsDocument {
    LimitsDocument { cpu_ms: 900_000, ..LimitsDocument::default() }
}

fn invocation(context: &AttemptContext) -> Invocation {
    let (context, rule) = (context.clone(), "bench".to_owned());
    Invocation { context, rule, attempt: 1, max_attempts: 1, limits: limits(), reuse: None }
}

async fn handled(runtime: &Runtime, release: &Release, context: &AttemptContext, cost: &mut Cost) -> Result<()> {
    let mut batches = Vec::new();
    for n in 0..WARM_UP / BATCH + BATCHES {
        let invocations: Vec<_> = (0..BATCH).map(|_| invocation(context)).collect();
        let began = thread_cpu();
        for invocation in invocations {
            let report = runtime.invoke(release, invocation).await;
            ensure!(report.ending == Ending::Verdict(Verdict::Ok), "it ends by {:?}", report.ending);
        }
        if n >= WARM_UP / BATCH {
            batches.push(each(thread_cpu() - began, BATCH));
        }
    }
    cost.fresh = median(batches);
    let mut parts: Vec<Parts> = Vec::new();
    for _ in 0..BATCH * BATCHES {
        parts.push(runtime.parts(release, invocation(context)).await.map_err(told)?);
    }
    let of = |part: fn(&Parts) -> Duration| Some(median(parts.iter().map(|parts| each(part(parts), 1)).collect()));
    cost.store = of(|parts| parts.store);
    cost.instantiate = of(|parts| parts.instantiate);
    cost.call = of(|parts| parts.call);
    cost.drop = of(|parts| parts.drop);
    let mut warm = Vec::new();
    for _ in 0..BATCHES {
        let calls = runtime.warm(release, invocation(context), WARM_CALLS).await.map_err(told)?;
        warm.push(each(calls, WARM_CALLS as usize));
    }
    cost.warm = Some(median(warm));
    Ok(())
}

async fn transformed(runtime: &Runtime, release: &TransformRelease, context: &AttemptContext) -> Result<f64> {
    let mut batches = Vec::new();
    for n in 0..WARM_UP / BATCH + BATCHES {
        let contexts: Vec<_> = (0..BATCH).map(|_| context.clone()).collect();
        let began = thread_cpu();
        for context in contexts {
            let made = runtime.transform(release, context, limits()).await.made;
            ensure!(matches!(made, Transformed::Event(_)), "it ends by {made:?}");
        }
        if n >= WARM_UP / BATCH {
            batches.push(each(thread_cpu() - began, BATCH));
        }
    }
    Ok(median(batches))
}

#[allow(clippy::needless_pass_by_value, reason = "an error is given up here")]
fn told(error: wharf_runtime::CallError) -> anyhow::Error {
    anyhow::anyhow!("{error:#}")
}

/// CPU time that this thread has used.
fn thread_cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Microseconds of each of so many, to a hundredth.
fn each(all: Duration, of: usize) -> f64 {
    #[allow(clippy::cast_precision_loss, reason = "a count of some thousand is exact in a double")]
    let us = all.as_secs_f64() * 1e6 / of as f64;
    (us * 100.0).round() / 100.0
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all.get(all.len() / 2).copied().unwrap_or(f64::NAN)
}
