//! Webhooks as values: an event as the request that carries it, signed as Standard Webhooks has it, and what an answer means.
//!
//! Invariant: what is signed is what is sent, to the byte; a secret is shown by nothing but the call that is for it; what an answer means
//! depends on it alone. It does no I/O, and has no clock and no randomness: `wharf-egress` sends.

#![forbid(unsafe_code)]

mod answer;
pub mod limits;
mod message;
mod percent;
mod secret;

pub use answer::{Meaning, meaning};
pub use message::Message;
pub use secret::{PUBLIC_PREFIX, Scheme, Secret, SecretError};
pub use wharf_event::WebhookMode as Mode;
