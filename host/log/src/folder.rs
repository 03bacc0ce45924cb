//! The real disk: a folder behind a `cap_std` handle, with positional reads and writes.
//!
//! Invariant: no name leads out of the folder (the handle forbids it). It takes no lock: that only one host uses the folder
//! is the concern of whoever opened it.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use cap_std::fs::{Dir, OpenOptions};

use crate::disk::{Disk, DiskFile};

/// A folder of segment files.
#[derive(Debug)]
pub struct FolderDisk {
    dir: Dir,
    writable: bool,
}

impl FolderDisk {
    /// Uses the folder `dir`, which holds nothing but one log.
    #[must_use]
    pub fn new(dir: Dir) -> Self {
        Self { dir, writable: true }
    }

    /// Uses the folder `dir` for reading only: files are opened so that nothing can be written to them.
    #[must_use]
    pub fn reading(dir: Dir) -> Self {
        Self { dir, writable: false }
    }
}

impl Disk for FolderDisk {
    type File = File;

    fn open(&self, name: &str) -> io::Result<File> {
        Ok(self.dir.open_with(name, OpenOptions::new().read(true).write(self.writable))?.into_std())
    }

    fn create(&self, name: &str) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true);
        Ok(self.dir.open_with(name, &options)?.into_std())
    }

    fn list(&self) -> io::Result<Vec<String>> {
        // A name that is not UTF-8 cannot be one of ours.
        let names = self.dir.entries()?.map(|entry| Ok(entry?.file_name().into_string().ok()));
        names.filter_map(io::Result::transpose).collect()
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.dir.rename(from, &self.dir, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.dir.remove_file(name)
    }

    fn sync_dir(&self) -> io::Result<()> {
        // The handle itself may be a path-only descriptor, which cannot be synced; "." opened anew can.
        self.dir.open(".")?.sync_all()
    }
}

impl DiskFile for File {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        FileExt::read_at(self, into, offset)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        FileExt::write_all_at(self, bytes, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        File::sync_data(self)
    }

    fn write_back(&self) -> io::Result<()> {
        // The system call that only starts it (sync_file_range) is for Linux alone and asks for more care than this is worth.
        File::sync_data(self)
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        File::set_len(self, bytes)
    }
}
