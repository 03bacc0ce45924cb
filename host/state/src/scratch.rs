//! A file that is only read: what is written to it stays in memory and is gone with it.
//!
//! Invariant: not a byte of the file below changes. It keeps every page that was written, so it is for looking at a state, where
//! little is.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    io,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::file::StateFile;

/// Bytes of a page: what is read from below when part of it is written.
const PAGE_BYTES: u64 = 4096;

/// A file with changes in memory.
pub(crate) struct Scratch {
    below: Box<dyn StateFile>,
    changes: Mutex<Changes>,
}

#[derive(Default)]
struct Changes {
    /// The length, once it was looked at.
    bytes: Option<u64>,
    /// Up to where the file below is still what it was: what was cut off does not come back.
    below_bytes: u64,
    /// Pages that were written, by their number.
    pages: BTreeMap<u64, Vec<u8>>,
}

impl Scratch {
    /// Nothing is changed yet.
    pub(crate) fn over(below: Box<dyn StateFile>) -> Self {
        Self { below, changes: Mutex::default() }
    }

    fn changes(&self) -> io::Result<(MutexGuard<'_, Changes>, u64)> {
        let mut changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = match changes.bytes {
            Some(bytes) => bytes,
            None => {
                let bytes = self.below.size()?;
                (changes.bytes, changes.below_bytes) = (Some(bytes), bytes);
                bytes
            }
        };
        Ok((changes, bytes))
    }

    /// A page as the file below has it, with zeros behind its end.
    fn page_below(&self, page: u64, below_bytes: u64) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; PAGE_BYTES as usize];
        let from = page * PAGE_BYTES;
        let there = below_bytes.saturating_sub(from).min(PAGE_BYTES) as usize;
        if let Some(there) = bytes.get_mut(..there).filter(|there| !there.is_empty()) {
            self.below.read_at(from, there)?;
        }
        Ok(bytes)
    }
}

/// The parts of the bytes from `offset` that lie in one page each: the page, where in it they begin, and how many they are.
fn parts(offset: u64, bytes: usize) -> impl Iterator<Item = (u64, usize, usize)> {
    let mut at = offset;
    let end = offset + bytes as u64;
    std::iter::from_fn(move || {
        let (page, within) = (at / PAGE_BYTES, at % PAGE_BYTES);
        let bytes = (PAGE_BYTES - within).min(end.checked_sub(at).filter(|left| *left > 0)?);
        at += bytes;
        Some((page, within as usize, bytes as usize))
    })
}

impl StateFile for Scratch {
    fn size(&self) -> io::Result<u64> {
        Ok(self.changes()?.1)
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        let (changes, bytes) = self.changes()?;
        if offset.checked_add(into.len() as u64).is_none_or(|end| end > bytes) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut rest = into;
        for (page, within, bytes) in parts(offset, rest.len()) {
            let (into, after) = std::mem::take(&mut rest).split_at_mut(bytes);
            let below;
            let page = match changes.pages.get(&page) {
                Some(written) => written,
                None => {
                    below = self.page_below(page, changes.below_bytes)?;
                    &below
                }
            };
            into.copy_from_slice(page.get(within..within + bytes).unwrap_or_default());
            rest = after;
        }
        Ok(())
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let (mut changes, size) = self.changes()?;
        let below_bytes = changes.below_bytes;
        let mut rest = bytes;
        for (page, within, bytes) in parts(offset, rest.len()) {
            let (from, after) = rest.split_at(bytes);
            let page = match changes.pages.entry(page) {
                Entry::Occupied(written) => written.into_mut(),
                Entry::Vacant(free) => free.insert(self.page_below(page, below_bytes)?),
            };
            if let Some(into) = page.get_mut(within..within + bytes) {
                into.copy_from_slice(from);
            }
            rest = after;
        }
        changes.bytes = Some(size.max(offset + bytes.len() as u64));
        Ok(())
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        let (mut changes, size) = self.changes()?;
        if bytes < size {
            changes.below_bytes = changes.below_bytes.min(bytes);
            let first_gone = bytes.div_ceil(PAGE_BYTES);
            changes.pages.split_off(&first_gone);
            // What is left of the last page reads as zeros from here on, should the file grow again.
            let within = (bytes % PAGE_BYTES) as usize;
            if let Some(page) = changes.pages.get_mut(&(bytes / PAGE_BYTES)) {
                page.iter_mut().skip(within).for_each(|byte| *byte = 0);
            }
        }
        changes.bytes = Some(bytes);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_like_a_file_and_leaves_the_one_below_alone() {
        let below = tempfile::tempfile().unwrap();
        let first: Vec<u8> = (0..10_000u32).map(|n| (n % 251) as u8).collect();
        StateFile::write_at(&below, 0, &first).unwrap();
        let mut model = first.clone();
        let scratch = Scratch::over(Box::new(below.try_clone().unwrap()));
        let whole = |scratch: &Scratch| {
            let mut bytes = vec![0; scratch.size().unwrap() as usize];
            scratch.read_at(0, &mut bytes).unwrap();
            bytes
        };
        let mut seed = 1u64;
        let mut random = |below: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % below
        };
        for step in 0..500 {
            if random(5) == 0 {
                let bytes = random(30_000);
                scratch.set_len(bytes).unwrap();
                model.resize(bytes as usize, 0);
            } else {
                let at = random(model.len() as u64 + 1) as usize;
                let bytes = vec![step as u8; random(6_000) as usize];
                scratch.write_at(at as u64, &bytes).unwrap();
                model.resize(model.len().max(at + bytes.len()), 0);
                model[at..at + bytes.len()].copy_from_slice(&bytes);
            }
            assert!(whole(&scratch) == model, "step {step}");
        }
        assert!(scratch.read_at(model.len() as u64, &mut [0]).is_err());
        let mut bytes = vec![0; first.len()];
        StateFile::read_at(&below, 0, &mut bytes).unwrap();
        assert!(bytes == first && StateFile::size(&below).unwrap() == first.len() as u64);
    }
}
