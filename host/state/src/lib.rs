//! The state of a partition: what applying the log gives, in memory first and in redb by checkpoints.
//!
//! The only crate that names redb. The log is the truth: whatever stands here can be had again from it, so nothing here is
//! ever synced but the checkpoints.

mod base;
mod file;
mod fronts;
pub mod limits;
mod overlay;
mod pace;
mod scratch;
mod state;

pub use base::{Checkpointed, StateError};
pub use file::StateFile;
pub use state::{Checkpoint, Snapshot, State, Thawed};
