//! A queue in which millions of messages wait: what its head gives, what memory the host needs, and how long it takes to start.
//!
//! Method: the rate of an empty queue is measured on the same host before (`pull`). Then the queue is filled, and messages are sent behind
//! and received before what waits (`backlog`). What waits stays. When all of it is older than the deduplication window (after as long, with the host's own
//! window), the host is asked to end and started again; then it is killed in the middle of a load, and started again.
//!
//! Invariant: it judges nothing; that all is there after each start it does judge.

use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use super::super::machine::Machine;
use super::super::{Output, footprint, say};
use super::{Args, bench, peak_mib};
use crate::host::{Host, Stage};
use crate::interrupt::Interrupt;
use crate::poll;

/// The deduplication window: at these rates the default of five minutes would hold more events than the index has room for.
const WINDOW: Duration = Duration::from_secs(20);

/// The tenant whose messages wait.
const TENANT: &str = "growth";

/// How long a load goes on before the host is killed in its middle.
const BEFORE_KILL: Duration = Duration::from_secs(4);

#[derive(Serialize)]
struct Report {
    waiting: u64,
    /// Messages a second: of an empty queue, while it was filled, and at the head of what waits.
    empty_per_s: f64,
    fill_per_s: f64,
    head_per_s: f64,
    /// `head_per_s` beside `empty_per_s`.
    ratio: f64,
    /// The host's memory: at its highest until then, when nobody had asked anything for 20 s, and after a start, in MiB.
    peak_mib: f64,
    resting_mib: f64,
    started_mib: f64,
    /// Files of the log, and of the state, in MiB.
    log_mib: f64,
    state_mib: f64,
    /// From exec to the line that says that it serves: after it was asked to end, and after `kill -9` amid a load.
    start_ms: f64,
    start_killed_ms: f64,
    /// The deduplication window, in seconds, where it is not the host's own.
    window_s: Option<u64>,
    /// Frames that the second start read again.
    frames_replayed: u64,
    machine: Machine,
}

#[derive(Deserialize)]
struct Measured {
    per_s: f64,
    fill_per_s: Option<f64>,
}

/// Measures, prints.
pub fn run(args: &Args, waiting: u32, binary: &Path, folder: &Path, interrupt: &Interrupt) -> Result<()> {
    let stage = Stage::lay_out(folder, "growth-", "", &[])?;
    let window = (!args.default_window).then_some(WINDOW);
    let timed = |stage: &Stage| timed(binary, stage, window);
    let (host, _) = timed(&stage)?;
    let time = format!("{}s", args.seconds);
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let empty: Measured = bench(binary, &host, &words(&["pull", "--for", &time]))?;
    say(&format!("an empty queue: {:.0}/s; filling", empty.per_s));
    interrupt.check()?;
    let waiting = waiting.to_string();
    let head = ["backlog", "--backlog", &waiting, "--for", &time, "--warm-up", "0s", "--tenant", TENANT, "--keep"];
    let head: Measured = bench(binary, &host, &words(&head))?;
    let fill_per_s = head.fill_per_s.context("the bench did not say how fast it filled the queue")?;
    say(&format!("filled at {fill_per_s:.0}/s, its head gives {:.0}/s", head.per_s));
    interrupt.check()?;
    let peak = peak_mib(&host)?;
    poll::pause(WINDOW);
    let there = pending(&host)?;
    #[allow(clippy::cast_precision_loss, reason = "what is shown has few digits")]
    let resting_mib = (host.resident_kib()? as f64 / 102.4).round() / 10.0;
    host.stop()?;
    let (log_mib, state_mib) = (mib(&stage.data().join("log"))?, mib(&stage.data())?);

    let (host, start_ms) = timed(&stage)?;
    ensure!(pending(&host)? == there, "{there} messages waited before the host ended, and others after it");
    let started_mib = peak_mib(&host)?;
    say(&format!("started in {start_ms:.0} ms; killed amid a load"));
    let mut load = Command::new(binary);
    load.args(["bench", "ingest", "--for", "60s", "--warm-up", "0s", "--url", &host.ready().url]);
    let mut load = load.stdout(Stdio::null()).stderr(Stdio::null()).spawn().context("starting the load")?;
    poll::pause(BEFORE_KILL);
    host.kill()?;
    load.kill()?;
    load.wait()?;
    let (host, start_killed_ms) = timed(&stage)?;
    ensure!(pending(&host)? == there, "{there} messages waited before the host was killed, and others after it");
    let frames_replayed = host.ready().frames_replayed;
    host.stop()?;

    let report = Report {
        waiting: there,
        empty_per_s: empty.per_s,
        fill_per_s,
        head_per_s: head.per_s,
        ratio: (head.per_s / empty.per_s * 100.0).round() / 100.0,
        peak_mib: peak,
        resting_mib,
        started_mib,
        log_mib,
        state_mib: state_mib - log_mib,
        start_ms,
        start_killed_ms,
        window_s: window.map(|window| window.as_secs()),
        frames_replayed,
        machine: Machine::here(folder),
    };
    let text = match args.output {
        Output::Text => report.text(),
        Output::Json => serde_json::to_string_pretty(&report)? + "\n",
    };
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(())
}

/// Starts a host: how long it took.
fn timed(binary: &Path, stage: &Stage, window: Option<Duration>) -> Result<(Host, f64)> {
    let began = Instant::now();
    let host = Host::start_as(binary, stage, SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0), |command| {
        if let Some(window) = window {
            command.args(["--dedup-window", &format!("{}s", window.as_secs())]);
        }
    })?;
    Ok((host, (began.elapsed().as_secs_f64() * 10_000.0).round() / 10.0))
}

/// Deliveries that wait, as the host says when asked.
fn pending(host: &Host) -> Result<u64> {
    Ok(crate::host::Api::of(&host.ready().url, TENANT).stats()?.pending)
}

/// What the files below a folder take, in MiB.
fn mib(folder: &Path) -> Result<f64> {
    #[allow(clippy::cast_precision_loss, reason = "what is shown has few digits")]
    Ok((footprint::size(folder)? as f64 / f64::from(1 << 20)).round())
}

impl Report {
    fn text(&self) -> String {
        let Self { waiting, empty_per_s, fill_per_s, head_per_s, ratio, peak_mib, resting_mib, started_mib, .. } = self;
        let Self { log_mib, state_mib, start_ms, start_killed_ms, window_s, frames_replayed, machine, .. } = self;
        let window =
            window_s.map_or_else(|| "the host's own window".to_owned(), |seconds| format!("--dedup-window {seconds}s"));
        format!(
            "machine   {}\nsettings  1 KiB, 4 producers and 4 consumers, batches of 100, {window}\n\n\
             waiting   {waiting} messages, filled at {fill_per_s:.0}/s; log {log_mib:.0} MiB, state {state_mib:.0} MiB\n\
             head      {head_per_s:.0}/s, {ratio} of an empty queue's {empty_per_s:.0}/s\n\
             memory    {peak_mib:.0} MiB at its highest, {resting_mib:.0} MiB at rest, {started_mib:.0} MiB after a start\n\
             start     {start_ms:.0} ms after a stop, {start_killed_ms:.0} ms after kill -9 amid a load ({frames_replayed} frames read again)\n",
            machine.line(),
        )
    }
}
