//! `cargo xtask bench neighbour`: what a tenant that does everything wrong at once does to another one's latency, and to the host's memory.
//!
//! Method: pairs of runs on hosts of their own that take turns, without and with the other tenant. That one has a backlog of deliveries
//! that sleep until their deadline, and of every hostile guest (`tests/guests/hostile.tsv`) some events that are tried again and again:
//! loops, memory, floods of log lines, of publishes, of keys. In each run single events for a counting plugin of the first tenant are
//! posted at a fixed rate, each at its own time. The latency is from receipt to settlement, as the host measures it for that tenant.
//!
//! Invariant: it fails when p99 grew more than twice or clients were answered late, when an event of the first tenant was not counted, when the other
//! one hardly did anything, and when the host took more memory than the other tenant may use on top of what it takes alone. `--break` shows that it can: it turns the weights around.

use std::fmt::Write as _;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde::Serialize;

use super::cpu;
use super::machine::Machine;
use super::median::median;
use super::steady::{Clients, Posted, order, post};
use super::{Output, folder, say};
use crate::guests::{self, Guest};
use crate::host::api::Batch;
use crate::host::binary::{self, Profile};
use crate::host::{Api, Host, Stage};
use crate::hostile::{CASES, columns, resident_kib};
use crate::interrupt::Interrupt;
use crate::poll;

/// The first tenant, with the default weight unless it is broken.
const STEADY: &str = r#"
[tenants.demo.plugins.counter]
component = "counter.wasm"
grants = { kv = ["counter"] }

[tenants.demo.rules.orders]
pattern = { type = ["order.placed"] }
targets = [{ plugin = "counter" }]
"#;

/// The other one's plugins: one that its backlog is for, and those that hostile guests run in.
const WILD: &str = r#"
[tenants.wild.plugins.slow]
component = "hostile.wasm"
limits = { wall_ms = 20000, memory_mib = 4, concurrency = 64 }

[tenants.wild.plugins.hostile]
component = "hostile.wasm"
grants = { publish = ["*"], kv = ["hostile"] }

[tenants.wild.plugins.hoarder]
component = "hoarder.wasm"

[tenants.wild.rules.slow]
pattern = { type = ["hostile.sleep"], source = ["backlog"] }
targets = [{ plugin = "slow", retry = { attempts = 1 } }]
"#;

/// Components of both.
const GUESTS: [&str; 3] = ["counter", "hostile", "hoarder"];

/// The other tenant's name.
const OTHER: &str = "wild";

/// What its attempts may use together, in MiB.
const MEMORY_MIB: u64 = 1_024;

/// What the host may take beside that and what it takes alone, in MiB: the backlog in its caches, records of attempts that failed.
const BESIDE_MIB: u64 = 384;

/// Events of each hostile guest. They are tried again and again.
const OF_EACH: usize = 32;

/// Events of a batch.
const BATCH_EVENTS: usize = 500;

/// How long the first tenant's last events may take.
const DRAIN_S_MAX: Duration = Duration::from_secs(60);

/// How often the host's memory is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// How many attempts of the other tenant end in each second at least, or nothing was beside the first one: those that sleep make three.
const ATTEMPTS_PER_S_MIN: u64 = 10;

/// By how much p99 may grow.
const RATIO_MAX: f64 = 2.0;

