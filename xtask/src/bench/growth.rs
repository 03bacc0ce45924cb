//! `cargo xtask bench growth`: what one event costs as everything around it grows by decades.
//!
//! Method: for each step a host is started in a folder of its own, and `wharf bench` of the same binary drives it over HTTP; runs of all
//! steps of an axis take turns, and their medians are compared. `--waiting N` asks what a large backlog costs instead (`waiting.rs`).
//!
//! Invariant: along an axis one thing grows and all else stays as it is, so that a bend has one reason.

mod axis;
mod waiting;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use self::axis::Axis;
use super::machine::Machine;
use super::median::median;
use super::{Output, folder, say, starts, told};
use crate::guests::{self, Guest};
use crate::host::binary::{self, Profile};
use crate::host::{Host, Stage};
use crate::interrupt::Interrupt;

/// Options of `cargo xtask bench growth`.
#[derive(clap::Args)]
pub struct Args {
    /// What grows; all of them, one after the other, if none is named.
    #[arg(value_enum)]
    axes: Vec<Axis>,
    /// Fill a queue with so many messages of 1 KiB instead, and look at its head, at the memory, and at starts.
    #[arg(long, value_name = "N", conflicts_with = "axes", value_parser = clap::value_parser!(u32).range(1_000..=15_000_000))]
    waiting: Option<u32>,
    /// Leave the host its own deduplication window of five minutes, and stop it amid that: a start reads all of it again.
    #[arg(long, requires = "waiting")]
    default_window: bool,
    /// No step beyond this.
    #[arg(long, value_name = "N", default_value_t = u32::MAX)]
    up_to: u32,
    /// How long one run sends.
    #[arg(long, default_value_t = 3, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    seconds: u32,
    /// Runs of each step; they take turns.
    #[arg(long, default_value_t = 3, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// Run this binary instead of one that is built first.
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
    /// How to print the numbers: a table, or a list of rows.
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

/// One step of an axis.
#[derive(Serialize)]
struct Row {
    axis: &'static str,
    n: u32,
    /// Messages that were settled a second, and what the host's processors took for one, in microseconds.
    per_s: f64,
    cpu_us: f64,
    /// The host's memory at its highest, in MiB.
    peak_mib: f64,
}

/// What `wharf bench` says, as far as it matters here.
#[derive(Deserialize)]
struct Measured {
    events: u64,
    settled: u64,
    settled_per_s: Option<f64>,
    cpu_us: Option<f64>,
}

/// Builds what is needed, measures, prints.
pub fn run(args: &Args) -> Result<()> {
    let binary = binary::given_or_built(args.binary.as_deref(), Profile::Release)?;
    let (folder, interrupt) = (folder()?, Interrupt::catch()?);
    if let Some(waiting) = args.waiting {
        return waiting::run(args, waiting, &binary, &folder, &interrupt);
    }
    let mut guests = guests::build()?;
    guests.retain(|guest| guest.name == axis::PLUGIN);
    let axes = if args.axes.is_empty() { Axis::ALL.to_vec() } else { args.axes.clone() };
    let mut rows = Vec::new();
    for axis in axes {
        rows.extend(along(axis, args, (&binary, &folder, &guests), &interrupt)?);
    }
    let text = match args.output {
        Output::Text => text(&rows, args, &Machine::here(&folder)),
        Output::Json => serde_json::to_string_pretty(&rows)? + "\n",
    };
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(())
}

/// All steps of one axis.
fn along(
    axis: Axis,
    args: &Args,
    (binary, folder, guests): (&Path, &Path, &[Guest]),
    interrupt: &Interrupt,
) -> Result<Vec<Row>> {
    let steps: Vec<u32> = axis.steps().iter().copied().filter(|n| *n <= args.up_to).collect();
    let mut cells = vec![Vec::new(); steps.len()];
    for run in 1..=args.runs {
        for (&n, cells) in steps.iter().zip(&mut cells) {
            interrupt.check()?;
            let stage = Stage::lay_out(folder, "growth-", &axis.config(n), guests)?;
            let host = starts::start(binary, &stage)?;
            let words = axis.words(n, args.seconds);
            let Measured { events, settled, settled_per_s, cpu_us } = bench(binary, &host, &words)?;
            let peak_mib = peak_mib(&host)?;
            host.stop()?;
            #[allow(clippy::cast_precision_loss, reason = "numbers of messages are exact in a double")]
            let of_each = events as f64 / settled.max(1) as f64;
            let per_s = settled_per_s.context("nothing was to be settled")?;
            let cpu_us = cpu_us.context("the host did not tell what it used")? * of_each;
            say(&format!("run {run}: {} {n}: {per_s:.0}/s, {cpu_us:.1} us, {peak_mib:.0} MiB", axis.name()));
            cells.push([per_s, cpu_us, peak_mib]);
        }
    }
    let of = |cells: &[[f64; 3]], at: usize| {
        (median(cells.iter().filter_map(|cell| cell.get(at).copied())) * 10.0).round() / 10.0
    };
    let row = |(n, cells): (u32, Vec<[f64; 3]>)| Row {
        axis: axis.name(),
        n,
        per_s: of(&cells, 0),
        cpu_us: of(&cells, 1),
        peak_mib: of(&cells, 2),
    };
    Ok(steps.into_iter().zip(cells).map(row).collect())
}

/// One run of `wharf bench`.
fn bench<T: serde::de::DeserializeOwned>(binary: &Path, host: &Host, words: &[String]) -> Result<T> {
    let mut command = Command::new(binary);
    command.args(["bench", "-o", "json", "--url", &host.ready().url]).args(words).env_remove("WHARF_TENANT");
    told(&mut command)
}

/// The most memory that a host had at a time, in MiB.
fn peak_mib(host: &Host) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{}/status", host.pid())).context("looking at the host")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("the host has no memory")?;
    let kib: f64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok((kib / 102.4).round() / 10.0)
}

fn text(rows: &[Row], args: &Args, machine: &Machine) -> String {
    let mut text = format!(
        "machine   {}\nsettings  4 producers (and consumers), batches of 100, 1 KiB unless said; {} runs of {} s each, which take turns, \
         behind 1 s that does not count; cost beside that of the first step\n\n{:15}{:>12}{:>12}{:>12}{:>10}{:>12}\n",
        machine.line(),
        args.runs,
        args.seconds,
        "axis",
        "n",
        "per s",
        "us CPU",
        "cost",
        "peak MiB"
    );
    let mut first = None;
    for Row { axis, n, per_s, cpu_us, peak_mib } in rows {
        let (_, least) = *first.filter(|(of, _)| of == axis).as_ref().unwrap_or(&(*axis, *cpu_us));
        first = Some((*axis, least));
        text += &format!("{axis:15}{n:>12}{per_s:>12.0}{cpu_us:>12.1}{:>10.2}{peak_mib:>12.0}\n", cpu_us / least);
    }
    text
}
