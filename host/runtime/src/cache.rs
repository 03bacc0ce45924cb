//! Compiled artifacts on disk, so that a start does not compile again.
//!
//! An artifact is machine code: whoever writes one owns the process. So each carries a keyed MAC under a secret of this
//! data folder, checked over the name and the bytes of the very file that is then loaded; anything else is compiled again and reported. The name
//! stands for the digest of the component, or of the core module that components share, the engine's settings and the full version of wasmtime, which itself checks only the major; being under the MAC, it
//! keeps the code of one component from being run as another's. A component's artifact is without the modules that it imports (`wharf_parts`): each of
//! them is compiled of its very bytes and has a file of its own, whichever component it came in, so nobody's code becomes another's but where the bytes are the same.
//! An artifact is written once and its bytes never change; its file's time says when it was loaded last, and beyond a bound those
//! go that were loaded longest ago. Nothing here is needed: the cache may be deleted at any time.

use std::{
    collections::BTreeSet,
    hash::Hasher,
    io::{self, Read as _, Write as _},
    os::fd::AsRawFd as _,
    sync::atomic::{AtomicU64, Ordering},
};

use cap_std::fs::{Dir, File, OpenOptions, OpenOptionsExt as _};
use rustix::{
    fs::{Timespec, Timestamps, UTIME_NOW, futimens},
    mm::{Advice, madvise},
};
use wasmtime::Engine;
use wharf_capability::limits::MEMORY_ROOM_PAGES;
use wharf_event::Digest;

use crate::{
    image::{Image, What},
    limits::{CACHE_BYTES_MAX, SYNC_EVERY_BYTES},
    settings::WASMTIME_VERSION,
};

/// What the file of an artifact ends with, behind its MAC: the artifact comes first, since the file itself is mapped.
pub(crate) const MAGIC: &[u8; 8] = b"WHARFAO3";
/// The name of the secret's file.
pub(crate) const SECRET: &str = "secret";
/// How the names of files end that are not whole yet.
const NEW: &str = ".new";
/// How the names of artifacts end.
pub(crate) const SUFFIX: &str = ".cwasm";
const MAC_LEN: usize = blake3::OUT_LEN;

/// The cache could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("the artifact cache cannot be opened")]
pub struct CacheError(#[from] io::Error);

/// A folder of compiled artifacts.
pub struct ArtifactCache {
    folder: Dir,
    secret: [u8; blake3::KEY_LEN],
    asked: Asked,
}

/// What look-ups came to.
#[derive(Default)]
struct Asked {
    hits: AtomicU64,
    misses: AtomicU64,
    refused: AtomicU64,
}

/// What look-ups in a cache came to since the start. Components are counted: those that need modules of their own files are there when
/// these are too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheCounts {
    /// Artifacts that were taken.
    pub hits: u64,
    /// Artifacts that were not there.
    pub misses: u64,
    /// Artifacts that were there and not ours, damaged, or not to be loaded.
    pub refused: u64,
}

/// What a look-up came to.
#[derive(Debug)]
pub(crate) enum Found<T> {
    /// It is there and ours.
    There(T),
    /// It is not there.
    Missing,
    /// It is there and not ours, damaged, or not to be loaded.
    Refused,
}

impl<T> Found<T> {
    /// It, if it is there.
    pub(crate) fn there(self) -> Option<T> {
        match self {
            Self::There(it) => Some(it),
            Self::Missing | Self::Refused => None,
        }
    }
}

impl ArtifactCache {
    /// The cache in `folder`, whose secret is made when it is not there. What a host that was killed had begun to write is removed.
    ///
    /// # Errors
    /// When the folder cannot be read or written.
    pub fn open(folder: Dir) -> Result<Self, CacheError> {
        for entry in folder.entries()? {
            let name = entry?.file_name();
            if name.to_str().is_some_and(|name| name.ends_with(NEW)) {
                folder.remove_file(name)?;
            }
        }
        let secret = match folder.read(SECRET).ok().and_then(|bytes| bytes.try_into().ok()) {
            Some(secret) => secret,
            None => {
                let secret: [u8; blake3::KEY_LEN] = rand::random();
                write_whole(&folder, SECRET, &[&secret])?;
                secret
            }
        };
        Ok(Self::with_secret(folder, secret))
    }

