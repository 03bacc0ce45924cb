//! `cargo xtask bench tenants`: a thousand tenants with one plugin each, all of them different, and nearly all idle.
//!
//! Method: a host with the tenants and nothing else rests, and its memory is looked at. Then each tenant gets a plugin by the API: the
//! counter with a custom section of its own, so another release with an artifact of its own, and of its code nothing is shared. Another host
//! starts on the same folder, a few times (and others with a hundred plugins in their file: `starts.rs`). The last one rests; what it has more
//! than the first is what the idle plugins take, rules and all. Then each tenant has its first event, one after the other, and a second one at
//! once; how long each took from its receipt to its settlement the host says, whose figures of a tenant are then those of one event, and of
//! two. The memory that may hold code has room for a few dozen of them, so that nearly all are idle again at the end: what they take then is
//! looked at too. Another event for each shows that they were gone.
//!
//! Invariant: it fails when the start, an idle plugin or a first event takes more than it may, or an event is not handled. `--break` shows
//! that it can: what the host keeps compiled is removed before the first events come.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde::Serialize;
use serde_json::json;

use super::machine::Machine;
use super::median::median;
use super::starts::{self, OF_A_FILE, STARTS, start};
use super::{Output, folder, say};
use crate::guests;
use crate::host::api::Answer;
use crate::host::binary::{self, Profile};
use crate::host::{Api, Host, Stage};
use crate::interrupt::Interrupt;
use crate::poll;

/// The plugin, which counts in a bucket of its name.
const PLUGIN: &str = "counter";

/// Compiled code that the host may have in memory.
const LOADED_CODE: &str = "8MiB";

/// What a start may take.
const START_MS_MAX: f64 = 1_000.0;

/// What an idle plugin may take.
const PLUGIN_KIB_MAX: f64 = 64.0;

/// What the first event of a plugin may take that is not in memory: of a hundred of them ninety-nine.
const FIRST_MS_MAX: f64 = 5.0;

/// Clients that make plugins at a time.
const CLIENTS: usize = 4;

/// How long a host rests before its memory is looked at.
const REST: Duration = Duration::from_secs(4);

/// How long after its settlement an event's latency is looked at.
const MEASURED: Duration = Duration::from_millis(5);

/// How long an event may take at most.
const SETTLED_S_MAX: Duration = Duration::from_secs(60);

/// Options of `cargo xtask bench tenants`.
#[derive(clap::Args)]
pub struct Args {
    /// Tenants.
    #[arg(long, default_value_t = 1_000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    tenants: u32,
    /// Lose what is compiled, to see that it fails.
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
    tenants: u32,
    /// From exec to the ready line, with all plugins in the cache; the median.
    start_ms: f64,
    /// The same of a host with a hundred plugins in its configuration file, and nothing else.
    start_file_ms: f64,
    /// Resident of a host with the tenants alone.
    bare_kib: u64,
    /// What each plugin adds to that: not used since the start, and used before.
    plugin_kib: f64,
    plugin_used_kib: f64,
    /// First events of plugins that were not in memory, from receipt to settlement.
    first_median_ms: f64,
    first_p99_ms: f64,
    first_max_ms: f64,
    /// The second, which comes at once.
    second_median_ms: f64,
    /// How often code was loaded for the first two events of each, and for the third.
    loads: u64,
    loads_again: u64,
    /// Releases in memory at the end.
    loaded: u64,
    ok: bool,
}

/// Builds what is needed, measures, prints. It fails when a limit is broken.
pub fn run(args: &Args) -> Result<()> {
    let guests = guests::build()?;
    let counter = guests.iter().find(|guest| guest.name == PLUGIN).context("there is no counter")?;
    let wasm = fs::read(&counter.path)?;
    let binary = binary::given_or_built(args.binary.as_deref(), Profile::Release)?;
    let (folder, interrupt) = (folder()?, Interrupt::catch()?);
    let stage = Stage::lay_out(&folder, "tenants-", &config(args.tenants), &[])?;
    let mut report = Report { tenants: args.tenants, ..Report::default() };

    // As the other that is looked at it finds a folder that is there.
    start(&binary, &stage)?.stop()?;
    let host = start(&binary, &stage)?;
    poll::pause(REST);
    report.bare_kib = host.resident_kib()?;
    say(&format!("making {} plugins", args.tenants));
    make(&host.ready().url, args.tenants, &wasm, &interrupt)?;
    host.stop()?;

    report.start_file_ms = starts::of_a_file(&binary, &folder, &wasm)?;
    let (host, start_ms) = starts::timed(&binary, &stage)?;
    report.start_ms = start_ms;
    let url = host.ready().url.clone();
    if args.breaks {
        fs::remove_dir_all(stage.data().join("cache"))?;
        fs::create_dir(stage.data().join("cache"))?;
    }
    report.plugin_kib = of_each(&host, &report)?;
    say("the first events");
    events(&url, &mut report, &interrupt)?;
    report.plugin_used_kib = of_each(&host, &report)?;
    again(&url, &mut report, &interrupt)?;
    host.stop()?;

    let broken = broken(&report);
    report.ok = broken.is_empty();
    let text = match args.output {
        Output::Text => report.text(&Machine::here(&folder)),
        Output::Json => serde_json::to_string_pretty(&report)? + "\n",
    };
    std::io::stdout().write_all(text.as_bytes())?;
    ensure!(report.ok, "more than it may be: {}", broken.join(", "));
    Ok(())
}

