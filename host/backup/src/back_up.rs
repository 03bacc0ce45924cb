//! Taking a backup, or bringing one up to where the log is: what the backup has stays, what is new is copied.
//!
//! Invariant: the log is only read, and by names: whoever writes it is not asked, and trims it meanwhile if it likes. What a copy missed by that is
//! found in the copy, and the log is looked at again. Components come after the log, since a record that names one is written after it.

use std::io;

use cap_std::fs::{Dir, File};
use rustix::fs::{FlockOperation, flock};
use wharf_event::Digest;
use wharf_log::{Copied, FolderDisk, LogError, Segment, segments};

use crate::{
    copying::{Copy, Tell, sync, within},
    error::BackupError,
    gone,
    limits::{COMPONENT_BYTES_MAX, TRIES_MAX},
    manifest::{COMPONENTS, Kept, LOCK, LOG, Manifest},
};

/// The partition of a data folder's log.
pub(crate) const PARTITION: u32 = 0;

/// The ending of a component's file.
pub(crate) const WASM: &str = ".wasm";

/// The ending of a model's file, which lies beside it.
pub(crate) const ONNX: &str = ".onnx";

/// What is backed up: folders of a data folder that a host may be using.
pub struct Source {
    /// The log.
    pub log: Dir,
    /// The components and models, by their digests.
    pub components: Dir,
}

/// The time of a backup.
#[derive(Clone, Copy, Debug)]
pub struct When {
    /// Now, in milliseconds since 1970.
    pub now_ms: u64,
    /// Segments that the log does not have any more go when their last frame is older than this, in milliseconds; none does where that is absent.
    pub keep_ms: Option<u64>,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The first frame of the backup.
    pub first_k: u64,
    /// The last one.
    pub last_k: u64,
    /// Its time, in milliseconds since 1970.
    pub last_time_ms: u64,
    /// Segments of the backup, and how many of them were copied now.
    pub segments: (usize, usize),
    /// Bytes of those.
    pub segment_bytes: (u64, u64),
    /// Components of the backup, and how many of them were copied now.
    pub components: (usize, usize),
    /// The same of models.
    pub models: (usize, usize),
}

/// Brings the backup in `into` up to where the log is, or begins one. `tell` hears how many bytes were read.
///
/// # Errors
/// When it cannot be done; the backup is what it was before then.
pub fn back_up(from: &Source, into: &Dir, when: When, tell: Tell<'_>) -> Result<Taken, BackupError> {
    let _locked = lock(into)?;
    let before = Manifest::read(into)?;
    let (copies, components) = (within(into, LOG), within(into, COMPONENTS));
    let copies = copies.map_err(BackupError::io(LOG))?;
    let components = components.map_err(BackupError::io(COMPONENTS))?;
    let log = FolderDisk::reading(from.log.try_clone().map_err(BackupError::io(LOG))?);
    let mut copying = Copying { from, log, copies, before: before.as_ref(), missed: None, tell };
    let mut named = [(WASM, Vec::new(), 0), (ONNX, Vec::new(), 0)];
    for _ in 0..TRIES_MAX {
        // Before the log, since what is taken away while it is copied is named by its records, and behind it, since what came meanwhile is too.
        copying.all_components(&components, &mut named)?;
        let Some(log) = copying.log()? else { continue };
        copying.all_components(&components, &mut named)?;
        let [(_, mut named, copied), (_, mut models, models_copied)] = named;
        let kept = kept(&log, when);
        let of = |k: Option<&Kept>, k_of: fn(&Kept) -> u64| k.map_or(0, k_of);
        let covers = (of(kept.first(), |it| it.first_k), of(kept.last(), |it| it.last_k));
        let gone = gone::keep(before.as_ref(), (&mut named, &mut models), covers);
        for folder in [&copying.copies, &components] {
            sync(folder).map_err(BackupError::io(LOG))?;
        }
        let manifest = Manifest::new(when.now_ms, kept, (named, models), gone);
        manifest.write(into)?;
        tidy(&copying.copies, &components, &manifest).map_err(BackupError::io(LOG))?;
        return taken(&manifest, &log, (copied, models_copied));
    }
    Err(copying.missed.map_or(BackupError::Restless, BackupError::Log))
}

