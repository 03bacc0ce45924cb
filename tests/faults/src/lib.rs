//! A machine's disk in memory that loses power, tears writes and fails, at any operation that one chooses.
//!
//! It stands below the product's own ports: [`wharf_log::Disk`], [`wharf_state::StateFile`] and [`wharf_dispatch::Home`], so
//! what is tried on it is the code that ships.
//!
//! Model: a write is pending until its file is synced; a power cut keeps, drops or tears pending writes by 512-byte sector,
//! and a sector never holds a later write without the earlier ones that it had in memory. Names change in order and are pending
//! until their folder is synced. A failed sync behaves as Linux does: the pending writes are forgotten and never reach the
//! disk, though they can still be read. A killed process leaves everything that it wrote.
//!
//! It has no clock and no randomness but the seeds that it is given, so it does the same again. It knows nothing of what is
//! in the files.

mod disk;
mod fate;
mod files;
mod home;
mod image;
mod operation;
mod pending;
mod small_home;

pub use disk::{FaultyDisk, FaultyFile, FaultyFolder};
pub use fate::Fate;
pub use home::{LOG_FOLDER, STATE_FILE, SimHome};
pub use operation::{Fault, Kind, Operation};
pub use small_home::SmallHome;

#[cfg(test)]
mod tests;
