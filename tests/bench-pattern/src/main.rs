//! The matcher of `wharf-pattern` beside the crate `quamina` and beside reading JSON alone, on the same events, in one process.
//!
//! Invariants: times are CPU times of this one thread, the middle of several rounds in which all sides take turns; where both
//! know a rule, they must say the same of every event, or there is no report; stdout has one JSON object.
//!
//! It is no test, and judges nothing: `cargo xtask bench pattern` shows what it prints.

mod families;
mod peer;
mod scale;
mod spent;

use std::fs;

use anyhow::{Context, Result, bail};
use serde::Serialize;
use serde_json::Value;

/// As the product allocates.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What is printed.
#[derive(Serialize)]
struct Report {
    events: usize,
    bytes_per_event: usize,
    serde_value_us: f64,
    serde_ignored_us: f64,
    families: Vec<families::Family>,
    scale: scale::Scale,
    worst: Vec<scale::Worst>,
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [events, rules] = arguments.as_slice() else {
        bail!("give a file of events (NDJSON) and a file of rules (JSON)")
    };
    let events = fs::read(events).with_context(|| format!("reading {events}"))?;
    let events: Vec<&[u8]> = events.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
    let rules = fs::read(rules).with_context(|| format!("reading {rules}"))?;
    let rules: serde_json::Map<String, Value> = serde_json::from_slice(&rules).context("reading the rules")?;
    let serde = families::serde(&events)?;
    let measured = rules.iter().map(|(name, rules)| families::measure(name, rules, &events, serde.0));
    let report = Report {
        events: events.len(),
        bytes_per_event: events.iter().map(|event| event.len()).sum::<usize>() / events.len().max(1),
        serde_value_us: serde.0,
        serde_ignored_us: serde.1,
        families: measured.collect::<Result<_>>()?,
        scale: scale::scale()?,
        worst: scale::worst()?,
    };
    println!("{}", serde_json::to_string(&report)?);
    Ok(())
}
