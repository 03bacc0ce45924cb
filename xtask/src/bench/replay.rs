//! `cargo xtask bench replay`: a million events of the archive replayed to one plugin at a rate, beside live traffic.
//!
//! Method: on one host a tenant sends its events, which nobody is owed; then it gets a rule for a counting plugin, and replays them to it. Single events
//! for counting plugins of other tenants are posted at a fixed rate, each at its own time, in windows with a tenant each: some before the replay
//! begins, some while it goes on. The latency is from receipt to settlement, as the host measures it for each tenant.
//!
//! The plugin is owed them by the group that they are in, one after the other in each, and the feed tells in which order its attempts were settled.
//!
//! Invariant: it fails when an event was not counted once, when the archive has the replayed events in another order or without their mark, when the
//! plugin is done with a group's events in another order, when the replay is slower or faster than its rate, in all or in a second, when live p99 grew more than it may or live
//! events were answered late, and when the replay was over before the windows beside it were. `--break` shows that it can: the replay is
//! asked for at twice the rate.

use std::collections::HashMap;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde::Serialize;
use serde_json::{Value, json};

use super::machine::Machine;
use super::median::median;
use super::steady::{Clients, Posted, order, post_by};
use super::{Output, folder, say};
use crate::guests;
use crate::host::api::{Answer, Batch};
use crate::host::binary::{self, Profile};
use crate::host::{Api, Host, Stage};
use crate::interrupt::Interrupt;
use crate::poll;

/// The tenant whose events are replayed, and the replay.
const PAST: &str = "past";
const NAME: &str = "again";

/// Events of a batch, and of a page.
const BATCH: u64 = 1_000;

/// Groups of events that are handled one after the other.
const GROUPS: u64 = 100;

/// How much the whole replay may be off its rate, and one look.
const RATE_OFF_MAX: f64 = 0.02;
const LOOK_OFF_MAX: f64 = 0.25;

/// How often it is looked how far the replay has come.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// How long the last events may take.
const DRAIN_S_MAX: Duration = Duration::from_secs(120);

/// By how much live p99 may grow.
const RATIO_MAX: f64 = 1.5;

/// Options of `cargo xtask bench replay`.
#[derive(clap::Args)]
pub struct Args {
    /// Events that are replayed.
    #[arg(long, default_value_t = 1_000_000, value_name = "N", value_parser = clap::value_parser!(u64).range(1_000..))]
    events: u64,
    /// Events a second that the replay brings.
    #[arg(long, default_value_t = 1_000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=50_000))]
    rate: u32,
    /// Live events a second.
    #[arg(long, default_value_t = 500, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    live: u32,
    /// How long a window of live events is.
    #[arg(long, default_value_t = 60, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    seconds: u32,
    /// Windows without the replay, and as many with it.
    #[arg(long, default_value_t = 5, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    windows: u32,
    /// Ask for twice the rate, to see that it fails.
    #[arg(long = "break")]
    breaks: bool,
    /// Run this binary instead of one that is built first.
    #[arg(long, value_name = "FILE")]
    binary: Option<std::path::PathBuf>,
    /// How to print the numbers.
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

/// What the replay came to.
#[derive(Default, Serialize)]
struct Replayed {
    events: u64,
    /// Events a second, from its beginning to its end.
    per_s: f64,
    /// The slowest and the fastest look while it went on.
    slowest_per_s: f64,
    fastest_per_s: f64,
    counted: u64,
    /// Places at which the archive has another event than the next one, or one without the mark.
    out_of_order: u64,
    /// Events that the plugin was done with behind a later one of their group, or not at all.
    handled_out_of_order: u64,
}

#[derive(Default, Serialize)]
struct Report {
    rate: u32,
    live: u32,
    p99_before_ms: f64,
    p99_beside_ms: f64,
    ratio: f64,
    before_ms: Vec<f64>,
    beside_ms: Vec<f64>,
    #[serde(flatten)]
    clients: Clients,
    /// Whether the replay went on when the last window beside it was over.
    is_beside: bool,
    replayed: Replayed,
    /// What ended it before its end.
    error: Option<String>,
    ok: bool,
    machine: Option<Machine>,
}

/// Builds what is needed, measures, prints. It fails when a line of it does not hold.
pub fn run(args: &Args) -> Result<()> {
    let mut guests = guests::build()?;
    guests.retain(|guest| guest.name == "counter");
    let binary = binary::given_or_built(args.binary.as_deref(), Profile::Release)?;
    let (folder, interrupt) = (folder()?, Interrupt::catch()?);
    let stage = Stage::lay_out(&folder, "replay-", &config(args.windows), &guests)?;
    let host = Host::start(&binary, &stage, SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0))?;
    let bench = Bench { url: host.ready().url.clone(), args, interrupt: &interrupt };
    let mut report =
        Report { rate: args.rate, live: args.live, machine: Some(Machine::here(&folder)), ..Report::default() };
    report.error = bench.measure(&mut report).err().map(|error| format!("{error:#}"));
    host.kill()?;
    let broken = report.broken(args.events);
    report.ok = broken.is_empty();
    let text = match args.output {
        Output::Text => report.text(),
        Output::Json => serde_json::to_string_pretty(&report)? + "\n",
    };
    std::io::stdout().write_all(text.as_bytes())?;
    let why = report.error.map_or(String::new(), |error| format!(": {error}"));
    ensure!(report.ok, "the replay is not as it has to be: {}{why}", broken.join(", "));
    Ok(())
}

