//! Adds one to the key that an order names: what `cargo xtask bench redis` measures, the smallest handler that does something.
//!
//! Invariant: the sum of all counters is the number of events that were handled.
//!
//! It is no example: plugins/ has those.

use serde::Deserialize;
use wharf::{Context, Event, Outcome};

#[derive(Deserialize)]
struct Order {
    key: String,
}

#[wharf::handler]
fn count(event: Event<Order>, cx: &Context) -> Outcome {
    cx.kv().add(&event.data.key, 1)?;
    Ok(())
}
