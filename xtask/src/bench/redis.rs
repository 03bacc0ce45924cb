//! `cargo xtask bench redis`: its command line, its runs, and what it prints.
//!
//! Invariant: runs of both sides take turns, so that whatever else the machine does hits both, and medians are compared.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Serialize;

use super::load::{BATCH, KEYS, Load, PAYLOAD_BYTES, PRODUCERS};
use super::machine::Machine;
use super::median::median;
use super::{Output, folder, ours, peer, say, streams};
use crate::guests;
use crate::host::binary::{self, Profile};
use crate::interrupt::Interrupt;

/// The plugin of our side.
const GUEST: &str = "counter";

/// Options of `cargo xtask bench redis`.
#[derive(clap::Args)]
pub struct Args {
    /// Events of one run.
    #[arg(long, default_value_t = 100_000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=400_000))]
    events: u32,
    /// Runs of each side; they take turns.
    #[arg(long, default_value_t = 5, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// Run this binary instead of one that is built first.
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
    /// How to print the numbers.
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

/// What one run gave.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Run {
    /// Events from the first byte sent to the last settlement, a second.
    per_s: f64,
    /// CPU time of the server, in microseconds an event.
    cpu_us: f64,
}

impl Run {
    /// Of so many events in that time, for which the server used `cpu`.
    #[allow(clippy::cast_precision_loss, reason = "numbers of events are exact in a double")]
    pub fn new(events: u64, time: Duration, cpu: Duration) -> Self {
        let events = events as f64;
        Self { per_s: (events / time.as_secs_f64()).round(), cpu_us: round(cpu.as_secs_f64() * 1e6 / events) }
    }
}

/// To two digits behind the point.
fn round(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}

#[derive(Serialize)]
struct Report {
    ours_per_s: f64,
    peer_per_s: f64,
    ratio: f64,
    ours_cpu_us: f64,
    peer_cpu_us: f64,
    ours: Vec<Run>,
    peer: Vec<Run>,
    settings: Settings,
    machine: Machine,
}

#[derive(Serialize)]
struct Settings {
    events: usize,
    payload_bytes: usize,
    keys: u64,
    batch: usize,
    producers: usize,
    ours: &'static str,
    peer: String,
}

impl Report {
    fn new(ours: Vec<Run>, peer: Vec<Run>, settings: Settings, machine: Machine) -> Self {
        let per_s = |runs: &[Run]| median(runs.iter().map(|run| run.per_s));
        let cpu_us = |runs: &[Run]| median(runs.iter().map(|run| run.cpu_us));
        Self {
            ours_per_s: per_s(&ours),
            peer_per_s: per_s(&peer),
            ratio: round(per_s(&ours) / per_s(&peer)),
            ours_cpu_us: cpu_us(&ours),
            peer_cpu_us: cpu_us(&peer),
            ours,
            peer,
            settings,
            machine,
        }
    }

    fn text(&self) -> String {
        let Self { ours_per_s, peer_per_s, ratio, ours_cpu_us, peer_cpu_us, settings, .. } = self;
        let Settings { events, payload_bytes, keys, batch, producers, ours, peer } = settings;
        format!(
            "machine   {}\nsettings  {events} events of {payload_bytes} bytes, {keys} keys, batches of {batch} from {producers} producers\n\
             ours      {ours}\npeer      {peer}\n\n\
             {:10}{:>12}{:>16}\n{:10}{ours_per_s:>12.0}{ours_cpu_us:>16.1}\n{:10}{peer_per_s:>12.0}{peer_cpu_us:>16.1}\n{:10}{ratio:>12.2}\n",
            self.machine.line(),
            "median",
            "events/s",
            "us CPU/event",
            "ours",
            "peer",
            "ratio"
        )
    }
}

/// Builds what is needed, measures, prints.
pub fn run(args: &Args) -> Result<()> {
    let guests = guests::build()?;
    let guest = guests.iter().find(|guest| guest.name == GUEST).context("there is no guest `counter`")?;
    let binary = binary::given_or_built(args.binary.as_deref(), Profile::Release)?;
    let program = peer::program()?;
    let folder = folder()?;
    let interrupt = Interrupt::catch()?;
    let load = Load::new(args.events as usize);
    let (batches, pipelines) = (load.cloud_events(), streams::pipelines(load.batches_of(BATCH)));
    let (mut ours, mut peer) = (Vec::new(), Vec::new());
    for n in 1..=args.runs {
        interrupt.check()?;
        let of_ours = ours::run(&binary, &folder, guest, &batches, &interrupt)?;
        let of_peer = streams::run(&program, &folder, &pipelines, &interrupt)?;
        say(&format!(
            "run {n} of {}: ours {:.0}/s ({:.1} us CPU an event), peer {:.0}/s ({:.1} us)",
            args.runs, of_ours.per_s, of_ours.cpu_us, of_peer.per_s, of_peer.cpu_us
        ));
        ours.push(of_ours);
        peer.push(of_peer);
    }
    let settings = Settings {
        events: load.events(),
        payload_bytes: PAYLOAD_BYTES,
        keys: KEYS,
        batch: BATCH,
        producers: PRODUCERS,
        ours: "HTTP, synced before every answer; each event in a fresh sandbox adds 1 to a key, settled with it in one commit",
        peer: format!(
            "Redis {}, {}: XADD in pipelines, {PRODUCERS} consumers with XREADGROUP COUNT {BATCH} and one XACK a batch",
            peer::version(&program)?,
            peer::settings()
        ),
    };
    let report = Report::new(ours, peer, settings, Machine::here(&folder));
    let text = match args.output {
        Output::Text => report.text(),
        Output::Json => serde_json::to_string_pretty(&report)? + "\n",
    };
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(())
}