/// The tenant whose events are replayed, and one for each window.
fn config(windows: u32) -> String {
    let plugin = |tenant: &str| {
        format!("[tenants.{tenant}.plugins.counter]\ncomponent = \"counter.wasm\"\ngrants = {{ kv = [\"counter\"] }}\n")
    };
    let live = |tenant: String| {
        let rule = "pattern = { type = [\"order.placed\"] }\ntargets = [{ plugin = \"counter\" }]\n";
        format!("{}[tenants.{tenant}.rules.orders]\n{rule}", plugin(&tenant))
    };
    let of_windows = (0..windows).flat_map(|n| ["before", "beside"].map(|when| live(format!("{when}-{n}"))));
    plugin(PAST) + &of_windows.collect::<String>()
}

/// What a window of live events gave.
struct Window {
    p99_ms: f64,
    posted: Posted,
}

struct Bench<'a> {
    url: String,
    args: &'a Args,
    interrupt: &'a Interrupt,
}

impl Bench<'_> {
    /// Fills the report in, as far as it comes.
    fn measure(&self, report: &mut Report) -> Result<()> {
        self.send()?;
        let before = self.windows("before")?;
        report.before_ms = before.iter().map(|window| window.p99_ms).collect();
        report.p99_before_ms = median(report.before_ms.iter().copied());
        let from = self.newest()?;
        let begun = self.begin()?;
        let (beside, is_beside, looks) = std::thread::scope(|scope| {
            let looks = scope.spawn(|| self.watch(begun));
            let beside = self.windows("beside");
            let is_beside = self.is_running();
            let looks = looks.join().ok().context("who watched the replay ended in a panic")?;
            anyhow::Ok((beside?, is_beside?, looks?))
        })?;
        report.is_beside = is_beside;
        report.beside_ms = beside.iter().map(|window| window.p99_ms).collect();
        let pairs = before.iter().zip(&beside).map(|(before, beside)| (before.posted, beside.posted));
        report.clients = Clients::of(&pairs.collect::<Vec<_>>());
        report.p99_beside_ms = median(report.beside_ms.iter().copied());
        report.ratio = (report.p99_beside_ms / report.p99_before_ms * 100.0).round() / 100.0;
        report.replayed = self.replayed(&looks, &from)?;
        Ok(())
    }

    /// The newest event of those that are replayed.
    fn newest(&self) -> Result<String> {
        let page = self.past().read("/events?limit=1")?;
        Ok(page.pointer("/0/position").and_then(Value::as_str).context("the archive is empty")?.to_owned())
    }

    fn past(&self) -> Api {
        Api::of(&self.url, PAST)
    }

    /// Sends what will be replayed. Nobody is owed it.
    fn send(&self) -> Result<()> {
        let (api, events, began) = (self.past(), self.args.events, Instant::now());
        for from in (0..events).step_by(usize::try_from(BATCH)?) {
            self.interrupt.check()?;
            let batch: Vec<_> = (from..events.min(from + BATCH)).map(grouped).collect();
            match api.post_batch(format!("[{}]", batch.join(",")).as_bytes())? {
                Batch::Accepted(_) => {}
                // Whoever remembers as many ids as it can has to forget some.
                Batch::Busy => bail!("the host was busy while the archive was filled: allow fewer --events"),
            }
        }
        say(&format!("{events} events are in the archive after {:.0} s", began.elapsed().as_secs_f64()));
        let rule = json!({"pattern": {"type": ["order.placed"]}, "targets": [{"plugin": "counter", "order_by": "$.data.group"}]});
        api.put("/buses/default/rules/counts", "application/json", rule.to_string().as_bytes())
    }

    /// What live events took, window after window.
    fn windows(&self, when: &str) -> Result<Vec<Window>> {
        let Args { live, seconds, windows, .. } = *self.args;
        let events = u64::from(live) * u64::from(seconds);
        (0..windows)
            .map(|n| {
                let client = || Api::of(&self.url, &format!("{when}-{n}"));
                let posted = post_by(client, events, live, order, self.interrupt)?;
                let api = client();
                self.until_counted(&api, events)?;
                let p99_ms = api.stats()?.p99_ms.context("the host measured no latency")?;
                say(&format!("live p99 {when} {n}: {p99_ms:.2} ms"));
                Ok(Window { p99_ms, posted })
            })
            .collect()
    }

    fn until_counted(&self, api: &Api, events: u64) -> Result<()> {
        poll::until("all events to be counted", DRAIN_S_MAX, self.interrupt, || {
            Ok((counted(api)? == events).then_some(()))
        })
    }

    fn begin(&self) -> Result<Instant> {
        let rate = if self.args.breaks { self.args.rate * 2 } else { self.args.rate };
        let wish = json!({"rule": "counts", "events_per_s": rate});
        self.past().put(&format!("/replays/{NAME}"), "application/json", wish.to_string().as_bytes())?;
        Ok(Instant::now())
    }

    fn is_running(&self) -> Result<bool> {
        let replay = self.past().read(&format!("/replays/{NAME}"))?;
        Ok(replay.get("phase").and_then(Value::as_str) == Some("running"))
    }

    /// How far the replay had come at which time, to its end.
    fn watch(&self, begun: Instant) -> Result<Vec<(Duration, u64)>> {
        let (api, mut looks) = (self.past(), vec![(Duration::ZERO, 0)]);
        loop {
            poll::pause(if looks.len() > 1 { LOOK_EVERY } else { LOOK_EVERY / 2 });
            self.interrupt.check()?;
            let replay = api.read(&format!("/replays/{NAME}"))?;
            let replayed = replay.get("replayed").and_then(Value::as_u64).context("the replay has no count")?;
            looks.push((begun.elapsed(), replayed));
            self.say_off(&looks);
            match replay.get("phase").and_then(Value::as_str) {
                Some("running") => {}
                Some("done") => return Ok(looks),
                _ => bail!("the replay ended otherwise than done: {replay}"),
            }
        }
    }

    /// Says when a look finds the replay off its rate.
    fn say_off(&self, looks: &[(Duration, u64)]) {
        let per_s = looks.last_chunk::<2>().and_then(|last| between(last));
        if let (Some(per_s), Some((at, replayed))) = (per_s, looks.last())
            && *replayed < self.args.events
            && (per_s / f64::from(self.args.rate) - 1.0).abs() > LOOK_OFF_MAX
        {
            say(&format!("{per_s:.0} events/s before {:.0} s of the replay", at.as_secs_f64()));
        }
    }

    /// What came of it, when all of it is counted.
    fn replayed(&self, looks: &[(Duration, u64)], from: &str) -> Result<Replayed> {
        let api = self.past();
        poll::until("what was replayed to be settled", DRAIN_S_MAX, self.interrupt, || {
            Ok((api.pending()? == 0).then_some(()))
        })?;
        let (counted, events) = (counted(&api)?, self.args.events);
        // Behind its last event it only looks through what others sent since.
        let still = looks.iter().take_while(|(_, replayed)| *replayed < events).count();
        let still = looks.get(..still).unwrap_or_default();
        let per_s: Vec<f64> = still.windows(2).filter_map(between).collect();
        let (at, last) = still.last().copied().context("nobody looked")?;
        Ok(Replayed {
            events: looks.last().map_or(0, |(_, replayed)| *replayed),
            per_s: (last as f64 / at.as_secs_f64()).round(),
            slowest_per_s: per_s.iter().copied().fold(f64::INFINITY, f64::min).round(),
            fastest_per_s: per_s.iter().copied().fold(0.0, f64::max).round(),
            counted,
            // Before the end of the feed is marked, which is an event too.
            out_of_order: self.out_of_order(&api)?,
            // Of those that were not handled once there is no order.
            handled_out_of_order: if counted == events { self.handled(&api, from)? } else { events },
        })
    }

    /// Reads the feed from the beginning of the replay on: how many of its events were settled out of the order of their group, or not.
    fn handled(&self, api: &Api, from: &str) -> Result<u64> {
        let end = json!({"specversion": "1.0", "id": "end", "source": "bench", "type": "end"});
        ensure!(matches!(api.post(&end.to_string())?, Answer::Accepted(_)), "the end of the feed was not taken");
        // The group and the turn of each replayed event that was received and not settled, and the last turn of each group.
        let (mut owed, mut last, mut wrong, mut settled) = (HashMap::new(), HashMap::<u64, u64>::new(), 0, 0);
        for line in api.feed_from(from)? {
            let line = line?;
            let text = |pointer: &str| line.pointer(pointer).and_then(Value::as_str);
            if text("/received/event/event/id") == Some("end") {
                break;
            }
            if text("/received/event/event/wharfreplay") == Some(NAME) {
                let number =
                    |name: &str| line.pointer(&format!("/received/event/event/data/{name}")).and_then(Value::as_u64);
                let place = text("/received/event/position").context("no position")?.to_owned();
                owed.insert(place, number("group").zip(number("order")).context("an event is in no group")?);
            }
            let event = text("/settled/event").filter(|_| text("/settled/attempt/outcome/outcome") == Some("ack"));
            if let Some((group, turn)) = event.and_then(|event| owed.remove(event)) {
                settled += 1;
                wrong += u64::from(last.insert(group, turn).is_some_and(|before| before > turn));
            }
        }
        Ok(wrong + self.args.events.abs_diff(settled))
    }

    /// Reads the archive from its end, in which the replayed events lie first.
    fn out_of_order(&self, api: &Api) -> Result<u64> {
        let (mut before, mut left, mut wrong) = (String::new(), self.args.events, 0);
        while left > 0 {
            self.interrupt.check()?;
            let page = api.read(&format!("/events?limit={BATCH}{before}"))?;
            let page = page.as_array().context("no page of events")?;
            let Some(last) = page.last() else { return Ok(wrong + left) };
            before = format!("&before={}", last.get("position").and_then(Value::as_str).context("no position")?);
            for row in page.iter().take(usize::try_from(left)?) {
                left -= 1;
                let of = |pointer: &str| row.pointer(pointer);
                let is_next = of("/event/data/order").and_then(Value::as_u64) == Some(left);
                let is_marked = of("/event/wharfreplay").and_then(Value::as_str) == Some(NAME);
                wrong += u64::from(!(is_next && is_marked));
            }
        }
        Ok(wrong)
    }
}

