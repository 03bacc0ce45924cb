//! `cargo xtask sim`: histories of the host's core under virtual time, with faults, held against a model.
//!
//! Invariant: the exit status is the verdict: 0 when no history failed, 1 when one did, known bug or not. What it prints is
//! the simulation's own report.
//!
//! It runs nothing itself: the program is `tests/sim`, built with the known bugs that may be switched in.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::host::binary::{self, Profile};

/// The known bugs.
const MUTATIONS: [&str; 13] = [
    "fsync", "dedup", "order", "lease", "settle", "erase", "receipt", "replay", "fan", "batch", "serve", "line",
    "share",
];

/// Within how many histories each known bug is found.
const FOUND_WITHIN: u64 = 500;

/// Options of `cargo xtask sim`.
#[derive(clap::Args)]
pub struct Args {
    /// How many histories, one for each seed from the first on.
    #[arg(long, default_value_t = 1_000, value_name = "N")]
    histories: u64,
    /// The first seed. The same seed is the same history, to the byte.
    #[arg(long, default_value_t = 1, value_name = "S")]
    seed: u64,
    /// Switch in a known bug, which is to be found.
    #[arg(long, value_name = "BUG", value_parser = clap::builder::PossibleValuesParser::new(MUTATIONS))]
    mutate: Option<String>,
    /// How the report is written.
    #[arg(short, long, default_value = "text", value_parser = ["text", "json"], value_name = "FORMAT")]
    output: String,
    /// Write what happened in the history that failed to this file.
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
}

/// Runs histories.
pub fn run(args: &Args) -> Result<()> {
    let mut command = simulation()?;
    command.args(["--histories", &args.histories.to_string(), "--seed", &args.seed.to_string(), "-o", &args.output]);
    if let Some(bug) = &args.mutate {
        command.args(["--mutate", bug]);
    }
    if let Some(trace) = &args.trace {
        command.arg("--trace").arg(std::path::absolute(trace)?);
    }
    let status = command.status().with_context(|| format!("starting {command:?}"))?;
    match status.code() {
        Some(0) => Ok(()),
        // The report says it all.
        Some(1) => std::process::exit(1),
        _ => bail!("the simulation ended with {status}"),
    }
}

/// So many histories of the product as it is, and as many as it takes with each known bug.
pub fn short(histories: u64) -> Result<()> {
    let ran = simulation()?.args(["--histories", &histories.to_string()]).stdout(Stdio::inherit()).status()?;
    ensure!(ran.success(), "a history failed");
    for bug in MUTATIONS {
        let mut command = simulation()?;
        let found = command.args(["--histories", &FOUND_WITHIN.to_string(), "--mutate", bug]).output()?;
        ensure!(found.status.code() == Some(1), "the bug `{bug}` was not found in {FOUND_WITHIN} histories");
    }
    Ok(())
}

/// The program, built.
fn simulation() -> Result<Command> {
    Ok(Command::new(binary::build_with("wharf-sim", &["wharf-sim/mutations"], Profile::Dev)?))
}
