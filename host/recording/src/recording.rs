//! A recording: an attempt with all that went into it from outside.

use wharf_delivery::DeliveryId;
use wharf_event::{Digest, Event, PluginName, TenantName};

use crate::call::{Call, Part};

/// An attempt with all that went into it from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recording {
    /// Whose plugin ran.
    pub tenant: TenantName,
    /// Which plugin.
    pub plugin: PluginName,
    /// Which release of it.
    pub release: Digest,
    /// When it ended, in milliseconds since 1970.
    pub ended_ms: u64,
    /// How long it ran, in microseconds.
    pub took_us: u64,
    /// How long it might have run, in milliseconds, as it was told.
    pub deadline_ms: u32,
    /// What it was called with: one, or those of a batch.
    pub items: Vec<Item>,
    /// What it asked and was told, in the order in which it was.
    pub calls: Vec<Call>,
    /// Calls behind those, of which there is nothing but this number.
    pub not_kept: u32,
}

/// One event that a handler was called with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Which delivery.
    pub delivery: DeliveryId,
    /// The rule that matched.
    pub rule: String,
    /// 1 for the first attempt.
    pub attempt: u32,
    /// How many there may be.
    pub max_attempts: u32,
    /// The event as the handler got it, in the event's own form.
    pub event: Part,
}

impl Item {
    /// An event as it is kept: whole, where it may be and `room`, in bytes, is left for it.
    #[must_use]
    pub fn event(event: &Event, hidden: bool, room: &mut usize) -> Part {
        let mut whole = Vec::with_capacity(event.size());
        event.encode(&mut whole);
        match room.checked_sub(whole.len()).filter(|_| !hidden) {
            Some(left) => {
                *room = left;
                whole.into()
            }
            None => Part::digest(&whole),
        }
    }
}
