//! What the script does with an event that is owed to more than arise with it: the rest arises in another frame, over a checkpoint.

use std::collections::HashMap;

use wharf_delivery::{AcceptRequest, Answer, FanRequest, Request, limits::TARGETS_AT_ONCE};
use wharf_event::Position;

use crate::{
    runner::{BrokenOff, Runner},
    script::{accept, event, tenant},
};

/// Targets beyond those that arise at once.
const MORE: usize = 2;

/// Its first deliveries arise with the event, and the last beside another event.
pub fn widen(run: &mut Runner) -> Result<(), BrokenOff> {
    let wide = || accept(run.rules_version, vec![(event("wide", 30), TARGETS_AT_ONCE + MORE)]);
    let targets = match wide() {
        Request::Accept(AcceptRequest { events, .. }) => events.into_iter().flat_map(|one| one.targets).collect(),
        _ => Vec::new(),
    };
    let wide = wide();
    let answers = run.ask(vec![wide])?;
    let at = match answers.first() {
        Some(Answer::Accepted(accepted)) => accepted.iter().flatten().next().map(|one| one.position),
        _ => None,
    };
    run.freeze()?;
    let targets = targets.into_iter().skip(TARGETS_AT_ONCE).collect();
    let next = u16::try_from(TARGETS_AT_ONCE).unwrap_or(u16::MAX);
    let fan =
        FanRequest { tenant: tenant(), event: at.unwrap_or(Position::ZERO), next, targets, delays: HashMap::new() };
    run.ask(vec![accept(run.rules_version, vec![(event("beside", 30), 1)]), Request::Fan(fan)])?;
    run.write()
}
