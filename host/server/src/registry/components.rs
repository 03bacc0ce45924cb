//! Components in the data folder, and models beside them, one file for each digest.
//!
//! Invariant: a file with a digest for its name has the bytes of that digest, durably: it was written under another name, hashed on
//! the way, synced and renamed. What somebody began to send and did not end is removed, at the latest at the next start.

use std::{
    collections::HashSet,
    io::{self, Write as _},
};

use bytes::Bytes;
use cap_std::fs::{Dir, File};
use futures_util::{Stream, StreamExt as _};
use tokio::sync::mpsc;
use wharf_event::{Digest, Hashing};
use wharf_gateway::Refusal;
use wharf_runtime::{
    ComponentFiles,
    limits::{COMPONENT_BYTES_MAX, SYNC_EVERY_BYTES},
};

/// How a file is called that is not whole yet.
const PART: &str = ".part";

/// How a whole one is.
const WHOLE: &str = ".wasm";

/// Pieces that wait to be written.
const PIECES: usize = 16;

/// How one of a model is.
const MODEL: &str = ".onnx";

/// The folder of components, or the models in it.
pub struct Components {
    folder: Dir,
    ending: &'static str,
}

/// Why a component was not kept.
#[derive(Debug, thiserror::Error)]
pub enum NotKept {
    /// It did not come whole.
    #[error("{}", .0.detail)]
    Sender(Refusal),
    /// It has too many bytes.
    #[error("there may be at most {COMPONENT_BYTES_MAX} bytes")]
    TooLarge,
    /// It is another one.
    #[error("the bytes that came are those of {found}")]
    Mismatch {
        /// Which one it is.
        found: Digest,
    },
    /// The disk failed.
    #[error("it cannot be written")]
    Disk(#[from] io::Error),
}

enum Piece {
    Bytes(Bytes),
    End,
}

impl Components {
    /// The components in `folder`.
    #[must_use]
    pub fn new(folder: Dir) -> Self {
        Self { folder, ending: WHOLE }
    }

    /// The models in `folder`.
    #[must_use]
    pub fn of_models(folder: Dir) -> Self {
        Self { folder, ending: MODEL }
    }

    fn whole(&self, digest: &Digest) -> String {
        format!("{}{}", digest.hex(), self.ending)
    }

    /// The bytes of one, counted; none if there is none of that digest.
    #[must_use]
    pub fn size(&self, digest: &Digest) -> Option<u64> {
        Some(self.folder.metadata(self.whole(digest)).ok()?.len())
    }

