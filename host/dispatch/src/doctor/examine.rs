//! The examination of a whole data folder, and that of its log alone.
//!
//! Invariant: one pass over the log serves everything: it is verified, the state is made anew from it beside the one that is
//! examined, and what is lost is named. The folder is locked by whoever calls.

use std::io;

use cap_std::fs::Dir;
use serde::Serialize;
use wharf_event::Code;
use wharf_log::{FolderDisk, LogError, Verified};

use super::{
    cache, components,
    finding::{Finding, Severity},
    log::{self, LogExamined},
    state::{StateExamined, StateReport},
};
use crate::machine::LOG_FOLDER;

/// An examination could not be made.
#[derive(Debug, thiserror::Error)]
pub enum DoctorError {
    /// There is no log in this folder.
    #[error("there is no data folder here: it would have a folder `{LOG_FOLDER}`")]
    NoFolder,
    /// The folder cannot be read.
    #[error("the data folder cannot be read")]
    Folder(#[from] io::Error),
    /// The log cannot be read or is of another version.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The state cannot be made anew from the log.
    #[error("the state cannot be made anew from the log, to compare it")]
    Rebuild(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl DoctorError {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::NoFolder => Code::FolderUnknown,
            Self::Log(LogError::Version { .. }) => Code::FolderVersion,
            Self::Folder(_) | Self::Log(_) | Self::Rebuild(_) => Code::FolderDamaged,
        }
    }
}

/// What the log holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct LogReport {
    /// Segments.
    pub segments: u64,
    /// Their length, in bytes.
    pub bytes: u64,
    /// Frames that count.
    pub frames: u64,
    /// Records in them that can be read.
    pub records: u64,
    /// The first frame, 0 if there is none.
    pub first_k: u64,
    /// The last frame, 0 if there is none.
    pub last_k: u64,
    /// Its time, in milliseconds since 1970.
    pub last_time_ms: u64,
    /// Length of a torn tail, which is no damage, in bytes.
    pub torn_bytes: u64,
}

impl From<Verified> for LogReport {
    fn from(verified: Verified) -> Self {
        let Verified { segments, bytes, frames, records, first_k, last_k, last_time_ms, torn_bytes } = verified;
        Self { segments, bytes, frames, records, first_k, last_k, last_time_ms, torn_bytes }
    }
}

/// What an examination found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Nothing is damaged or lost, or it has been repaired.
    pub ok: bool,
    /// The log.
    pub log: LogReport,
    /// The state; absent where only the log was looked at, or there is no state file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<StateReport>,
    /// Components that are as they should be; absent where only the log was looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub components: Option<u64>,
    /// Compiled artifacts that are as they should be; absent where only the log was looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifacts: Option<u64>,
    /// Everything that is not as it should be.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Says anew whether something is left to be done.
    pub(super) fn judge(&mut self) {
        self.ok = !self.findings.iter().any(Finding::is_open);
    }

    /// The worst that was found.
    #[must_use]
    pub fn worst(&self) -> Option<Severity> {
        self.findings.iter().map(|finding| finding.severity).max()
    }
}

/// Verifies the log of the data folder `folder`. `progress` is told the name and length of each segment before it is read.
///
/// # Errors
/// When there is no log, or it cannot be judged.
pub fn verify_log(folder: &Dir, progress: &mut dyn FnMut(&str, u64)) -> Result<Report, DoctorError> {
    let LogExamined { verified, findings, .. } = log::examine(&disk(folder)?, progress, &mut |_| Ok(()))?;
    let mut report =
        Report { ok: true, log: verified.into(), state: None, components: None, artifacts: None, findings };
    report.judge();
    Ok(report)
}

/// Examines all of the data folder `folder`. `progress` is told the name and length of each file before it is read.
///
/// # Errors
/// When there is no data folder, or its log cannot be judged.
pub fn examine(folder: &Dir, progress: &mut dyn FnMut(&str, u64)) -> Result<Report, DoctorError> {
    let disk = disk(folder)?;
    let mut state = StateExamined::open(folder, progress)?;
    let mut log = log::examine(&disk, progress, &mut |read| state.apply(read))?;
    let (state, in_use) = state.compare(&mut log, &disk)?;
    let (whole, of_components) = components::examine(folder, &in_use)?;
    let (artifacts, of_cache) = cache::examine(folder)?;
    let mut findings = log.findings;
    findings.extend(of_components);
    findings.extend(of_cache);
    let (components, artifacts) = (Some(whole), Some(artifacts));
    let mut report = Report { ok: true, log: log.verified.into(), state, components, artifacts, findings };
    report.judge();
    Ok(report)
}

fn disk(folder: &Dir) -> Result<FolderDisk, DoctorError> {
    if !folder.exists(LOG_FOLDER) {
        return Err(DoctorError::NoFolder);
    }
    Ok(FolderDisk::reading(folder.open_dir(LOG_FOLDER)?))
}
