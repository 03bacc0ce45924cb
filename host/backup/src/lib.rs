//! Backups: a log and its components copied while a host uses them, and a data folder made of such a copy again, as it was at any moment.
//!
//! **Invariant:** what `backup.json` names is a whole backup at every moment, whatever ends a command in between: files come first, under names of
//! their own, then the manifest is replaced, then what it names no more is removed. A copy counts by its own bytes: each frame and each component
//! is checked as it is copied, in either direction.
//!
//! The log is the truth, so the state is not copied: who opens the restored folder makes it anew. A restored folder holds exactly a
//! beginning of the log. It knows no host and asks none, has no clock, and does not know what a record means.
//! The layout is described in `docs/design/backup.md`.

mod back_up;
mod copying;
mod error;
mod gone;
mod limits;
mod manifest;
mod restore;

pub use back_up::{Source, Taken, When, back_up};
pub use error::BackupError;
pub use restore::{Restored, Target, restore};