    /// Removes one, if it is there.
    ///
    /// # Errors
    /// When that fails.
    pub fn remove(&self, digest: &Digest) -> io::Result<()> {
        match self.folder.remove_file(self.whole(digest)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Takes a component as it comes, and says how many bytes it has. It is durable then.
    ///
    /// # Errors
    /// When it is not whole, too large, another one, or cannot be written. Nothing of it is kept.
    pub async fn receive(
        &self,
        digest: Digest,
        mut pieces: impl Stream<Item = Result<Bytes, Refusal>> + Unpin,
    ) -> Result<u64, NotKept> {
        let (sender, receiver) = mpsc::channel(PIECES);
        let (folder, whole) = (self.folder.try_clone()?, self.whole(&digest));
        let writing = tokio::task::spawn_blocking(move || keep(&folder, (digest, &whole), receiver));
        let mut stopped = Ok(());
        loop {
            let piece = match pieces.next().await {
                Some(Ok(bytes)) => Piece::Bytes(bytes),
                Some(Err(refusal)) => {
                    stopped = Err(NotKept::Sender(refusal));
                    break;
                }
                None => Piece::End,
            };
            let ends = matches!(piece, Piece::End);
            // The writer says itself why it takes no more.
            if sender.send(piece).await.is_err() || ends {
                break;
            }
        }
        drop(sender);
        let written = writing.await.map_err(io::Error::other)?;
        stopped.and(written)
    }

    /// Removes what is not wanted, and what was never whole. To be called while nobody sends anything.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn sweep(&self, wanted: &HashSet<Digest>) -> io::Result<usize> {
        let mut removed = 0;
        for entry in self.folder.entries()? {
            let name = entry?.file_name();
            let Some(name) = name.to_str() else { continue };
            let digest = name.strip_suffix(self.ending).and_then(|hex| format!("sha256:{hex}").parse::<Digest>().ok());
            let goes = digest.map_or(name.ends_with(PART), |digest| !wanted.contains(&digest));
            if goes {
                self.folder.remove_file(name)?;
                removed += 1;
            }
        }
        Ok(removed)
    }
}

impl ComponentFiles for Components {
    fn read(&self, digest: &Digest) -> io::Result<Vec<u8>> {
        self.folder.read(self.whole(digest))
    }
}

/// Writes pieces until their end, and keeps them if they are what they should be.
fn keep(folder: &Dir, (digest, whole): (Digest, &str), mut pieces: mpsc::Receiver<Piece>) -> Result<u64, NotKept> {
    let part = format!("{}-{:016x}{PART}", digest.hex(), rand::random::<u64>());
    let written =
        folder.create(&part).map_err(NotKept::from).and_then(|mut file| write(&mut file, digest, &mut pieces));
    let kept = written.and_then(|bytes| {
        folder.rename(&part, folder, whole)?;
        folder.open(".")?.sync_all()?;
        Ok(bytes)
    });
    if kept.is_err() {
        // It may never have been made; else the next start removes it.
        let _ = folder.remove_file(&part);
    }
    kept
}

fn write(file: &mut File, digest: Digest, pieces: &mut mpsc::Receiver<Piece>) -> Result<u64, NotKept> {
    let (mut hashing, mut bytes, mut unsynced) = (Hashing::default(), 0, 0);
    loop {
        match pieces.blocking_recv() {
            Some(Piece::Bytes(piece)) => {
                bytes += piece.len() as u64;
                if bytes > COMPONENT_BYTES_MAX as u64 {
                    return Err(NotKept::TooLarge);
                }
                hashing.update(&piece);
                file.write_all(&piece)?;
                unsynced += piece.len();
                if unsynced >= SYNC_EVERY_BYTES {
                    file.sync_data()?;
                    unsynced = 0;
                }
            }
            Some(Piece::End) => break,
            // Whoever sent it says why.
            None => return Err(NotKept::Disk(io::ErrorKind::UnexpectedEof.into())),
        }
    }
    let found = hashing.end();
    if found != digest {
        return Err(NotKept::Mismatch { found });
    }
    file.sync_all()?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use cap_std::ambient_authority;
    use futures_util::stream;
    use wharf_event::Code;

    use super::*;

    fn folder() -> (tempfile::TempDir, Components) {
        let folder = tempfile::tempdir().unwrap();
        let components = Components::new(Dir::open_ambient_dir(folder.path(), ambient_authority()).unwrap());
        (folder, components)
    }

    fn pieces(bytes: &[u8], size: usize) -> Vec<Result<Bytes, Refusal>> {
        bytes.chunks(size).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect()
    }

    fn files(folder: &tempfile::TempDir) -> usize {
        std::fs::read_dir(folder.path()).unwrap().count()
    }

    #[tokio::test]
    async fn a_component_that_comes_whole_is_kept_under_its_digest() {
        let (folder, components) = folder();
        let bytes: Vec<u8> = (0..100_000u32).map(|n| n as u8).collect();
        let digest = Digest::of(&bytes);
        assert_eq!(components.receive(digest, stream::iter(pieces(&bytes, 999))).await.unwrap(), 100_000);
        assert_eq!(components.size(&digest), Some(100_000));
        assert_eq!(components.read(&digest).unwrap(), bytes);
        assert_eq!(files(&folder), 1);
        assert_eq!(components.sweep(&HashSet::from([digest])).unwrap(), 0);
        assert_eq!(components.sweep(&HashSet::new()).unwrap(), 1);
    }

    #[tokio::test]
    async fn models_and_components_lie_beside_each_other() {
        let (folder, components) = folder();
        let models = Components::of_models(Dir::open_ambient_dir(folder.path(), ambient_authority()).unwrap());
        let digest = Digest::of(b"model");
        models.receive(digest, stream::iter(pieces(b"model", 2))).await.unwrap();
        assert_eq!((components.size(&digest), models.size(&digest)), (None, Some(5)));
        assert_eq!(components.sweep(&HashSet::new()).unwrap(), 0, "it is no component");
        assert_eq!(models.read(&digest).unwrap(), b"model");
        assert_eq!(models.sweep(&HashSet::new()).unwrap(), 1);
    }

    #[tokio::test]
    async fn what_is_not_whole_or_another_one_leaves_nothing() {
        let (folder, components) = folder();
        let digest = Digest::of(b"wanted");
        let other = components.receive(digest, stream::iter(pieces(b"other", 2))).await.unwrap_err();
        assert!(matches!(other, NotKept::Mismatch { found } if found == Digest::of(b"other")));
        let mut broken = pieces(b"wanted", 3);
        broken.push(Err(Refusal::new(Code::RequestMalformed, "cut")));
        let broken = components.receive(digest, stream::iter(broken)).await.unwrap_err();
        assert!(matches!(broken, NotKept::Sender(refusal) if refusal.detail == "cut"));
        let piece = || Ok(Bytes::from(vec![0; 1 << 20]));
        let endless = components.receive(digest, stream::iter(std::iter::repeat_with(piece))).await.unwrap_err();
        assert!(matches!(endless, NotKept::TooLarge));
        assert_eq!(files(&folder), 0);
        std::fs::write(folder.path().join("x.part"), b"left by a crash").unwrap();
        assert_eq!(components.sweep(&HashSet::new()).unwrap(), 1);
    }
}