/// Takes the lock of a backup, which the kernel lets go of however the command ends.
pub(crate) fn lock(backup: &Dir) -> Result<File, BackupError> {
    let options = cap_std::fs::OpenOptions::new().write(true).create(true).truncate(false).to_owned();
    held(backup.open_with(LOCK, &options).map_err(BackupError::io(LOCK))?)
}

/// The same for who only reads, maybe where nothing can be written: without a lock nobody else uses it.
pub(crate) fn lock_to_read(backup: &Dir) -> Result<Option<File>, BackupError> {
    match backup.open(LOCK) {
        Ok(lock) => held(lock).map(Some),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(BackupError::io(LOCK)(error)),
    }
}

fn held(lock: File) -> Result<File, BackupError> {
    match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(lock),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(BackupError::Locked),
        Err(error) => Err(BackupError::io(LOCK)(error.into())),
    }
}

/// How the names of some files end, whose they are, and how many of them were copied.
type Named = (&'static str, Vec<Digest>, usize);

/// The log's segments, as copies.
struct OfLog {
    segments: Vec<Kept>,
    /// How many of them, the last ones, were copied now.
    copied: usize,
    /// The first frame that the log itself has.
    there_k: u64,
}

struct Copying<'a> {
    from: &'a Source,
    log: FolderDisk,
    copies: Dir,
    before: Option<&'a Manifest>,
    /// Why the last try came to nothing, where that may be damage of the log.
    missed: Option<LogError>,
    tell: Tell<'a>,
}

