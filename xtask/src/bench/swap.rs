//! `cargo xtask bench swap`: what a thousand changes of a plugin's release amid a steady stream of events do to it.
//!
//! Method: pairs of runs on hosts of their own that take turns, without and with changes. In each run single events are posted at a
//! fixed rate, each at its own time however late the one before was answered, while another client gives all traffic to one of two
//! releases and to the other again. They do the same, and every settlement says which one handled its event. Afterwards the whole feed
//! is read: each event has to be handled once, well, and by a release that had the traffic at some moment between the attempt's
//! beginning and its end.
//!
//! Invariant: it fails when an event is lost, handled twice, failed, or handled by a release that had no traffic then, and when p99 grew by
//! more than half, clients were answered late, or not all changes came about. `--break` shows that it can: it counts the traffic of one change as the other release's.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use serde::Serialize;
use serde_json::json;

use super::machine::Machine;
use super::median::median;
use super::steady::{Clients, Posted, order, post};
use super::{Output, folder, say};
use crate::guests;
use crate::host::binary::{self, Profile};
use crate::host::view::{FeedItem, Outcome};
use crate::host::{Api, Host, Stage};
use crate::interrupt::Interrupt;
use crate::poll;

/// A tenant, and nothing else: all of it is made while the host runs.
const CONFIG: &str = "[tenants.demo.buses.default]\n";

/// The plugin, which counts in a bucket of its name.
const PLUGIN: &str = "counter";

/// By how much p99 may grow.
const RATIO_MAX: f64 = 1.5;

/// How far the clocks of host and client may be apart, in milliseconds: records have times of whole ones.
const CLOCK_MS: f64 = 5.0;

/// How long the last events may take.
const DRAIN_S_MAX: Duration = Duration::from_secs(60);

