//! `wharf schedule next`: when an expression is due.

use clap::Args;
use jiff::Timestamp;
use serde::Serialize;
use wharf_dispatch::{Clock as _, SystemClock, rfc3339};
use wharf_schedule::{Timing, TimingText};

use super::super::{
    error::{CommandError, Exit},
    output::Output,
};

/// `wharf schedule next`.
#[derive(Debug, Args)]
pub struct NextArgs {
    /// When something is due
    expression: String,
    /// The time zone whose local times the expression names, as IANA spells it
    #[arg(long, value_name = "ZONE", default_value = "UTC")]
    timezone: String,
    /// Due times at most
    #[arg(short, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    n: u32,
    /// Only those after this time [default: now]
    #[arg(long, value_name = "TIME")]
    after: Option<Timestamp>,
    /// Nothing is due before then; a rate counts from there
    #[arg(long, value_name = "TIME")]
    start: Option<Timestamp>,
    /// Nothing is due after then
    #[arg(long, value_name = "TIME")]
    end: Option<Timestamp>,
}

/// When an expression is due.
#[derive(Debug, Serialize)]
struct Report<'a> {
    expression: &'a str,
    timezone: &'a str,
    /// The version of the table of time zones.
    zones: &'a str,
    next: Vec<Due>,
}

#[derive(Debug, Serialize)]
struct Due {
    /// The time in UTC.
    due: String,
    /// The same time as the zone has it.
    local: String,
}

/// Says when an expression is due.
pub fn next(args: &NextArgs, out: &mut Output) -> Result<Exit, CommandError> {
    let ms = |time: Timestamp| u64::try_from(time.as_millisecond()).unwrap_or(0);
    let NextArgs { expression, timezone, n, after, start, end } = args;
    let (start_ms, end_ms) = (start.map(ms), end.map(ms));
    let timing = Timing::parse(&TimingText { expression, timezone, start_ms, end_ms })?;
    let after_ms = after.map_or_else(|| SystemClock::default().wall_ms(), ms);
    let dues = std::iter::successors(timing.next_after(after_ms), |due| timing.next_after(*due)).take(*n as usize);
    let next: Vec<Due> = dues.map(|due| Due { due: rfc3339(due), local: timing.local(due) }).collect();
    if out.is_json() {
        out.document(&Report {
            expression,
            timezone: timing.timezone(),
            zones: wharf_schedule::zones_version(),
            next,
        })?;
    } else if next.is_empty() {
        out.line("not due any more")?;
    } else {
        out.table(["LOCAL", "UTC"], next.into_iter().map(|Due { due, local }| [local, due]).collect())?;
    }
    Ok(Exit::Success)
}
