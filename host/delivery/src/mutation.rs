//! Known bugs, to show that the simulation finds them. Only a build with the feature `mutations` has them, and no shipped
//! binary is one: `cargo xtask sim --mutate` makes it.
//!
//! Invariant: without a bug switched in, a build with the feature does what one without it does.

use std::sync::atomic::{AtomicU8, Ordering};

use wharf_event::Target;

use crate::{AcceptRequest, DeliveryId, ReplayState, Table, ValueWrite};

/// A bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// First leases of one target leave log order.
    Order = 1,
    /// A delivery is leased twice, and the number of its attempt is not checked.
    Lease = 2,
    /// A settle loses one of its writes.
    Settle = 3,
    /// Of a tenant that is deleted its values stay.
    Erase = 4,
    /// A receipt is good for a lease that came later.
    Receipt = 5,
    /// What a replay brings first does not move its cursor.
    Replay = 6,
    /// An event that is owed to very many passes one of them over.
    Fan = 7,
    /// What a call with messages of a queue read may have changed.
    Batch = 8,
    /// What a request brings is taken again, however well it is known.
    Serve = 9,
    /// Of those that wait behind others of a rule's ordering key the last one is next.
    Line = 10,
    /// What was asked for a batch goes with the message that it is kept of.
    Share = 11,
}

static SWITCHED_IN: AtomicU8 = AtomicU8::new(0);

/// Switches a bug in, for the whole process. It says that there is such a bug.
pub fn switch_in(bug: Bug) -> bool {
    SWITCHED_IN.store(bug as u8, Ordering::Relaxed);
    true
}

/// Whether the bug is switched in.
#[must_use]
pub fn has(bug: Bug) -> bool {
    SWITCHED_IN.load(Ordering::Relaxed) == bug as u8
}

/// Whether this delivery is one that is leased twice: some are.
#[must_use]
pub fn leases_twice(id: DeliveryId) -> bool {
    has(Bug::Lease) && id.event.k.is_multiple_of(50)
}

/// Whether a table of a tenant that is deleted is passed over.
pub(crate) fn passes_over(table: Table) -> bool {
    has(Bug::Erase) && table == Table::Values
}

/// Loses the cursor of what a replay brings first.
pub(crate) fn lose_a_cursor(state: Option<ReplayState>, was: Option<&ReplayState>) -> Option<ReplayState> {
    let lost = was.filter(|was| has(Bug::Replay) && was.replayed == 0);
    state.map(|state| match lost {
        Some(was) if state.replayed > 0 => ReplayState { cursor: was.cursor, ..state },
        _ => state,
    })
}

/// How many of an event's targets a step comes further, if it is so many.
pub(crate) fn step(targets: u16) -> u16 {
    targets.saturating_add(u16::from(has(Bug::Fan)))
}

/// Whether the last one of a target's keys is next.
pub(crate) fn turns_around(to: &Target) -> bool {
    has(Bug::Line) && to.queue().is_none()
}

/// Loses the last of three writes or more.
pub(crate) fn lose_a_write(writes: &mut Vec<ValueWrite>) {
    if has(Bug::Settle) && writes.len() >= 3 {
        writes.pop();
    }
}

/// Forgets what is known of the events that a request brings, as if all of it had been another tenant's.
pub(crate) fn forget_known(accept: AcceptRequest) -> AcceptRequest {
    let since_k = if has(Bug::Serve) { u64::MAX } else { accept.since_k };
    AcceptRequest { since_k, ..accept }
}
