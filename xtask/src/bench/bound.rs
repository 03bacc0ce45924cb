//! `cargo xtask bench bound`: a tenant that sends faster than it consumes, until its bound, and what its neighbour has of that.
//!
//! Method: pairs of runs on hosts of their own that take turns, without and with a tenant whose events go to a queue that one slow client
//! receives of, while two others send batches as fast as they are taken and try again soon when they are not. In each run single events for a
//! counting plugin of another tenant are posted at a fixed rate, each at its own time; the latency is from receipt to settlement, as the host
//! measures it for that tenant. What is posted until the bound is met, while the machine does nothing but take batches, is for a neighbour of its own:
//! two neighbours, since the host tells the latency of each tenant since its start.
//!
//! Invariant: it fails when nothing is refused, or with another status and code than it is to be, or without a time to come again; when more
//! waits than may; when an event that was taken is lost; when a neighbour is refused anything, or its events are taken late; when its p99 at the
//! bound is more than twice what it is without, or that of the other one too long; and when the host's memory goes on growing at the bound.
//! `--break` shows that it can: the tenant has no bound of its own.

use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde::Serialize;
use serde_json::{Value, json};

use super::machine::Machine;
use super::median::median;
use super::steady::{Posted, order, post, post_by};
use super::{Output, folder, say};
use crate::guests::{self, Guest};
use crate::host::api::Sent;
use crate::host::binary::{self, Profile};
use crate::host::{Api, Host, Stage};
use crate::interrupt::Interrupt;
use crate::poll;

/// The neighbours, and the one that sends too much.
const CONFIG: &str = r#"
[tenants.demo.plugins.counter]
component = "counter.wasm"
grants = { kv = ["counter"] }
[tenants.demo.rules.orders]
pattern = { type = ["order.placed"] }
targets = [{ plugin = "counter" }]

[tenants.early.plugins.counter]
component = "counter.wasm"
grants = { kv = ["counter"] }
[tenants.early.rules.orders]
pattern = { type = ["order.placed"] }
targets = [{ plugin = "counter" }]

[tenants.flood.queues.jobs]
[tenants.flood.rules.jobs]
pattern = { type = ["job"] }
targets = [{ queue = "jobs" }]
"#;

const FLOOD: &str = "flood";

/// The neighbour until the bound is met; the other one is the API's own.
const EARLY: &str = "early";

/// Events of a batch that the tenant sends, and bytes of the payload of each.
const BATCH: u64 = 100;
const PAYLOAD_BYTES: usize = 1_024;

/// Clients that send them.
const SENDERS: u64 = 2;

/// How long a sender that was refused waits: far less than it is told.
const IMPATIENCE: Duration = Duration::from_millis(50);

/// Between two times at which the slow client takes ten messages.
const SLOWNESS: Duration = Duration::from_millis(100);

/// How long the neighbour's last events may take.
const DRAIN_S_MAX: Duration = Duration::from_secs(60);

/// By how much the neighbour's p99 may grow at the bound.
const RATIO_MAX: f64 = 2.0;

/// What the p99 of the neighbour may be until the bound is met, in milliseconds: nobody who waits for an event notices that.
const FILLING_P99_MS_MAX: f64 = 10.0;

/// How late the neighbour's latest event may be posted, in milliseconds: one that is not read in time has no latency yet.
const LATE_MS_MAX: f64 = 100.0;

/// By how much the host's memory may grow once the bound is reached, in MiB.
const GROWTH_MIB_MAX: i64 = 16;

