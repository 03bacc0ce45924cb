//! `cargo xtask bench fairness`: what a plugin that sleeps, with a backlog behind it, does to its neighbour's latency.
//!
//! Method: pairs of runs on hosts of their own that take turns, without and with 1,000 events that wait for the sleeper. In each run
//! single events for a counting plugin are posted at a fixed rate, each at its own time however late the one before was answered.
//! The latency is from receipt to settlement, as the host measures it.
//!
//! Invariant: a run counts only if every event of the neighbour was counted once, and it fails when p99 grew more than twice or clients were answered
//! late. The few attempts of the sleeper that end within a
//! run, by their deadline, are among the latencies: at most one in a thousand.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde::Serialize;

use super::machine::Machine;
use super::median::median;
use super::steady::{Clients, Posted, order, post};
use super::{Output, folder, say};
use crate::guests::{self, Guest};
use crate::host::api::Batch;
use crate::host::binary::{self, Profile};
use crate::host::{Api, Host, Stage};
use crate::interrupt::Interrupt;
use crate::poll;

/// Two plugins of one tenant, with the default concurrency. The sleeper is ended by its deadline, far later than the neighbour's
/// latency and often enough that its places are taken anew within a run.
const CONFIG: &str = r#"
[tenants.demo.buses.default]

[tenants.demo.plugins.counter]
component = "counter.wasm"
grants = { kv = ["counter"] }

[tenants.demo.plugins.hostile]
component = "hostile.wasm"
limits = { wall_ms = 20000 }

[tenants.demo.rules.orders]
bus = "default"
pattern = { type = ["order.placed"] }
[[tenants.demo.rules.orders.targets]]
plugin = "counter"

[tenants.demo.rules.sleepers]
bus = "default"
pattern = { type = ["hostile.sleep"] }
[[tenants.demo.rules.sleepers.targets]]
plugin = "hostile"
retry = { attempts = 1 }
"#;

/// The plugins of that.
const GUESTS: [&str; 2] = ["counter", "hostile"];

/// Events of one batch of the backlog.
const BACKLOG_BATCH: usize = 500;

/// How long the neighbour's last events may take.
const DRAIN_S_MAX: Duration = Duration::from_secs(60);

/// By how much the neighbour's p99 may grow, the host's and that of its clients.
const RATIO_MAX: f64 = 2.0;

/// Options of `cargo xtask bench fairness`.
#[derive(clap::Args)]
pub struct Args {
    /// Events a second for the neighbour.
    #[arg(long, default_value_t = 2_000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rate: u32,
    /// How long a run posts.
    #[arg(long, default_value_t = 30, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    seconds: u32,
    /// Pairs of runs, without and with the backlog.
    #[arg(long, default_value_t = 5, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pairs: u32,
    /// Events that wait for the sleeper.
    #[arg(long, default_value_t = 1_000, value_name = "N")]
    waiting: usize,
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
}

#[derive(Serialize)]
struct Pair {
    off: Run,
    on: Run,
}

#[derive(Serialize)]
struct Report {
    p99_off_ms: f64,
    p99_on_ms: f64,
    /// The median of the pairs' own ratios.
    ratio: f64,
    #[serde(flatten)]
    clients: Clients,
    ok: bool,
    pairs: Vec<Pair>,
    rate: u32,
    seconds: u32,
    waiting: usize,
    machine: Machine,
}