/// An order that is in a group as well.
fn grouped(n: u64) -> String {
    let group = n % GROUPS;
    order(n).replacen("\"data\":{", &format!("\"data\":{{\"group\":{group},"), 1)
}

/// Events a second between two looks.
fn between(looks: &[(Duration, u64)]) -> Option<f64> {
    let [(from, before), (to, after)] = looks else { return None };
    Some((after - before) as f64 / (*to - *from).as_secs_f64())
}

fn counted(api: &Api) -> Result<u64> {
    let counted: i64 = api.counters()?.values().flat_map(|keys| keys.values()).sum();
    Ok(u64::try_from(counted)?)
}

impl Report {
    fn broken(&self, events: u64) -> Vec<&'static str> {
        let (rate, of) = (f64::from(self.rate), &self.replayed);
        let all = [
            (of.events != events, "another number of events was replayed"),
            (of.counted != events, "an event was not counted once"),
            (of.out_of_order > 0, "the archive has them in another order, or without the mark"),
            ((of.per_s / rate - 1.0).abs() > RATE_OFF_MAX, "the rate is another one"),
            (self.error.is_some(), "it did not come to its end"),
            (of.handled_out_of_order > 0, "the plugin was done with them in another order"),
            (of.fastest_per_s == 0.0, "nobody looked while it went on: it was too short"),
            (of.slowest_per_s / rate < 1.0 - LOOK_OFF_MAX, "it was slower than its rate for a while"),
            (self.before_ms.is_empty() || self.beside_ms.is_empty(), "no live events were measured"),
            (of.fastest_per_s / rate > 1.0 + LOOK_OFF_MAX, "it was faster than its rate for a while"),
            (self.ratio > RATIO_MAX, "live p99 grew too much"),
            (!self.is_beside, "it was over before the windows beside it were"),
            (!self.clients.are_well(RATIO_MAX), "live events were answered late"),
        ];
        all.into_iter().filter(|(broken, _)| *broken).map(|(_, what)| what).collect()
    }

    fn text(&self) -> String {
        let Self {
            rate,
            live,
            p99_before_ms,
            p99_beside_ms,
            ratio,
            before_ms,
            beside_ms,
            clients,
            replayed,
            machine,
            ..
        } = self;
        let Replayed { events, per_s, slowest_per_s, fastest_per_s, counted, out_of_order, handled_out_of_order } =
            replayed;
        let windows: String =
            before_ms.iter().zip(beside_ms).map(|(before, beside)| format!("{before:>10.2}{beside:>10.2}\n")).collect();
        format!(
            "machine   {}\nsettings  {events} events replayed at {rate} events/s, beside {live} live events/s\n\n\
             replayed  {per_s:.0} events/s, {slowest_per_s:.0} to {fastest_per_s:.0} at any look; {counted} counted; {out_of_order} out of \
             order or unmarked, {handled_out_of_order} handled out of order\n\n{:>10}{:>10}   ms, live p99 of each window\n{windows}\n\
             p99       {p99_before_ms:.2} ms before, {p99_beside_ms:.2} ms beside; {ratio:.2} times\n\
             clients   {clients}\n",
            machine.as_ref().map(Machine::line).unwrap_or_default(),
            "before",
            "beside",
        )
    }
}
