//! What rules cost that are made while a host runs: `wharf-bench-rules FOLDER` prints one JSON document.
//!
//! Goal: one rule more costs the same beside ten and a hundred thousand, and nobody who matches events waits for it. Method: the
//! host's own core in process, on a real folder, without HTTP and guests; rules come one at a time while a reader matches events
//! without a pause; then the core is opened again. Times are medians and the worst of many.
//!
//! It is no test: `cargo xtask bench rules` builds and runs it, and prints what it says beside the machine.

#[path = "../measure.rs"]
#[allow(dead_code, reason = "the other program of this package uses all of it")]
mod measure;

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use cap_std::{ambient_authority, fs::Dir};
use futures_util::{FutureExt as _, future::BoxFuture};
use mimalloc::MiMalloc;
use serde::Serialize;
use serde_json::json;
use tokio::runtime::Handle;
use wharf_capability::Effects;
use wharf_delivery::{Details, Expected, ObjectKind, ObjectName, ObjectWish, Verdict};
use wharf_dispatch::{Dispatcher, FolderHome, Handler, Options, RuleSet, Surroundings};
use wharf_event::{BusName, Digest, Event, EventBuilder, RuleName, TenantName};
use wharf_runtime::{Ending, Invocation, Report as Ran};

use crate::measure::{ms, round};

/// As in the host.
#[global_allocator]
static HEAP: MiMalloc = MiMalloc;

/// How many rules are there already when one more comes.
const RULES: [usize; 4] = [10, 1_000, 10_000, 100_000];

/// Rules of one request while the many are made.
const PAGE: usize = 1_000;

/// Rules that are made and taken away again at each size.
const MORE: usize = 300;

/// A rule set's size, and what one more rule takes there.
#[derive(Serialize)]
struct Row {
    rules: usize,
    /// Compiled and shared, in microseconds: the middle and the worst.
    compile_us: f64,
    compile_worst_us: f64,
    /// From the request to its use, one fdatasync within, in milliseconds.
    change_ms: f64,
    change_worst_ms: f64,
    /// A reader beside it: microseconds an event, and the longest of one.
    match_us: f64,
    match_worst_us: f64,
    /// Resident memory of the process since the first rules, by their number.
    bytes_a_rule: Option<f64>,
}

#[derive(Serialize)]
struct Report {
    rows: Vec<Row>,
    /// From a closed folder to rules in use, in milliseconds.
    open_ms: f64,
}

struct Nothing;

impl Handler for Nothing {
    fn digest(&self) -> Digest {
        Digest::of(b"nothing")
    }

    fn handle(&self, _: Invocation) -> BoxFuture<'_, Ran> {
        let ending = Ending::Verdict(Verdict::Ok);
        let ran = Ran { ending, effects: Effects::default(), duration: Duration::ZERO, details: Details::default() };
        async move { ran }.boxed()
    }
}

fn main() -> Result<()> {
    let folder = PathBuf::from(std::env::args_os().nth(1).context("usage: wharf-bench-rules FOLDER")?);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let report = runtime.block_on(measure(&folder))?;
    println!("{}", serde_json::to_string(&report)?);
    Ok(())
}

async fn measure(folder: &Path) -> Result<Report> {
    let within = tempfile::tempdir_in(folder)?;
    let host = open(within.path()).await?;
    let (mut rows, mut made, before) = (Vec::new(), 0, resident()?);
    for rules in RULES {
        eprintln!("bench: {rules} rules");
        while made < rules {
            let upto = rules.min(made + PAGE);
            let wishes = (made..upto).map(|n| wish(n, true)).collect::<Result<Vec<_>>>()?;
            host.change(&tenant()?, wishes).await?;
            made = upto;
        }
        let grown = resident()?.saturating_sub(before);
        rows.push(row(&host, rules, grown).await?);
    }
    host.stop(Duration::from_secs(60)).await;
    drop(host);
    let start = Instant::now();
    let host = open(within.path()).await?;
    let open_ms = ms(start.elapsed());
    anyhow::ensure!(host.rules().rules(&tenant()?, &bus()?, None)?.count() == made, "rules are missing");
    host.stop(Duration::from_secs(60)).await;
    Ok(Report { rows, open_ms })
}