/// Options of `cargo xtask bench neighbour`.
#[derive(clap::Args)]
pub struct Args {
    /// Events a second.
    #[arg(long, default_value_t = 1_000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rate: u32,
    /// How long a run posts.
    #[arg(long, default_value_t = 30, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    seconds: u32,
    /// Pairs of runs, without and with the other tenant.
    #[arg(long, default_value_t = 5, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pairs: u32,
    /// Deliveries that sleep.
    #[arg(long, default_value_t = 100_000, value_name = "N")]
    backlog: usize,
    /// Only hostile guests whose event type contains this.
    #[arg(long, default_value = "", value_name = "TEXT")]
    only: String,
    /// Give the other tenant nearly everything, to see that it fails.
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
#[derive(Clone, Copy, Serialize)]
struct Run {
    p50_ms: f64,
    p99_ms: f64,
    #[serde(flatten)]
    posted: Posted,
    /// Events that were not settled.
    unsettled: u64,
    /// The most memory that the host had.
    rss_mib: u64,
    /// Processors that the host used.
    cpus: f64,
    /// Attempts of the other tenant.
    attempts: u64,
}

#[derive(Serialize)]
struct Pair {
    alone: Run,
    beside: Run,
}

#[derive(Serialize)]
struct Report {
    p99_alone_ms: f64,
    p99_beside_ms: f64,
    /// The median of the pairs' own ratios.
    ratio: f64,
    #[serde(flatten)]
    clients: Clients,
    /// The fewest attempts of the other tenant in a run beside it, and how few they may be.
    attempts: u64,
    attempts_min: u64,
    unsettled: u64,
    rss_alone_mib: u64,
    rss_mib: u64,
    rss_mib_max: u64,
    ok: bool,
    pairs: Vec<Pair>,
    rate: u32,
    seconds: u32,
    backlog: usize,
    machine: Machine,
}

/// Builds what is needed, measures, prints. It fails when one tenant hurt the other or the host.
pub fn run(args: &Args) -> Result<()> {
    let mut guests = guests::build()?;
    guests.retain(|guest| GUESTS.contains(&guest.name.as_str()));
    let binary = binary::given_or_built(args.binary.as_deref(), Profile::Release)?;
    let (folder, interrupt) = (folder()?, Interrupt::catch()?);
    let mut pairs = Vec::new();
    for n in 1..=args.pairs {
        let one = |beside| one(&binary, &folder, &guests, (args, beside), &interrupt);
        let (alone, beside) = (one(false)?, one(true)?);
        say(&format!(
            "pair {n} of {}: p99 {:.2} ms alone, {:.2} ms beside the other; {} and {} MiB",
            args.pairs, alone.p99_ms, beside.p99_ms, alone.rss_mib, beside.rss_mib
        ));
        pairs.push(Pair { alone, beside });
    }
    let report = Report::of(pairs, args, Machine::here(&folder));
    let text = match args.output {
        Output::Text => report.text(),
        Output::Json => serde_json::to_string_pretty(&report)? + "\n",
    };
    std::io::stdout().write_all(text.as_bytes())?;
    ensure!(
        report.ok,
        "p99 grew {} times, {} events were not settled, the host had {} MiB of {}, the other tenant {} attempts of at least {}; clients: {}",
        report.ratio,
        report.unsettled,
        report.rss_mib,
        report.rss_mib_max,
        report.attempts,
        report.attempts_min,
        report.clients
    );
    Ok(())
}

impl Report {
    fn of(pairs: Vec<Pair>, args: &Args, machine: Machine) -> Self {
        let ratio = median(pairs.iter().map(|pair| pair.beside.p99_ms / pair.alone.p99_ms));
        let unsettled = pairs.iter().map(|pair| pair.alone.unsettled + pair.beside.unsettled).sum();
        let rss_alone_mib = pairs.iter().map(|pair| pair.alone.rss_mib).max().unwrap_or(0);
        let rss_mib = pairs.iter().map(|pair| pair.beside.rss_mib).max().unwrap_or(0);
        let clients =
            Clients::of(&pairs.iter().map(|pair| (pair.alone.posted, pair.beside.posted)).collect::<Vec<_>>());
        let attempts = pairs.iter().map(|pair| pair.beside.attempts).min().unwrap_or(0);
        let attempts_min = ATTEMPTS_PER_S_MIN * u64::from(args.seconds);
        let rss_mib_max = rss_alone_mib + MEMORY_MIB + BESIDE_MIB;
        Self {
            p99_alone_ms: median(pairs.iter().map(|pair| pair.alone.p99_ms)),
            p99_beside_ms: median(pairs.iter().map(|pair| pair.beside.p99_ms)),
            ratio: (ratio * 100.0).round() / 100.0,
            clients,
            attempts,
            attempts_min,
            unsettled,
            rss_alone_mib,
            rss_mib,
            rss_mib_max,
            ok: ratio <= RATIO_MAX
                && clients.are_well(RATIO_MAX)
                && attempts >= attempts_min
                && unsettled == 0
                && rss_mib <= rss_mib_max,
            pairs,
            rate: args.rate,
            seconds: args.seconds,
            backlog: args.backlog,
            machine,
        }
    }

