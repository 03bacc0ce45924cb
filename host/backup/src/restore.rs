//! Making a data folder's log and components of a backup, as they were at any moment that it covers.
//!
//! Invariant: what is written is a log as its host left it at that moment: frames up to there, zeros behind them. Everything is checked as it is read, and
//! durable on return; whether the log alone gives a whole state is for who opens it.

use std::io;

use cap_std::fs::Dir;
use wharf_log::{Copied, Segment};

use crate::{
    back_up::{ONNX, WASM, digest_in, file_name, lock_to_read, segment_of, whole},
    copying::{Copy, Tell, sync},
    error::BackupError,
    limits::COMPONENT_BYTES_MAX,
    manifest::{COMPONENTS, Kept, LOG, Manifest},
};

/// What is restored into: empty folders.
pub struct Target {
    /// For the log.
    pub log: Dir,
    /// For the components and models.
    pub components: Dir,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restored {
    /// The first frame.
    pub first_k: u64,
    /// The last one.
    pub last_k: u64,
    /// Its time, in milliseconds since 1970.
    pub last_time_ms: u64,
    /// Segments.
    pub segments: usize,
    /// Bytes of frames.
    pub bytes: u64,
    /// Components.
    pub components: usize,
}

/// Writes what the backup in `from` holds, of frames up to `until_ms` (milliseconds since 1970) if that is given. `tell` hears how many bytes were read.
///
/// # Errors
/// When the backup is damaged or begins later, or something cannot be written. What was written until then is of no use.
pub fn restore(from: &Dir, into: &Target, until_ms: Option<u64>, tell: Tell<'_>) -> Result<Restored, BackupError> {
    let manifest = || Manifest::read(from)?.ok_or(BackupError::Unknown("there is no backup.json"));
    manifest()?;
    let _locked = lock_to_read(from)?;
    // A backup may have ended since.
    let manifest = manifest()?;
    let copies = from.open_dir(LOG).map_err(BackupError::io(LOG))?;
    let (mut before, mut restored): (Option<Copied>, Option<Restored>) = (None, None);
    for kept in &manifest.segments {
        let Some(copied) = segment(&copies, kept, &into.log, (before.as_ref(), until_ms), tell)? else { break };
        let so_far = restored.get_or_insert(Restored {
            first_k: copied.first_k,
            last_k: 0,
            last_time_ms: 0,
            segments: 0,
            bytes: 0,
            components: manifest.components.len(),
        });
        (so_far.last_k, so_far.last_time_ms) = (copied.last_k, copied.last_time_ms);
        (so_far.segments, so_far.bytes) = (so_far.segments + 1, so_far.bytes + copied.bytes);
        before = Some(copied);
    }
    let restored = restored.ok_or(BackupError::Range)?;
    components(from, &manifest, &into.components, tell)?;
    for folder in [&into.log, &into.components] {
        sync(folder).map_err(BackupError::io("what is restored"))?;
    }
    Ok(restored)
}

/// Writes a segment; absent where all of its frames are later.
fn segment(
    copies: &Dir,
    kept: &Kept,
    into: &Dir,
    (before, until_ms): (Option<&Copied>, Option<u64>),
    tell: Tell<'_>,
) -> Result<Option<Copied>, BackupError> {
    let file = opened(copies, &kept.name())?;
    let segment = segment_of(&file, kept)?;
    if before.is_some_and(|before| !segment.follows(before)) {
        // Behind one that was cut nothing follows.
        let is_cut = until_ms.is_some_and(|until_ms| kept.last_time_ms > until_ms);
        let damaged = BackupError::Damaged { file: kept.name(), what: "it does not follow the segment before it" };
        return if is_cut { Ok(None) } else { Err(damaged) };
    }
    let copied = match until_ms.filter(|until_ms| kept.last_time_ms > *until_ms) {
        Some(until_ms) => segment.walk(&file, Some(until_ms)).map_err(BackupError::Log)?,
        None => whole(&file, &segment, kept)?,
    };
    if copied.is_empty() {
        return Ok(None);
    }
    write(&file, &segment, &copied, into, tell).map_err(BackupError::io(segment.name()))?;
    Ok(Some(copied))
}

fn write(file: &std::fs::File, segment: &Segment, copied: &Copied, into: &Dir, tell: Tell<'_>) -> io::Result<()> {
    let mut copy = Copy::begin(into, &segment.name())?;
    copy.take(file, copied.bytes, tell)?;
    copy.fill(copied.bytes, segment.file_bytes())?;
    copy.end(into, &segment.name())
}

fn components(from: &Dir, manifest: &Manifest, into: &Dir, tell: Tell<'_>) -> Result<(), BackupError> {
    let folder = from.open_dir(COMPONENTS).map_err(BackupError::io(COMPONENTS))?;
    let models = manifest.models.iter().map(|digest| (digest, ONNX));
    for (digest, ending) in manifest.components.iter().map(|digest| (digest, WASM)).chain(models) {
        let name = file_name(digest, ending);
        let file = opened(&folder, &name)?;
        let mut copy = Copy::begin(into, &name).map_err(BackupError::io(&name))?;
        copy.take(&file, COMPONENT_BYTES_MAX, tell).map_err(BackupError::io(&name))?;
        if digest_in(&copy.file).map_err(BackupError::io(&name))? != *digest {
            return Err(BackupError::Damaged { file: name, what: "its bytes have another digest" });
        }
        copy.end(into, &name).map_err(BackupError::io(&name))?;
    }
    Ok(())
}

fn opened(folder: &Dir, name: &str) -> Result<std::fs::File, BackupError> {
    match folder.open(name) {
        Ok(file) => Ok(file.into_std()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(BackupError::Damaged { file: name.to_owned(), what: "it is not there" })
        }
        Err(error) => Err(BackupError::io(name)(error)),
    }
}
