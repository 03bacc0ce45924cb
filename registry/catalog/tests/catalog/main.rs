//! Goal: traffic goes where channels say, a bad canary gets none of it soon, and nothing becomes stable by itself that did not keep its
//! bounds. Method: cases beside each other in tables, and random wishes held against what must always be so.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod channels;
mod judging;
mod texts;
mod wishes;

use wharf_catalog::{CanaryWish, Condition};
use wharf_event::Digest;

/// A release that is named by a letter.
pub fn release(name: char) -> Digest {
    Digest::of(name.to_string().as_bytes())
}

/// A canary of 10 % for a second.
pub fn wish(name: char, abort_on: &str) -> CanaryWish {
    CanaryWish {
        release: release(name),
        share: "10%".parse().unwrap(),
        for_ms: Some(1_000),
        abort_on: Condition::list(abort_on).unwrap(),
    }
}
