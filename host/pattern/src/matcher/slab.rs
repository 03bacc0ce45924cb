//! A list whose entries keep their numbers. Invariant: a clone shares all chunks, and a change copies the chunk that it is in
//! and the list of chunks, nothing else.

use std::sync::Arc;

/// Entries in a chunk.
const CHUNK: usize = 256;

/// A list with holes.
#[derive(Clone, Debug)]
pub(crate) struct Slab<T> {
    chunks: Arc<Vec<Arc<Vec<Option<T>>>>>,
    free: Arc<Vec<u32>>,
    length: u32,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { chunks: Arc::default(), free: Arc::default(), length: 0 }
    }
}

impl<T: Clone> Slab<T> {
    #[inline]
    pub(crate) fn get(&self, id: u32) -> Option<&T> {
        self.chunks.get(id as usize / CHUNK)?.get(id as usize % CHUNK)?.as_ref()
    }

    /// One above the highest number so far.
    #[inline]
    pub(crate) const fn length(&self) -> usize {
        self.length as usize
    }

    pub(crate) fn live(&self) -> usize {
        self.length as usize - self.free.len()
    }

    /// A number for the next entry, which [`Slab::put`] brings.
    pub(crate) fn reserve(&mut self) -> u32 {
        if self.free.is_empty() {
            self.length += 1;
            return self.length - 1;
        }
        Arc::make_mut(&mut self.free).pop().unwrap_or_default()
    }

    pub(crate) fn put(&mut self, id: u32, entry: T) {
        let chunks = Arc::make_mut(&mut self.chunks);
        while chunks.len() <= id as usize / CHUNK {
            chunks.push(Arc::default());
        }
        if let Some(chunk) = chunks.get_mut(id as usize / CHUNK) {
            let chunk = Arc::make_mut(chunk);
            let at = id as usize % CHUNK;
            if chunk.len() <= at {
                chunk.resize(at + 1, None);
            }
            if let Some(place) = chunk.get_mut(at) {
                *place = Some(entry);
            }
        }
    }

    pub(crate) fn take(&mut self, id: u32) -> Option<T> {
        let chunk = Arc::make_mut(&mut self.chunks).get_mut(id as usize / CHUNK)?;
        let entry = Arc::make_mut(chunk).get_mut(id as usize % CHUNK)?.take()?;
        Arc::make_mut(&mut self.free).push(id);
        Some(entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_and_come_again() {
        let mut slab = Slab::default();
        for n in 0..1_000u32 {
            let id = slab.reserve();
            slab.put(id, n);
            assert_eq!(id, n);
        }
        let before = slab.clone();
        assert_eq!((slab.take(500), slab.take(500), slab.live()), (Some(500), None, 999));
        assert_eq!((slab.get(500), before.get(500), before.live()), (None, Some(&500), 1_000));
        assert_eq!(slab.reserve(), 500);
    }
}