async fn row(host: &Dispatcher, rules: usize, grown: u64) -> Result<Row> {
    let (mut compile, mut change) = (Vec::new(), Vec::new());
    let stop = Arc::new(AtomicBool::new(false));
    let reader = std::thread::spawn({
        let (host, stop) = (host.clone(), Arc::clone(&stop));
        move || read(&host, rules, &stop)
    });
    let of = tenant()?;
    for n in 0..MORE {
        let wish = wish(rules + n, true)?;
        let objects = [(wish.kind, &wish.name, wish.document.as_ref())];
        let (before, start) = (host.rules(), Instant::now());
        let with = before.with(&of, objects)?;
        compile.push(start.elapsed());
        drop(with);
        let start = Instant::now();
        host.change(&of, vec![wish]).await?;
        change.push(start.elapsed());
    }
    let wishes = (rules..rules + MORE).map(|n| self::wish(n, false)).collect::<Result<Vec<_>>>()?;
    host.change(&of, wishes).await?;
    stop.store(true, Ordering::Relaxed);
    let matched = reader.join().map_err(|_| anyhow::anyhow!("the reader failed"))??;
    let us = |time: Duration| round(time.as_secs_f64() * 1e6);
    let ((compile, compile_worst), (change, change_worst)) = (of_all(compile), of_all(change));
    #[allow(clippy::cast_precision_loss, reason = "memory in bytes is exact in a double")]
    let bytes_a_rule = (rules >= 10_000).then(|| (grown as f64 / measure::double(rules)).round());
    Ok(Row {
        rules,
        compile_us: us(compile),
        compile_worst_us: us(compile_worst),
        change_ms: ms(change),
        change_worst_ms: ms(change_worst),
        match_us: us(matched.0),
        match_worst_us: us(matched.1),
        bytes_a_rule,
    })
}

/// Matches events without a pause until it is told to stop: the middle and the worst of one.
fn read(host: &Dispatcher, rules: usize, stop: &AtomicBool) -> Result<(Duration, Duration)> {
    let (tenant, bus) = (tenant()?, bus()?);
    let events = (0..64).map(|n| event(n * rules / 64)).collect::<Result<Vec<_>>>()?;
    let mut times = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        for event in &events {
            let start = Instant::now();
            let targets = host.rules().targets(&tenant, &bus, event)?;
            times.push(start.elapsed());
            anyhow::ensure!(targets.len() == 1, "one rule is for it, and {} matched", targets.len());
        }
    }
    Ok(of_all(times))
}

/// The middle and the worst.
fn of_all(mut times: Vec<Duration>) -> (Duration, Duration) {
    times.sort_unstable();
    let at = |n: usize| times.get(n).copied().unwrap_or_default();
    (at(times.len() / 2), at(times.len().saturating_sub(1)))
}

async fn open(folder: &Path) -> Result<Dispatcher> {
    let home = FolderHome::new(Dir::open_ambient_dir(folder, ambient_authority())?);
    let here = Handle::current();
    let host = Dispatcher::open(&home, Options::default(), Surroundings::of_this_machine(here.clone()), here)?;
    let handler: Arc<dyn Handler> = Arc::new(Nothing);
    let document = json!({"default_tenant": null, "tenants": {"bench": {
        "buses": ["default"], "rules": {},
        "plugins": {"p": {
            "release": handler.digest(), "config": {}, "grants": {"publish": [], "kv": []},
            "limits": {"wall_ms": 1_000, "cpu_ms": 1_000, "memory_mib": 64, "concurrency": 32},
        }},
    }}});
    let releases = HashMap::from([(handler.digest(), handler)]);
    host.configure(RuleSet::new(serde_json::from_value(document)?, &releases, &HashMap::new())?).await?;
    host.begin();
    Ok(host)
}

/// The n-th rule: a field that many share, and one of its own.
fn wish(n: usize, there: bool) -> Result<ObjectWish> {
    let rule = json!({
        "bus": "default",
        "pattern": {"type": ["order.created"], "data": {"customer": [format!("customer-{n}")]}},
        "targets": [{"plugin": "p", "dead_letter": "dead",
            "retry": {"first_ms": 1_000, "max_ms": 300_000, "attempts": 185, "age_ms": 86_400_000}}],
    });
    let name: RuleName = format!("rule-{n}").parse()?;
    let document = there.then(|| rule.to_string().into());
    Ok(ObjectWish { kind: ObjectKind::Rule, name: ObjectName::from(&name), document, expected: Expected::Any })
}

fn event(n: usize) -> Result<Event> {
    let data = format!(r#"{{"customer":"customer-{n}","items":[{{"sku":"a-1","count":3}}],"total":42.5}}"#);
    Ok(EventBuilder::new(n.to_string(), "bench", "order.created").data(data.into_bytes()).build()?)
}

fn tenant() -> Result<TenantName> {
    Ok("bench".parse()?)
}

fn bus() -> Result<BusName> {
    Ok("default".parse()?)
}

/// Bytes of this process that are in memory.
fn resident() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/statm")?;
    let pages: u64 = status.split_whitespace().nth(1).context("statm has no resident size")?.parse()?;
    Ok(pages * rustix::param::page_size() as u64)
}
