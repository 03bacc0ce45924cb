//! The end of an attempt that had the host do too much, as an error that ends the guest.
//!
//! Invariant: the text names the limit as it was set for the plugin, so that a reader knows what to raise.

use wharf_event::Code;

use crate::limits::{LOG_DROPPED_FACTOR, READ_BYTES_MAX};

/// A bound of the attempt is spent: it ends here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Spent {
    /// Too many events.
    #[error("an attempt may publish {0} events")]
    Publishes(u32),
    /// Too many bytes of events.
    #[error("an attempt may publish {0} KiB of events")]
    PublishedBytes(u32),
    /// Too many keys changed.
    #[error("an attempt may change {0} keys")]
    Writes(u32),
    /// Too many bytes written.
    #[error("an attempt may write {0} KiB")]
    WrittenBytes(u32),
    /// Too many keys read.
    #[error("an attempt may read {0} keys")]
    Reads(u32),
    /// Too many bytes of keys read.
    #[error("an attempt may read keys of {READ_BYTES_MAX} bytes together")]
    ReadBytes,
    /// Too many random bytes.
    #[error("an attempt may draw {0} KiB of random bytes")]
    Random(u32),
    /// Far more lines of the log than there is room for.
    #[error(
        "an attempt may log {lines} lines and {kib} KiB; it tried {LOG_DROPPED_FACTOR} times as many more lines, which were dropped"
    )]
    Log {
        /// Lines that it may log.
        lines: u32,
        /// KiB that they may have together.
        kib: u32,
    },
}

impl Spent {
    /// The stable code.
    #[must_use]
    pub fn code(self) -> Code {
        match self {
            Spent::Publishes(_) | Spent::PublishedBytes(_) => Code::LimitPublish,
            Spent::Writes(_) | Spent::WrittenBytes(_) | Spent::Reads(_) | Spent::ReadBytes => Code::LimitKv,
            Spent::Random(_) => Code::LimitHost,
            Spent::Log { .. } => Code::LimitLog,
        }
    }
}
