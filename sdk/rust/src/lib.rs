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
//! The crate's target is `wasm32-unknown-unknown` with the linker `wasm-component-ld`: there nothing is ambient, so a component
//! imports exactly what its handler uses, and that list is what it can do. [`Context`] has all there is: publishing, key-value
//! buckets, configuration, log, clock and random numbers. (`std::time` and the like do not work on that target.)
//!
//! A plugin also compiles on any other target, so `cargo test` runs the tests of its pure functions as they are. It does not
//! offer a host there: only a host makes a [`Context`].

// The macro and the bindings name this crate by its outside name.
extern crate self as wharf;

// Generated, so it keeps the generator's rules and not ours.
#[allow(missing_docs, unsafe_code)]
#[allow(clippy::panic, clippy::too_many_lines, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
#[doc(hidden)]
pub mod bindings;
mod bucket;
mod config;
mod context;
mod draft;
mod event;
mod failure;
mod log;
mod payload;
#[doc(hidden)]
pub mod run;

pub use bucket::{Bucket, KvError};
pub use config::ConfigError;
pub use context::Context;
pub use draft::{Draft, PublishError};
pub use event::Event;
pub use failure::{Failure, Outcome};
pub use log::Level;
pub use payload::Payload;
pub use wharf_macros::handler;
#[doc(hidden)]
pub use wit_bindgen;

/// The README's handler compiles: its code is a test of the documentation.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