/// The limits that were broken.
fn broken(report: &Report) -> Vec<&'static str> {
    let each = u64::from(report.tenants);
    let limits = [
        ("the start", report.start_ms.max(report.start_file_ms) <= START_MS_MAX),
        ("an idle plugin", report.plugin_kib <= PLUGIN_KIB_MAX),
        ("a plugin that is idle again", report.plugin_used_kib <= PLUGIN_KIB_MAX),
        ("a first event", report.first_p99_ms <= FIRST_MS_MAX),
        // One load for two events, and one more for the third.
        ("what is loaded", report.loads == each && report.loads_again >= each - report.loaded),
    ];
    limits.into_iter().filter(|(_, holds)| !holds).map(|(what, _)| what).collect()
}

impl Report {
    fn text(&self, machine: &Machine) -> String {
        let Self { tenants, start_ms, start_file_ms, bare_kib, plugin_kib, plugin_used_kib, second_median_ms, .. } =
            self;
        format!(
            "machine       {}\nsettings      {tenants} tenants, a plugin each, {LOADED_CODE} of compiled code may be in memory\n\n\
             start         {start_ms:.0} ms with all of them in the cache, {start_file_ms:.0} ms with {OF_A_FILE} in a file (medians of {STARTS})\n\
             idle plugin   {plugin_kib:.1} KiB before its first event, {plugin_used_kib:.1} KiB after it ({bare_kib} KiB without plugins)\n\
             first event   {:.2} ms (median), {:.2} ms (p99), {:.2} ms (the slowest); the second {second_median_ms:.2} ms (median)\n\
             loaded        {} times for the first two events of each, {} times for the third; {} in memory at the end\n",
            machine.line(),
            self.first_median_ms,
            self.first_p99_ms,
            self.first_max_ms,
            self.loads,
            self.loads_again,
            self.loaded,
        )
    }
}

fn config(tenants: u32) -> String {
    let tenants = (0..tenants).map(|n| format!("[tenants.{}.buses.default]\n", tenant(n)));
    format!("[host]\nloaded_code = \"{LOADED_CODE}\"\n{}", tenants.collect::<String>())
}

fn tenant(n: u32) -> String {
    format!("t{n:04}")
}

/// Makes a plugin and its rule for each tenant.
fn make(url: &str, tenants: u32, wasm: &[u8], interrupt: &Interrupt) -> Result<()> {
    let client = |first: u32| -> Result<()> {
        for n in (first..tenants).step_by(CLIENTS) {
            let api = Api::of(url, &tenant(n));
            api.settings(PLUGIN, &json!({ "grants": { "kv": [PLUGIN] } }))?;
            let release = api.upload(PLUGIN, &starts::other(wasm, n), interrupt)?;
            api.promote(PLUGIN, &release, None)?;
            api.rule("orders", "order.placed", PLUGIN)?;
        }
        Ok(())
    };
    thread::scope(|scope| {
        let client = &client;
        let clients: Vec<_> = (0..).take(CLIENTS).map(|first| scope.spawn(move || client(first))).collect();
        clients.into_iter().try_for_each(|client| client.join().ok().context("a client ended in a panic")?)
    })
}

/// KiB that the host has more than the bare one, for each plugin.
fn of_each(host: &Host, report: &Report) -> Result<f64> {
    poll::pause(REST);
    let more = host.resident_kib()?.saturating_sub(report.bare_kib);
    #[allow(clippy::cast_precision_loss, reason = "it is far below 2^52")]
    Ok((more as f64 / f64::from(report.tenants) * 10.0).round() / 10.0)
}

/// The first event of each tenant, and the second.
fn events(url: &str, report: &mut Report, interrupt: &Interrupt) -> Result<()> {
    let (mut first, mut second) = (Vec::new(), Vec::new());
    for n in 0..report.tenants {
        let api = Api::of(url, &tenant(n));
        let (latency, _) = settled(&api, 1, interrupt)?;
        first.push(latency);
        // The lower one of the two.
        second.push(settled(&api, 2, interrupt)?.0);
    }
    first.sort_by(f64::total_cmp);
    let at = |part: usize| first.get((first.len() * part).div_ceil(100).saturating_sub(1)).copied().unwrap_or(0.0);
    (report.first_median_ms, report.first_p99_ms, report.first_max_ms) = (at(50), at(99), at(100));
    report.second_median_ms = median(second);
    report.loads = loads(&Api::new(url))?;
    Ok(())
}

/// A third event of each tenant.
fn again(url: &str, report: &mut Report, interrupt: &Interrupt) -> Result<()> {
    for n in 0..report.tenants {
        settled(&Api::of(url, &tenant(n)), 3, interrupt)?;
    }
    let api = Api::new(url);
    report.loads_again = loads(&api)? - report.loads;
    report.loaded = whole(api.metric("wharf_releases_loaded")?);
    Ok(())
}

fn loads(api: &Api) -> Result<u64> {
    Ok(whole(api.metric("wharf_release_load_seconds_count")?))
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
fn whole(count: f64) -> u64 {
    count as u64
}

/// Posts the tenant's event of that number and waits until it is settled: the median and the 99th percentile of its events so far, in ms.
fn settled(api: &Api, number: u64, interrupt: &Interrupt) -> Result<(f64, f64)> {
    let event = format!(
        r#"{{"specversion":"1.0","id":"order-{number}","source":"bench","type":"order.placed","datacontenttype":"application/json","data":{{"key":"customer"}}}}"#
    );
    match api.post(&event)? {
        Answer::Accepted(_) => {}
        other => bail!("an event was not taken: {other:?}"),
    }
    poll::until("an event to be settled", SETTLED_S_MAX, interrupt, || {
        let stats = api.stats()?;
        Ok((stats.pending == 0 && stats.attempts == number).then_some(()))
    })?;
    // What is durable is measured a moment later.
    poll::pause(MEASURED);
    let stats = api.stats()?;
    ensure!(stats.retries == 0 && stats.dead_letters == 0, "an event was not handled at once");
    stats.p50_ms.zip(stats.p99_ms).context("the host measured no latency")
}
