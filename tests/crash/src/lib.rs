//! The crash suite: the product's committer, delivery machine, log and state on a disk that fails, at every operation.
//!
//! After each way of ending and each way of coming back the following holds:
//! 1. no acknowledged event is lost, and none is there that nobody sent; its bytes are those that were sent;
//! 2. no settled delivery is back, none that waits is gone, and every one that waits can read its event;
//! 3. no effect is half there: every table is as it was after the last acknowledged request, or after the one in flight;
//! 4. the deduplication window is intact: what was acknowledged is a duplicate, at its first position;
//! 5. counters and sums are exact: they are rows of those tables;
//! 6. positions are without a gap, and none was given twice;
//! 7. the log that came back alone, without the state file, gives the same tables.
//!
//! Method: one script that uses every kind of record, checkpoints, trims and restarts is run once without a fault, and every
//! table is written down after each request. Then it is run again and broken off at each of its operations, with each fate of
//! what was not synced; each result is opened, compared, used, and cut again.

mod check;
mod cut;
mod fan;
mod firing;
mod home;
mod mutation;
mod queue;
mod redriving;
mod replay;
mod runner;
mod script;
mod serving;
mod site;

pub use cut::{Figures, every_crash, every_error, every_recovery};
pub use mutation::{Mutated, mutations};
pub use site::Site;
