//! `cargo xtask bench backup`: the rate at full load, without and with one backup after another beside it.
//!
//! Method: each run has a host of its own, whose log is filled first with events that nobody is owed. Then clients send as fast as they can to a counting
//! plugin. In every second run `wharf backup` copies the whole data folder meanwhile, into a new folder each time, from the first event to the last
//! settlement. Runs take turns, and the median of the pairs' own ratios counts.
//!
//! Invariant: it fails when an event was not counted once, when no backup ended within a run, when the last one does not restore, or when the rate
//! fell by more than it may. `--break` lets four commands make backups at a time.

use std::{
    fs,
    io::Write as _,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use serde::Serialize;

use super::{Output, folder, load::Load, machine::Machine, median::median, ours, say};
use crate::{
    guests::{self, Guest},
    host::{
        Api, Host, Stage,
        binary::{self, Profile},
    },
    interrupt::Interrupt,
    poll,
};

/// What the rate may fall to.
const RATIO_MIN: f64 = 0.9;

/// How long the last events may take.
const DRAIN_S_MAX: Duration = Duration::from_secs(300);

/// Options of `cargo xtask bench backup`.
#[derive(clap::Args)]
pub struct Args {
    /// Events of one run.
    #[arg(long, default_value_t = 200_000, value_name = "N", value_parser = clap::value_parser!(u32).range(1_000..=400_000))]
    events: u32,
    /// Events that are in the log before.
    #[arg(long, default_value_t = 200_000, value_name = "N", value_parser = clap::value_parser!(u32).range(1_000..=400_000))]
    before: u32,
    /// Pairs of runs.
    #[arg(long, default_value_t = 5, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pairs: u32,
    /// Let four commands make backups at a time, to see that it fails.
    #[arg(long = "break")]
    breaks: bool,
    /// Run this binary instead of one that is built first.
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
    /// How to print the numbers.
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

/// One run.
#[derive(Clone, Copy, Serialize)]
struct Run {
    per_s: f64,
    /// Backups that ended within it.
    backups: u32,
    /// What they copied of segments, in MiB.
    mib: f64,
}

#[derive(Serialize)]
struct Report {
    events: u32,
    before: u32,
    alone: Vec<Run>,
    beside: Vec<Run>,
    ratio: f64,
    ok: bool,
    machine: Machine,
}

/// Builds what is needed, measures, prints. It fails when a line of it does not hold.
pub fn run(args: &Args) -> Result<()> {
    let mut guests = guests::build()?;
    guests.retain(|guest| guest.name == "counter");
    let binary = binary::given_or_built(args.binary.as_deref(), Profile::Release)?;
    let (folder, interrupt) = (folder()?, Interrupt::catch()?);
    let now = Load::new(args.events as usize).cloud_events();
    let past: Vec<_> = Load::new(args.before as usize).cloud_events().iter().map(|batch| as_past(batch)).collect();
    let bench =
        Bench { binary: &binary, folder: &folder, guests: &guests, past: &past, now: &now, interrupt: &interrupt };
    let (mut alone, mut beside) = (Vec::new(), Vec::new());
    for pair in 1..=args.pairs {
        let (without, with) = (bench.once(0)?, bench.once(if args.breaks { 4 } else { 1 })?);
        say(&format!(
            "pair {pair} of {}: {:.0}/s alone, {:.0}/s beside {} backups",
            args.pairs, without.per_s, with.per_s, with.backups
        ));
        alone.push(without);
        beside.push(with);
    }
    let ratios = alone.iter().zip(&beside).map(|(alone, beside)| beside.per_s / alone.per_s);
    let ratio = (median(ratios) * 100.0).round() / 100.0;
    let (machine, ok) = (Machine::here(&folder), ratio >= RATIO_MIN);
    let report = Report { events: args.events, before: args.before, alone, beside, ratio, ok, machine };
    let text = match args.output {
        Output::Text => report.text(),
        Output::Json => serde_json::to_string_pretty(&report)? + "\n",
    };
    std::io::stdout().write_all(text.as_bytes())?;
    ensure!(ok, "a backup took more of the rate than it may: {ratio} of it was left");
    Ok(())
}

/// A batch that no rule wants, and that is no duplicate.
fn as_past(batch: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(batch);
    text.replace(r#""source":"bench","type":"order.placed""#, r#""source":"past","type":"order.kept""#).into_bytes()
}

struct Bench<'a> {
    binary: &'a Path,
    folder: &'a Path,
    guests: &'a [Guest],
    past: &'a [Vec<u8>],
    now: &'a [Vec<u8>],
    interrupt: &'a Interrupt,
}

impl Bench<'_> {
    /// A run, beside so many commands that make backups.
    fn once(&self, commands: u32) -> Result<Run> {
        let stage = Stage::lay_out(self.folder, "backup-", ours::CONFIG, self.guests)?;
        let host = Host::start(self.binary, &stage, SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0))?;
        let url = host.ready().url.clone();
        ours::send(&url, self.past, self.interrupt)?;
        let (over, began) = (AtomicBool::new(false), Instant::now());
        let (sent, time, made) = thread::scope(|scope| {
            let copiers: Vec<_> = (0..commands)
                .map(|n| {
                    scope.spawn({
                        let (stage, over) = (&stage, &over);
                        move || self.back_up(stage, n, over)
                    })
                })
                .collect();
            let sent = self.send(&url);
            let time = began.elapsed();
            over.store(true, Ordering::SeqCst);
            let made: Result<Vec<_>> =
                copiers.into_iter().map(|copier| copier.join().ok().context("a panic")?).collect();
            anyhow::Ok((sent?, time, made?))
        })?;
        host.stop()?;
        let (backups, bytes) = made.iter().fold((0, 0), |(all, sum), (backups, bytes)| (all + backups, sum + bytes));
        ensure!(made.iter().all(|(backups, _)| *backups > 0), "no backup ended within a run: allow more --events");
        if let Some((number, _)) = made.first() {
            self.restore(&stage, *number)?;
        }
        Ok(Run {
            per_s: (sent as f64 / time.as_secs_f64()).round(),
            backups,
            mib: (bytes as f64 / f64::from(1 << 20)).round(),
        })
    }

    fn send(&self, url: &str) -> Result<u64> {
        let (api, sent) = (Api::new(url), ours::send(url, self.now, self.interrupt)?);
        poll::until("the events to be settled", DRAIN_S_MAX, self.interrupt, || {
            Ok((api.stats()?.pending == 0).then_some(()))
        })?;
        let counted: i64 = api.counters()?.values().flat_map(|keys| keys.values()).sum();
        ensure!(u64::try_from(counted) == Ok(sent), "{sent} events were sent, and {counted} counted");
        Ok(sent)
    }

    /// One backup after another, until it is over; the last whole one stays. How many ended before, and the bytes of their segments.
    fn back_up(&self, stage: &Stage, n: u32, over: &AtomicBool) -> Result<(u32, u64)> {
        let (mut backups, mut bytes) = (0, 0);
        loop {
            let into = stage.path().join(format!("copy-{n}-{backups}"));
            let taken = self.wharf(&["backup"], &into, &stage.data())?;
            if over.load(Ordering::SeqCst) {
                return Ok((backups, bytes));
            }
            backups += 1;
            bytes += taken.get("bytes_copied").and_then(serde_json::Value::as_u64).context("no bytes")?;
            if let Some(before) = backups.checked_sub(2) {
                fs::remove_dir_all(stage.path().join(format!("copy-{n}-{before}")))?;
            }
        }
    }

    /// The last backup of the first command is one that a host could start from.
    fn restore(&self, stage: &Stage, number: u32) -> Result<()> {
        self.wharf(&["restore"], &stage.path().join(format!("copy-0-{number}")), &stage.path().join("restored"))
            .map(drop)
    }

    fn wharf(&self, command: &[&str], backup: &Path, data: &Path) -> Result<serde_json::Value> {
        let mut wharf = Command::new(self.binary);
        wharf.args(command).arg(backup).arg("--data").arg(data).args(["-o", "json"]).stderr(Stdio::inherit());
        let output = wharf.output().context("starting wharf")?;
        ensure!(output.status.success(), "wharf {command:?} failed");
        serde_json::from_slice(&output.stdout).context("what wharf printed")
    }
}

impl Report {
    fn text(&self) -> String {
        let Self { events, before, alone, beside, ratio, machine, .. } = self;
        let rows: String = alone
            .iter()
            .zip(beside)
            .map(|(alone, with)| {
                format!("{:>12.0}{:>12.0}{:>10}{:>10.0}\n", alone.per_s, with.per_s, with.backups, with.mib)
            })
            .collect();
        format!(
            "machine   {}\nsettings  {events} events behind {before} in the log\n\n{:>12}{:>12}{:>10}{:>10}   events/s, backups and their MiB\n{rows}\n\
             ratio     {ratio:.2} (median of the pairs)\n",
            machine.line(),
            "alone",
            "beside",
            "backups",
            "MiB",
        )
    }
}
