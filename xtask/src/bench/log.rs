//! `cargo xtask bench log`: builds `tests/bench`, runs it, and prints what it measured beside the machine.
//!
//! Invariant: every number is the other program's; this one only shows them.

use std::process::Command;

use anyhow::Result;
use serde_json::{Map, Value};

use super::machine::Machine;
use super::{Output, folder, print, say, told};
use crate::host::binary::{self, Profile};

/// Options of `cargo xtask bench log`.
#[derive(clap::Args)]
pub struct Args {
    /// How to print the numbers.
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

/// Builds, measures, prints.
pub fn run(args: &Args) -> Result<()> {
    say("building the benchmark (release)");
    let program = binary::build_of("wharf-bench", Profile::Release)?;
    let folder = folder()?;
    let report = told(Command::new(program).arg(&folder))?;
    print(report, args.output, &folder, text)
}

fn text(report: &Map<String, Value>, machine: &Machine) -> Option<String> {
    let number = |value: &Value, pointer: &str| value.pointer(pointer)?.as_f64();
    let mut text = format!("machine  {}\n\n", machine.line());
    text += &format!(
        "{:>6}{:>13}{:>13}{:>13}{:>13}{:>8}{:>13}\n",
        "batch", "ours/s", "us CPU", "bare/s", "us CPU", "ratio", "bytes/event"
    );
    for row in report.get("batches")?.as_array()? {
        let [batch, ours, ours_us, bare, bare_us, ratio, bytes] = [
            number(row, "/batch")?,
            number(row, "/ours/per_s")?,
            number(row, "/ours/cpu_us")?,
            number(row, "/bare/per_s")?,
            number(row, "/bare/cpu_us")?,
            number(row, "/ratio")?,
            number(row, "/bytes_per_event")?,
        ];
        text += &format!("{batch:>6}{ours:>13.0}{ours_us:>13.2}{bare:>13.0}{bare_us:>13.2}{ratio:>8.2}{bytes:>13.0}\n");
    }
    let checkpoints = report.get("checkpoints")?;
    text += &format!("\n{:18}{:>9}{:>12}{:>9}{:>12}\n", "commits, ms", "number", "median", "p99", "longest");
    for (when, place) in [("in a checkpoint", "/during"), ("outside of one", "/outside")] {
        let of = |name: &str| number(checkpoints, &format!("{place}{name}"));
        let [commits, median, p99, longest] = [of("/commits")?, of("/median_ms")?, of("/p99_ms")?, of("/longest_ms")?];
        text += &format!("{when:18}{commits:>9.0}{median:>12.2}{p99:>9.2}{longest:>12.2}\n");
    }
    text += &format!("{:18}{:>9.0}\n", "checkpoints", number(checkpoints, "/checkpoints")?);
    let replay = report.get("replay")?;
    text += &format!(
        "\nreplay   {:.0} frames with {:.0} events in {:.0} ms ({:.0} events/s); 10 s at the rate of the largest batch: {:.0} ms\n",
        number(replay, "/frames")?,
        number(replay, "/events")?,
        number(replay, "/open_ms")?,
        number(replay, "/events_per_s")?,
        number(replay, "/of_10_s_ms")?,
    );
    Some(text)
}
