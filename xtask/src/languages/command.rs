//! The command line of `cargo xtask languages`: which rows, and the table at the end.
//!
//! Invariant: it fails if one cell does. A language that cannot be built here is named on stderr and has no row.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Result, ensure};

use super::row;
use super::scenario::{self, ROWS};
use crate::guests::{Lang, cargo, languages};
use crate::host::binary::{self, Profile};

/// Options of `cargo xtask languages`.
#[derive(clap::Args)]
pub struct Args {
    /// Only these rows, such as `python` or `js-bare`.
    #[arg(value_name = "ROW", value_parser = clap::builder::PossibleValuesParser::new(ROWS))]
    rows: Vec<String>,
    /// Only scenarios whose name contains this.
    #[arg(long, default_value = "", value_name = "TEXT")]
    only: String,
    /// Let an instance make so many attempts one after the other; what counts its own calls is left out then.
    #[arg(long, default_value_t = 1, value_name = "N")]
    reuse: u32,
    /// Build no guests: take those that are there.
    #[arg(long)]
    built: bool,
    /// Run this binary instead of one that is built first.
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
    /// `json`: one object on stdout.
    #[arg(short, long, value_name = "FORMAT", value_parser = ["json"])]
    output: Option<String>,
}

/// A row's cells, by scenario.
type Cells = BTreeMap<String, String>;

/// Runs the suite.
pub fn run(args: &Args) -> Result<()> {
    let rows: Vec<&str> =
        ROWS.into_iter().filter(|row| args.rows.is_empty() || args.rows.iter().any(|it| it == row)).collect();
    if !args.built {
        for lang in Lang::ALL.into_iter().filter(|lang| rows.iter().any(|row| lang.has_row(row))) {
            languages::build_or_say(lang)?;
        }
    }
    let guests = cargo::workspace(&cargo::repository())?.target.join("guests");
    let binary = binary::given_or_built(args.binary.as_deref(), Profile::Dev)?;
    let scenarios = scenario::all()?;
    let mut table: BTreeMap<&str, Cells> = BTreeMap::new();
    for name in rows {
        if !row::has_any(&guests, name) {
            eprintln!("languages: {name}: no component of it is built, so it has no row");
            continue;
        }
        eprintln!("languages: {name}");
        let is_left = |it: &&scenario::Scenario| args.reuse > 1 && it.kind == "probe.counter";
        let chosen = scenarios.iter().filter(|it| it.name.contains(&args.only)).filter(|it| !is_left(it));
        let chosen: Vec<_> = chosen.collect();
        let cells = row::run(&binary, &guests, (name, args.reuse), &chosen).unwrap_or_else(|error| {
            let cell = format!("fail: {error:#}");
            chosen.iter().map(|it| (it.name.clone(), cell.clone())).collect()
        });
        table.insert(name, cells);
    }
    if args.output.is_some() {
        println!("{}", serde_json::to_string_pretty(&table)?);
    } else {
        print(&table);
    }
    let failed = table.values().flat_map(Cells::values).filter(|cell| cell.starts_with("fail")).count();
    ensure!(failed == 0, "{failed} scenarios failed");
    ensure!(!table.is_empty(), "there was nothing to run");
    Ok(())
}

/// A line a row, and below it what did not pass.
fn print(table: &BTreeMap<&str, Cells>) {
    for (row, cells) in table {
        let count = |word: &str| cells.values().filter(|cell| cell.starts_with(word)).count();
        println!("{row:12} {:>3} pass {:>3} fail {:>3} n/a", count("pass"), count("fail"), count("n/a"));
        for (scenario, cell) in cells.iter().filter(|(_, cell)| *cell != "pass") {
            println!("    {scenario:32} {cell}");
        }
    }
}
