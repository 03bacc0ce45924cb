//! The data folder: opened once as a capability, locked for one host at a time.

use std::{
    collections::HashMap,
    io::{self, Write as _},
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

use cap_std::{
    ambient_authority,
    fs::{Dir, DirBuilder, DirBuilderExt as _, File, OpenOptions},
};
use rustix::fs::{FlockOperation, flock};
use wharf_event::{Code, Digest};

const LOCK: &str = "lock";
const CACHE: &str = "cache";
const COMPONENTS: &str = "components";

/// The data folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// It cannot be made, opened or written.
    #[error("the data folder {path} cannot be used: {source}", path = path.display())]
    Unusable {
        /// Which folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another host has it.
    #[error("another host uses the data folder {path}: stop that one, or give this one its own with --data", path = path.display())]
    Locked {
        /// Which folder.
        path: PathBuf,
    },
}

impl FolderError {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            FolderError::Unusable { .. } => Code::FolderDamaged,
            FolderError::Locked { .. } => Code::FolderLocked,
        }
    }
}

/// An open, locked data folder.
pub struct DataFolder {
    /// The folder.
    pub dir: Dir,
    /// Held as long as the folder is used; the kernel lets go of it when the process ends, however it ends.
    _lock: File,
}

impl DataFolder {
    /// Opens the folder, making it when it is not there. What is made is for its owner only.
    ///
    /// # Errors
    /// When another host uses it or it cannot be used.
    pub fn open(path: &Path) -> Result<Self, FolderError> {
        let unusable = |source| FolderError::Unusable { path: path.to_owned(), source };
        let mut builder = DirBuilder::new();
        builder.mode(0o700);
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(unusable)?;
        let dir = Dir::open_ambient_dir(path, ambient_authority()).map_err(unusable)?;
        let options = OpenOptions::new().write(true).create(true).truncate(false).to_owned();
        let lock = dir.open_with(LOCK, &options).map_err(unusable)?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => return Err(FolderError::Locked { path: path.to_owned() }),
            Err(error) => return Err(unusable(error.into())),
        }
        for folder in [CACHE, COMPONENTS] {
            if !dir.exists(folder) {
                dir.create_dir_with(folder, &builder).map_err(unusable)?;
            }
        }
        Ok(Self { dir, _lock: lock })
    }

    /// The folder of compiled artifacts.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn cache(&self) -> io::Result<Dir> {
        self.dir.open_dir(CACHE)
    }

    /// Keeps components under their digests, durably: the record that names them comes after.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn keep(&self, components: &HashMap<Digest, Vec<u8>>) -> io::Result<()> {
        let folder = self.dir.open_dir(COMPONENTS)?;
        let mut new = false;
        for (digest, wasm) in components {
            let name = format!("{}.wasm", digest.hex());
            if folder.exists(&name) {
                continue;
            }
            let temporary = format!("{name}.new");
            let mut file = folder.create(&temporary)?;
            file.write_all(wasm)?;
            file.sync_all()?;
            folder.rename(&temporary, &folder, &name)?;
            new = true;
        }
        if new {
            folder.open(".")?.sync_all()?;
        }
        Ok(())
    }
}
