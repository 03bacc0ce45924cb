//! A real host as a child process: building it, giving it a folder, starting, asking, ending it.
//!
//! Invariant: what is known of the host is its command line, its ready line and its HTTP API; no crate of it is linked here.
//!
//! It does not judge what the host answers.

pub mod api;
pub mod binary;
pub mod child;
pub mod releases;
pub mod stage;
pub mod view;

pub use api::Api;
pub use child::Host;
pub use stage::Stage;
