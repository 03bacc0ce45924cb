//! A transform that asks for a random number, which transforms have not: the host refuses it when it is loaded.
//!
//! It reaches below what the crate offers to authors, as bindings made by another tool would.

use wharf::{Event, Transformed};

#[wharf::transform]
fn transform(event: Event<Vec<u8>>) -> Transformed<Vec<u8>> {
    let is_kept = wharf::bindings::wasi::random::random::get_random_u64().is_multiple_of(2);
    Ok(is_kept.then_some(event))
}
