//! `cargo xtask bench compiling`: what it does to a plugin's events that the host compiles a large component meanwhile.
//!
//! Method: pairs of runs on hosts of their own that take turns. In each run single events for a counting plugin are posted at a fixed rate,
//! each at its own time. In every second run a component of Python is uploaded meanwhile, 18 MB of it, and another one whenever the one
//! before is ready, each with an interpreter that no other one has, so that all the time something is received, inspected, compiled or kept. Latency is
//! the host's, from receipt to settlement.
//!
//! Invariant: it fails when an event is not handled at once, when nothing was compiled, and when p99 grew to more than twice or clients were
//! answered late. `--break` shows
//! that it can: then threads compute beside the compiler that step back behind nobody.

use std::hint::black_box;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde::Serialize;
use serde_json::json;

use super::machine::Machine;
use super::median::median;
use super::starts::start;
use super::steady::{Clients, Posted, order, post};
use super::{Output, folder, say};
use crate::guests::{self, cargo};
use crate::host::binary::{self, Profile};
use crate::host::{Api, Stage};
use crate::interrupt::Interrupt;
use crate::poll;
use crate::strangers::tools::Tools;

/// A tenant, and nothing else: all of it is made while the host runs.
const CONFIG: &str = "[tenants.demo.buses.default]\n";

/// The plugin, which counts in a bucket of its name.
const PLUGIN: &str = "counter";

/// The plugin that is compiled.
const PYTHON: &str = "python";

/// What it is made of, in the repository.
const HANDLER: &str = "tests/bench/python/app.py";

/// A name in the interpreter that nothing looks at but who debugs it.
const NAME: &[u8] = b"GOT.data.internal.z_errmsg";
const END: &[u8] = b"rmsg";

/// By how much p99 may grow.
const RATIO_MAX: f64 = 2.0;

/// Threads that compute where it is to fail, for each core.
const THREADS_PER_CORE: usize = 4;

/// How long the last events may take.
const DRAIN_S_MAX: Duration = Duration::from_secs(60);

/// Options of `cargo xtask bench compiling`.
#[derive(clap::Args)]
pub struct Args {
    /// Events a second.
    #[arg(long, default_value_t = 1_000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rate: u32,
    /// How long a run posts.
    #[arg(long, default_value_t = 30, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    seconds: u32,
    /// Pairs of runs, without and with a component that is compiled.
    #[arg(long, default_value_t = 5, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pairs: u32,
    /// Compute beside it, to see that it fails.
    #[arg(long = "break")]
    breaks: bool,
    /// Run this binary instead of one that is built first.
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
    /// How to print the numbers.
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

/// What one run gave.
#[derive(Clone, Serialize)]
struct Run {
    p50_ms: f64,
    p99_ms: f64,
    /// From the upload to the release, for each that was made ready while events came.
    ready_s: Vec<f64>,
    #[serde(flatten)]
    posted: Posted,
}

#[derive(Serialize)]
struct Pair {
    off: Run,
    on: Run,
}

#[derive(Serialize)]
struct Report {
    component_bytes: usize,
    /// Events of all runs.
    events: u64,
    /// Releases that were made ready in all runs.
    compiled: usize,
    /// How long one took, beside the events.
    ready_s: f64,
    p99_ms: f64,
    p99_base_ms: f64,
    /// The median of the pairs' own ratios.
    ratio: f64,
    #[serde(flatten)]
    clients: Clients,
    ok: bool,
    pairs: Vec<Pair>,
}

/// Builds what is needed, measures, prints. It fails when p99 grew too much.
pub fn run(args: &Args) -> Result<()> {
    let guests = guests::build()?;
    let counter = guests.iter().find(|guest| guest.name == PLUGIN).context("there is no counter")?;
    let counter = std::fs::read(&counter.path)?;
    let (folder, interrupt) = (folder()?, Interrupt::catch()?);
    let python = python(&folder)?;
    let binary = binary::given_or_built(args.binary.as_deref(), Profile::Release)?;
    let mut pairs = Vec::new();
    for n in 1..=args.pairs {
        let one = |python: Option<&[u8]>| one(&binary, &folder, (&counter, python), args, &interrupt);
        let (off, on) = (one(None)?, one(Some(&python))?);
        say(&format!("pair {n} of {}: p99 {:.2} ms without, {:.2} ms with", args.pairs, off.p99_ms, on.p99_ms));
        pairs.push(Pair { off, on });
    }
    let report = Report::new(args, python.len(), pairs);
    let text = match args.output {
        Output::Text => report.text(args, &Machine::here(&folder)),
        Output::Json => serde_json::to_string_pretty(&report)? + "\n",
    };
    std::io::stdout().write_all(text.as_bytes())?;
    let Report { ratio, compiled, clients, .. } = &report;
    ensure!(report.ok, "p99 grew {ratio:.2} times with {compiled} components compiled; clients: {clients}");
    Ok(())
}

impl Report {
    fn new(args: &Args, component_bytes: usize, pairs: Vec<Pair>) -> Self {
        let ratio = median(pairs.iter().map(|pair| pair.on.p99_ms / pair.off.p99_ms));
        let compiled = pairs.iter().map(|pair| pair.on.ready_s.len()).sum();
        let clients = Clients::of(&pairs.iter().map(|pair| (pair.off.posted, pair.on.posted)).collect::<Vec<_>>());
        Self {
            component_bytes,
            events: 2 * u64::from(args.pairs) * u64::from(args.rate) * u64::from(args.seconds),
            compiled,
            ready_s: median(pairs.iter().flat_map(|pair| pair.on.ready_s.iter().copied())),
            p99_ms: median(pairs.iter().map(|pair| pair.on.p99_ms)),
            p99_base_ms: median(pairs.iter().map(|pair| pair.off.p99_ms)),
            ratio: (ratio * 100.0).round() / 100.0,
            clients,
            ok: ratio <= RATIO_MAX && compiled > 0 && clients.are_well(RATIO_MAX),
            pairs,
        }
    }

