//! From the module that a compiler of C or Go made to a component, as authors of those languages need it.
//!
//! Invariant: what comes is a valid component, and a function of the module, of what was asked, of `wit/` and of the versions in
//! `Cargo.lock`. Nothing is compiled and no file is read or written.

mod contract;
mod encode;
mod error;
mod section;

pub use encode::{Request, component};
pub use error::EncodeError;
