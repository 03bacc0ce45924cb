//! What the script does with a redrive at a rate: one that sends a letter in one frame with its cursor, goes on behind a cleaning of the log, and ends.

use wharf_delivery::{DeliveryId, RedriveState, RedrivingRequest, ReplayPhase, Request};

use crate::{
    runner::{BrokenOff, Runner},
    script::{name, tenant},
};

fn state(after: Option<DeliveryId>, redriven: u64, phase: ReplayPhase) -> RedriveState {
    RedriveState { document: "{}".into(), after, redriven, phase, reason: String::new() }
}

/// The redrive comes to stand otherwise, and sends these letters.
fn moves(
    run: &mut Runner,
    (was, state): (Option<RedriveState>, RedriveState),
    letters: &[DeliveryId],
) -> Result<(), BrokenOff> {
    let (tenant, queue, letters) = (tenant(), name("dead"), letters.to_vec());
    let request = RedrivingRequest { tenant, queue, rules_version: None, was, state, letters };
    run.ask(vec![Request::Redriving(Box::new(request))]).map(drop)
}

/// It begins, and sends a letter.
pub fn begin(run: &mut Runner, letter: DeliveryId) -> Result<(), BrokenOff> {
    let begun = state(None, 0, ReplayPhase::Running);
    moves(run, (None, begun.clone()), &[])?;
    moves(run, (Some(begun), state(Some(letter), 1, ReplayPhase::Running)), &[letter])
}

/// In another life, from a log that was cleaned: it comes to its end.
pub fn end(run: &mut Runner, letter: DeliveryId) -> Result<(), BrokenOff> {
    let running = state(Some(letter), 1, ReplayPhase::Running);
    moves(run, (Some(running), state(Some(letter), 1, ReplayPhase::Done)), &[])
}
