//! Many events of a queue in one call: what a batch handler gets, and what it gives back.
//!
//! Invariant: there is one outcome per event, in the order of the events; the host fails the call where there is not.

use crate::bindings::wharf::plugin::types::Delivery;
use crate::{Event, Failure, Outcome};

/// What a batch handler returns: an outcome for each event, in their order, or why all of them failed.
pub type Outcomes = Result<Vec<Outcome>, Failure>;

/// A message of the queue that the plugin consumes.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Item<T = serde_json::Value> {
    /// The event.
    pub event: Event<T>,
    delivery: Delivery,
}

impl<T> Item<T> {
    pub(crate) fn new(event: Event<T>, delivery: Delivery) -> Self {
        Self { event, delivery }
    }

    /// How often the message was received, this time included.
    pub fn attempt(&self) -> u32 {
        self.delivery.attempt
    }

    /// How often it may be received.
    pub fn max_attempts(&self) -> u32 {
        self.delivery.max_attempts
    }

    /// The same for every attempt of this message: an idempotency key for effects outside the host.
    pub fn delivery_id(&self) -> &str {
        &self.delivery.id
    }

    /// The rule that sent the event to the queue; the queue's name where it was sent straight there.
    pub fn rule(&self) -> &str {
        &self.delivery.rule
    }
}
