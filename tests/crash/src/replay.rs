//! What the script does with replays: one that is begun before the log is cleaned and goes on behind that, and one that is let go of.

use wharf_delivery::{ReplayPhase, ReplayRequest, ReplayState, Request};
use wharf_event::Position;

use crate::{
    runner::{BrokenOff, Runner},
    script::{accept, event, name, tenant},
};

fn state(cursor_k: u64, replayed: u64, phase: ReplayPhase) -> ReplayState {
    let (cursor, until) = (Position { k: cursor_k, i: 0 }, Position { k: 9, i: 0 });
    ReplayState { document: "{}".into(), cursor, until, replayed, phase, reason: String::new() }
}

/// A replay comes to stand otherwise, and brings these events again.
fn moves(
    run: &mut Runner,
    replay: &str,
    (was, state): (Option<ReplayState>, Option<ReplayState>),
    events: &[&str],
) -> Result<(), BrokenOff> {
    let events = match accept(run.rules_version, events.iter().map(|id| (event(id, 30), 1)).collect()) {
        Request::Accept(events) if !events.events.is_empty() => Some(events),
        _ => None,
    };
    let request = ReplayRequest { tenant: tenant(), replay: name(replay), was, state, events };
    run.ask(vec![Request::Replay(Box::new(request))]).map(drop)
}

/// One begins and brings two events in one frame with its cursor; another begins and is let go of.
pub fn begin(run: &mut Runner) -> Result<(), BrokenOff> {
    let (first, second) = (state(1, 0, ReplayPhase::Running), state(3, 2, ReplayPhase::Running));
    moves(run, "again", (None, Some(first.clone())), &[])?;
    moves(run, "other", (None, Some(first.clone())), &[])?;
    run.freeze()?;
    moves(run, "again", (Some(first.clone()), Some(second)), &["again-1", "again-2"])?;
    run.write()?;
    moves(run, "other", (Some(first), None), &[])
}

/// In another life, from a log that was cleaned: it goes on from where it was, and comes to its end.
pub fn end(run: &mut Runner) -> Result<(), BrokenOff> {
    let (second, third) = (state(3, 2, ReplayPhase::Running), state(5, 3, ReplayPhase::Running));
    moves(run, "again", (Some(second), Some(third.clone())), &["again-3"])?;
    moves(run, "again", (Some(third), Some(state(9, 3, ReplayPhase::Done))), &[])
}