    /// The cache in `folder` under a secret that is known.
    pub(crate) fn with_secret(folder: Dir, secret: [u8; blake3::KEY_LEN]) -> Self {
        Self { folder, secret, asked: Asked::default() }
    }

    /// The artifact of that for this very engine. It is not counted.
    pub(crate) fn find<T: Image>(&self, engine: &Engine, digest: &Digest) -> Found<T> {
        let name = name(engine, T::WHAT, digest);
        let Ok(file) = self.folder.open(&name) else { return Found::Missing };
        self.loaded(engine, &name, file).map_or(Found::Refused, Found::There)
    }

    /// Whether an artifact of that component is there. Whether it is ours, and what it needs there too, shows when it is loaded.
    pub(crate) fn has(&self, engine: &Engine, digest: &Digest) -> bool {
        self.folder.exists(name(engine, What::Component, digest))
    }

    /// Removes the artifact of a component that is not wanted any more: what is made of its modules may be others' too.
    pub(crate) fn forget(&self, engine: &Engine, digest: &Digest) {
        // One that is not there is gone; one that stays takes room until the bound is met.
        let _ = self.folder.remove_file(name(engine, What::Component, digest));
    }

    /// Says that the artifact of that is used now, by one who has it from elsewhere.
    pub(crate) fn used(&self, engine: &Engine, what: What, digest: &Digest) {
        // One that is gone is missed when it is looked for.
        let _ = self.folder.open(name(engine, what, digest)).map(|file| touch(&file));
    }

    /// Counts the look-up of a component.
    pub(crate) fn count<T>(&self, found: &Found<T>) {
        let Asked { hits, misses, refused } = &self.asked;
        let counter = match found {
            Found::There(_) => hits,
            Found::Missing => misses,
            Found::Refused => refused,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// What look-ups came to so far.
    pub(crate) fn counts(&self) -> CacheCounts {
        let Asked { hits, misses, refused } = &self.asked;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        CacheCounts { hits: read(hits), misses: read(misses), refused: read(refused) }
    }

    fn loaded<T: Image>(&self, engine: &Engine, name: &str, mut file: File) -> Option<T> {
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).ok()?;
        if self.verified(name, &bytes).is_none() {
            tracing::warn!(artifact = name, "a cached artifact is not ours or is damaged; compiling again");
            return None;
        }
        // The file that was read, whatever has its name by now. Mapped, what is never run of it is never in memory.
        let same = format!("/proc/self/fd/{}", file.as_raw_fd());
        // SAFETY: this file was written by this program, for an engine of the same settings and version (the name holds both),
        // and the MAC under this folder's secret was checked over its bytes. It is written once and is writable by nobody;
        // who changes it nevertheless is its owner, who can read the secret and sign what he likes.
        #[allow(unsafe_code, reason = "the one place that loads compiled artifacts")]
        let loaded = unsafe { T::of_file(engine, &same) };
        let loaded = loaded.inspect(|image| {
            let_go(image);
            touch(&file);
        });
        loaded.inspect_err(|error| tracing::warn!(artifact = name, "a cached artifact does not load: {error:#}")).ok()
    }

    /// Keeps an artifact. A cache that cannot be written costs time only.
    pub(crate) fn keep(&self, engine: &Engine, what: What, digest: &Digest, artifact: &[u8]) {
        let name = name(engine, what, digest);
        let kept = write_whole(&self.folder, &name, &[artifact, self.mac(&name, artifact).as_bytes(), MAGIC])
            .and_then(|()| evict(&self.folder, &name, CACHE_BYTES_MAX));
        if let Err(error) = kept {
            tracing::warn!(artifact = name, "a compiled artifact cannot be kept: {error}");
        }
    }

    /// The artifact in the bytes of the file `name`, if the secret vouches for it under that name.
    pub(crate) fn verified<'a>(&self, name: &str, bytes: &'a [u8]) -> Option<&'a [u8]> {
        let signed = bytes.strip_suffix(MAGIC)?;
        let (artifact, mac) = signed.split_at_checked(signed.len().checked_sub(MAC_LEN)?)?;
        let mac = blake3::Hash::from_slice(mac).ok()?;
        // The comparison of hashes takes the same time wherever they differ.
        (self.mac(name, artifact) == mac).then_some(artifact)
    }

    /// The MAC of an artifact in the file `name` under this folder's secret.
    pub(crate) fn mac(&self, name: &str, artifact: &[u8]) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new_keyed(&self.secret);
        hasher.update(&(name.len() as u64).to_le_bytes()).update(name.as_bytes()).update(artifact);
        hasher.finalize()
    }
}

