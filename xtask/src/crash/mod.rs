//! `cargo xtask crash`: `kill -9` at random moments, and a look at what the host makes of it.
//!
//! Invariants that are checked, over the HTTP API alone: what was acknowledged is in the archive at the position that was named;
//! every delivery of every event ends exactly once; no key-value total is off by one; nothing is published twice; what is in the
//! archive was sent.
//!
//! It does not simulate: disks that lie and torn writes are the log's own tests.

mod command;
mod history;
mod ledger;
mod traffic;
mod verdict;

pub use command::{Args, run};
