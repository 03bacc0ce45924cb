//! `cargo xtask bench canary`: a release on trial that fails one event of twenty, amid a steady stream.
//!
//! Method: the stable release counts, the other one fails the first attempt of every twentieth event. It gets a tenth of the traffic and may
//! fail two percent. Events are posted at a fixed rate; how long it takes until the host ends the trial is watched from outside.
//! Afterwards the whole feed is read: what failed on the canary has to have ended well on the stable release.
//!
//! Invariant: it fails when the trial is not ended within its time, an event is given up, lost, or ended elsewhere, or one
//! is posted a second late. `--break` shows that
//! it can: the canary then has no bound that it could break.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde::Serialize;
use serde_json::json;

use super::machine::Machine;
use super::steady::post;
use super::{Output, folder, say};
use crate::guests;
use crate::host::binary::{self, Profile};
use crate::host::view::{FeedItem, Outcome};
use crate::host::{Api, Host, Stage};
use crate::interrupt::Interrupt;
use crate::poll;

/// A tenant, and nothing else: all of it is made while the host runs.
const CONFIG: &str = "[tenants.demo.buses.default]\n";

const PLUGIN: &str = "counter";

/// The canary's share, and what it may fail.
const SHARE: &str = "10%";
const ABORT_ON: &str = "error_rate>2%";

/// How often the host is asked whether the trial ended.
const ASK_EVERY: Duration = Duration::from_millis(20);

/// How long the last events may take.
const DRAIN_S_MAX: Duration = Duration::from_secs(60);

/// Options of `cargo xtask bench canary`.
#[derive(clap::Args)]
pub struct Args {
    /// Events a second.
    #[arg(long, default_value_t = 2_000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rate: u32,
    /// How long events are posted, and the trial lasts.
    #[arg(long, default_value_t = 30, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    seconds: u32,
    /// Let the canary go on whatever it does, to see that this fails.
    #[arg(long = "break")]
    breaks: bool,
    /// Run this binary instead of one that is built first.
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
    /// How to print the numbers.
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Default, Serialize)]
struct Report {
    events: u64,
    failed_on_canary: u64,
    settled: u64,
    dead_letters: u64,
    /// Since the trial began; none if it was not ended by the host.
    rolled_back_after_s: Option<f64>,
    /// Events that failed on the canary and did not end well on the stable release.
    ended_elsewhere: u64,
    /// What the latest event was late by when it was posted.
    late_ms: f64,
    ok: bool,
}

/// Builds what is needed, measures, prints. It fails when anything went wrong.
pub fn run(args: &Args) -> Result<()> {
    let guests = guests::build()?;
    let component = |name: &str| {
        let guest = guests.iter().find(|guest| guest.name == name).with_context(|| format!("there is no {name}"))?;
        Ok::<_, anyhow::Error>(std::fs::read(&guest.path)?)
    };
    let (stable, canary) = (component("counter")?, component("flaky")?);
    let binary = binary::given_or_built(args.binary.as_deref(), Profile::Release)?;
    let (folder, interrupt) = (folder()?, Interrupt::catch()?);
    let stage = Stage::lay_out(&folder, "canary-", CONFIG, &[])?;
    let host = Host::start(&binary, &stage, SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0))?;
    let url = host.ready().url.clone();
    let api = Api::new(&url);
    // Only the canary reads the configuration.
    let config = json!({ "retry_every": 20, "fail_every": 0, "after_ms": 50 });
    api.settings(PLUGIN, &json!({ "config": config, "grants": { "kv": [PLUGIN] } }))?;
    let stable = api.upload(PLUGIN, &stable, &interrupt)?;
    let canary = api.upload(PLUGIN, &canary, &interrupt)?;
    api.promote(PLUGIN, &stable, None)?;
    api.rule("orders", "order.placed", PLUGIN)?;
    let time = format!("{}s", args.seconds);
    let trial = if args.breaks {
        json!({ "share": SHARE })
    } else {
        json!({ "share": SHARE, "for": time, "abort_on": ABORT_ON })
    };
    say(&format!("{} events/s for {} s, a tenth of them on the canary", args.rate, args.seconds));
    let (start, events) = (Instant::now(), u64::from(args.rate) * u64::from(args.seconds));
    api.promote(PLUGIN, &canary, Some(trial))?;
    let (ended, posted) = thread::scope(|scope| {
        let watching = scope.spawn(|| watch(&url, start, Duration::from_secs(args.seconds.into())));
        let posted = post(&url, events, args.rate, order, &interrupt)?;
        anyhow::Ok((watching.join().ok().context("the client that watches ended in a panic")??, posted))
    })?;
    poll::until("the events to be settled", DRAIN_S_MAX, &interrupt, || {
        // Each event makes one; the host's own, which tells of the rollback, makes none.
        let stats = api.stats()?;
        Ok((stats.pending == 0 && stats.deliveries == events).then_some(()))
    })?;
    let mut report = counted(&api, events, (&stable, &canary))?;
    report.dead_letters = api.stats()?.dead_letters;
    report.late_ms = posted.late_ms;
    report.rolled_back_after_s = ended.map(|after| (after.as_secs_f64() * 100.0).round() / 100.0);
    host.kill()?;
    let wrong = report.dead_letters + report.ended_elsewhere + (events - report.settled);
    report.ok = wrong == 0 && report.failed_on_canary > 0 && report.rolled_back_after_s.is_some();
    report.ok &= posted.is_in_time();
    let text = match args.output {
        Output::Text => report.text(args, &Machine::here(&folder)),
        Output::Json => serde_json::to_string_pretty(&report)? + "\n",
    };
    std::io::stdout().write_all(text.as_bytes())?;
    ensure!(
        report.ok,
        "the canary was not rolled back as it should have been, or an event was posted {:.0} ms late",
        report.late_ms
    );
    Ok(())
}