/// The name of the file of an artifact for this very engine.
pub(crate) fn name(engine: &Engine, what: What, digest: &Digest) -> String {
    struct Stable(blake3::Hasher);
    impl Hasher for Stable {
        fn write(&mut self, bytes: &[u8]) {
            self.0.update(bytes);
        }
        fn finish(&self) -> u64 {
            0
        }
    }
    let mut hasher = Stable(blake3::Hasher::new());
    // Files of another form have other names: they are not looked at, and go in time.
    hasher.write(MAGIC);
    std::hash::Hash::hash(&engine.precompile_compatibility_hash(), &mut hasher);
    hasher.write(WASMTIME_VERSION.as_bytes());
    // As many bytes as a digest has are no digest with more before it.
    match what {
        What::Component => {
            hasher.write(b"component with room");
            hasher.write(&MEMORY_ROOM_PAGES.to_le_bytes());
        }
        What::Module => hasher.write(b"core module"),
    }
    hasher.write(digest.as_bytes());
    format!("{}{SUFFIX}", hasher.0.finalize().to_hex())
}

/// Says on the file that it was used now.
fn touch(file: &File) {
    let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
    if let Err(error) = futimens(file, &Timestamps { last_access: now, last_modification: now }) {
        tracing::debug!("when an artifact was loaded is not kept: {error}");
    }
}

/// Lets the pages of a mapped artifact go until they are run: reading the file put all of them into memory.
fn let_go(image: &impl Image) {
    let Ok(length) = usize::try_from(image.bytes()) else { return };
    // SAFETY: the image is a private mapping of a file that nobody changes, and nobody writes to it: a page that was let go comes
    // back as it was.
    #[allow(unsafe_code, reason = "advice about memory that the engine lets others give advice about")]
    let advised = unsafe { madvise(image.range().start.cast_mut().cast(), length, Advice::LinuxDontNeed) };
    if let Err(error) = advised {
        tracing::debug!("the pages of an artifact stay in memory: {error}");
    }
}

/// Removes the artifacts that were loaded longest ago, but never `newest`, until those that are left have no more bytes than they may.
fn evict(folder: &Dir, newest: &str, bytes_max: u64) -> io::Result<()> {
    let (mut kept, mut bytes) = (BTreeSet::new(), 0);
    for entry in folder.entries()? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.ends_with(SUFFIX) {
            let file = entry.metadata()?;
            bytes += file.len();
            kept.insert((file.modified()?, name, file.len()));
        }
    }
    for (_, name, length) in kept.iter().filter(|(_, name, _)| name != newest) {
        if bytes <= bytes_max {
            break;
        }
        folder.remove_file(name)?;
        bytes -= length;
    }
    Ok(())
}

