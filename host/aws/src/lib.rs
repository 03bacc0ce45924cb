//! The host's own credentials for AWS: found where AWS's own programs look for them, kept while they last, and renewed before they end.
//!
//! Invariant: whoever asks waits for no more than one look at one source, and for none while there are credentials that last. What is found is in the
//! memory of this crate and in what it gives, and in no error, no log and no `Debug`. All requests for it leave by `wharf-egress`. It knows no tenant.

#![forbid(unsafe_code)]

mod asking;
mod error;
mod finder;
mod kept;
pub mod limits;
mod source;
mod way;

pub use error::NotFound;
pub use finder::Finder;
pub use source::{NotSource, Source};