impl Copying<'_> {
    /// Copies what the backup does not have; absent where the log changed under it.
    fn log(&mut self) -> Result<Option<OfLog>, BackupError> {
        let there = segments(&self.log, PARTITION).map_err(BackupError::Log)?;
        let first_k = there.first().ok_or(BackupError::Nothing)?.first_k();
        let mut all = self.standing(&there)?;
        let (mut before, mut copied) = (None, 0);
        if let Some(last) = all.last() {
            before = Some(self.walked(last)?);
        }
        let next_k = all.last().map_or(first_k, |last| last.last_k + 1);
        let new: Vec<_> = there.iter().filter(|segment| segment.first_k() >= next_k).collect();
        for (at, segment) in new.iter().enumerate() {
            if before.is_some_and(|before| !segment.follows(&before)) {
                return Err(BackupError::Foreign { k: segment.first_k() });
            }
            let Some((kept, copy)) = self.segment(segment, new.get(at + 1).copied())? else { return Ok(None) };
            if copy.is_empty() {
                break;
            }
            all.push(kept);
            (before, copied) = (Some(copy), copied + 1);
        }
        if all.is_empty() {
            return Err(BackupError::Nothing);
        }
        self.missed = None;
        Ok(Some(OfLog { segments: all, copied, there_k: first_k }))
    }

    /// What the backup has of the log that need not be copied again.
    fn standing(&self, there: &[Segment]) -> Result<Vec<Kept>, BackupError> {
        let Some(before) = self.before else { return Ok(Vec::new()) };
        let first_k = there.first().map_or(0, Segment::first_k);
        let mut stands: Vec<Kept> = Vec::new();
        for kept in &before.segments {
            match there.iter().find(|segment| segment.first_k() == kept.first_k) {
                Some(segment) if self.segment_of(kept)? != *segment => {
                    return Err(BackupError::Foreign { k: kept.first_k });
                }
                None if kept.first_k >= first_k => return Err(BackupError::Foreign { k: kept.first_k }),
                // One that the log let go of was whole if the log begins behind it.
                None if kept.sealed || kept.last_k + 1 == first_k => stands.push(kept.clone()),
                Some(_) if kept.sealed => stands.push(kept.clone()),
                Some(_) | None => {}
            }
        }
        match before.segments.last() {
            Some(last) if stands.last().unwrap_or(last).last_k + 1 < first_k => {
                Err(BackupError::Gap { last_k: last.last_k, first_k })
            }
            _ => Ok(stands),
        }
    }

    fn open(&self, kept: &Kept) -> Result<std::fs::File, BackupError> {
        match self.copies.open(kept.name()) {
            Ok(file) => Ok(file.into_std()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(BackupError::Damaged { file: kept.name(), what: "it is not there" })
            }
            Err(error) => Err(BackupError::io(kept.name())(error)),
        }
    }

    fn segment_of(&self, kept: &Kept) -> Result<Segment, BackupError> {
        segment_of(&self.open(kept)?, kept)
    }

    /// What a copy holds that was made earlier.
    fn walked(&self, kept: &Kept) -> Result<Copied, BackupError> {
        let file = self.open(kept)?;
        whole(&file, &segment_of(&file, kept)?, kept)
    }

    /// Copies a segment; absent where that came to nothing because the log changed.
    fn segment(&mut self, segment: &Segment, next: Option<&Segment>) -> Result<Option<(Kept, Copied)>, BackupError> {
        let name = segment.name();
        let from = match self.from.log.open(&name) {
            Ok(from) => from.into_std(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(BackupError::io(name)(error)),
        };
        let mut copy = Copy::begin(&self.copies, &name).map_err(BackupError::io(&name))?;
        copy.take(&from, segment.file_bytes(), self.tell).map_err(BackupError::io(&name))?;
        let checked = checked(&copy.file, segment, next);
        let copied = match checked {
            Ok(copied) => copied,
            Err(error) => {
                self.missed = Some(error);
                return Ok(None);
            }
        };
        let Copied { first_k, last_k, last_time_ms, bytes, .. } = copied;
        let kept = Kept { first_k, last_k, last_time_ms, bytes, sealed: next.is_some() };
        if !copied.is_empty() {
            copy.file.set_len(bytes).map_err(BackupError::io(&name))?;
            copy.end(&self.copies, &kept.name()).map_err(BackupError::io(&name))?;
        }
        Ok(Some((kept, copied)))
    }

    /// Copies the components and the models that are not in the backup.
    fn all_components(&mut self, into: &Dir, named: &mut [Named; 2]) -> Result<(), BackupError> {
        named.iter_mut().try_for_each(|named| self.components(into, named))
    }

    /// Copies those of an ending that are not in the backup; names all that are then, and counts how many were copied.
    fn components(&mut self, into: &Dir, (ending, all, copied): &mut Named) -> Result<(), BackupError> {
        let unusable = || BackupError::io(COMPONENTS);
        for entry in self.from.components.entries().map_err(unusable())? {
            let name = entry.map_err(unusable())?.file_name();
            let Some((name, digest)) = name.to_str().and_then(|name| Some((name, digest_of(name, ending)?))) else {
                continue;
            };
            if !into.exists(name) {
                let from = match self.from.components.open(name) {
                    Ok(from) => from.into_std(),
                    // Whoever took it away did so while this is on its way.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    Err(error) => return Err(BackupError::io(name)(error)),
                };
                let mut copy = Copy::begin(into, name).map_err(BackupError::io(name))?;
                copy.take(&from, COMPONENT_BYTES_MAX, self.tell).map_err(BackupError::io(name))?;
                if digest_in(&copy.file).map_err(BackupError::io(name))? != digest {
                    return Err(BackupError::Component { file: name.to_owned() });
                }
                copy.end(into, name).map_err(BackupError::io(name))?;
                *copied += 1;
            }
            all.push(digest);
        }
        all.sort_unstable();
        all.dedup();
        Ok(())
    }
}

/// What a fresh copy holds, if it is what the log has there.
fn checked(copy: &std::fs::File, segment: &Segment, next: Option<&Segment>) -> Result<Copied, LogError> {
    let head = Segment::of_copy(copy, segment.first_k(), PARTITION)?;
    let copied = segment.walk(copy, None)?;
    let damaged = LogError::Damaged { segment: segment.name(), offset: copied.bytes, k: copied.last_k + 1 };
    match next {
        _ if head != *segment => Err(damaged),
        Some(next) if !next.follows(&copied) => Err(damaged),
        Some(_) => Ok(copied),
        None => segment.check_end(copy, &copied).map(|()| copied),
    }
}

