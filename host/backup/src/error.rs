//! Why there is no backup, or nothing is restored.

use std::io;

use wharf_event::Code;
use wharf_log::{LogError, is_full_disk};

/// A backup was not taken, or not restored. Neither it nor the data folder is changed by that.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// There is none.
    #[error("this is no backup: {0}")]
    Unknown(&'static str),
    /// A later release made it.
    #[error("the backup has format {found}, and this release reads format {supported}")]
    Format {
        /// Its format.
        found: u32,
        /// The latest that is read.
        supported: u32,
    },
    /// Another command uses it.
    #[error("another command uses this backup")]
    Locked,
    /// It is of another log, or of one that went on otherwise.
    #[error("the backup holds frame {k} of another log: back up into a folder of its own")]
    Foreign {
        /// The first frame of the segment that is another one.
        k: u64,
    },
    /// The log went on and was trimmed since.
    #[error(
        "the backup ends at frame {last_k}, and the log begins at frame {first_k}, so nothing leads from one to the other: begin another backup, and take it more often than the log is trimmed"
    )]
    Gap {
        /// The last frame of the backup.
        last_k: u64,
        /// The first of the log.
        first_k: u64,
    },
    /// A file of the backup is not as it was written.
    #[error("the backup is damaged: {file}: {what}")]
    Damaged {
        /// Which file.
        file: String,
        /// What is wrong.
        what: &'static str,
    },
    /// Nothing of it is as old as that.
    #[error("the backup begins later than that")]
    Range,
    /// There is nothing to back up.
    #[error("no host has ever used this folder")]
    Nothing,
    /// The log cannot be read.
    #[error("the log cannot be backed up")]
    Log(#[source] LogError),
    /// A component of the data folder is not what its name says.
    #[error("the component {file} is damaged: `wharf doctor --repair`")]
    Component {
        /// Its file.
        file: String,
    },
    /// The log kept being trimmed while it was copied.
    #[error("the log was trimmed faster than it could be copied")]
    Restless,
    /// A file or a folder cannot be used.
    #[error("{what} cannot be used")]
    Io {
        /// Which.
        what: String,
        /// Why.
        source: io::Error,
    },
}

impl BackupError {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Unknown(_) | Self::Format { .. } => Code::BackupUnknown,
            Self::Locked => Code::BackupLocked,
            Self::Foreign { .. } | Self::Gap { .. } => Code::BackupForeign,
            Self::Range => Code::BackupRange,
            Self::Nothing => Code::FolderUnknown,
            Self::Log(LogError::Version { .. }) => Code::FolderVersion,
            Self::Log(_) | Self::Component { .. } => Code::FolderDamaged,
            Self::Io { source, .. } if is_full_disk(source) => Code::DiskFull,
            Self::Damaged { .. } | Self::Restless | Self::Io { .. } => Code::BackupDamaged,
        }
    }

    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        |source| Self::Io { what, source }
    }
}
