//! `cargo xtask bench profile`: where a host's processor time goes, scenario by scenario.
//!
//! Method: for each scenario a host in a folder of its own is driven by `wharf bench` of the same binary; in the middle of that `perf` looks a thousand
//! times a second at what runs of it, with all that called it. A sample counts once, in the first row whose functions are among those (`rows.rs`).
//!
//! Invariant: every sample is in one row; what fits into none is in the last, so that nothing is left out.

mod rows;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use serde::Serialize;

use super::machine::Machine;
use super::{Output, folder, say};
use crate::guests::{apt, process};
use crate::host::binary::{self, Profile};
use crate::host::{Host, Stage};
use crate::interrupt::Interrupt;
use crate::poll;

/// How often `perf` looks, in hertz: no divisor of what the host does by the clock.
const LOOKS_HZ: &str = "997";

/// What runs before `perf` looks, and what does behind that, in seconds.
const BEFORE: Duration = Duration::from_secs(2);
const BEHIND_S: u32 = 2;

/// Percent of the samples that may fit nowhere.
const REST_MAX: f64 = 10.0;

/// Samples that are too few to say anything.
const SAMPLES_MIN: usize = 200;

/// A load.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Scenario {
    /// Events on which nobody waits.
    Ingest,
    /// Messages through a queue, in batches.
    Pull,
    /// The same, one message a request.
    Single,
    /// Events that a plugin counts, each in a sandbox of its own.
    Plugin,
    /// Messages that a plugin consumes in batches.
    Batch,
    /// Events to a topic with ten subscriptions.
    Fanout,
    /// Messages of an ordered queue.
    Ordered,
}

impl Scenario {
    fn words(self) -> &'static [&'static str] {
        match self {
            Self::Ingest => &["ingest"],
            Self::Pull => &["pull"],
            Self::Single => &["pull", "--batch", "1"],
            Self::Plugin => &["plugin"],
            Self::Batch => &["batch"],
            Self::Fanout => &["fanout"],
            Self::Ordered => &["ordered"],
        }
    }
}

