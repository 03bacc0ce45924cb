//! What one attempt costs in the sandbox: `wharf-bench-invoke` reads guests with an event each from stdin and prints one JSON document.
//!
//! Goal: the price of a fresh instance is seen apart from the way to it, in its parts, and under each way of resetting memory.
//! Method: the host's own runtime with every limit on, in process and on one thread; CPU time of that thread; medians. No log, no
//! state: what is committed is what `wharf-bench` measures.
//!
//! It is no test: `cargo xtask bench invoke` builds and runs it, and prints what it says beside the machine.

mod guest;

use std::io::{Read as _, Write as _};

use anyhow::{Context as _, Result};
use mimalloc::MiMalloc;
use serde::Serialize;
use wharf_runtime::{Reset, Runtime};

use crate::guest::{Cost, Guest};

/// The argument by which nothing is tried but what is chosen.
const CHOSEN: &str = "--chosen";

/// As in the host.
#[global_allocator]
static HEAP: MiMalloc = MiMalloc;

/// KiB of a memory's start that are reset by copying.
const COPIED_KIB: [usize; 5] = [0, 64, 128, 512, 1_024];

/// The same where only pages are that the kernel tells dirty, which overlooks some (docs/decisions/035): what being sure costs.
const SCANNED_KIB: usize = 512;

/// The same of a table, tried with the memory's own choice.
const TABLE_KIB: [usize; 3] = [0, 16, 64];

#[derive(Serialize)]
struct Report {
    chosen: Settings,
    rows: Vec<Row>,
}

#[derive(Clone, Copy, PartialEq, Serialize)]
struct Settings {
    scan: bool,
    memory_kib: usize,
    table_kib: usize,
}

#[derive(Serialize)]
struct Row {
    settings: Settings,
    guests: Vec<Cost>,
}

impl From<Reset> for Settings {
    fn from(reset: Reset) -> Self {
        Self { scan: reset.scan, memory_kib: reset.memory_bytes >> 10, table_kib: reset.table_bytes >> 10 }
    }
}

impl Settings {
    fn reset(self) -> Reset {
        Reset { scan: self.scan, memory_bytes: self.memory_kib << 10, table_bytes: self.table_kib << 10 }
    }
}

fn main() -> Result<()> {
    let mut said = String::new();
    std::io::stdin().read_to_string(&mut said).context("reading the guests")?;
    let guests: Vec<Guest> = serde_json::from_str(&said).context("the guests are not as they should be")?;
    let tokio = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let chosen = Settings::from(Reset::chosen());
    let mut rows = Vec::new();
    let is_only_chosen = std::env::args().any(|argument| argument == CHOSEN);
    for settings in settings(chosen).into_iter().take(if is_only_chosen { 1 } else { usize::MAX }) {
        eprintln!(
            "bench: memories by {} {} KiB, tables {} KiB",
            if settings.scan { "scanning" } else { "copying" },
            settings.memory_kib,
            settings.table_kib
        );
        let runtime = Runtime::with(settings.reset())?;
        let costs = guests.iter().map(|guest| tokio.block_on(guest.cost(&runtime)).with_context(|| guest.name.clone()));
        rows.push(Row { settings, guests: costs.collect::<Result<_>>()? });
    }
    let mut stdout = std::io::stdout().lock();
    serde_json::to_writer_pretty(&mut stdout, &Report { chosen, rows })?;
    writeln!(stdout)?;
    Ok(())
}

/// What is tried, what is chosen first.
fn settings(chosen: Settings) -> Vec<Settings> {
    let mut all = vec![chosen];
    all.push(Settings { scan: true, memory_kib: SCANNED_KIB, ..chosen });
    all.extend(COPIED_KIB.map(|memory_kib| Settings { memory_kib, ..chosen }));
    all.extend(TABLE_KIB.map(|table_kib| Settings { table_kib, ..chosen }));
    let mut tried: Vec<Settings> = Vec::new();
    for one in all {
        if !tried.contains(&one) {
            tried.push(one);
        }
    }
    tried
}
