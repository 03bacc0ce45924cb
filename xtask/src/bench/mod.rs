//! `cargo xtask bench`: what this program costs, beside something that everybody knows.
//!
//! Invariants: both sides are measured in one run, on the same file system, with the same bytes, and what was counted is checked;
//! with `-o json` stdout has exactly one value, and all talk is on stderr.
//!
//! A benchmark is no test: it judges nothing, and its numbers are worth something only beside the machine that it names.

mod backup;
mod bound;
mod canary;
mod compiling;
mod cpu;
mod device;
mod drive;
mod fairness;
mod family;
mod footprint;
mod growth;
mod http;
mod invoke;
mod languages;
mod llm;
mod load;
mod log;
mod machine;
mod median;
mod neighbour;
mod ours;
mod pattern;
mod peer;
mod peers;
mod profile;
mod queue;
mod redis;
mod replay;
mod rules;
mod schedule;
mod served;
mod starts;
mod steady;
mod streams;
mod swap;
mod tenants;
mod webhook;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use self::machine::Machine;
use crate::guests::cargo;

/// What is measured.
#[derive(clap::Subcommand)]
pub enum Bench {
    /// Events through a sandboxed counting plugin, beside Redis streams that sync every write.
    Redis(redis::Args),
    /// What a host takes of disk, memory and time, beside the same peers.
    Footprint(footprint::Args),
    /// What one event costs as tenants, rules, plugins, keys, a backlog, subscriptions and payloads grow.
    Growth(growth::Args),
    /// Messages through a queue, beside every peer that promises the same; and our plugins beside their queues.
    Peers(peers::Args),
    /// Where a host's processor time goes, scenario by scenario.
    Profile(profile::Args),
    /// The commit path, beside a bare log of the same bytes; commits beside checkpoints; replay.
    Log(log::Args),
    /// One attempt in the sandbox, in its parts, by the way of resetting memory; and what an idle host takes.
    Invoke(invoke::Args),
    /// What a handler costs in each language: size, compiling, loading, an attempt, an instance's memory.
    Languages(languages::Args),
    /// A counting plugin's latency, without and with a neighbour that sleeps before a backlog.
    Fairness(fairness::Args),
    /// A steady tenant's latency, without and with another one that does everything wrong at once.
    Neighbour(neighbour::Args),
    /// A release on trial that fails one event of twenty, until the host takes it back.
    Canary(canary::Args),
    /// A thousand changes of a plugin's release amid a steady stream of events.
    Swap(swap::Args),
    /// A thousand tenants with a plugin each: the start, the memory of an idle one, the first event after that.
    Tenants(tenants::Args),
    /// A plugin's latency while the host compiles 18 MB of Python, beside what it is without.
    Compiling(compiling::Args),
    /// One rule more while events are matched, beside ten rules and a hundred thousand.
    Rules(rules::Args),
    /// A tenant that sends faster than it consumes, until its bound, and its neighbour's latency.
    Bound(bound::Args),
    /// Clients that forget, are late or ask twice, on an ordered queue.
    Queue(queue::Args),
    /// A million events replayed to one plugin at a rate, and the latency of what comes in meanwhile.
    Replay(replay::Args),
    /// Schedules over kills, a clock that jumps, and changes of daylight saving: each due time fires once.
    Schedule(schedule::Args),
    /// Events sent to receivers that are slow, break off, send elsewhere, want nothing or are down.
    Webhook(webhook::Args),
    /// The rate at full load, without and with one backup after another beside it.
    Backup(backup::Args),
    /// What the host adds to a call of a model, and many answers in pieces at a time.
    Llm(llm::Args),
    /// One request, beside a bare hyper server: an event through a plugin, and a route that a plugin answers.
    Http(http::Args),
    /// Matching events with many patterns, beside the crate quamina and beside reading JSON alone.
    Pattern(pattern::Args),
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Output {
    /// For people.
    Text,
    /// One object.
    Json,
}

/// Measures.
pub fn run(which: &Bench) -> Result<()> {
    match which {
        Bench::Redis(args) => redis::run(args),
        Bench::Footprint(args) => footprint::run(args),
        Bench::Growth(args) => growth::run(args),
        Bench::Peers(args) => peers::run(args),
        Bench::Profile(args) => profile::run(args),
        Bench::Log(args) => log::run(args),
        Bench::Rules(args) => rules::run(args),
        Bench::Canary(args) => canary::run(args),
        Bench::Swap(args) => swap::run(args),
        Bench::Compiling(args) => compiling::run(args),
        Bench::Tenants(args) => tenants::run(args),
        Bench::Bound(args) => bound::run(args),
        Bench::Queue(args) => queue::run(args),
        Bench::Replay(args) => replay::run(args),
        Bench::Schedule(args) => schedule::run(args),
        Bench::Webhook(args) => webhook::run(args),
        Bench::Invoke(args) => invoke::run(args),
        Bench::Languages(args) => languages::run(args),
        Bench::Fairness(args) => fairness::run(args),
        Bench::Neighbour(args) => neighbour::run(args),
        Bench::Backup(args) => backup::run(args),
        Bench::Llm(args) => llm::run(args),
        Bench::Http(args) => http::run(args),
        Bench::Pattern(args) => pattern::run(args),
    }
}

/// Where data goes: beside what cargo builds, and not in the folder for temporary files, which is memory on many machines.
fn folder() -> Result<PathBuf> {
    let folder = cargo::workspace(&cargo::repository())?.target.join("bench");
    fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    Ok(folder)
}

/// Prints what a program measured, beside the machine; `text` gives it for people, unless a number is missing.
fn print(
    mut report: Map<String, Value>,
    output: Output,
    folder: &Path,
    text: impl FnOnce(&Map<String, Value>, &Machine) -> Option<String>,
) -> Result<()> {
    let machine = Machine::here(folder);
    let text = match output {
        Output::Text => text(&report, &machine).context("the report lacks a number")?,
        Output::Json => {
            report.insert("machine".to_owned(), serde_json::to_value(&machine)?);
            serde_json::to_string_pretty(&report)? + "\n"
        }
    };
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(())
}

/// What a measuring program prints: one JSON document.
fn told<T: DeserializeOwned>(command: &mut Command) -> Result<T> {
    let done = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let done = done.with_context(|| format!("starting {command:?}"))?;
    if !done.status.success() {
        bail!("{command:?}: {}", done.status);
    }
    serde_json::from_slice(&done.stdout).context("reading what it measured")
}

fn say(what: &str) {
    eprintln!("bench: {what}");
}
