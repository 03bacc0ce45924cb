//! The tasks of a host: the partition's thread, the scheduler, the attempts.
//!
//! Requests flow one way: intake or attempt -> partition (decide, append, answer) -> scheduler -> attempt -> partition.
//! Nothing derived from a frame leaves before that frame is durable.

mod archive;
mod attempt;
mod clock;
mod contention;
mod dispatcher;
pub mod limits;
mod meters;
mod partition;
mod recover;
mod rules;
mod schedule;
mod settling;
mod shared;
mod values;
mod writer;

pub use archive::{Archive, ArchiveError, Item};
pub use clock::{Clock, FrameClock, SystemClock, rfc3339};
pub use dispatcher::{AcceptError, Dispatcher, Options};
pub use meters::Totals;
pub use partition::AskError;
pub use recover::{OpenError, Recovered};
pub use rules::{Releases, Rule, RuleSet, RulesError, Unknown};
