//! `cargo xtask demo`: real events through sandboxed plugins, from nothing to totals that were checked.
//!
//! Invariant: with `--exit` the status is 0 only if the host's totals equal those that are counted from the payload file alone.
//!
//! It does not measure: the times that it prints are those of one run on a machine that does other things too.

mod command;
mod send;
mod summary;

pub use command::{Args, run};
pub use summary::differences_of_counters;
