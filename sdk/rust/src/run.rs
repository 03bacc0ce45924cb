//! One attempt, from the contract's call to the author's function and back: what `#[wharf::handler]` calls.
//!
//! Invariant: an event whose payload does not fit is rejected without calling the handler, since no retry can mend it.
//!
//! It is public for the macro only; authors need nothing of it.

pub use crate::bindings::export_handler;
pub use crate::bindings::exports::wharf::plugin::handler::{Delivery, Event as Received, Failure as Refusal, Guest};

use crate::{Context, Event, Failure, Outcome, Payload, failure, log};

/// Decodes the event, calls the handler and says how it ended.
///
/// # Errors
///
/// The handler's failure, or the rejection of a payload that does not fit.
pub fn attempt<T: Payload>(
    event: Received,
    delivery: Delivery,
    handler: fn(Event<T>, &Context) -> Outcome,
) -> Result<(), Refusal> {
    // Natively there is no host to log to, and tests have a panic hook of their own.
    if cfg!(target_arch = "wasm32") {
        log::panics_to_host();
    }
    let outcome = match Event::from_contract(event) {
        Ok(event) => handler(event, &Context::new(delivery)),
        Err(unfit) => Err(Failure::reject(unfit)),
    };
    outcome.map_err(failure::to_contract)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(data: &str) -> Received {
        Received {
            id: "1".to_owned(),
            source: "test".to_owned(),
            type_: "number".to_owned(),
            subject: None,
            time: None,
            datacontenttype: None,
            dataschema: None,
            extensions: Vec::new(),
            data: Some(data.as_bytes().to_vec()),
        }
    }

    fn first() -> Delivery {
        Delivery { id: "d".to_owned(), rule: "r".to_owned(), attempt: 1, max_attempts: 3, deadline_ms: 100 }
    }

    fn even(event: Event<u32>, cx: &Context) -> Outcome {
        match event.data {
            n if n % 2 == 0 => Ok(()),
            n => Err(Failure::retry(format!("{n} is odd in attempt {}", cx.attempt()))),
        }
    }

    #[test]
    fn the_handlers_answer_is_the_attempts() {
        assert!(attempt(received("4"), first(), even).is_ok());
        let Err(Refusal::Retry(wish)) = attempt(received("5"), first(), even) else { panic!("no retry") };
        assert_eq!(wish.reason, "5 is odd in attempt 1");
    }

    #[test]
    fn a_payload_that_does_not_fit_is_rejected_with_its_place() {
        let Err(Refusal::Reject(reason)) = attempt(received("\"four\""), first(), even) else { panic!("no rejection") };
        assert!(reason.contains("at `.`: invalid type: string \"four\", expected u32"), "{reason}");
    }
}