    fn text(&self) -> String {
        let Self {
            p99_alone_ms, p99_beside_ms, ratio, clients, unsettled, rss_alone_mib, rss_mib, rss_mib_max, ..
        } = self;
        let mut text = format!(
            "machine   {}\nsettings  {} events/s for {} s, beside {} deliveries that sleep and every hostile guest\n\n\
             {:>12}{:>12}{:>12}{:>12}{:>12}   ms alone, ms beside them, their attempts\n",
            self.machine.line(),
            self.rate,
            self.seconds,
            self.backlog,
            "p50",
            "p99",
            "p50",
            "p99",
            "attempts"
        );
        for Pair { alone, beside } in &self.pairs {
            let (Run { p50_ms, p99_ms, .. }, with) = (alone, beside);
            // Writing to a string cannot fail.
            let _ = writeln!(
                text,
                "{p50_ms:>12.2}{p99_ms:>12.2}{:>12.2}{:>12.2}{:>12}",
                with.p50_ms, with.p99_ms, with.attempts
            );
        }
        text + &format!(
            "\np99       {p99_alone_ms:.2} ms alone, {p99_beside_ms:.2} ms beside them; {ratio:.2} times (median of the pairs)\n\
             clients   {clients}\n\
             memory    {rss_alone_mib} MiB alone, {rss_mib} MiB beside them, of {rss_mib_max}\n\
             unsettled {unsettled}\n"
        )
    }
}

/// The configuration of a run.
fn config(args: &Args) -> String {
    let weights = if args.breaks { (1, 10_000) } else { (100, 100) };
    let mut config = format!(
        "[tenants.demo]\nweight = {}\n{STEADY}\n[tenants.{OTHER}]\nweight = {}\nmemory_mib = {MEMORY_MIB}\n{WILD}\n",
        weights.0, weights.1
    );
    for kind in kinds(args) {
        let plugin = if kind.starts_with("hostile") { "hostile" } else { "hoarder" };
        let retry = "retry = { first = \"50ms\", max = \"50ms\", attempts = 1000 }";
        let _ = writeln!(
            config,
            "[tenants.{OTHER}.rules.{}]\npattern = {{ type = [\"{kind}\"], source = [\"wild\"] }}\ntargets = [{{ plugin = \"{plugin}\", {retry} }}]",
            kind.replace('.', "-")
        );
    }
    config
}

/// The event types of hostile guests.
fn kinds(args: &Args) -> impl Iterator<Item = &'static str> {
    CASES.lines().filter_map(columns).map(|[kind, ..]| kind).filter(|kind| kind.contains(&args.only))
}

/// One run on a host of its own.
fn one(
    binary: &Path,
    folder: &Path,
    guests: &[Guest],
    (args, beside): (&Args, bool),
    interrupt: &Interrupt,
) -> Result<Run> {
    let stage = Stage::lay_out(folder, "neighbour-", &config(args), guests)?;
    let host = Host::start(binary, &stage, SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0))?;
    let url = host.ready().url.clone();
    let (api, other) = (Api::new(&url), Api::of(&url, OTHER));
    if beside {
        send(&other, args.backlog, |n| ("hostile.sleep", "backlog", n))?;
        for kind in kinds(args) {
            send(&other, OF_EACH, |n| (kind, "wild", n))?;
        }
    }
    let events = u64::from(args.rate) * u64::from(args.seconds);
    let (over, rss_kib, before) = (AtomicBool::new(false), AtomicU64::new(0), cpu::used(host.pid())?);
    let posted = thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                // A host that is gone is told of by whoever posts.
                rss_kib.fetch_max(resident_kib(host.pid()).unwrap_or(0), Ordering::Relaxed);
                poll::pause(LOOK_EVERY);
            }
        });
        let posted = post(&url, events, args.rate, order, interrupt);
        over.store(true, Ordering::Relaxed);
        posted
    })?;
    let used = cpu::used(host.pid())?.saturating_sub(before);
    let mut counted = 0;
    let drained = poll::until("the tenant's events to be settled", DRAIN_S_MAX, interrupt, || {
        counted = api.counters()?.values().flat_map(|keys| keys.values()).sum::<i64>().try_into().unwrap_or(0);
        Ok((counted == events).then_some(()))
    });
    interrupt.check()?;
    let unsettled = if drained.is_ok() { 0 } else { events.saturating_sub(counted) };
    let stats = api.stats()?;
    let (p50_ms, p99_ms) = stats.p50_ms.zip(stats.p99_ms).context("the host measured no latency")?;
    let attempts = if beside { other.stats()?.attempts } else { 0 };
    host.kill()?;
    Ok(Run {
        p50_ms,
        p99_ms,
        posted,
        unsettled,
        rss_mib: rss_kib.load(Ordering::Relaxed) >> 10,
        cpus: (used.as_secs_f64() / f64::from(args.seconds) * 100.0).round() / 100.0,
        attempts,
    })
}

/// Posts so many events, each by its type, its source and its number.
fn send<'a>(api: &Api, count: usize, of: impl Fn(usize) -> (&'a str, &'a str, usize)) -> Result<()> {
    for from in (0..count).step_by(BATCH_EVENTS) {
        let events: Vec<String> = (from..count.min(from + BATCH_EVENTS))
            .map(|n| {
                let (kind, source, n) = of(n);
                format!(r#"{{"specversion":"1.0","id":"{kind}-{n}","source":"{source}","type":"{kind}"}}"#)
            })
            .collect();
        match api.post_batch(format!("[{}]", events.join(",")).as_bytes())? {
            Batch::Accepted(_) => {}
            Batch::Busy => bail!("the host was busy before the run began"),
        }
    }
    Ok(())
}
