//! Models for plugins: which route leads to which models of whom, what they cost, and the calls themselves.
//!
//! Invariant: a plugin's call reaches what the operator's file says at that moment, with a key that the plugin never sees, and a model without a
//! price is not called at all.

mod answers;
mod asking;
mod authorizing;
mod catalog;
mod key;
mod metering;
mod order;
mod passing;
mod round;
mod scripts;
mod similar;
mod streaming;
#[cfg(test)]
mod tests;

pub use answers::Answers;
pub use asking::{Means, ask, begin};
pub use authorizing::authorize;
pub use catalog::Catalog;
pub use key::{Auth, sign_in};
pub use metering::{Asked, AskedOf, ModelMeters, StepOf};
pub use round::Sends;
pub use scripts::{ScriptError, read as read_scripts, read_script};
