//! The data folder: opened once as a capability, locked for one host at a time.
//!
//! Invariant: nobody but the user who runs the host can write to it, since what the cache holds is run as machine code. What
//! the log and the state keep in it is theirs.

use std::{
    collections::HashMap,
    io::{self, Write as _},
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

use cap_std::{
    ambient_authority,
    fs::{Dir, DirBuilder, DirBuilderExt as _, File, MetadataExt as _, OpenOptions},
};
use rustix::{
    fs::{FlockOperation, flock},
    process::{Resource, Rlimit, setrlimit},
};
use wharf_backup::{Source, Target};
use wharf_event::{Code, Digest};

const LOCK: &str = "lock";
const LOG: &str = "log";
const CACHE: &str = "cache";
const COMPONENTS: &str = "components";
const RECORDINGS: &str = "recordings";

/// What no one but a folder's owner may do with it, as bits of its mode.
const OTHERS_WRITE: u32 = 0o022;

/// The data folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// It cannot be made, opened or written.
    #[error("the data folder {path} cannot be used", path = path.display())]
    Unusable {
        /// Which folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is somebody else's, who could change what the host trusts.
    #[error("the folder {path} belongs to user {owner}, and this host runs as user {own}: `chown {own} {path}`, or give the host a folder of its own with --data", path = path.display())]
    Foreign {
        /// Which folder.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
        /// Who the host runs as.
        own: u32,
    },
    /// Others may write to it.
    #[error("the folder {path} has mode {mode:o}, so others may write to it: `chmod go-w {path}`", path = path.display())]
    Exposed {
        /// Which folder.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// There is none, and none is to be made.
    #[error("there is no data folder {path}", path = path.display())]
    Missing {
        /// Which folder.
        path: PathBuf,
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
            FolderError::Unusable { .. } | FolderError::Foreign { .. } | FolderError::Exposed { .. } => {
                Code::FolderDamaged
            }
            FolderError::Missing { .. } => Code::FolderUnknown,
            FolderError::Locked { .. } => Code::FolderLocked,
        }
    }
}

/// Takes from everything that this process makes what group and others could do with it, and lets the kernel write no image of its memory when it
/// crashes: secrets are in it. To be called before anything is made.
pub fn keep_to_owner() {
    rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
    // One byte, and not none: an image that goes to a program (`core_pattern` with a pipe) is written whatever else the limit is.
    let none = Rlimit { current: Some(1), maximum: Some(1) };
    if let Err(error) = setrlimit(Resource::Core, none) {
        tracing::warn!("a crash may leave an image of the memory behind: {error}");
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
    /// Opens the folder, making it when it is not there. What is made is for its owner only, and is durable as a folder before
    /// anything is kept in it.
    ///
    /// # Errors
    /// When another host uses it, somebody else could write to it, or it cannot be used.
    pub fn open(path: &Path) -> Result<Self, FolderError> {
        let unusable = |source| FolderError::Unusable { path: path.to_owned(), source };
        let mut builder = DirBuilder::new();
        builder.mode(0o700);
        make(path).map_err(unusable)?;
        let dir = Dir::open_ambient_dir(path, ambient_authority()).map_err(unusable)?;
        own(&dir, path)?;
        let options = OpenOptions::new().write(true).create(true).truncate(false).to_owned();
        let lock = locked(dir.open_with(LOCK, &options).map_err(unusable)?, path)?;
        for folder in [CACHE, COMPONENTS, RECORDINGS] {
            if !dir.exists(folder) {
                dir.create_dir_with(folder, &builder).map_err(unusable)?;
            }
            own(&dir.open_dir(folder).map_err(unusable)?, &path.join(folder))?;
        }
        sync(&dir).map_err(unusable)?;
        Ok(Self { dir, _lock: lock })
    }

    /// Opens a folder that is there, to look at it while no host uses it. Nothing is made in it but a lock that is missing.
    ///
    /// # Errors
    /// When there is none, a host uses it, or it cannot be read.
    pub fn existing(path: &Path) -> Result<Self, FolderError> {
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => FolderError::Missing { path: path.to_owned() },
            _ => FolderError::Unusable { path: path.to_owned(), source },
        };
        let dir = Dir::open_ambient_dir(path, ambient_authority()).map_err(failed)?;
        // For reading only where it is there, so that a folder on a disk that takes no writes can be looked at.
        let lock = match dir.open(LOCK) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && dir.exists(LOG) => {
                dir.open_with(LOCK, OpenOptions::new().write(true).create(true))
            }
            opened => opened,
        };
        let lock = locked(lock.map_err(failed)?, path)?;
        Ok(Self { dir, _lock: lock })
    }

    /// The folders that a backup has, of a data folder that a host may be using: nothing is locked, and nothing made.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub fn backed_up(path: &Path) -> Result<Source, FolderError> {
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => FolderError::Missing { path: path.to_owned() },
            _ => FolderError::Unusable { path: path.to_owned(), source },
        };
        let dir = Dir::open_ambient_dir(path, ambient_authority()).map_err(failed)?;
        Ok(Source { log: dir.open_dir(LOG).map_err(failed)?, components: dir.open_dir(COMPONENTS).map_err(failed)? })
    }

    /// The folders that a backup is restored into: a new data folder's.
    ///
    /// # Errors
    /// When they cannot be made or opened.
    pub fn restored(&self) -> io::Result<Target> {
        self.dir.create_dir(LOG)?;
        sync(&self.dir)?;
        Ok(Target { log: self.dir.open_dir(LOG)?, components: self.components()? })
    }

    /// The folder of compiled artifacts.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn cache(&self) -> io::Result<Dir> {
        self.dir.open_dir(CACHE)
    }

    /// The folder of recordings.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn recordings(&self) -> io::Result<Dir> {
        self.dir.open_dir(RECORDINGS)
    }

    /// The folder of components.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn components(&self) -> io::Result<Dir> {
        self.dir.open_dir(COMPONENTS)
    }

    /// Keeps components under their digests, durably: the record that names them comes after.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn keep(&self, components: &HashMap<Digest, Vec<u8>>) -> io::Result<()> {
        let folder = self.dir.open_dir(COMPONENTS)?;
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
        }
        // Also when nothing was new: what is there may be left by a host that was killed before it came to this.
        sync(&folder)
    }
}