    fn text(&self, args: &Args, machine: &Machine) -> String {
        let Self { component_bytes, compiled, ready_s, p99_ms, p99_base_ms, ratio, clients, .. } = self;
        let rows = self.pairs.iter().map(|Pair { off, on }| {
            format!("{:>12.2}{:>12.2}{:>12.2}{:>12.2}\n", off.p50_ms, off.p99_ms, on.p50_ms, on.p99_ms)
        });
        format!(
            "machine   {}\nsettings  {} events/s for {} s, {component_bytes} bytes of Python compiled again and again\n\n\
             {:>12}{:>12}{:>12}{:>12}   ms, without and with that\n{}\n\
             compiled  {compiled} times, {ready_s:.1} s each beside the events (median)\n\
             p99       {p99_base_ms:.2} ms without, {p99_ms:.2} ms with; {ratio:.2} times (median of the pairs)\n\
             clients   {clients}\n",
            machine.line(),
            args.rate,
            args.seconds,
            "p50",
            "p99",
            "p50",
            "p99",
            rows.collect::<String>()
        )
    }
}

/// A component of Python.
fn python(folder: &Path) -> Result<Vec<u8>> {
    let repository = cargo::repository();
    let target = cargo::workspace(&repository)?.target;
    // Beside what it reads it leaves what Python compiled.
    let stage = tempfile::tempdir_in(folder)?;
    std::fs::copy(repository.join(HANDLER), stage.path().join("app.py")).context("copying the handler")?;
    let to = stage.path().join("python.wasm");
    say("building the component of Python");
    Tools::new(&target).componentize_py(&repository.join("wit"), stage.path(), &to)?;
    Ok(std::fs::read(to)?)
}

/// One run on a host of its own; with `python` that is compiled meanwhile.
fn one(
    binary: &Path,
    folder: &Path,
    (counter, python): (&[u8], Option<&[u8]>),
    args: &Args,
    interrupt: &Interrupt,
) -> Result<Run> {
    let stage = Stage::lay_out(folder, "compiling-", CONFIG, &[])?;
    let host = start(binary, &stage)?;
    let url = host.ready().url.clone();
    let api = Api::new(&url);
    api.settings(PLUGIN, &json!({ "grants": { "kv": [PLUGIN] } }))?;
    // What it imports, used or not, has to be granted.
    api.settings(PYTHON, &json!({ "grants": { "kv": [PYTHON], "publish": ["python.*"] } }))?;
    let release = api.upload(PLUGIN, counter, interrupt)?;
    api.promote(PLUGIN, &release, None)?;
    api.rule("orders", "order.placed", PLUGIN)?;
    let (events, end) = (u64::from(args.rate) * u64::from(args.seconds), AtomicBool::new(false));
    let (posted, ready_s) = thread::scope(|scope| {
        if args.breaks && python.is_some() {
            let threads = THREADS_PER_CORE * thread::available_parallelism().map_or(1, usize::from);
            (0..threads).for_each(|_| _ = scope.spawn(|| compute(&end)));
        }
        let uploading = scope.spawn(|| python.map_or_else(|| Ok(Vec::new()), |it| upload(&url, it, &end, interrupt)));
        let posted = post(&url, events, args.rate, order, interrupt);
        end.store(true, Ordering::Relaxed);
        let ready = uploading.join().ok().context("the client that uploads ended in a panic")?;
        anyhow::Ok((posted?, ready?))
    })?;
    poll::until("the events to be settled", DRAIN_S_MAX, interrupt, || {
        let stats = api.stats()?;
        Ok((stats.pending == 0 && stats.events == events).then_some(()))
    })?;
    let stats = api.stats()?;
    host.kill()?;
    ensure!(stats.retries == 0 && stats.dead_letters == 0, "an event was not handled at once");
    let (p50_ms, p99_ms) = stats.p50_ms.zip(stats.p99_ms).context("the host measured no latency")?;
    Ok(Run { p50_ms, p99_ms, ready_s, posted })
}

/// Uploads one component after the other as long as events are posted. Gives how long those took that were ready by then.
fn upload(url: &str, python: &[u8], end: &AtomicBool, interrupt: &Interrupt) -> Result<Vec<f64>> {
    let (api, mut ready_s) = (Api::new(url), Vec::new());
    for n in 0u32.. {
        let began = Instant::now();
        let other = another(python, n)?;
        api.begin_upload(PYTHON, &other)?;
        while !api.is_ready(PYTHON, &other)? {
            interrupt.check()?;
            if end.load(Ordering::Relaxed) {
                return Ok(ready_s);
            }
            poll::pause(Duration::from_millis(100));
        }
        ready_s.push((began.elapsed().as_secs_f64() * 10.0).round() / 10.0);
    }
    Ok(ready_s)
}

/// The component with another interpreter, in which the name has another end: what is the same in two components is compiled once.
fn another(python: &[u8], n: u32) -> Result<Vec<u8>> {
    let end = format!("{:04}", n % 10_000);
    let at = python.windows(NAME.len()).rposition(|bytes| bytes == NAME).context("the interpreter has no such name")?;
    let (before, behind) = python.split_at(at + NAME.len());
    let before = before.strip_suffix(END).context("the name has another end")?;
    Ok([before, end.as_bytes(), behind].concat())
}

/// Uses a core until the end.
fn compute(end: &AtomicBool) {
    let mut number = 0u64;
    while !end.load(Ordering::Relaxed) {
        number = black_box(number.wrapping_add(1));
    }
}
