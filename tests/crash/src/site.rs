//! The places in the log's code that make something durable, told apart by what was done before them, and a disk that leaves
//! one of them out.
//!
//! Invariant: every sync of the log's port is one of these; a new one that is none is met with a panic, so that nobody adds an
//! fsync that the mutation check does not know.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
};

use wharf_log::{AnyDisk, AnyFile, Disk, DiskFile, any_disk};

/// A place that syncs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Site {
    /// The folder, before anything that an earlier process did to it is built on.
    OpenFolder,
    /// The last segment, after its torn tail was cut and its last frame written over itself.
    OpenSegment,
    /// A frame.
    Append,
    /// A new segment's zeros and header, before it gets its name.
    NewSegment,
    /// The folder, after a new segment got its name.
    NewName,
    /// The folder, after an old segment was let go.
    Trim,
}

impl Site {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::OpenFolder, Self::OpenSegment, Self::Append, Self::NewSegment, Self::NewName, Self::Trim];
}

/// What was done last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Last {
    Nothing,
    /// The folder was synced at the start, and no segment since.
    Opened,
    Wrote,
    Named,
    LetGo,
    Synced,
}

/// A disk that leaves the syncs of one site out and says that it did them.
struct Without {
    disk: AnyDisk,
    site: Option<Site>,
    last: Arc<Mutex<Last>>,
}

struct WithoutFile {
    file: AnyFile,
    spare: bool,
    site: Option<Site>,
    last: Arc<Mutex<Last>>,
}

/// `disk` as one process sees it, without the syncs of `site`.
#[must_use]
pub fn without(disk: AnyDisk, site: Option<Site>) -> AnyDisk {
    any_disk(Without { disk, site, last: Arc::new(Mutex::new(Last::Nothing)) })
}

fn replace(last: &Mutex<Last>, now: Last) -> Last {
    std::mem::replace(&mut *last.lock().unwrap_or_else(PoisonError::into_inner), now)
}

impl Without {
    fn file(&self, file: AnyFile, name: &str) -> WithoutFile {
        WithoutFile { file, spare: name == "spare", site: self.site, last: Arc::clone(&self.last) }
    }
}

impl Disk for Without {
    type File = WithoutFile;

    fn open(&self, name: &str) -> io::Result<WithoutFile> {
        Ok(self.file(self.disk.open(name)?, name))
    }

    fn create(&self, name: &str) -> io::Result<WithoutFile> {
        Ok(self.file(self.disk.create(name)?, name))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.disk.list()
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        replace(&self.last, if from == "spare" { Last::Named } else { Last::LetGo });
        self.disk.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        replace(&self.last, Last::LetGo);
        self.disk.remove(name)
    }

    #[allow(clippy::panic, reason = "a sync that is no known site is a mistake of whoever added it")]
    fn sync_dir(&self) -> io::Result<()> {
        let (site, now) = match replace(&self.last, Last::Synced) {
            Last::Nothing => (Site::OpenFolder, Last::Opened),
            Last::Named => (Site::NewName, Last::Synced),
            Last::LetGo => (Site::Trim, Last::Synced),
            other => panic!("the folder is synced after {other:?}: which site is that?"),
        };
        replace(&self.last, now);
        if self.site == Some(site) { Ok(()) } else { self.disk.sync_dir() }
    }
}

impl DiskFile for WithoutFile {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        self.file.read_at(offset, into)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let last = replace(&self.last, Last::Wrote);
        // What is written between the open's two syncs belongs to the second one, but for the first segment of a new log.
        if last == Last::Opened && !self.spare {
            replace(&self.last, last);
        }
        self.file.write_at(offset, bytes)
    }

    fn sync_data(&self) -> io::Result<()> {
        let site = match replace(&self.last, Last::Synced) {
            Last::Opened => Site::OpenSegment,
            _ if self.spare => Site::NewSegment,
            _ => Site::Append,
        };
        if self.site == Some(site) { Ok(()) } else { self.file.sync_data() }
    }

    fn write_back(&self) -> io::Result<()> {
        self.file.write_back()
    }

    fn size(&self) -> io::Result<u64> {
        self.file.size()
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        self.file.set_len(bytes)
    }
}
