//! `wharf-crash`: the crash suite in long form. `cargo xtask faults` runs it.

use std::{process::ExitCode, time::Instant};

use clap::Parser;
use wharf_crash::{Figures, every_crash, every_error, every_recovery, mutations};

/// Ends a partition at every operation of a script, in every way, and looks at what comes back.
#[derive(Parser)]
struct Arguments {
    /// Fates of what was not synced that are tried at each operation
    #[arg(long, default_value_t = 12)]
    fates: u64,
    /// Every which operation is cut once more while the partition is opened again
    #[arg(long, default_value_t = 1)]
    stride: u64,
    /// One JSON object on stdout
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    let Arguments { fates, stride, json } = Arguments::parse();
    let mut holds = true;
    let mut told = Vec::new();
    for name in ["crashes", "errors", "crashes while opening"] {
        let began = Instant::now();
        let found = match name {
            "crashes" => every_crash(fates, None),
            "errors" => every_error(fates, None),
            _ => every_recovery(stride, fates.min(4)),
        };
        holds &= found.is_ok();
        let Figures { points, syncs, cases } = found.as_ref().copied().unwrap_or_default();
        let seconds = began.elapsed().as_secs_f64();
        let verdict = found.as_ref().err().map_or("everything holds", String::as_str);
        eprintln!(
            "{name}: {points} points ({syncs} of the script's make something durable) x fates = {cases} cases, {seconds:.1} s: {verdict}"
        );
        told.push(serde_json::json!({"part": name, "points": points, "cases": cases, "failure": found.err()}));
    }
    let mutated = mutations(fates.min(6));
    for one in &mutated {
        holds &= one.found.is_some();
        eprintln!("without the sync {:?}: {}", one.site, one.found.as_deref().unwrap_or("NOTHING WAS FOUND"));
    }
    if json {
        let mutated =
            mutated.iter().map(|one| serde_json::json!({"without": format!("{:?}", one.site), "found": one.found}));
        println!("{}", serde_json::json!({"ok": holds, "parts": told, "mutations": mutated.collect::<Vec<_>>()}));
    }
    if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
