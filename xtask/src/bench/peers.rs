//! `cargo xtask bench peers`: messages through a queue, beside every peer that promises the same.
//!
//! Method: each round starts every system afresh, one after the other, on the same file system, and has it relay 1 KiB messages from 4
//! producers to 4 consumers for so many seconds, in batches of 100 and one message a request. Nowhere do more than 5,000 messages wait.
//! Our side is driven by `wharf bench`, as any user drives it, over HTTP; the others in their own protocols, by threads of this program.
//!
//! Invariant: a run counts only if everything that was sent was settled, and medians of runs that took turns are compared.

mod amqp;
mod jetstream;
pub(super) mod ours;
mod postgres;
mod rabbit;
pub(super) mod rows;
pub(super) mod systems;
mod wire;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;

use self::ours::Ours;
use self::rows::{Cell, Row, Scenario};
use self::systems::{Payloads, System};
use super::machine::Machine;
use super::{Output, folder, say};
use crate::host::binary::{self, Profile};
use crate::interrupt::Interrupt;

/// Messages that wait at most.
const WAITING_MAX: usize = 5_000;

/// Options of `cargo xtask bench peers`.
#[derive(clap::Args)]
pub struct Args {
    /// How long one run sends.
    #[arg(long, default_value_t = 3, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    seconds: u32,
    /// Runs of each system; they take turns.
    #[arg(long, default_value_t = 5, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// Only these peers.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    only: Vec<String>,
    /// Run this binary instead of one that is built first.
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
    /// How to print the numbers: a table, or a list of rows.
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

impl Args {
    fn time(&self) -> Duration {
        Duration::from_secs(u64::from(self.seconds))
    }
}

/// Builds what is needed, measures, prints.
pub fn run(args: &Args) -> Result<()> {
    let binary = binary::given_or_built(args.binary.as_deref(), Profile::Release)?;
    let (folder, interrupt) = (folder()?, Interrupt::catch()?);
    let mut systems = System::installed();
    systems.retain(|system| args.only.is_empty() || args.only.iter().any(|name| name == system.name()));
    let payloads = Payloads::new();
    let mut cells: BTreeMap<(Scenario, &str), Vec<Cell>> = BTreeMap::new();
    for round in 1..=args.runs {
        let ours = Ours::start(&binary, &folder)?;
        for scenario in Scenario::ALL {
            interrupt.check()?;
            let cell = ours.cell(scenario, args.time())?;
            say(&format!("round {round}: {:9} {:19} {}", scenario.name(), ours::NAME, cell.line()));
            cells.entry((scenario, ours::NAME)).or_default().push(cell);
        }
        drop(ours);
        for system in &systems {
            for (scenario, cell) in system.cells(&folder, &payloads, args.time(), &interrupt)? {
                say(&format!("round {round}: {:9} {:19} {}", scenario.name(), system.name(), cell.line()));
                cells.entry((scenario, system.name())).or_default().push(cell);
            }
        }
    }
    let mut rows = rows::rows(&cells, &systems);
    let ours = Ours::start(&binary, &folder)?;
    for row in rows.iter_mut().filter(|row| row.system == ours::NAME) {
        interrupt.check()?;
        row.p99_ms = Some(ours.p99_at_half(row, args.time())?);
    }
    drop(ours);
    let text = match args.output {
        Output::Text => text(&rows, args, &systems, &Machine::here(&folder))?,
        Output::Json => serde_json::to_string_pretty(&rows)? + "\n",
    };
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(())
}

fn text(rows: &[Row], args: &Args, systems: &[System], machine: &Machine) -> Result<String> {
    let mut text = format!(
        "machine   {}\nsettings  1 KiB, 4 producers and 4 consumers, {WAITING_MAX} messages wait at most; {} runs of {} s each, which take \
         turns, behind 1 s that does not count\n",
        machine.line(),
        args.runs,
        args.seconds
    );
    for system in systems {
        text += &format!("{:10}{}\n", "", system.described()?);
    }
    text += &format!(
        "\n{:10}{:21}{:>6}{:>7}{:>12}{:>14}{:>8}{:>16}\n",
        "scenario", "system", "fsync", "batch", "per s", "us CPU", "ratio", "p99 at half, ms"
    );
    for row in rows {
        text += &row.line();
    }
    Ok(text + "\nratio: ours / that; in a row of ours beside the best peer that syncs\n")
}