/// Options of `cargo xtask bench swap`.
#[derive(clap::Args)]
pub struct Args {
    /// Events a second.
    #[arg(long, default_value_t = 2_000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rate: u32,
    /// How long a run posts.
    #[arg(long, default_value_t = 30, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    seconds: u32,
    /// Changes of the release in all runs together.
    #[arg(long, default_value_t = 1_000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    switches: u32,
    /// Pairs of runs, without and with changes.
    #[arg(long, default_value_t = 5, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pairs: u32,
    /// Count wrongly, to see that it fails.
    #[arg(long = "break")]
    breaks: bool,
    /// Run this binary instead of one that is built first.
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
    /// How to print the numbers.
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

/// What the runs gave together.
#[derive(Default, Serialize)]
struct Report {
    events: u64,
    switches: u64,
    lost: u64,
    twice: u64,
    errors: u64,
    stale: u64,
    p99_ms: f64,
    p99_base_ms: f64,
    /// The median of the pairs' own ratios.
    ratio: f64,
    #[serde(flatten)]
    clients: Clients,
    ok: bool,
}

/// From when to when a release may have had the traffic, in milliseconds since 1970.
struct Reign {
    release: String,
    from_ms: f64,
    until_ms: f64,
}

/// An attempt, as the feed tells it.
struct Handled {
    release: String,
    began_ms: f64,
    ended_ms: f64,
}

/// Builds what is needed, measures, prints. It fails when anything went wrong.
pub fn run(args: &Args) -> Result<()> {
    let guests = guests::build()?;
    let counter = guests.iter().find(|guest| guest.name == PLUGIN).context("there is no counter")?;
    let wasm = std::fs::read(&counter.path)?;
    let binary = binary::given_or_built(args.binary.as_deref(), Profile::Release)?;
    let (folder, interrupt) = (folder()?, Interrupt::catch()?);
    let (mut report, mut pairs, mut clients) = (Report::default(), Vec::new(), Vec::new());
    let switches = args.switches.div_ceil(args.pairs);
    for n in 1..=args.pairs {
        let mut one = |switches: u32| one(&binary, &folder, &wasm, (args, switches), &mut report, &interrupt);
        let ((off, posted_off), (on, posted_on)) = (one(0)?, one(switches)?);
        say(&format!("pair {n} of {}: p99 {off:.2} ms without changes, {on:.2} ms with", args.pairs));
        pairs.push((off, on));
        clients.push((posted_off, posted_on));
    }
    let ratio = median(pairs.iter().map(|(off, on)| on / off));
    report.p99_base_ms = median(pairs.iter().map(|(off, _)| *off));
    report.p99_ms = median(pairs.iter().map(|(_, on)| *on));
    report.ratio = (ratio * 100.0).round() / 100.0;
    report.clients = Clients::of(&clients);
    let all_switches = u64::from(switches) * u64::from(args.pairs);
    let wrong = report.lost + report.twice + report.errors + report.stale;
    report.ok =
        wrong == 0 && report.switches == all_switches && ratio <= RATIO_MAX && report.clients.are_well(RATIO_MAX);
    let text = match args.output {
        Output::Text => report.text(args, &Machine::here(&folder)),
        Output::Json => serde_json::to_string_pretty(&report)? + "\n",
    };
    std::io::stdout().write_all(text.as_bytes())?;
    let Report { switches, clients, .. } = &report;
    ensure!(
        report.ok,
        "{wrong} events went wrong, p99 grew {ratio:.2} times, {switches} of {all_switches} changes came about; clients: {clients}"
    );
    Ok(())
}

impl Report {
    fn text(&self, args: &Args, machine: &Machine) -> String {
        let Self { events, switches, lost, twice, errors, stale, p99_ms, p99_base_ms, ratio, clients, .. } = self;
        format!(
            "machine   {}\nsettings  {} events/s for {} s, {} pairs of runs\n\n\
             {events} events, {switches} changes of the release: {lost} lost, {twice} handled twice, {errors} errors, {stale} stale\n\
             p99       {p99_base_ms:.2} ms without changes, {p99_ms:.2} ms with; {ratio:.2} times (median of the pairs)\n\
             clients   {clients}\n",
            machine.line(),
            args.rate,
            args.seconds,
            args.pairs
        )
    }
}

/// One run on a host of its own; gives its p99 and what it was to its clients, and adds what was counted.
fn one(
    binary: &Path,
    folder: &Path,
    wasm: &[u8],
    (args, switches): (&Args, u32),
    report: &mut Report,
    interrupt: &Interrupt,
) -> Result<(f64, Posted)> {
    let stage = Stage::lay_out(folder, "swap-", CONFIG, &[])?;
    let host = Host::start(binary, &stage, SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0))?;
    let url = host.ready().url.clone();
    let api = Api::new(&url);
    api.settings(PLUGIN, &json!({ "grants": { "kv": [PLUGIN] } }))?;
    let releases = [1, 2].map(|number| api.upload(PLUGIN, &variant(wasm, number), interrupt));
    let [first, second] = releases;
    let releases = [first?, second?];
    let began_ms = now_ms();
    api.promote(PLUGIN, &releases[0], None)?;
    api.rule("orders", "order.placed", PLUGIN)?;
    let events = u64::from(args.rate) * u64::from(args.seconds);
    let (end, time) = (AtomicBool::new(false), Duration::from_secs(args.seconds.into()));
    let (posted, reigns) = thread::scope(|scope| {
        let switching = scope.spawn(|| switch(&url, &releases, began_ms, (switches, time), &end));
        let posted = post(&url, events, args.rate, order, interrupt);
        end.store(true, Ordering::Relaxed);
        let reigns = switching.join().ok().context("the client that changes releases ended in a panic")?;
        anyhow::Ok((posted?, reigns?))
    })?;
    poll::until("the events to be settled", DRAIN_S_MAX, interrupt, || {
        let stats = api.stats()?;
        Ok((stats.pending == 0 && stats.events == events).then_some(()))
    })?;
    let handled = handled(&api, events)?;
    let p99 = api.stats()?.p99_ms.context("the host measured no latency")?;
    host.kill()?;
    report.events += events;
    report.switches += reigns.len() as u64 - 1;
    judge(report, events, handled, &reigns, args.breaks && switches > 0);
    Ok((p99, posted))
}

