//! One attempt of a bus or a topic that is a rule's target: the event is published there, by the settlement of its delivery.
//!
//! Invariant: what is published is another event, since a transform or an input may have made it: its id follows from the delivery, so that
//! an attempt that is made again publishes the same, and it names the event that it comes from. It is one hop further, like what a handler
//! publishes: buses that lead to each other come to an end.

use std::sync::Arc;

use wharf_capability::inherited;
use wharf_delivery::{Failure, Verdict};
use wharf_event::{Code, Event, EventError};

use crate::{
    attempt::{Attempts, SoFar, Stuck, stuck},
    rules::RuleSet,
    schedule::Waiting,
    settling::{Settlement, settle},
    slot::Slot,
    transform::{self, Passed},
};

/// Publishes the event of a delivery to the bus that it is owed to, and settles it.
pub(crate) async fn forward(
    attempts: &Attempts,
    waiting: &Waiting,
    slot: &Arc<Slot>,
    rules: &RuleSet,
    received: Event,
    spent: &mut SoFar,
) -> Result<(), Stuck> {
    let Passed { event, took, details } = transform::pass(attempts, waiting, rules, &received).await;
    let of_attempt = (took, Arc::new(details));
    let event = match event {
        Ok(event) => event,
        Err(verdict) => {
            let settlement = Settlement::sent(attempts, waiting, &verdict, of_attempt);
            return settle(attempts, waiting, &settlement, slot).await.map_err(stuck);
        }
    };
    *spent = of_attempt.1.used.is_some().then(|| Arc::clone(&of_attempt.1));
    let event = caused(event, &received, &format!("{}.1", waiting.id)).map_err(|error| {
        let reason = format!("the event cannot be published once more: {error}");
        Stuck::Failed(Failure::new(Code::LimitPublish, reason))
    })?;
    let settlement = Settlement::sent(attempts, waiting, &Verdict::Ok, of_attempt).publishing(event);
    settle(attempts, waiting, &settlement, slot).await.map_err(stuck)
}

/// The event as one that another caused.
fn caused(event: Event, by: &Event, id: &str) -> Result<Event, EventError> {
    inherited(by).into_iter().try_fold(event.with_id(id)?, |event, (name, value)| event.with_extension(name, value))
}
