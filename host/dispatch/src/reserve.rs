//! The reserve: files whose writes, where the disk has no room, take it from the ballast and are tried again.
//!
//! Invariant: only a write that said at once that there is no room is repeated, at the same place with the same bytes. A sync
//! that failed never is. So log and state meet a full disk only when the ballast is used up as well.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
};

use wharf_log::{AnyDisk, AnyFile, Disk, DiskFile, is_full_disk};
use wharf_state::StateFile;

use crate::{limits::BALLAST_STEPS, surroundings::Room};

/// The ballast, for everybody who writes to the disk.
pub(crate) struct Reserve {
    room: Box<dyn Room>,
    /// Held while the ballast changes.
    changing: Mutex<()>,
}

impl Reserve {
    pub(crate) fn new(room: Box<dyn Room>) -> Self {
        Self { room, changing: Mutex::new(()) }
    }

    /// Bytes of a step, in which the ballast is made and given up.
    fn step(&self) -> u64 {
        (self.room.ballast_bytes_max() / BALLAST_STEPS).max(1)
    }

    /// Bytes that the ballast is to hold.
    pub(crate) fn ballast_bytes_max(&self) -> u64 {
        self.room.ballast_bytes_max()
    }

    /// Bytes that are free, and bytes that the ballast holds.
    pub(crate) fn measure(&self) -> io::Result<(u64, u64)> {
        Ok((self.room.free()?, self.room.ballast()?))
    }

    /// Makes the ballast a step larger, if that leaves `ahead` bytes free.
    pub(crate) fn fill(&self, ahead: u64) -> io::Result<()> {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let (free, held) = self.measure()?;
        let step = self.step().min(self.room.ballast_bytes_max().saturating_sub(held));
        if step == 0 || free < ahead.saturating_add(step) {
            return Ok(());
        }
        self.room.set_ballast(held + step)
    }

    /// Gives up a step of the ballast; false when there is none left.
    fn give(&self) -> bool {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let Ok(held) = self.room.ballast() else { return false };
        let left = held.saturating_sub(self.step());
        let given = held > 0 && self.room.set_ballast(left).is_ok();
        if given {
            tracing::warn!(ballast_bytes = left, "the disk is full: a part of the ballast is given up");
        }
        given
    }

    /// Does `write`, and again with more room for as long as there is any to give.
    fn backed(&self, mut write: impl FnMut() -> io::Result<()>) -> io::Result<()> {
        loop {
            match write() {
                Err(error) if is_full_disk(&error) && self.give() => {}
                done => return done,
            }
        }
    }
}

/// A folder for the log with the reserve behind it.
pub(crate) struct BackedDisk {
    pub(crate) disk: AnyDisk,
    pub(crate) reserve: Arc<Reserve>,
}

/// A file of the log with the reserve behind it.
pub(crate) struct BackedFile {
    file: AnyFile,
    reserve: Arc<Reserve>,
}

impl BackedDisk {
    fn backed(&self, file: AnyFile) -> BackedFile {
        BackedFile { file, reserve: Arc::clone(&self.reserve) }
    }
}

impl Disk for BackedDisk {
    type File = BackedFile;

    fn open(&self, name: &str) -> io::Result<BackedFile> {
        Ok(self.backed(self.disk.open(name)?))
    }

    fn create(&self, name: &str) -> io::Result<BackedFile> {
        Ok(self.backed(self.disk.create(name)?))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.disk.list()
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.disk.remove(name)
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.disk.sync_dir()
    }
}

impl DiskFile for BackedFile {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        self.file.read_at(offset, into)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.reserve.backed(|| self.file.write_at(offset, bytes))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn write_back(&self) -> io::Result<()> {
        self.file.write_back()
    }

    fn size(&self) -> io::Result<u64> {
        self.file.size()
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        self.reserve.backed(|| self.file.set_len(bytes))
    }
}

/// The file of the state with the reserve behind it.
pub(crate) struct BackedState {
    pub(crate) file: Box<dyn StateFile>,
    pub(crate) reserve: Arc<Reserve>,
}

impl StateFile for BackedState {
    fn size(&self) -> io::Result<u64> {
        self.file.size()
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        self.file.read_at(offset, into)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.reserve.backed(|| self.file.write_at(offset, bytes))
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        self.reserve.backed(|| self.file.set_len(bytes))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}