/// Writes a file that is there as a whole or not at all, readable by its owner only and writable by nobody.
fn write_whole(folder: &Dir, name: &str, parts: &[&[u8]]) -> io::Result<()> {
    let temporary = format!("{name}.{:016x}{NEW}", rand::random::<u64>());
    let mut file = folder.open_with(&temporary, OpenOptions::new().write(true).create_new(true).mode(0o400))?;
    let mut pieces = parts.iter().flat_map(|part| part.chunks(SYNC_EVERY_BYTES));
    let written = pieces.try_for_each(|piece| file.write_all(piece).and_then(|()| file.sync_data()));
    let written = written.and_then(|()| file.sync_all());
    written.and_then(|()| folder.rename(&temporary, folder, name)).inspect_err(|_| {
        // What is left of a failed write is of no use; failing to remove it changes nothing.
        let _ = folder.remove_file(&temporary);
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beyond_the_bound_the_oldest_artifacts_go_and_never_the_newest() {
        let path = std::env::temp_dir().join(format!("wharf-evict-{:016x}", rand::random::<u64>()));
        std::fs::create_dir(&path).unwrap();
        let folder = Dir::open_ambient_dir(&path, cap_std::ambient_authority()).unwrap();
        let names = ["d.cwasm", "c.cwasm", "b.cwasm", "a.cwasm", "secret"];
        for (age, name) in (0..).zip(names) {
            write_whole(&folder, name, &[&[0; 100]]).unwrap();
            let file = std::fs::File::open(path.join(name)).unwrap();
            file.set_modified(std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(100 - age)).unwrap();
        }
        let left = || {
            let names =
                std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
            names.collect::<BTreeSet<_>>()
        };
        evict(&folder, "a.cwasm", 400).unwrap();
        assert_eq!(left().len(), 5, "there is room for all");
        evict(&folder, "a.cwasm", 250).unwrap();
        assert_eq!(left(), BTreeSet::from(["a.cwasm", "d.cwasm", "secret"].map(str::to_owned)));
        evict(&folder, "a.cwasm", 10).unwrap();
        assert_eq!(left(), BTreeSet::from(["a.cwasm", "secret"].map(str::to_owned)));
        std::fs::remove_dir_all(&path).unwrap();
    }

    #[test]
    fn an_artifact_has_a_name_for_each_engine_and_for_what_it_is_of() {
        let engine = |fuel| {
            let mut config = crate::settings::compiler().unwrap();
            config.consume_fuel(fuel);
            Engine::new(&config).unwrap()
        };
        let digest = Digest::of(b"component");
        let of = |fuel, what| name(&engine(fuel), what, &digest);
        assert_eq!(of(false, What::Component), of(false, What::Component));
        assert_ne!(of(false, What::Component), of(true, What::Component), "another engine's code is not looked at");
        assert_ne!(of(false, What::Component), of(false, What::Module));
        assert_ne!(of(false, What::Component), name(&engine(false), What::Component, &Digest::of(b"another")));
    }

    #[test]
    fn an_artifact_counts_only_with_this_folders_mac() {
        let folder = std::env::temp_dir().join(format!("wharf-cache-{:016x}", rand::random::<u64>()));
        std::fs::create_dir(&folder).unwrap();
        let open = || Dir::open_ambient_dir(&folder, cap_std::ambient_authority()).unwrap();
        let cache = ArtifactCache::open(open()).unwrap();
        let file = [b"code", cache.mac("a.cwasm", b"code").as_bytes().as_slice(), MAGIC].concat();
        assert_eq!(cache.verified("a.cwasm", &file), Some(b"code".as_slice()));
        assert_eq!(cache.verified("b.cwasm", &file), None, "it is another component's");
        let unnamed = [b"code", blake3::keyed_hash(&cache.secret, b"code").as_bytes().as_slice(), MAGIC].concat();
        assert_eq!(cache.verified("a.cwasm", &unnamed), None);
        for n in 0..file.len() {
            let mut flipped = file.clone();
            flipped[n] ^= 1;
            assert_eq!(cache.verified("a.cwasm", &flipped), None, "byte {n}");
            assert_eq!(cache.verified("a.cwasm", &file[..n]), None, "cut at {n}");
        }
        std::fs::write(folder.join("a.cwasm.0.new"), b"begun").unwrap();
        let again = ArtifactCache::open(open()).unwrap();
        assert!(!folder.join("a.cwasm.0.new").exists(), "what was begun is gone");
        assert_eq!(again.verified("a.cwasm", &file), Some(b"code".as_slice()), "the secret stays");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