/// Builds what is needed, measures, prints. It fails when the neighbour's p99 grew too much.
pub fn run(args: &Args) -> Result<()> {
    let mut guests = guests::build()?;
    guests.retain(|guest| GUESTS.contains(&guest.name.as_str()));
    let binary = binary::given_or_built(args.binary.as_deref(), Profile::Release)?;
    let (folder, interrupt) = (folder()?, Interrupt::catch()?);
    let mut pairs = Vec::new();
    for n in 1..=args.pairs {
        let off = one(&binary, &folder, &guests, args, 0, &interrupt)?;
        let on = one(&binary, &folder, &guests, args, args.waiting, &interrupt)?;
        say(&format!("pair {n} of {}: p99 {:.2} ms without, {:.2} ms with", args.pairs, off.p99_ms, on.p99_ms));
        pairs.push(Pair { off, on });
    }
    let ratio = median(pairs.iter().map(|pair| pair.on.p99_ms / pair.off.p99_ms));
    let clients = Clients::of(&pairs.iter().map(|pair| (pair.off.posted, pair.on.posted)).collect::<Vec<_>>());
    let report = Report {
        p99_off_ms: median(pairs.iter().map(|pair| pair.off.p99_ms)),
        p99_on_ms: median(pairs.iter().map(|pair| pair.on.p99_ms)),
        ratio: (ratio * 100.0).round() / 100.0,
        clients,
        ok: ratio < RATIO_MAX && clients.are_well(RATIO_MAX),
        pairs,
        rate: args.rate,
        seconds: args.seconds,
        waiting: args.waiting,
        machine: Machine::here(&folder),
    };
    let text = match args.output {
        Output::Text => report.text(),
        Output::Json => serde_json::to_string_pretty(&report)? + "\n",
    };
    std::io::stdout().write_all(text.as_bytes())?;
    ensure!(
        report.ok,
        "the neighbour's p99 grew {ratio:.2} times, and {RATIO_MAX} is what it may; its clients: {clients}"
    );
    Ok(())
}

impl Report {
    fn text(&self) -> String {
        let Self { p99_off_ms, p99_on_ms, ratio, clients, rate, seconds, waiting, pairs, machine, .. } = self;
        let runs: String = pairs
            .iter()
            .map(|Pair { off, on }| {
                format!("{:>12.2}{:>12.2}{:>12.2}{:>12.2}\n", off.p50_ms, off.p99_ms, on.p50_ms, on.p99_ms)
            })
            .collect();
        format!(
            "machine   {}\nsettings  {rate} events/s for {seconds} s, {waiting} events wait for the sleeper\n\n\
             {:>12}{:>12}{:>12}{:>12}   ms, without and with them\n{runs}\n\
             p99       {p99_off_ms:.2} ms without, {p99_on_ms:.2} ms with; {ratio:.2} times (median of the pairs)\n\
             clients   {clients}\n",
            machine.line(),
            "p50",
            "p99",
            "p50",
            "p99"
        )
    }
}

/// One run on a host of its own.
fn one(
    binary: &Path,
    folder: &Path,
    guests: &[Guest],
    args: &Args,
    waiting: usize,
    interrupt: &Interrupt,
) -> Result<Run> {
    let stage = Stage::lay_out(folder, "fairness-", CONFIG, guests)?;
    let host = Host::start(binary, &stage, SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0))?;
    let url = host.ready().url.clone();
    let api = Api::new(&url);
    for from in (0..waiting).step_by(BACKLOG_BATCH) {
        let events: Vec<String> = (from..waiting.min(from + BACKLOG_BATCH)).map(sleeper).collect();
        match api.post_batch(format!("[{}]", events.join(",")).as_bytes())? {
            Batch::Accepted(_) => {}
            Batch::Busy => bail!("the host was busy before anything was asked of it"),
        }
    }
    let events = u64::from(args.rate) * u64::from(args.seconds);
    let posted = post(&url, events, args.rate, order, interrupt)?;
    poll::until("the neighbour's events to be settled", DRAIN_S_MAX, interrupt, || {
        let counted: i64 = api.counters()?.values().flat_map(|keys| keys.values()).sum();
        Ok((u64::try_from(counted) == Ok(events)).then_some(()))
    })?;
    let stats = api.stats()?;
    let (p50, p99) = stats.p50_ms.zip(stats.p99_ms).context("the host measured no latency")?;
    host.kill()?;
    Ok(Run { p50_ms: p50, p99_ms: p99, posted })
}

fn sleeper(n: usize) -> String {
    format!(r#"{{"specversion":"1.0","id":"sleeper-{n}","source":"bench","type":"hostile.sleep"}}"#)
}
