//! The seam to the disk: a folder of files, with the operations whose order and durability the log depends on.
//!
//! Invariant: nothing in this crate reaches a file except through these traits, so a test can lose, tear or fail every
//! single one of them. There are no paths, only names in one folder, and no cursor: readers and the writer share a file.

use std::io;
use std::sync::Arc;

/// A folder that holds the segments of one log.
///
/// Entries that were created, renamed or removed count as durable only after [`Disk::sync_dir`].
pub trait Disk: Send + Sync + 'static {
    /// An open file of this folder. It stays readable after its name is renamed or removed.
    type File: DiskFile;

    /// Opens an existing file for reading and writing.
    fn open(&self, name: &str) -> io::Result<Self::File>;

    /// Creates a file for reading and writing; one that exists is emptied.
    fn create(&self, name: &str) -> io::Result<Self::File>;

    /// The names of all files, in any order.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Gives a file another name, replacing what had it.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Makes every earlier create, rename and remove durable.
    fn sync_dir(&self) -> io::Result<()>;
}

/// A file that is read and written by offset, from any thread.
pub trait DiskFile: Send + Sync + 'static {
    /// Reads at `offset` and says how many bytes came; 0 only at the end of the file.
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize>;

    /// Writes all of `bytes` at `offset`. Not durable before [`DiskFile::sync_data`].
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Makes every earlier write durable, and as much of the metadata as reading it back needs.
    fn sync_data(&self) -> io::Result<()>;

    /// Lets what was written go to the disk, so that a later sync has less to wait for. It promises nothing.
    fn write_back(&self) -> io::Result<()> {
        Ok(())
    }

    /// Length in bytes.
    fn size(&self) -> io::Result<u64>;

    /// Sets the length; what is new reads as zeros.
    fn set_len(&self, bytes: u64) -> io::Result<()>;
}

/// A disk whose kind is chosen when the program runs.
pub type AnyDisk = Arc<dyn Disk<File = AnyFile>>;

/// A file of an [`AnyDisk`].
pub type AnyFile = Arc<dyn DiskFile>;

/// Forgets which kind of disk it is, for callers that must not depend on it. A call through it costs nothing beside one of
/// the kernel's.
pub fn any_disk(disk: impl Disk) -> AnyDisk {
    Arc::new(Erased(disk))
}

struct Erased<D>(D);

impl<D: Disk> Disk for Erased<D> {
    type File = AnyFile;

    fn open(&self, name: &str) -> io::Result<AnyFile> {
        Ok(Arc::new(self.0.open(name)?))
    }

    fn create(&self, name: &str) -> io::Result<AnyFile> {
        Ok(Arc::new(self.0.create(name)?))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.0.list()
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.0.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.0.remove(name)
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.0.sync_dir()
    }
}

impl Disk for AnyDisk {
    type File = AnyFile;

    fn open(&self, name: &str) -> io::Result<AnyFile> {
        self.as_ref().open(name)
    }

    fn create(&self, name: &str) -> io::Result<AnyFile> {
        self.as_ref().create(name)
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.as_ref().list()
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.as_ref().rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.as_ref().remove(name)
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.as_ref().sync_dir()
    }
}

impl DiskFile for AnyFile {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        self.as_ref().read_at(offset, into)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.as_ref().write_at(offset, bytes)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.as_ref().sync_data()
    }

    fn write_back(&self) -> io::Result<()> {
        self.as_ref().write_back()
    }

    fn size(&self) -> io::Result<u64> {
        self.as_ref().size()
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        self.as_ref().set_len(bytes)
    }
}

/// Reads until `into` is full or the file ends, and says how many bytes came.
pub(crate) fn read_full<F: DiskFile>(file: &F, offset: u64, into: &mut [u8]) -> io::Result<usize> {
    let mut done = 0;
    while let Some(rest) = into.get_mut(done..).filter(|rest| !rest.is_empty()) {
        match file.read_at(offset + done as u64, rest) {
            Ok(0) => break,
            Ok(bytes) => done += bytes,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}
