//! A change of a file that is in memory only.

use std::collections::BTreeSet;

use crate::image::Image;

/// What a disk writes as a whole, or not at all.
pub(crate) const SECTOR: u64 = 512;

#[derive(Clone)]
pub(crate) enum Pending {
    Write(u64, Vec<u8>),
    Length(u64),
}

impl Pending {
    /// What a failing operation does of it.
    pub(crate) fn half(self) -> Self {
        match self {
            Self::Write(at, mut bytes) => {
                bytes.truncate(bytes.len() / 2);
                Self::Write(at, bytes)
            }
            length @ Self::Length(_) => length,
        }
    }

    /// Does all of it.
    pub(crate) fn apply(&self, to: &mut Image) {
        match self {
            Self::Write(at, bytes) => to.write(*at, bytes),
            Self::Length(bytes) => to.resize(*bytes),
        }
    }

    /// Does of it what `keep` says, sector by sector. A sector that has lost a change is in `lost`: it gets later ones only
    /// with what it lost, so none but a whole new sector.
    pub(crate) fn apply_some(&self, to: &mut Image, lost: &mut BTreeSet<u64>, mut keep: impl FnMut() -> bool) {
        let (at, bytes) = match self {
            Self::Length(bytes) => {
                if keep() {
                    to.resize(*bytes);
                }
                return;
            }
            Self::Write(at, bytes) => (*at, &bytes[..]),
        };
        let (mut at, mut bytes) = (at, bytes);
        while !bytes.is_empty() {
            let sector = at / SECTOR;
            let room = usize::try_from((sector + 1) * SECTOR - at).unwrap_or(usize::MAX);
            let (piece, rest) = bytes.split_at(bytes.len().min(room));
            let kept = keep() && (piece.len() as u64 == SECTOR || !lost.contains(&sector));
            if kept {
                lost.remove(&sector);
                to.write(at, piece);
            } else {
                lost.insert(sector);
            }
            (at, bytes) = (at + piece.len() as u64, rest);
        }
    }
}
