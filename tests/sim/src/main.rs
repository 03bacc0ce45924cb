//! The program behind `cargo xtask sim`: runs histories, and tells of the first that fails.
//!
//! Invariant: the exit status is the verdict: 0 when no history failed, 1 when one did, 2 when it was not understood what was
//! asked. Stdout has the report alone; progress is on stderr.

use std::{
    env, fs,
    io::{IsTerminal as _, Write as _},
    process::ExitCode,
    time::Instant,
};

use serde_json::json;
use wharf_sim::{
    history::{self, Outcome},
    mutation::Mutation,
    sweep::{self, Swept},
};

/// Sentences about a failed history that are printed.
const WRONG_SHOWN_MAX: usize = 12;

/// How many histories pass between two words of progress.
const PROGRESS_EVERY: u64 = 100;

struct Args {
    histories: u64,
    seed: u64,
    mutation: Option<Mutation>,
    json: bool,
    trace: Option<String>,
}

fn main() -> ExitCode {
    let args = match parse(env::args().skip(1)) {
        Ok(args) => args,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(2);
        }
    };
    if args.mutation.is_some_and(|mutation| !mutation.switch_in()) {
        eprintln!("error: this program was built without that mutation: cargo build -p wharf-sim --features mutations");
        return ExitCode::from(2);
    }
    let (began, terminal) = (Instant::now(), std::io::stderr().is_terminal());
    let swept = sweep::run(args.seed, args.histories, args.mutation, |done| {
        if terminal && done.is_multiple_of(PROGRESS_EVERY) {
            eprint!("\r{done} of {} histories", args.histories);
        }
    });
    if terminal {
        eprint!("\r\x1b[K");
    }
    let replayed =
        swept.failed.as_ref().map(|(_, seed, outcome)| history::run(*seed, args.mutation).trace == outcome.trace);
    if let (Some(file), Some((_, _, outcome))) = (&args.trace, &swept.failed)
        && let Err(error) = fs::write(file, &outcome.trace)
    {
        eprintln!("error: writing {file}: {error}");
    }
    let report =
        if args.json { as_json(&args, &swept, replayed, began) } else { as_text(&args, &swept, replayed, began) };
    // Whoever reads it may have gone away.
    let _ = std::io::stdout().write_all(report.as_bytes());
    if swept.failed.is_some() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn parse(mut args: impl Iterator<Item = String>) -> Result<Args, String> {
    let mut parsed = Args { histories: 1_000, seed: 1, mutation: None, json: false, trace: None };
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value"));
        let number = |text: String| text.parse::<u64>().map_err(|error| format!("{text}: {error}"));
        match arg.as_str() {
            "--histories" => parsed.histories = number(value()?)?,
            "--seed" => parsed.seed = number(value()?)?,
            "--mutate" => parsed.mutation = Some(value()?.parse()?),
            "--trace" => parsed.trace = Some(value()?),
            "-o" | "--output" => {
                let format = value()?;
                parsed.json = match format.as_str() {
                    "json" => true,
                    "text" => false,
                    _ => return Err(format!("there is no format `{format}`; there are text and json")),
                };
            }
            _ => return Err(format!("there is no option `{arg}`")),
        }
    }
    Ok(parsed)
}

fn again(seed: u64, mutation: Option<Mutation>) -> String {
    let mutate = mutation.map(|mutation| format!(" --mutate {}", mutation.name())).unwrap_or_default();
    format!("cargo xtask sim --histories 1 --seed {seed}{mutate}")
}

fn as_text(args: &Args, swept: &Swept, replayed: Option<bool>, began: Instant) -> String {
    let figures = swept.figures;
    let mut text = format!(
        "{} histories from seed {} in {:.1} s: {} lives, {} frames, {} events acknowledged, {} duplicates, {} runs of handlers \
         ({} in contention), {} requests of webhooks, {} settles, {} changes of rules, {} carried records, {} tenants deleted in {} records ({} over a restart), {} due times of \
         schedules, {} messages of queues received, {} calls with batches of them, {} replays to their end with {} events, {} redrives at a rate to theirs, {} records that let go of dead letters, {} full disks \
         (the reserve was needed in {}), {} records by which one came to very many, {} deliveries \
         of a rule's key that came to their turn when one before them left\n",
        swept.run,
        args.seed,
        began.elapsed().as_secs_f64(),
        figures.lives,
        figures.frames,
        figures.acknowledged,
        figures.duplicates,
        figures.runs - figures.requests,
        figures.conflicts,
        figures.requests,
        figures.settles,
        figures.changes,
        figures.carried,
        figures.deleted,
        figures.erased,
        figures.resumed,
        figures.fired,
        figures.messages,
        figures.calls,
        figures.replays,
        figures.replayed,
        figures.paced,
        figures.discards,
        figures.squeezes,
        figures.reserves,
        figures.fanned,
        figures.ordered,
    );
    if let Some((number, seed, Outcome { wrong, .. })) = &swept.failed {
        text += &format!("history {number} failed, seed {seed}:\n");
        for sentence in wrong.iter().take(WRONG_SHOWN_MAX) {
            text += &format!("  {sentence}\n");
        }
        let same = if replayed == Some(true) { "the same to the byte" } else { "ANOTHER HISTORY, which is a defect" };
        text += &format!("replayed at once: {same}\nto replay it: {}\n", again(*seed, args.mutation));
    } else {
        text += "none failed\n";
    }
    text
}

fn as_json(args: &Args, swept: &Swept, replayed: Option<bool>, began: Instant) -> String {
    let figures = swept.figures;
    let failed = swept.failed.as_ref().map(|(number, seed, outcome)| {
        json!({
            "history": number, "seed": seed, "wrong": outcome.wrong, "replayed_to_the_byte": replayed,
            "replay": again(*seed, args.mutation),
        })
    });
    let report = json!({
        "histories": swept.run,
        "seed": args.seed,
        "mutation": args.mutation.map(Mutation::name),
        "seconds": began.elapsed().as_secs_f64(),
        "lives": figures.lives,
        "frames": figures.frames,
        "changes": figures.changes,
        "messages": figures.messages,
        "calls": figures.calls,
        "acknowledged": figures.acknowledged,
        "duplicates": figures.duplicates,
        "runs": figures.runs - figures.requests,
        "requests": figures.requests,
        "in_contention": figures.conflicts,
        "settles": figures.settles,
        "carried": figures.carried,
        "tenants_deleted": figures.deleted,
        "erasing_records": figures.erased,
        "replays": figures.replays,
        "replayed": figures.replayed,
        "redriven_at_a_rate": figures.paced,
        "discards": figures.discards,
        "full_disks": figures.squeezes,
        "reserves_needed": figures.reserves,
        "fanned": figures.fanned,
        "ordered": figures.ordered,
        "deleted_over_a_restart": figures.resumed,
        "schedules_fired": figures.fired,
        "failed": failed,
    });
    format!("{report}\n")
}
