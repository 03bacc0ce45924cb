//! `cargo xtask bench rules`: builds a program of `tests/bench`, runs it, and prints what it measured beside the machine.
//!
//! Invariant: every number is the other program's; this one only shows them.

use std::process::Command;

use anyhow::Result;
use serde_json::{Map, Value};

use super::machine::Machine;
use super::{Output, folder, print, say, told};
use crate::host::binary::{self, Profile};

/// Options of `cargo xtask bench rules`.
#[derive(clap::Args)]
pub struct Args {
    /// How to print the numbers.
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

/// Builds, measures, prints.
pub fn run(args: &Args) -> Result<()> {
    say("building the benchmark (release)");
    let program = binary::build_of("wharf-bench-rules", Profile::Release)?;
    let folder = folder()?;
    let report = told(Command::new(program).arg(&folder))?;
    print(report, args.output, &folder, text)
}

fn text(report: &Map<String, Value>, machine: &Machine) -> Option<String> {
    let mut text = format!("machine  {}\n\n", machine.line());
    text += &format!(
        "{:>9}{:>15}{:>10}{:>13}{:>10}{:>13}{:>10}{:>14}\n",
        "rules", "compile, us", "worst", "change, ms", "worst", "match, us", "worst", "bytes a rule"
    );
    for row in report.get("rows")?.as_array()? {
        let number = |name: &str| row.get(name)?.as_f64();
        text += &format!(
            "{:>9.0}{:>15.1}{:>10.1}{:>13.2}{:>10.2}{:>13.2}{:>10.1}{:>14}\n",
            number("rules")?,
            number("compile_us")?,
            number("compile_worst_us")?,
            number("change_ms")?,
            number("change_worst_ms")?,
            number("match_us")?,
            number("match_worst_us")?,
            number("bytes_a_rule").map_or_else(|| "-".to_owned(), |bytes| format!("{bytes:.0}")),
        );
    }
    text += &format!("\nopened again with all of them in {:.0} ms\n", report.get("open_ms")?.as_f64()?);
    Some(text)
}