/// Options of `cargo xtask bench bound`.
#[derive(clap::Args)]
pub struct Args {
    /// Deliveries that may wait of the tenant that sends too much.
    #[arg(long, default_value_t = 20_000, value_name = "N", value_parser = clap::value_parser!(u64).range(100..=400_000))]
    bound: u64,
    /// Events a second for the neighbour.
    #[arg(long, default_value_t = 500, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rate: u32,
    /// How long a run posts, from when the bound is met on.
    #[arg(long, default_value_t = 20, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    seconds: u32,
    /// Pairs of runs, without and with the flood.
    #[arg(long, default_value_t = 3, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pairs: u32,
    /// Let the tenant have no bound of its own, to see that it fails.
    #[arg(long = "break")]
    breaks: bool,
    /// Run this binary instead of one that is built first.
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
    /// How to print the numbers.
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

/// What the neighbour's events took, in milliseconds: half of them at most, and all but one in a hundred.
#[derive(Clone, Copy, Default)]
struct Took {
    p50_ms: f64,
    p99_ms: f64,
}

/// What came of the flood of one run.
#[derive(Clone, Copy, Default, Serialize)]
struct Flood {
    taken: u64,
    /// Batches that were refused with 429, the code of the bound, and a time to come again.
    refused: u64,
    /// Those that were refused otherwise.
    refused_otherwise: u64,
    /// The most that waited at any look.
    waiting_most: u64,
    lost: u64,
    /// How much memory came between the first refusal and the end.
    growth_mib: i64,
}

#[derive(Clone, Copy, Serialize)]
struct Pair {
    p99_off_ms: f64,
    p99_on_ms: f64,
    /// How late the latest event of both was posted.
    late_ms: f64,
    /// What the neighbour's events took until the bound was met.
    filling_p50_ms: f64,
    filling_p99_ms: f64,
    flood: Flood,
}

#[derive(Serialize)]
struct Report {
    bound: u64,
    rate: u32,
    seconds: u32,
    p99_off_ms: f64,
    p99_on_ms: f64,
    /// The median of the pairs' own ratios.
    ratio: f64,
    /// The median of what the neighbour's events took until the bound was met.
    filling_p99_ms: f64,
    pairs: Vec<Pair>,
    ok: bool,
}

/// Builds what is needed, measures, prints. It fails when the bound does not hold, or costs the neighbour too much.
pub fn run(args: &Args) -> Result<()> {
    let mut guests = guests::build()?;
    guests.retain(|guest| guest.name == "counter");
    let binary = binary::given_or_built(args.binary.as_deref(), Profile::Release)?;
    let (folder, interrupt) = (folder()?, Interrupt::catch()?);
    let mut pairs = Vec::new();
    for n in 1..=args.pairs {
        let off = one(&binary, &folder, &guests, args, false, &interrupt)?;
        let on = one(&binary, &folder, &guests, args, true, &interrupt)?;
        let (p99_off_ms, p99_on_ms, late_ms) = (off.p99_ms, on.p99_ms, off.late_ms.max(on.late_ms));
        let (Took { p50_ms: filling_p50_ms, p99_ms: filling_p99_ms }, flood) = (on.filling, on.flood);
        say(&format!(
            "pair {n} of {}: p99 {p99_off_ms:.2} ms without, {p99_on_ms:.2} ms with, {filling_p99_ms:.2} ms until the bound; {} taken, {} batches refused",
            args.pairs, flood.taken, flood.refused
        ));
        pairs.push(Pair { p99_off_ms, p99_on_ms, late_ms, filling_p50_ms, filling_p99_ms, flood });
    }
    let ratio = median(pairs.iter().map(|pair| pair.p99_on_ms / pair.p99_off_ms));
    let mut report = Report {
        bound: args.bound,
        rate: args.rate,
        seconds: args.seconds,
        p99_off_ms: median(pairs.iter().map(|pair| pair.p99_off_ms)),
        p99_on_ms: median(pairs.iter().map(|pair| pair.p99_on_ms)),
        ratio: (ratio * 100.0).round() / 100.0,
        filling_p99_ms: median(pairs.iter().map(|pair| pair.filling_p99_ms)),
        pairs,
        ok: false,
    };
    let broken = report.broken();
    report.ok = broken.is_empty();
    let text = match args.output {
        Output::Text => report.text(&Machine::here(&folder)),
        Output::Json => serde_json::to_string_pretty(&report)? + "\n",
    };
    std::io::stdout().write_all(text.as_bytes())?;
    ensure!(report.ok, "the bound does not hold: {}", broken.join(", "));
    Ok(())
}

impl Report {
    fn broken(&self) -> Vec<&'static str> {
        let any = |is: fn(&Flood) -> bool| self.pairs.iter().any(|pair| is(&pair.flood));
        let all = [
            (any(|flood| flood.refused == 0), "nothing was refused"),
            (any(|flood| flood.refused_otherwise > 0), "something was refused otherwise than it is to be"),
            (self.pairs.iter().any(|pair| pair.flood.waiting_most > self.bound), "more waited than may"),
            (any(|flood| flood.lost > 0), "events that were taken are lost"),
            (any(|flood| flood.growth_mib > GROWTH_MIB_MAX), "the host's memory went on growing"),
            (self.ratio > RATIO_MAX, "the neighbour's p99 grew too much"),
            (self.pairs.iter().any(|pair| pair.late_ms > LATE_MS_MAX), "the neighbour's events were not taken in time"),
            (self.filling_p99_ms > FILLING_P99_MS_MAX, "a neighbour waited too long until the bound was met"),
        ];
        all.into_iter().filter(|(broken, _)| *broken).map(|(_, what)| what).collect()
    }

