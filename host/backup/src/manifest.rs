//! `backup.json`: what belongs to a backup.
//!
//! Invariant: it is replaced as a whole, and only when everything that it names is durable.

use std::io::{self, Read as _, Write as _};

use cap_std::fs::Dir;
use serde::{Deserialize, Serialize};
use wharf_event::Digest;

use crate::{copying::sync, error::BackupError, gone::Gone, limits::MANIFEST_BYTES_MAX};

const NAME: &str = "backup.json";
const FORMAT: u32 = 3;

/// The format of one that has all that its host has, so that hosts of before read it.
const WITH_MODELS: u32 = 2;

/// That of one without models besides.
const WITHOUT_MODELS: u32 = 1;

/// What else is in the folder of a backup.
pub(crate) const LOG: &str = "log";
pub(crate) const COMPONENTS: &str = "components";
pub(crate) const LOCK: &str = "lock";

/// What belongs to a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    /// Of this file, of the names and of the layout.
    format: u32,
    /// When it was taken last, in milliseconds since 1970.
    pub(crate) taken_ms: u64,
    /// The first frame follows the last one of the segment before.
    pub(crate) segments: Vec<Kept>,
    /// What its records name, and maybe more.
    pub(crate) components: Vec<Digest>,
    /// The same of models.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) models: Vec<Digest>,
    /// Of both those that the host did not have any more.
    #[serde(default, skip_serializing_if = "Gone::is_empty")]
    pub(crate) gone: Gone,
}

/// A segment of a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Kept {
    pub(crate) first_k: u64,
    pub(crate) last_k: u64,
    /// The latest time of a frame, in milliseconds since 1970.
    pub(crate) last_time_ms: u64,
    /// Length of the copy: the zeros behind the last frame are left out.
    pub(crate) bytes: u64,
    /// It had its last frame when it was copied.
    pub(crate) sealed: bool,
}

impl Kept {
    /// The name of its file: a longer copy of the same segment has another one.
    pub(crate) fn name(&self) -> String {
        format!("{:020}-{:020}.seg", self.first_k, self.last_k)
    }
}

impl Manifest {
    pub(crate) fn new(
        taken_ms: u64,
        segments: Vec<Kept>,
        (components, models): (Vec<Digest>, Vec<Digest>),
        gone: Gone,
    ) -> Self {
        let format = match (gone.is_empty(), models.is_empty()) {
            (false, _) => FORMAT,
            (true, false) => WITH_MODELS,
            (true, true) => WITHOUT_MODELS,
        };
        Self { format, taken_ms, segments, components, models, gone }
    }

    /// The manifest of the backup in `folder`; absent where that holds nothing, or what a backup left that came to nothing.
    pub(crate) fn read(folder: &Dir) -> Result<Option<Self>, BackupError> {
        let unusable = || BackupError::io(NAME);
        let file = match folder.open(NAME) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let mut entries = folder.entries().map_err(unusable())?;
                let is_ours = |entry: io::Result<cap_std::fs::DirEntry>| {
                    entry.is_ok_and(|entry| {
                        [LOG, COMPONENTS, LOCK, &temporary()].iter().any(|ours| entry.file_name() == **ours)
                    })
                };
                return match entries.all(is_ours) {
                    true => Ok(None),
                    false => Err(BackupError::Unknown("the folder holds something, and no backup.json")),
                };
            }
            Err(error) => return Err(unusable()(error)),
        };
        let mut text = Vec::new();
        file.take(MANIFEST_BYTES_MAX).read_to_end(&mut text).map_err(unusable())?;
        let damaged = |_| BackupError::Damaged { file: NAME.to_owned(), what: "it is no manifest" };
        /// What every format has.
        #[derive(Deserialize)]
        struct Format {
            format: u32,
        }
        let Format { format } = serde_json::from_slice(&text).map_err(damaged)?;
        if format > FORMAT {
            return Err(BackupError::Format { found: format, supported: FORMAT });
        }
        serde_json::from_slice(&text).map(Some).map_err(damaged)
    }

    /// Replaces the manifest, durably. Whatever it names has to be durable.
    pub(crate) fn write(&self, folder: &Dir) -> Result<(), BackupError> {
        let temporary = temporary();
        let write = || {
            let mut file = folder.create(&temporary)?;
            file.write_all(&serde_json::to_vec_pretty(self)?)?;
            file.sync_all()?;
            folder.rename(&temporary, folder, NAME)?;
            sync(folder)
        };
        write().map_err(BackupError::io(NAME))
    }
}

fn temporary() -> String {
    format!("{NAME}.new")
}