/// The component with a few bytes more that say nothing: another release that does the same.
fn variant(wasm: &[u8], number: u8) -> Vec<u8> {
    // A custom section: its number, its length, the length of its name, its name, its content.
    [wasm, &[0, 4, 2, b'v', b'n', number]].concat()
}

/// Gives all traffic to the other release again and again, evenly over the time but its last twentieth, in which one that is late still comes
/// amid events; says who had it when.
fn switch(
    url: &str,
    releases: &[String; 2],
    began_ms: f64,
    (switches, time): (u32, Duration),
    end: &AtomicBool,
) -> Result<Vec<Reign>> {
    let (api, start) = (Api::new(url), Instant::now());
    let mut reigns = vec![Reign { release: releases[0].clone(), from_ms: began_ms, until_ms: f64::INFINITY }];
    for n in 1..=switches {
        poll::pause((time * n / (switches + 1) * 19 / 20).saturating_sub(start.elapsed()));
        if end.load(Ordering::Relaxed) {
            break;
        }
        let [even, odd] = releases;
        let release = if n % 2 == 0 { even } else { odd };
        let from_ms = now_ms();
        api.promote(PLUGIN, release, None)?;
        // Until the answer both of them may have begun attempts.
        reigns.iter_mut().rev().take(1).for_each(|before| before.until_ms = now_ms());
        reigns.push(Reign { release: release.clone(), from_ms, until_ms: f64::INFINITY });
    }
    Ok(reigns)
}

/// All attempts, by the position of the event.
fn handled(api: &Api, events: u64) -> Result<BTreeMap<String, Vec<(Handled, bool)>>> {
    let (mut all, mut seen): (BTreeMap<String, Vec<(Handled, bool)>>, u64) = (BTreeMap::new(), 0);
    for item in api.feed()? {
        let FeedItem::Settled { event, attempt, .. } = item? else { continue };
        let ended: jiff::Timestamp = attempt.time.parse().context("reading when an attempt was settled")?;
        #[allow(clippy::cast_precision_loss, reason = "both are fewer than 2^52")]
        let (ended_ms, took_ms) = (ended.as_millisecond() as f64, attempt.duration_us as f64 / 1_000.0);
        let began_ms = ended_ms - took_ms;
        let (is_well, is_last) = (matches!(attempt.outcome, Outcome::Ack), !matches!(attempt.outcome, Outcome::Retry));
        let release = attempt.release.unwrap_or_default();
        all.entry(event).or_default().push((Handled { release, began_ms, ended_ms }, is_well));
        seen += u64::from(is_last);
        if seen == events {
            break;
        }
    }
    Ok(all)
}

fn judge(
    report: &mut Report,
    events: u64,
    handled: BTreeMap<String, Vec<(Handled, bool)>>,
    reigns: &[Reign],
    breaks: bool,
) {
    report.lost += events - handled.len() as u64;
    for (attempt, is_well) in handled.values().flatten() {
        report.errors += u64::from(!is_well);
        let had = |reign: &Reign| {
            (reign.release == attempt.release) != breaks
                && reign.from_ms - CLOCK_MS <= attempt.ended_ms
                && attempt.began_ms <= reign.until_ms + CLOCK_MS
        };
        report.stale += u64::from(!reigns.iter().any(had));
    }
    for attempts in handled.values() {
        report.twice += attempts.iter().filter(|(_, is_well)| *is_well).count().saturating_sub(1) as u64;
    }
}

#[allow(clippy::disallowed_methods, reason = "records have wall time, which the moments of changes are held against")]
fn now_ms() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64() * 1_000.0
}
