//! `cargo xtask hostile`: every guest that breaks a limit, again and again, on a real host; and what its memory was before and after.
//!
//! Goal: no attempt, however it ends, leaves anything behind. Method: a warm-up, then the repetitions; resident memory is read
//! after a checkpoint both times, since until then the state holds what the attempts changed. Each guest has a queue of its own,
//! whose letters are counted. Before all of them the state is given as many large letters as its page cache holds: a cache that is
//! bounded and not full yet grows with whatever is kept, and nothing else could be seen beside it.
//!
//! Invariant: it fails when memory grew by more than 8 MiB for one guest, or an attempt did not end as `tests/guests/hostile.tsv` says.

use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde::Serialize;

use crate::guests;
use crate::host::api::Batch;
use crate::host::binary::{self, Profile};
use crate::host::{Api, Host, Stage};
use crate::interrupt::Interrupt;
use crate::poll;

/// The cases: the event's type, the code of the dead letter, what its text says.
pub const CASES: &str = include_str!("../../tests/guests/hostile.tsv");

/// How much more may be resident after the repetitions of one guest, in KiB.
const GROWTH_KIB_MAX: u64 = 8 << 10;

/// Attempts of the warm-up of each guest: enough that every instance that can run at a time has.
const WARM_UP: usize = 200;

/// The guest whose letters are the largest, each with a page of its own in the state.
const FILLING: &str = "hostile.long-reason";

/// How many of them the state's page cache holds, of 64 MiB and pages of 8 KiB.
const FILLING_LETTERS: usize = 8_192;

/// The source of their events, and their queue.
const FILL: &str = "fill";

/// Events of a batch.
const BATCH_EVENTS: usize = 500;

/// How long the attempts of one guest may take.
const RUN_S_MAX: Duration = Duration::from_secs(900);

/// How long a checkpoint may take to come: one is due every 10 s.
const CHECKPOINT_S_MAX: Duration = Duration::from_secs(60);

/// How long after its last write a checkpoint is taken to be over.
const QUIET: Duration = Duration::from_secs(2);

/// Options of `cargo xtask hostile`.
#[derive(clap::Args)]
pub struct Args {
    /// Attempts of each guest that are measured.
    #[arg(long, default_value_t = 1_000, value_name = "N")]
    repetitions: usize,
    /// Only guests whose event type contains this.
    #[arg(long, default_value = "", value_name = "TEXT")]
    only: String,
    /// Use the build for development; it is there sooner.
    #[arg(long)]
    dev: bool,
    /// Run this binary instead of one that is built first.
    #[arg(long, conflicts_with = "dev", value_name = "FILE")]
    binary: Option<PathBuf>,
    /// `json`: one object on stdout.
    #[arg(short, long, value_name = "FORMAT", value_parser = ["json"])]
    output: Option<String>,
}

/// One guest.
#[derive(Serialize)]
struct Row {
    guest: String,
    code: String,
    attempts: usize,
    before_kib: u64,
    after_kib: u64,
}

/// Runs all guests.
pub fn run(args: &Args) -> Result<()> {
    let guests = guests::build()?;
    let guests: Vec<_> = guests.into_iter().filter(|guest| ["hostile", "hoarder"].contains(&&*guest.name)).collect();
    let profile = if args.dev { Profile::Dev } else { Profile::Release };
    let binary = binary::given_or_built(args.binary.as_deref(), profile)?;
    let cases: Vec<[&str; 3]> =
        CASES.lines().filter_map(columns).filter(|[kind, ..]| kind.contains(&args.only)).collect();
    let stage = Stage::lay_out(&std::env::temp_dir(), "hostile-", &config(&cases), &guests)?;
    let host = Host::start(&binary, &stage, SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0))?;
    let api = Api::new(&host.ready().url);
    let interrupt = Interrupt::catch()?;
    eprintln!("hostile: filling the cache of the state");
    send(&api, FILLING, FILL, "fill", FILLING_LETTERS, &interrupt)?;
    checkpoint(&stage.data(), &interrupt)?;
    let mut rows = Vec::new();
    for [kind, code, said] in &cases {
        eprintln!("hostile: {kind}");
        let resident = |name: &str, count: usize| -> Result<u64> {
            send(&api, kind, kind, name, count, &interrupt)?;
            checkpoint(&stage.data(), &interrupt)?;
            resident_kib(host.pid())
        };
        let before_kib = resident("warm-up", WARM_UP)?;
        let after_kib = resident("again", args.repetitions)?;
        let letters = api.letters(&queue(kind))?;
        ensure!(letters.len() == WARM_UP + args.repetitions, "{kind}: {} dead letters", letters.len());
        let other = letters.iter().find(|letter| !letter.error.contains(said));
        if let Some(letter) = other {
            bail!("{kind}: an attempt ended otherwise: {}", letter.error);
        }
        let last = said.split_once(": ").filter(|_| *code == "retries-spent");
        let code = last.map_or(*code, |(code, _)| code).to_owned();
        rows.push(Row { guest: (*kind).to_owned(), code, attempts: args.repetitions, before_kib, after_kib });
    }
    host.stop()?;
    print(args, &rows)?;
    let grown = rows.iter().find(|row| row.after_kib > row.before_kib + GROWTH_KIB_MAX);
    match grown {
        Some(row) => bail!("{}: {} KiB became {} KiB", row.guest, row.before_kib, row.after_kib),
        None => Ok(()),
    }
}

