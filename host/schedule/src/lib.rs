//! When a schedule is due: expressions in the words of EventBridge Scheduler, time zones, what is missed.
//!
//! Invariant: every answer follows from the expression and the instants that are asked about. There is no clock here and no I/O: the
//! table of time zones is part of the program, so that two hosts of one version, and the command line, say the same.

mod catch_up;
mod cron;
mod error;
mod expression;
mod jitter;
pub mod limits;
#[cfg(test)]
mod tests;
mod timing;
mod zone;

pub use error::TimingError;
pub use jitter::delay_ms;
pub use timing::{Timing, TimingText};
pub use zone::zones_version;