    fn text(&self, machine: &Machine) -> String {
        let line = |pair: &Pair| {
            let Pair { p99_off_ms, p99_on_ms, filling_p99_ms, flood, .. } = pair;
            let Flood { taken, refused, waiting_most, growth_mib, .. } = flood;
            format!(
                "{p99_off_ms:>10.2}{p99_on_ms:>10.2}{filling_p99_ms:>10.2}{taken:>12}{refused:>12}{waiting_most:>12}{growth_mib:>12}\n"
            )
        };
        format!(
            "machine   {}\nsettings  {} deliveries may wait; the neighbour {} events/s for {} s\n\n{:>10}{:>10}{:>10}{:>12}{:>12}{:>12}{:>12}\n{}\n\
             p99       {:.2} ms without, {:.2} ms with; {:.2} times ({RATIO_MAX} may be); {:.2} ms until the bound was met ({FILLING_P99_MS_MAX} may be)\n",
            machine.line(),
            self.bound,
            self.rate,
            self.seconds,
            "p99",
            "with",
            "filling",
            "taken",
            "refused",
            "waiting",
            "MiB more",
            self.pairs.iter().map(line).collect::<String>(),
            self.p99_off_ms,
            self.p99_on_ms,
            self.ratio,
            self.filling_p99_ms,
        )
    }
}

/// What came of a run.
struct Run {
    p99_ms: f64,
    late_ms: f64,
    filling: Took,
    flood: Flood,
}

/// One run on a host of its own.
fn one(
    binary: &Path,
    folder: &Path,
    guests: &[Guest],
    args: &Args,
    floods: bool,
    interrupt: &Interrupt,
) -> Result<Run> {
    let bound = if args.breaks { String::new() } else { format!("[tenants.{FLOOD}]\nbacklog = {}\n", args.bound) };
    let stage = Stage::lay_out(folder, "bound-", &format!("{bound}{CONFIG}"), guests)?;
    let host = Host::start(binary, &stage, SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0))?;
    let url = host.ready().url.clone();
    let (over, full_kib) = (AtomicBool::new(false), AtomicU64::new(0));
    let events = u64::from(args.rate) * u64::from(args.seconds);
    let (filling, late_ms, mut flood) = thread::scope(|scope| {
        let (over, full_kib, url, host) = (&over, &full_kib, url.as_str(), &host);
        let senders: Vec<_> = (0..if floods { SENDERS } else { 0 })
            .map(|sender| {
                scope.spawn(move || {
                    send(url, sender, over, || full_kib.store(host.resident_kib().unwrap_or(0), Ordering::Relaxed))
                })
            })
            .collect();
        let consumer = floods.then(|| scope.spawn(move || consume(url, over)));
        let is_full = || full_kib.load(Ordering::Relaxed) > 0;
        let filling = if floods { fill(url, args, is_full, interrupt) } else { Ok(<(Took, f64)>::default()) };
        let posted = filling.and_then(|took| Ok((took, post(url, events, args.rate, order, interrupt)?)));
        over.store(true, Ordering::Relaxed);
        let ((filling, late_then_ms), Posted { late_ms, .. }) = posted?;
        let mut flood = Flood::default();
        for sender in senders {
            let sent = sender.join().ok().context("a sender ended in a panic")??;
            flood.taken += sent.taken;
            flood.refused += sent.refused;
            flood.refused_otherwise += sent.refused_otherwise;
        }
        if let Some(consumer) = consumer {
            let (done, most) = consumer.join().ok().context("the consumer ended in a panic")??;
            flood.waiting_most = most;
            let depth = depth(&Api::of(url, FLOOD))?;
            flood.lost = flood.taken.abs_diff(done + depth);
        }
        anyhow::Ok((filling, late_ms.max(late_then_ms), flood))
    })?;
    let api = Api::new(&url);
    counted(&api, events, interrupt)?;
    let p99_ms = api.stats()?.p99_ms.context("the host measured no latency")?;
    let full = i64::try_from(full_kib.load(Ordering::Relaxed))?;
    flood.growth_mib = if full > 0 { (i64::try_from(host.resident_kib()?)? - full) / 1_024 } else { 0 };
    host.kill()?;
    Ok(Run { p99_ms, late_ms, filling, flood })
}