impl Report {
    fn text(&self, args: &Args, machine: &Machine) -> String {
        let Self { events, failed_on_canary, settled, dead_letters, ended_elsewhere, late_ms, .. } = self;
        let after = self.rolled_back_after_s.map_or("never".to_owned(), |after| format!("after {after:.2} s"));
        format!(
            "machine   {}\nsettings  {} events/s for {} s, {SHARE} on a canary that fails one of twenty, {ABORT_ON}\n\n\
             rolled back {after}; {failed_on_canary} of {events} events failed on it\n\
             {settled} settled, {dead_letters} given up, {ended_elsewhere} that failed on it ended elsewhere than on the stable release\n\
             the latest was posted {late_ms:.0} ms late\n",
            machine.line(),
            args.rate,
            args.seconds
        )
    }
}

/// How long it takes until the host ends the trial by its own judgement; none if it does not.
fn watch(url: &str, start: Instant, within: Duration) -> Result<Option<Duration>> {
    let api = Api::new(url);
    while start.elapsed() < within {
        let plugin = api.plugin(PLUGIN)?;
        if plugin.canary.is_none() {
            let last = plugin.history.last().context("there is no history")?;
            return Ok((last.action == "canary-ended" && last.cause == "judgement").then(|| start.elapsed()));
        }
        poll::pause(ASK_EVERY);
    }
    Ok(None)
}

/// Reads the whole feed.
fn counted(api: &Api, events: u64, (stable, canary): (&str, &str)) -> Result<Report> {
    let (mut failed, mut ended, mut given_up) = (BTreeSet::new(), BTreeMap::new(), 0);
    for item in api.feed()? {
        let FeedItem::Settled { event, attempt, .. } = item? else { continue };
        let release = attempt.release.unwrap_or_default();
        match attempt.outcome {
            Outcome::Ack => _ = ended.insert(event, release),
            Outcome::Retry if release == canary => _ = failed.insert(event),
            Outcome::Retry => {}
            Outcome::DeadLetter => given_up += 1,
        }
        if ended.len() as u64 + given_up == events {
            break;
        }
    }
    let elsewhere = failed.iter().filter(|event| ended.get(*event).is_none_or(|release| release != stable));
    Ok(Report {
        events,
        failed_on_canary: failed.len() as u64,
        settled: ended.len() as u64,
        ended_elsewhere: elsewhere.count() as u64,
        ..Report::default()
    })
}

/// An order whose number is in its id, as the canary reads it.
fn order(n: u64) -> String {
    let key = n % super::load::KEYS;
    format!(
        r#"{{"specversion":"1.0","id":"gh-{n}","source":"bench","type":"order.placed","datacontenttype":"application/json","data":{{"key":"customer-{key:04}"}}}}"#
    )
}
