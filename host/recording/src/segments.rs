//! The folder of recordings: segment files, named by when they began (docs/design/recordings.md).
//!
//! Invariant: nothing is synced, and nothing that is there is written again. A file that a crash tore is never gone on with: each life of a host begins
//! another one.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt as _,
    time::{Duration, UNIX_EPOCH},
};

use bytes::Bytes;
use cap_std::fs::{Dir, MetadataExt as _, OpenOptions};
use wharf_delivery::RecordingAt;
use wharf_event::Digest;

/// What a file begins with: what it is, and the version of its layout.
const HEAD: [u8; 16] = *b"wharfrec\x01\0\0\0\0\0\0\0";

/// Where the first recording's length stands.
pub(crate) const FIRST: u64 = HEAD.len() as u64;

/// What stands before a recording: its length.
pub(crate) const LENGTH: u64 = 4;

/// What files of recordings end with.
const ENDING: &str = ".rec";

/// A segment that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Segment {
    pub(crate) number: u64,
    /// Bytes that it takes on the disk.
    pub(crate) bytes: u64,
    /// When it was written last, in milliseconds since 1970.
    pub(crate) written_ms: u64,
}

/// The folder.
#[derive(Debug)]
pub(crate) struct Segments(pub(crate) Dir);

fn name(number: u64) -> String {
    format!("{number:016x}{ENDING}")
}

impl Segments {
    pub(crate) fn try_clone(&self) -> io::Result<Self> {
        Ok(Self(self.0.try_clone()?))
    }

    /// Those that are there, the oldest first.
    pub(crate) fn list(&self) -> io::Result<Vec<Segment>> {
        let mut list = Vec::new();
        for entry in self.0.entries()? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            let number = name.strip_suffix(ENDING).and_then(|digits| u64::from_str_radix(digits, 16).ok());
            let Some(number) = number else { continue };
            let about = entry.metadata()?;
            let written = about.modified()?.into_std().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
            let written_ms = u64::try_from(written.as_millis()).unwrap_or(u64::MAX);
            list.push(Segment { number, bytes: about.blocks().saturating_mul(512).max(about.size()), written_ms });
        }
        list.sort_unstable();
        Ok(list)
    }

    /// The file of a segment, to be written to.
    pub(crate) fn begin(&self, number: u64) -> io::Result<File> {
        let mut options = OpenOptions::new();
        let file = self.0.open_with(name(number), options.write(true).create(true))?.into_std();
        file.write_all_at(&HEAD, 0)?;
        Ok(file)
    }

    pub(crate) fn remove(&self, number: u64) -> io::Result<()> {
        self.0.remove_file(name(number))
    }

    /// The bytes that a place names, if they are there: absent where they are not, or are others.
    pub(crate) fn read(&self, at: &RecordingAt) -> io::Result<Option<Bytes>> {
        let file = self.0.open(name(at.segment))?.into_std();
        let mut bytes = vec![0; at.bytes as usize];
        match file.read_exact_at(&mut bytes, at.offset) {
            Ok(()) => Ok((Digest::of(&bytes) == at.digest).then(|| bytes.into())),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(error),
        }
    }
}
