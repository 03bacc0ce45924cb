//! `cargo xtask bench pattern`: builds `tests/bench-pattern`, runs it on the events and rules of `tests/bench` or on others, and
//! prints what it measured.
//!
//! Invariant: every number is the other program's, and all are of one run; this one only shows them.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::machine::Machine;
use super::{Output, folder, say, told};
use crate::guests::cargo;
use crate::host::binary::{self, Profile};

/// Events that are made when none are given.
const EVENTS: &str = "60000";

/// Options of `cargo xtask bench pattern`.
#[derive(clap::Args)]
pub struct Args {
    /// How to print the numbers.
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    output: Output,
    /// Events, one JSON object a line, in place of those that tests/bench/lots.py makes.
    #[arg(long, value_name = "FILE")]
    events: Option<PathBuf>,
    /// Rules, `{"family": [pattern, ...], ...}`, in place of those that tests/bench/rules.py makes for the events.
    #[arg(long, value_name = "FILE")]
    rules: Option<PathBuf>,
    /// What the rules that are made depend on.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Builds, measures, prints.
pub fn run(args: &Args) -> Result<()> {
    say("building the benchmark (release)");
    let program = binary::build_of("wharf-bench-pattern", Profile::Release)?;
    let folder = folder()?;
    let events = match &args.events {
        Some(events) => events.clone(),
        None => made(&folder.join("lots.ndjson"), "lots.py", &[EVENTS])?,
    };
    let rules = match &args.rules {
        Some(rules) => rules.clone(),
        None => made(&folder.join("rules.json"), "rules.py", &[&events.display().to_string(), &args.seed.to_string()])?,
    };
    say("measuring; the machine should have nothing else to do");
    let report: Value = told(Command::new(program).args([&events, &rules]))?;
    let text = match args.output {
        Output::Text => text(&report, &Machine::here(&folder)).context("the report lacks a number")?,
        Output::Json => {
            let families = report.get("families").context("the report has no families")?;
            serde_json::to_string_pretty(families)? + "\n"
        }
    };
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(())
}

/// What a script of `tests/bench` prints, in a file.
fn made(file: &Path, script: &str, arguments: &[&str]) -> Result<PathBuf> {
    let script = cargo::repository().join("tests/bench").join(script);
    let mut command = Command::new("python3");
    command.arg(&script).args(arguments).stdin(Stdio::null()).stderr(Stdio::inherit());
    command.stdout(File::create(file).with_context(|| format!("making {}", file.display()))?);
    let status =
        command.status().with_context(|| format!("starting {command:?}: give --events and --rules without it"))?;
    if !status.success() {
        // Half a file is worse than none.
        let _ = fs::remove_file(file);
        bail!("{command:?}: {status}");
    }
    Ok(file.to_owned())
}

fn text(report: &Value, machine: &Machine) -> Option<String> {
    let number = |value: &Value, name: &str| value.get(name)?.as_f64();
    let word = |value: &Value, name: &str| Some(value.get(name)?.as_str()?.to_owned());
    let mut text = format!(
        "machine  {}\nevents   {:.0} of {:.0} bytes; serde_json to Value {:.3} us, to IgnoredAny {:.3} us (CPU time of one thread)\n\n",
        machine.line(),
        number(report, "events")?,
        number(report, "bytes_per_event")?,
        number(report, "serde_value_us")?,
        number(report, "serde_ignored_us")?,
    );
    text += &format!(
        "{:20}{:>7}{:>10}{:>12}{:>10}{:>12}{:>10}\n",
        "family", "rules", "us/event", "events/s", "matches", "vs quamina", "vs Value"
    );
    for row in report.get("families")?.as_array()? {
        let (us, rules, known) = (number(row, "us_per_event")?, number(row, "rules")?, number(row, "quamina_rules")?);
        let peer = match number(row, "vs_quamina") {
            None => "refused".to_owned(),
            Some(ratio) if known < rules => format!("{ratio:.2}*"),
            Some(ratio) => format!("{ratio:.2} "),
        };
        text += &format!(
            "{:20}{rules:>7.0}{us:>10.3}{:>12.0}{:>10.0}{peer:>12}{:>10.2}\n",
            word(row, "family")?,
            1e6 / us,
            number(row, "matches")?,
            number(row, "vs_serde_value")?,
        );
    }
    text += "* quamina takes some of the rules only: its time is for those, ours for all.\n";
    let scale = report.get("scale")?;
    text += &format!(
        "\n{:.0} rules: {:.0} bytes a rule, {:.3} us an event; one rule more beside a reader {:.1} us, the slowest of 1,000 {:.0} us\n",
        number(scale, "rules")?,
        number(scale, "bytes_per_rule")?,
        number(scale, "us_per_event")?,
        number(scale, "one_more_us")?,
        number(scale, "one_more_longest_us")?,
    );
    text += &format!(
        "\n{:46}{:>8}{:>12}{:>20}\n",
        "the worst of one rule that we know", "bytes", "us/event", "by one plain rule"
    );
    for row in report.get("worst")?.as_array()? {
        let [bytes, us, factor] = [number(row, "event_bytes")?, number(row, "us_per_event")?, number(row, "factor")?];
        text += &format!("{:46}{bytes:>8.0}{us:>12.1}{factor:>20.1}\n", word(row, "what")?);
    }
    Some(text)
}
