//! Write event handlers for Wharf in Rust.
//!
//! A handler is one function. What it publishes and stores becomes durable in one commit with the settlement of its event when
//! it returns `Ok`, and none of it does when it fails, panics or takes too long.
//!
//! ```no_run
//! use wharf::{Context, Draft, Event, Failure, Outcome};
//!
//! #[derive(serde::Deserialize)]
//! struct Order {
//!     number: u64,
//!     cents: i64,
//! }
//!
//! #[wharf::handler]
//! fn invoice(event: Event<Order>, cx: &Context) -> Outcome {
//!     if event.data.cents < 0 {
//!         return Err(Failure::reject("an order cannot cost less than nothing"));
//!     }
//!     cx.kv().add("orders", 1)?;
//!     cx.publish(Draft::new("invoice.wanted").subject(event.data.number.to_string()))?;
//!     Ok(())
//! }
//! # fn main() {}
//! ```
//!
//! A batch handler consumes a queue: it gets many events in one call and says of each how it ended. What it published and
//! stored is kept only if all of them succeeded; if some failed, the others are handed over again without them.
//!
//! ```no_run
//! use wharf::{Context, Failure, Item, Outcomes};
//!
//! #[wharf::batch_handler]
//! fn sum(batch: Vec<Item<i64>>, cx: &Context) -> Outcomes {
//!     cx.kv().add("sum", batch.iter().map(|item| item.event.data).sum())?;
//!     let positive = |item: &Item<i64>| item.event.data > 0;
//!     Ok(batch.iter().map(|item| positive(item).then_some(()).ok_or_else(|| Failure::reject("not positive"))).collect())
//! }
//! # fn main() {}
//! ```
//!
//! A transform is one function too. It stands in a rule before the target, gets the event and gives the one that goes on, or
//! `None` to leave it out. It is pure: the event is all that it sees, so there is no [`Context`].
//!
//! ```no_run
//! use wharf::{Event, Transformed};
//!
//! #[wharf::transform]
//! fn in_euros(mut event: Event) -> Transformed {
//!     let Some(cents) = event.data["cents"].as_i64() else { return Ok(None) };
//!     event.data["euros"] = (cents / 100).into();
//!     Ok(Some(event))
//! }
//! # fn main() {}
//! ```
//!
//! The crate's target is `wasm32-unknown-unknown` with the linker `wasm-component-ld`: there nothing is ambient, so a component
//! imports exactly what its handler uses, and that list is what it can do. [`Context`] has all there is: publishing, key-value
//! buckets, HTTP, models, secrets, configuration, log, clock and random numbers. (`std::time` and the like do not work on that target.)
//!
//! A plugin also compiles on any other target, so `cargo test` runs its tests: those of pure functions as they are, and those of the handler by
//! the host in memory of `wharf::testing`.

// The macro and the bindings name this crate by its outside name.
extern crate self as wharf;

// Generated, so it keeps the generator's rules and not ours.
#[allow(missing_docs, unsafe_code)]
#[allow(clippy::panic, clippy::too_many_lines, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
#[doc(hidden)]
pub mod bindings;
// As the one above.
#[allow(missing_docs, unsafe_code)]
#[allow(clippy::panic, clippy::too_many_lines, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
#[doc(hidden)]
#[rustfmt::skip]
pub mod batch_bindings;
// As the one above.
#[allow(missing_docs, unsafe_code)]
#[allow(clippy::panic, clippy::too_many_lines, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
#[doc(hidden)]
pub mod transform_bindings;

// As the one above.
#[allow(missing_docs, unsafe_code)]
#[allow(clippy::panic, clippy::too_many_lines, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
#[doc(hidden)]
#[rustfmt::skip]
pub mod llm_bindings;

// As the one above.
#[allow(missing_docs, unsafe_code)]
#[allow(clippy::panic, clippy::too_many_lines, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
#[doc(hidden)]
#[rustfmt::skip]
pub mod infer_bindings;

// As the one above.
#[allow(missing_docs, unsafe_code)]
#[allow(clippy::panic, clippy::too_many_lines, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
#[doc(hidden)]
#[rustfmt::skip]
pub mod secrets_bindings;

// As the one above.
#[allow(missing_docs, unsafe_code)]
#[allow(clippy::panic, clippy::too_many_lines, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
#[doc(hidden)]
#[rustfmt::skip]
pub mod receiver_bindings;

mod batch;
mod bucket;
mod config;
mod context;
mod draft;
mod event;
mod failure;
#[cfg(all(feature = "heap", target_arch = "wasm32"))]
mod heap;
mod http;
pub mod infer;
pub mod llm;
mod log;
mod needs;
mod payload;
mod port;
#[doc(hidden)]
pub mod run;
mod secret;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
mod transformed;

pub use batch::{Item, Outcomes};
pub use bucket::{Bucket, KvError};
pub use config::ConfigError;
pub use context::Context;
pub use draft::{Draft, PublishError};
pub use event::Event;
pub use failure::{Failure, Outcome};
pub use http::{Http, HttpError, Request, Response};
pub use infer::{Answer, InferError, Model, Tensor, Values};
pub use llm::{Conversation, Llm, LlmError, Prompt, Reply};
pub use log::Level;
#[doc(hidden)]
pub use needs::needs_bytes;
pub use payload::Payload;
pub use secret::SecretError;
pub use transformed::{IntoPayload, Transformed, Unchanged};
pub use wharf_macros::{batch_handler, handler, transform};
#[doc(hidden)]
pub use wit_bindgen;

/// The README's handler compiles: its code is a test of the documentation.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