/// Takes the lock, or says who has it.
fn locked(lock: File, path: &Path) -> Result<File, FolderError> {
    match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(lock),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(FolderError::Locked { path: path.to_owned() }),
        Err(error) => Err(FolderError::Unusable { path: path.to_owned(), source: error.into() }),
    }
}

/// Makes a folder and those above it, each durable in the one that holds it.
fn make(path: &Path) -> io::Result<()> {
    let missing: Vec<_> =
        path.ancestors().take_while(|folder| !folder.as_os_str().is_empty() && !folder.exists()).collect();
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    for folder in missing {
        let holder = folder.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        std::fs::File::open(holder)?.sync_all()?;
    }
    Ok(())
}

/// Checks that nobody but who runs this host can write to a folder. `path` is what messages call it.
fn own(dir: &Dir, path: &Path) -> Result<(), FolderError> {
    let metadata = dir.dir_metadata().map_err(|source| FolderError::Unusable { path: path.to_owned(), source })?;
    let (owner, own, mode) = (metadata.uid(), rustix::process::geteuid().as_raw(), metadata.mode() & 0o7777);
    match () {
        () if owner != own => Err(FolderError::Foreign { path: path.to_owned(), owner, own }),
        () if mode & OTHERS_WRITE != 0 => Err(FolderError::Exposed { path: path.to_owned(), mode }),
        () => Ok(()),
    }
}

fn sync(dir: &Dir) -> io::Result<()> {
    dir.open(".")?.sync_all()
}
