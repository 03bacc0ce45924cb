//! What the script does with schedules: one that fires before the log is cleaned and again behind that, and one that comes to its end.

use wharf_delivery::{FireRequest, Request, ScheduleState};

use crate::{
    runner::{BrokenOff, Runner},
    script::{accept, event, name, tenant},
};

fn state(next_ms: Option<u64>, last_ms: Option<u64>) -> ScheduleState {
    ScheduleState { timing: [7; 16], next_ms, last_ms }
}

/// A schedule comes to stand otherwise, and fires these events.
fn moves(
    run: &mut Runner,
    schedule: &str,
    (was, state): (Option<ScheduleState>, Option<ScheduleState>),
    fired: Option<&str>,
) -> Result<(), BrokenOff> {
    let event = fired.and_then(|id| match accept(run.rules_version, vec![(event(id, 30), 1)]) {
        Request::Accept(event) => Some(event),
        _ => None,
    });
    let (tenant, rules_version) = (tenant(), run.rules_version);
    let request = FireRequest { tenant, schedule: name(schedule), rules_version, was, state, event };
    run.ask(vec![Request::Fire(Box::new(request))]).map(drop)
}

/// One is planted and fires, in one frame with where it stands; another is planted and ends.
pub fn begin(run: &mut Runner) -> Result<(), BrokenOff> {
    let (planted, fired) = (state(Some(1_000), None), state(Some(2_000), Some(1_000)));
    moves(run, "nightly", (None, Some(planted)), None)?;
    moves(run, "other", (None, Some(planted)), None)?;
    run.freeze()?;
    moves(run, "nightly", (Some(planted), Some(fired)), Some("nightly-1"))?;
    run.write()?;
    moves(run, "other", (Some(planted), None), None)
}

/// In another life, from a log that was cleaned: it fires once more, for the last time.
pub fn end(run: &mut Runner) -> Result<(), BrokenOff> {
    moves(run, "nightly", (Some(state(Some(2_000), Some(1_000))), Some(state(None, Some(2_000)))), Some("nightly-2"))
}