/// The header of a copy that belongs to a backup.
pub(crate) fn segment_of(copy: &std::fs::File, kept: &Kept) -> Result<Segment, BackupError> {
    Segment::of_copy(copy, kept.first_k, PARTITION)
        .map_err(|_| BackupError::Damaged { file: kept.name(), what: "its header does not check out" })
}

/// What a copy holds that belongs to a backup: all of what it held when it was made.
pub(crate) fn whole(copy: &std::fs::File, segment: &Segment, kept: &Kept) -> Result<Copied, BackupError> {
    let copied = segment.walk(copy, None).map_err(BackupError::Log)?;
    match (copied.last_k, copied.bytes) == (kept.last_k, kept.bytes) {
        true => Ok(copied),
        false => Err(BackupError::Damaged { file: kept.name(), what: "a frame does not check out" }),
    }
}

/// The digest that a component is called by.
pub(crate) fn digest_of(name: &str, ending: &str) -> Option<Digest> {
    format!("sha256:{}", name.strip_suffix(ending)?).parse().ok()
}

/// The name of the file of a component or a model.
pub(crate) fn file_name(digest: &Digest, ending: &str) -> String {
    format!("{}{ending}", digest.hex())
}

/// The digest of a file's bytes.
pub(crate) fn digest_in(file: &std::fs::File) -> io::Result<Digest> {
    use std::os::unix::fs::FileExt as _;
    let (mut hashing, mut piece, mut at) = (wharf_event::Hashing::default(), vec![0; crate::limits::PIECE_BYTES], 0);
    loop {
        let read = file.read_at(&mut piece, at)?;
        if read == 0 {
            return Ok(hashing.end());
        }
        hashing.update(piece.get(..read).unwrap_or_default());
        at += read as u64;
    }
}

/// The segments of a backup without those that are too old: only such as the log itself let go of.
fn kept(log: &OfLog, when: When) -> Vec<Kept> {
    let since_ms = when.keep_ms.map_or(0, |keep_ms| when.now_ms.saturating_sub(keep_ms));
    let is_old = |kept: &&Kept| kept.first_k < log.there_k && kept.last_time_ms < since_ms;
    let old = log.segments.iter().take_while(is_old).count();
    log.segments.iter().skip(old).cloned().collect()
}

/// Removes what a manifest does not name.
fn tidy(copies: &Dir, components: &Dir, manifest: &Manifest) -> io::Result<()> {
    let segments = manifest.segments.iter().map(Kept::name).collect();
    let components_named = manifest.components.iter().map(|digest| file_name(digest, WASM));
    let named = components_named.chain(manifest.models.iter().map(|digest| file_name(digest, ONNX))).collect();
    for (folder, names) in [(copies, segments), (components, named)] {
        let names: std::collections::HashSet<String> = names;
        for entry in folder.entries()? {
            let name = entry?.file_name();
            if name.to_str().is_none_or(|name| !names.contains(name)) {
                folder.remove_file(name)?;
            }
        }
    }
    Ok(())
}

fn taken(manifest: &Manifest, log: &OfLog, (components, models): (usize, usize)) -> Result<Taken, BackupError> {
    let segments = &manifest.segments;
    let (first, last) = segments.first().zip(segments.last()).ok_or(BackupError::Nothing)?;
    let bytes = |of: &[Kept]| of.iter().map(|kept| kept.bytes).sum();
    let copied = segments.get(segments.len().saturating_sub(log.copied)..).unwrap_or_default();
    Ok(Taken {
        first_k: first.first_k,
        last_k: last.last_k,
        last_time_ms: last.last_time_ms,
        segments: (segments.len(), copied.len()),
        segment_bytes: (bytes(segments), bytes(copied)),
        components: (manifest.components.len(), components),
        models: (manifest.models.len(), models),
    })
}
