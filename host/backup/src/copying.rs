//! Files from one folder to another, in pieces that go to the disk as they come.
//!
//! Invariant: a file gets its name when all of it is durable; until then it ends with `.new`. That a name is durable is for who syncs the folder.

use std::{fs::File, io, os::unix::fs::FileExt as _};

use cap_std::fs::{Dir, OpenOptions};

use crate::limits::{PIECE_BYTES, SYNC_EVERY_BYTES};

static ZEROS: [u8; PIECE_BYTES] = [0; PIECE_BYTES];

/// A file that is being copied to.
pub(crate) struct Copy {
    pub(crate) file: File,
    temporary: String,
    unsynced: u64,
}

/// What is told how many bytes came.
pub(crate) type Tell<'a> = &'a mut dyn FnMut(u64);

impl Copy {
    /// Begins a file that will be called `name`. One that was left over is begun anew.
    pub(crate) fn begin(folder: &Dir, name: &str) -> io::Result<Self> {
        let temporary = format!("{name}.new");
        let options = OpenOptions::new().read(true).write(true).create(true).truncate(true).to_owned();
        let file = folder.open_with(&temporary, &options)?.into_std();
        Ok(Self { file, temporary, unsynced: 0 })
    }

    /// Takes the first `bytes` of a file, or what there is. Pieces of zeros take no room.
    pub(crate) fn take(&mut self, from: &File, bytes: u64, tell: Tell<'_>) -> io::Result<()> {
        let mut piece = vec![0; PIECE_BYTES];
        let mut at = 0;
        while at < bytes {
            let wanted = usize::try_from(bytes - at).unwrap_or(usize::MAX).min(PIECE_BYTES);
            let read = from.read_at(piece.get_mut(..wanted).unwrap_or_default(), at)?;
            let came = piece.get(..read).unwrap_or_default();
            if came.is_empty() {
                break;
            }
            if ZEROS.get(..read) != Some(came) {
                self.write(came, at)?;
            }
            at += read as u64;
            tell(read as u64);
        }
        self.file.set_len(at)
    }

    /// Writes zeros from `from` to `to`: they are there, and not only counted.
    pub(crate) fn fill(&mut self, mut from: u64, to: u64) -> io::Result<()> {
        while from < to {
            let bytes = usize::try_from(to - from).unwrap_or(usize::MAX).min(PIECE_BYTES);
            self.write(ZEROS.get(..bytes).unwrap_or_default(), from)?;
            from += bytes as u64;
        }
        Ok(())
    }

    fn write(&mut self, piece: &[u8], at: u64) -> io::Result<()> {
        self.file.write_all_at(piece, at)?;
        self.unsynced += piece.len() as u64;
        if self.unsynced >= SYNC_EVERY_BYTES {
            self.file.sync_data()?;
            self.unsynced = 0;
        }
        Ok(())
    }

    /// Makes it durable and gives it its name.
    pub(crate) fn end(self, folder: &Dir, name: &str) -> io::Result<()> {
        self.file.sync_all()?;
        folder.rename(&self.temporary, folder, name)
    }
}

/// Makes the names of a folder durable.
pub(crate) fn sync(folder: &Dir) -> io::Result<()> {
    folder.open(".")?.sync_all()
}

/// A folder in another one, made if it is not there.
pub(crate) fn within(folder: &Dir, name: &str) -> io::Result<Dir> {
    if !folder.exists(name) {
        folder.create_dir(name)?;
        sync(folder)?;
    }
    folder.open_dir(name)
}