/// The columns of a case.
pub fn columns(line: &str) -> Option<[&str; 3]> {
    let mut columns = line.split('\t');
    Some([columns.next()?, columns.next()?, columns.next()?])
}

/// The queue of a guest.
fn queue(kind: &str) -> String {
    kind.replace('.', "-")
}

/// The guests that wait, and use next to no CPU time: many of them at a time.
const WAITING: [&str; 2] = ["hostile.sleep", "hostile.slow-loop"];

/// The plugins, and a rule for each guest. With little time, or the loops would take all of it; and few at a time where they
/// compute, or the neighbours' computing would end them by the wall clock.
fn config(cases: &[[&str; 3]]) -> String {
    let mut config = String::from("[tenants.demo.buses.default]\n");
    let grants = "grants = { publish = [\"hostile.*\"], kv = [\"hostile\"] }\n";
    let computing = "limits = { wall_ms = 60000, cpu_ms = 100, concurrency = 4 }";
    let waiting = "limits = { wall_ms = 500, cpu_ms = 100, concurrency = 32 }";
    let plugins = [
        ("hostile", "hostile", computing, grants),
        ("hoarder", "hoarder", computing, ""),
        ("waiting", "hostile", waiting, ""),
    ];
    for (plugin, file, limits, grants) in plugins {
        let _ = writeln!(config, "[tenants.demo.plugins.{plugin}]\ncomponent = \"{file}.wasm\"\n{limits}\n{grants}");
    }
    let filling = [FILLING, "", ""];
    for ([kind, ..], source) in cases.iter().map(|case| (case, case[0])).chain([(&filling, FILL)]) {
        let plugin = match kind {
            kind if WAITING.contains(kind) => "waiting",
            kind if kind.starts_with("hostile") => "hostile",
            _ => "hoarder",
        };
        let queue = queue(source);
        let target = format!("{{ plugin = \"{plugin}\", retry = {{ attempts = 1 }}, dead_letter = \"{queue}\" }}");
        let _ = writeln!(
            config,
            "[tenants.demo.rules.{queue}]\npattern = {{ type = [\"{kind}\"], source = [\"{source}\"] }}\ntargets = [{target}]\n"
        );
    }
    config
}

/// Sends so many events of a type, and waits until all are settled.
fn send(api: &Api, kind: &str, source: &str, name: &str, count: usize, interrupt: &Interrupt) -> Result<()> {
    let event = |n: usize| serde_json::json!({ "specversion": "1.0", "id": format!("{name}-{n}"), "source": source, "type": kind });
    for from in (0..count).step_by(BATCH_EVENTS) {
        let batch: Vec<_> = (from..count.min(from + BATCH_EVENTS)).map(event).collect();
        match api.post_batch(&serde_json::to_vec(&batch)?)? {
            Batch::Accepted(_) => {}
            Batch::Busy => bail!("the host was busy"),
        }
    }
    poll::until("the attempts to end", RUN_S_MAX, interrupt, || Ok((api.stats()?.pending == 0).then_some(())))
}

/// Waits for the next checkpoint and its end.
fn checkpoint(data: &Path, interrupt: &Interrupt) -> Result<()> {
    let state = data.join("state.redb");
    // The file system's own time, which both are of.
    let now = data.with_file_name("now");
    fs::write(&now, "").context("writing beside the data")?;
    let since = fs::metadata(&now)?.modified()?;
    poll::until("a checkpoint", CHECKPOINT_S_MAX, interrupt, || {
        let written = fs::metadata(&state).and_then(|file| file.modified()).context("looking at the state")?;
        let is_over = written.elapsed().is_ok_and(|ago| ago > QUIET);
        Ok((written > since && is_over).then_some(()))
    })
}

/// What a process has in memory.
pub fn resident_kib(pid: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).context("looking at the host")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("the host has no memory")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

fn print(args: &Args, rows: &[Row]) -> Result<()> {
    if args.output.is_some() {
        println!("{}", serde_json::to_string_pretty(&serde_json::json!({ "guests": rows }))?);
        return Ok(());
    }
    println!("{:24}{:16}{:>10}{:>14}{:>14}", "guest", "code", "attempts", "before, KiB", "after, KiB");
    for Row { guest, code, attempts, before_kib, after_kib } in rows {
        println!("{guest:24}{code:16}{attempts:>10}{before_kib:>14}{after_kib:>14}");
    }
    Ok(())
}
