//! What can never be taken: a request that is owed to more deliveries than may wait at all, however long its sender waits.
//!
//! Invariant: what is refused here would be refused by the machine too, which knows how many wait and says when to come again. It looks at
//! nothing but the request.

use wharf_delivery::AcceptRequest;
use wharf_event::Target;

/// The events of one request make more deliveries than may wait.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{} {arising} deliveries{}, and {most} may wait at most: {}",
    if *events == 1 { "the event makes" } else { "the events make" },
    of.as_ref().map(|of| format!(" to {} `{}`", of.kind(), of.name())).unwrap_or_default(),
    if *events == 1 { "it is never taken" } else { "send fewer events at a time" }
)]
pub struct NeverFits {
    /// Events of the request.
    pub events: usize,
    /// Deliveries that would arise.
    pub arising: u64,
    /// How many may wait.
    pub most: u64,
    /// Of which target, where it is that of one.
    pub of: Option<Target>,
}

/// Refuses a request that there can never be room for.
///
/// # Errors
/// When it is one.
pub(crate) fn must_fit(request: &AcceptRequest) -> Result<(), NeverFits> {
    let targets = || request.events.iter().flat_map(|event| &event.targets);
    let events = request.events.len();
    let arising = targets().count() as u64;
    let most = u64::from(request.quotas.of_bus.unwrap_or(u32::MAX).min(request.quotas.backlog()));
    if arising > most {
        return Err(NeverFits { events, arising, most, of: None });
    }
    for (of, most) in &request.backlogs {
        let (arising, most) = (targets().filter(|target| target.to == *of).count() as u64, u64::from(*most));
        if arising > most {
            return Err(NeverFits { events, arising, most, of: Some(of.clone()) });
        }
    }
    Ok(())
}