/// Posts to the neighbour until the bound is met, for moments at a time; where it is not met, for as long as a run is. Gives what that took, and how late
/// the latest was posted.
fn fill(url: &str, args: &Args, is_full: impl Fn() -> bool, interrupt: &Interrupt) -> Result<(Took, f64)> {
    let (began, some) = (Instant::now(), u64::from(args.rate).div_ceil(50));
    let (mut posted, mut late_ms) = (0, 0.0_f64);
    while posted == 0 || (!is_full() && began.elapsed().as_secs() < args.seconds.into()) {
        let now = post_by(|| Api::of(url, EARLY), some, args.rate, |n| order(posted + n), interrupt)?;
        late_ms = late_ms.max(now.late_ms);
        posted += some;
    }
    let api = Api::of(url, EARLY);
    counted(&api, posted, interrupt)?;
    let stats = api.stats()?;
    let (p50_ms, p99_ms) = stats.p50_ms.zip(stats.p99_ms).context("the host measured no latency")?;
    Ok((Took { p50_ms, p99_ms }, late_ms))
}

/// Waits until so many events of a neighbour were counted.
fn counted(api: &Api, events: u64, interrupt: &Interrupt) -> Result<()> {
    poll::until("the neighbour's events to be settled", DRAIN_S_MAX, interrupt, || {
        let counted: i64 = api.counters()?.values().flat_map(|keys| keys.values()).sum();
        Ok((u64::try_from(counted) == Ok(events)).then_some(()))
    })
}

/// Sends batches until it is over; tells when the bound is met first.
fn send(url: &str, sender: u64, over: &AtomicBool, full: impl Fn()) -> Result<Flood> {
    let (api, mut sent, filler) = (Api::of(url, FLOOD), Flood::default(), "x".repeat(PAYLOAD_BYTES));
    let mut batch = Vec::new();
    while !over.load(Ordering::Relaxed) {
        // What was refused is sent again as it was.
        if batch.is_empty() {
            let event = |n: u64| json!({"specversion": "1.0", "id": format!("{sender}-{n}"), "source": "bench", "type": "job", "data": {"x": filler}});
            let events: Vec<_> = (sent.taken..sent.taken + BATCH).map(event).collect();
            batch = Value::from(events).to_string().into_bytes();
        }
        match api.try_batch(&batch)? {
            Sent::Taken => {
                batch.clear();
                sent.taken += BATCH;
            }
            Sent::Refused { status: 429, code, after: true } if code == "quota-backlog" => {
                if sent.refused == 0 {
                    full();
                }
                sent.refused += 1;
                poll::pause(IMPATIENCE);
            }
            Sent::Refused { status, code, after } => {
                say(&format!("refused with {status} {code}, with a time to come again: {after}"));
                sent.refused_otherwise += 1;
                poll::pause(IMPATIENCE);
            }
        }
    }
    Ok(sent)
}

/// Takes a few messages now and then until it is over. Gives how many, and the most that waited.
fn consume(url: &str, over: &AtomicBool) -> Result<(u64, u64)> {
    let (api, mut done, mut most) = (Api::of(url, FLOOD), 0, 0);
    while !over.load(Ordering::Relaxed) {
        poll::pause(SLOWNESS);
        most = most.max(depth(&api)?);
        let received = api.act("/queues/jobs/receive", &json!({"max": 10}))?;
        let messages = received.get("messages").and_then(Value::as_array).context("there are no messages")?;
        let receipts: Vec<_> = messages.iter().filter_map(|message| message.get("receipt").cloned()).collect();
        if !receipts.is_empty() {
            let ended = api.act("/queues/jobs/ack", &json!({"receipts": receipts}))?;
            let results = ended.get("results").and_then(Value::as_array).context("there are no results")?;
            done += results.iter().filter(|it| it.get("ok") == Some(&Value::Bool(true))).count() as u64;
        }
    }
    Ok((done, most))
}

fn depth(api: &Api) -> Result<u64> {
    api.read("/queues/jobs")?.get("depth").and_then(Value::as_u64).context("the queue has no depth")
}