/// Options of `cargo xtask bench profile`.
#[derive(clap::Args)]
pub struct Args {
    /// What is looked at; all of them, one after the other, if none is named.
    #[arg(value_enum)]
    scenarios: Vec<Scenario>,
    /// For how long.
    #[arg(long, default_value_t = 5, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=60))]
    seconds: u32,
    /// Run this binary instead of one that is built first. It has to have its symbols (`CARGO_PROFILE_RELEASE_STRIP=none`).
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
    /// How to print the numbers.
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

/// What was seen of a scenario.
#[derive(Serialize)]
struct Seen {
    scenario: String,
    per_s: f64,
    /// Processor time of the host for one message, in microseconds.
    cpu_us: f64,
    samples: usize,
    /// Percent of the samples, by row.
    rows: BTreeMap<&'static str, f64>,
}

#[derive(Serialize)]
struct Report {
    scenarios: Vec<Seen>,
    machine: Machine,
}

#[derive(serde::Deserialize)]
struct Measured {
    per_s: f64,
    cpu_us: f64,
}

/// Looks, prints.
pub fn run(args: &Args) -> Result<()> {
    let binary = binary::given_or_built(args.binary.as_deref(), Profile::Release)?;
    let (folder, interrupt, perf) = (folder()?, Interrupt::catch()?, perf()?);
    let all = Scenario::value_variants().to_vec();
    let chosen = if args.scenarios.is_empty() { all } else { args.scenarios.clone() };
    let mut scenarios = Vec::new();
    for scenario in chosen {
        interrupt.check()?;
        let name = scenario.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
        let seen = seen(args, (scenario, &name), (&binary, &perf), &folder)?;
        say(&format!("{name}: {:.0}/s, {} samples", seen.per_s, seen.samples));
        scenarios.push(seen);
    }
    let report = Report { scenarios, machine: Machine::here(&folder) };
    let text = match args.output {
        Output::Text => report.text(),
        Output::Json => serde_json::to_string_pretty(&report)? + "\n",
    };
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(())
}

/// Where `perf` is; it is installed where that may be done.
fn perf() -> Result<PathBuf> {
    if let Some(program) = process::find("perf") {
        return Ok(program);
    }
    say("installing Debian's linux-perf");
    apt::install("linux-perf")?;
    process::find("perf").context("the package linux-perf brought no program `perf`")
}

fn seen(
    args: &Args,
    (scenario, name): (Scenario, &str),
    (binary, perf): (&Path, &Path),
    folder: &Path,
) -> Result<Seen> {
    let stage = Stage::lay_out(folder, "profile-", "", &[])?;
    let host = Host::start(binary, &stage, SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0))?;
    let time = format!("{}s", args.seconds + BEHIND_S + u32::try_from(BEFORE.as_secs())?);
    let mut load = Command::new(binary);
    load.args(["bench", "-o", "json", "--url", &host.ready().url, "--warm-up", "0s", "--for", &time]);
    load.args(scenario.words()).env_remove("WHARF_TENANT").stdout(Stdio::piped());
    let load = load.spawn().with_context(|| format!("starting {}", binary.display()))?;
    poll::pause(BEFORE);
    let data = folder.join(format!("{name}.perf"));
    let mut record = Command::new(perf);
    record.args(["record", "-q", "-F", LOOKS_HZ, "-e", "cpu-clock", "--call-graph", "dwarf,16384", "-o"]).arg(&data);
    record.args(["-p", &host.pid().to_string(), "--", "sleep", &args.seconds.to_string()]);
    let recorded = process::output(&mut record);
    let output = load.wait_with_output()?;
    recorded?;
    ensure!(output.status.success(), "`wharf bench` ended with {}", output.status);
    let measured: Measured = serde_json::from_slice(&output.stdout).context("reading what `wharf bench` says")?;
    host.stop()?;
    let mut script = Command::new(perf);
    script.args(["script", "--no-inline", "-F", "comm,ip,sym", "-i"]).arg(&data);
    let (samples, counts) = rows::sorted(&process::output(&mut script)?);
    ensure!(samples >= SAMPLES_MIN, "perf saw {samples} samples only");
    #[allow(clippy::cast_precision_loss, reason = "samples of one profile are exact in a double")]
    let share = |count: usize| (count as f64 / samples as f64 * 1_000.0).round() / 10.0;
    let rows: BTreeMap<_, _> = counts.into_iter().map(|(row, count)| (row, share(count))).collect();
    ensure!(
        rows.get(rows::REST).is_none_or(|rest| *rest < REST_MAX),
        "most of it has no name: the binary has to have its symbols (CARGO_PROFILE_RELEASE_STRIP=none)"
    );
    Ok(Seen { scenario: name.to_owned(), per_s: measured.per_s, cpu_us: measured.cpu_us, samples, rows })
}

impl Report {
    /// A table in Markdown: a row for each part, a column for each scenario.
    fn text(&self) -> String {
        let line = |first: &str, cell: &dyn Fn(&Seen) -> String| {
            let cells: Vec<String> = self.scenarios.iter().map(cell).collect();
            format!("| {first} | {} |\n", cells.join(" | "))
        };
        let mut text = format!("machine   {}\n\n", self.machine.line());
        text += &line("percent of the host's processor time", &|seen| format!("`{}`", seen.scenario));
        text += &line("---", &|_| "---".to_owned());
        for row in rows::names() {
            text +=
                &line(row, &|seen| seen.rows.get(row).map_or_else(|| "0".to_owned(), |share| format!("{share:.1}")));
        }
        text += &line("samples", &|seen| seen.samples.to_string());
        text += &line("messages/s", &|seen| format!("{:.0}", seen.per_s));
        text += &line("processor time for one, us", &|seen| format!("{:.1}", seen.cpu_us));
        text
    }
}
