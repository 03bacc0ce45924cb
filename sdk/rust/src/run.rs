//! One attempt, from the contract's call to the author's function and back: what `#[wharf::handler]`,
//! `#[wharf::batch_handler]` and `#[wharf::transform]` call.
//!
//! Invariant: an event whose payload does not fit is rejected without calling the function, since no retry can mend it.
//!
//! It is public for the macros only; authors need nothing of it.

pub use crate::batch_bindings::export_batch_handler;
pub use crate::batch_bindings::exports::wharf::plugin::batch_handler::{Guest as BatchGuest, Item as ReceivedItem};
pub use crate::bindings::export_handler;
pub use crate::bindings::exports::wharf::plugin::handler::{Delivery, Event as Received, Failure as Refusal, Guest};
pub use crate::transform_bindings::export_transform;
pub use crate::transform_bindings::exports::wharf::plugin::transformer::Guest as TransformGuest;

use crate::{
    Context, Event, Failure, IntoPayload, Item, Outcome, Outcomes, Payload, Transformed, failure, log, transformed,
};

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
    attempted(event, delivery, handler).map_err(failure::to_contract)
}

/// The same with the author's own failure.
pub(crate) fn attempted<T: Payload>(
    event: Received,
    delivery: Delivery,
    handler: fn(Event<T>, &Context) -> Outcome,
) -> Outcome {
    match Event::from_contract(event) {
        Ok(event) => handler(event, &Context::new(delivery)),
        Err(unfit) => Err(Failure::reject(unfit)),
    }
}

/// Decodes the events, calls the batch handler with those that fit, and says how each ended. The context is that of the first.
///
/// # Errors
///
/// The failure of all of them, if the handler gives one.
pub fn batch<T: Payload>(
    batch: Vec<ReceivedItem>,
    handler: fn(Vec<Item<T>>, &Context) -> Outcomes,
) -> Result<Vec<Result<(), Refusal>>, Refusal> {
    if cfg!(target_arch = "wasm32") {
        log::panics_to_host();
    }
    let outcomes = batched(batch, handler).map_err(failure::to_contract)?;
    Ok(outcomes.into_iter().map(|outcome| outcome.map_err(failure::to_contract)).collect())
}

/// The same with the author's own failures.
pub(crate) fn batched<T: Payload>(
    batch: Vec<ReceivedItem>,
    handler: fn(Vec<Item<T>>, &Context) -> Outcomes,
) -> Outcomes {
    let first = batch.first().map(|item| item.delivery.clone());
    let (mut fit, mut unfit) = (Vec::with_capacity(batch.len()), Vec::new());
    for (at, ReceivedItem { event, delivery }) in batch.into_iter().enumerate() {
        match Event::from_contract(event) {
            Ok(event) => fit.push(Item::new(event, delivery)),
            Err(error) => unfit.push((at, Failure::reject(error))),
        }
    }
    let Some(first) = first.filter(|_| !fit.is_empty()) else {
        return Ok(unfit.into_iter().map(|(_, failure)| Err(failure)).collect());
    };
    let mut outcomes = handler(fit, &Context::new(first))?;
    for (at, failure) in unfit {
        // Behind a list that is too short it is the host's to say so.
        outcomes.insert(at.min(outcomes.len()), Err(failure));
    }
    Ok(outcomes)
}

/// Decodes the event, calls the transform and encodes what it gives. A panic is a trap without a word, since a transform has
/// no log.
///
/// # Errors
///
/// The transform's failure, the rejection of a payload that does not fit, or that of one that has no JSON form.
pub fn transform<T: Payload, U: IntoPayload>(
    event: Received,
    transform: fn(Event<T>) -> Transformed<U>,
) -> Result<Option<Received>, Refusal> {
    transformed(event, transform).map_err(failure::to_contract)
}

/// The same with the author's own failure.
pub(crate) fn transformed<T: Payload, U: IntoPayload>(
    event: Received,
    transform: fn(Event<T>) -> Transformed<U>,
) -> Result<Option<Received>, Failure> {
    let received = if U::KEEPS { event.data.clone() } else { None };
    let event = match Event::from_contract(event) {
        Ok(event) => transform(event)?,
        Err(unfit) => return Err(Failure::reject(unfit)),
    };
    let Some(event) = event else { return Ok(None) };
    transformed::to_contract(event, received).map(Some).map_err(Failure::reject)
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

    fn all_even(batch: Vec<Item<u32>>, _: &Context) -> Outcomes {
        let outcome = |item: &Item<u32>| match item.event.data {
            n if n % 2 == 0 => Ok(()),
            n => Err(Failure::retry(format!("{n} is odd in attempt {}", item.attempt()))),
        };
        Ok(batch.iter().map(outcome).collect())
    }

    #[test]
    fn a_batch_has_an_outcome_for_each_event_also_for_those_that_do_not_fit() {
        let item = |data| ReceivedItem { event: received(data), delivery: first() };
        let outcomes = batch(["4", "\"four\"", "5", "6"].map(item).into(), all_even).unwrap();
        let told = outcomes.iter().map(|outcome| match outcome {
            Ok(()) => "ok",
            Err(Refusal::Retry(_)) => "retry",
            Err(Refusal::Reject(_)) => "reject",
        });
        assert_eq!(told.collect::<Vec<_>>(), ["ok", "reject", "retry", "ok"]);
        assert_eq!(batch(vec![item("\"x\"")], all_even).unwrap().len(), 1);
        assert!(batch(vec![item("1")], |_: Vec<Item<u32>>, _| Err(Failure::retry("no"))).is_err());
    }

    fn halve(event: Event<u32>) -> Transformed<u32> {
        match event.data {
            0 => Ok(None),
            n if n % 2 == 0 => Ok(Some(event.with_extension("halved", "yes").with_data(n / 2))),
            n => Err(Failure::retry(format!("{n} is odd"))),
        }
    }

    fn only_looks(event: Event<u32>) -> Transformed<crate::Unchanged> {
        Ok(Some(event.with_data(crate::Unchanged)))
    }

    #[test]
    fn a_transforms_event_goes_on_or_is_left_out() {
        let sent = transform(received("8"), halve).unwrap().unwrap();
        assert_eq!((sent.data.as_deref(), sent.id.as_str()), (Some(b"4".as_slice()), "1"));
        assert_eq!(sent.datacontenttype.as_deref(), Some("application/json"));
        assert_eq!(sent.extensions.len(), 1);
        assert!(transform(received("0"), halve).unwrap().is_none());
        let unchanged = transform(received(" 8 "), only_looks).unwrap().unwrap();
        assert_eq!((unchanged.data.as_deref(), unchanged.datacontenttype), (Some(b" 8 ".as_slice()), None));
    }

    #[test]
    fn a_transforms_failure_is_the_attempts() {
        let Err(Refusal::Retry(wish)) = transform(received("5"), halve) else { panic!("no retry") };
        assert_eq!(wish.reason, "5 is odd");
        let Err(Refusal::Reject(reason)) = transform(received("five"), halve) else { panic!("no rejection") };
        assert!(reason.contains("at `.`"), "{reason}");
    }

    #[test]
    fn a_payload_that_does_not_fit_is_rejected_with_its_place() {
        let Err(Refusal::Reject(reason)) = attempt(received("\"four\""), first(), even) else { panic!("no rejection") };
        assert!(reason.contains("at `.`: invalid type: string \"four\", expected u32"), "{reason}");
    }
}
