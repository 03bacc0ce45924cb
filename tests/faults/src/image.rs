//! The bytes of a file, in pages that are shared until they are written: copying a disk costs next to nothing.

use std::{collections::BTreeMap, sync::Arc};

const PAGE: usize = 4_096;

/// A file's bytes. What was never written reads as zeros.
#[derive(Clone, Default)]
pub(crate) struct Image {
    bytes: u64,
    pages: BTreeMap<u64, Arc<[u8; PAGE]>>,
}

impl Image {
    pub(crate) fn len(&self) -> u64 {
        self.bytes
    }

    /// Bytes that it takes on the disk.
    pub(crate) fn allocated(&self) -> u64 {
        (self.pages.len() * PAGE) as u64
    }

    /// Bytes that a write would take on the disk beyond those.
    pub(crate) fn to_allocate(&self, at: u64, bytes: u64) -> u64 {
        let (first, end) = (at / PAGE as u64, (at + bytes).div_ceil(PAGE as u64));
        (first..end).filter(|page| !self.pages.contains_key(page)).count() as u64 * PAGE as u64
    }

    pub(crate) fn write(&mut self, at: u64, bytes: &[u8]) {
        self.bytes = self.bytes.max(at + bytes.len() as u64);
        let (mut at, mut bytes) = (at, bytes);
        while !bytes.is_empty() {
            let within = (at % PAGE as u64) as usize;
            let (piece, rest) = bytes.split_at(bytes.len().min(PAGE - within));
            let page = self.pages.entry(at / PAGE as u64).or_insert_with(|| Arc::new([0; PAGE]));
            if let Some(place) = Arc::make_mut(page).get_mut(within..within + piece.len()) {
                place.copy_from_slice(piece);
            }
            (at, bytes) = (at + piece.len() as u64, rest);
        }
    }

    /// Reads what is there, at most `into.len()` bytes.
    pub(crate) fn read(&self, at: u64, into: &mut [u8]) -> usize {
        let bytes = usize::try_from(self.bytes.saturating_sub(at)).unwrap_or(usize::MAX).min(into.len());
        let (mut at, mut rest) = (at, into.get_mut(..bytes).unwrap_or_default());
        while !rest.is_empty() {
            let within = (at % PAGE as u64) as usize;
            let (piece, behind) = rest.split_at_mut(rest.len().min(PAGE - within));
            match self.pages.get(&(at / PAGE as u64)).and_then(|page| page.get(within..within + piece.len())) {
                Some(page) => piece.copy_from_slice(page),
                None => piece.fill(0),
            }
            (at, rest) = (at + piece.len() as u64, behind);
        }
        bytes
    }

    pub(crate) fn resize(&mut self, bytes: u64) {
        if bytes < self.bytes {
            drop(self.pages.split_off(&bytes.div_ceil(PAGE as u64)));
            let within = (bytes % PAGE as u64) as usize;
            // What lies behind the end must read as zeros if the file grows again.
            if let Some(page) = self.pages.get_mut(&(bytes / PAGE as u64))
                && let Some(behind) = Arc::make_mut(page).get_mut(within..)
            {
                behind.fill(0);
            }
        }
        self.bytes = bytes;
    }

    pub(crate) fn to_vec(&self) -> Vec<u8> {
        let mut bytes = vec![0; usize::try_from(self.bytes).unwrap_or(usize::MAX)];
        self.read(0, &mut bytes);
        bytes
    }

    pub(crate) fn of(bytes: &[u8]) -> Self {
        let mut image = Self::default();
        image.write(0, bytes);
        image
    }
}
