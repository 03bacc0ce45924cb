//! What is done to a disk, one by one, and what may go wrong with it.

use std::{io, sync::Arc};

/// What kind of operation it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A file came to be, or was emptied.
    Create,
    /// A file got another name.
    Rename,
    /// A name went.
    Remove,
    /// So many bytes were written at an offset.
    Write {
        /// Where.
        offset: u64,
        /// How many.
        bytes: u64,
    },
    /// A file got this length.
    SetLen(u64),
    /// A file was synced.
    Sync,
    /// A folder was synced; it is named by its prefix.
    SyncFolder,
}

/// One operation that changed the disk or synced it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// 1 for the first one; numbers go on over restarts.
    pub number: u64,
    /// What it was.
    pub kind: Kind,
    /// The file that it was done to, with its folder; of a rename, the name that it had before.
    pub name: Arc<str>,
}

impl Operation {
    /// Whether it makes something durable.
    #[must_use]
    pub fn is_sync(&self) -> bool {
        matches!(self.kind, Kind::Sync | Kind::SyncFolder)
    }
}

/// What happens at an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The machine or the process ends here: this operation and all later ones fail. What was written by it is pending.
    Crash,
    /// This one operation fails. Of a write, the first half was done.
    Error,
    /// This one operation finds no room. Nothing of it was done.
    Full,
}

impl Fault {
    pub(crate) fn error(self) -> io::Error {
        match self {
            Fault::Full => io::Error::new(io::ErrorKind::StorageFull, "no room is left on the faulty disk"),
            Fault::Crash | Fault::Error => io::Error::other(format!("{self:?}")),
        }
    }
}
