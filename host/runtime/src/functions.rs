//! The code of functions that were compiled before, for a compiler that meets them again: most of a component is as it was
//! when its author changes a line.
//!
//! Invariant: a function's code is found by a hash of all that it depends on, which wasmtime makes, its own version and settings
//! among it. Whoever can write what is known here decides what a component becomes: it is for what one author compiles again and
//! again, never for components of several.

use std::{
    borrow::Cow,
    collections::HashMap,
    ops::Range,
    sync::{Mutex, PoisonError},
};

use wasmtime::CacheStore;

/// Bytes that tell a length.
const LEN: usize = size_of::<u32>();

/// What is known, and what was compiled beside it.
#[derive(Debug, Default)]
pub(crate) struct Functions {
    known: Vec<u8>,
    /// Where in those bytes the code of each is.
    places: HashMap<Vec<u8>, Range<usize>>,
    new: Mutex<HashMap<Vec<u8>, Vec<u8>>>,
}

impl Functions {
    /// What is written in those bytes, of [`Functions::written`], one behind the other. What is broken off is left out.
    pub(crate) fn known(known: Vec<u8>) -> Self {
        let (mut places, mut at) = (HashMap::new(), 0);
        while let Some((key, code)) = entry(&known, at) {
            at = code.end;
            places.insert(key.to_vec(), code);
        }
        Self { known, places, new: Mutex::default() }
    }

    /// What was compiled since, to be known the next time.
    pub(crate) fn written(&self) -> Vec<u8> {
        let new = self.new.lock().unwrap_or_else(PoisonError::into_inner);
        let mut written = Vec::with_capacity(new.iter().map(|(key, code)| key.len() + code.len() + 2 * LEN).sum());
        for (key, code) in new.iter() {
            let (Ok(key_len), Ok(code_len)) = (u32::try_from(key.len()), u32::try_from(code.len())) else { continue };
            written.extend_from_slice(&key_len.to_le_bytes());
            written.extend_from_slice(key);
            written.extend_from_slice(&code_len.to_le_bytes());
            written.extend_from_slice(code);
        }
        written
    }
}

/// What is written at a place: a key, and where the code is.
fn entry(bytes: &[u8], at: usize) -> Option<(&[u8], Range<usize>)> {
    let key = part(bytes, at)?;
    let code = part(bytes, key.end)?;
    Some((bytes.get(key)?, code))
}

/// Where the bytes are whose length is told at a place.
fn part(bytes: &[u8], at: usize) -> Option<Range<usize>> {
    let len = u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?);
    let start = at + LEN;
    let end = start.checked_add(usize::try_from(len).ok()?)?;
    (end <= bytes.len()).then_some(start..end)
}

impl CacheStore for Functions {
    fn get(&self, key: &[u8]) -> Option<Cow<'_, [u8]>> {
        if let Some(place) = self.places.get(key) {
            return self.known.get(place.clone()).map(Cow::Borrowed);
        }
        let new = self.new.lock().unwrap_or_else(PoisonError::into_inner);
        new.get(key).cloned().map(Cow::Owned)
    }

    fn insert(&self, key: &[u8], code: Vec<u8>) -> bool {
        self.new.lock().unwrap_or_else(PoisonError::into_inner).insert(key.to_vec(), code);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_compiled_is_known_the_next_time_and_written_once() {
        let first = Functions::default();
        assert!(first.insert(b"a", b"code of a".to_vec()) && first.insert(b"b", Vec::new()));
        assert_eq!(first.get(b"a").as_deref(), Some(&b"code of a"[..]));
        let mut known = first.written();
        let second = Functions::known(known.clone());
        assert_eq!(second.get(b"a").as_deref(), Some(&b"code of a"[..]));
        assert_eq!((second.get(b"b").as_deref(), second.get(b"c")), (Some(&b""[..]), None));
        assert_eq!(second.written(), b"");
        second.insert(b"c", b"code of c".to_vec());
        known.extend(second.written());
        let third = Functions::known(known);
        let all = [&b"a"[..], b"b", b"c"].map(|key| third.get(key).unwrap().into_owned());
        assert_eq!(all, [&b"code of a"[..], b"", b"code of c"]);
    }

    #[test]
    fn what_is_broken_off_or_no_such_bytes_is_left_out() {
        let functions = Functions::default();
        functions.insert(b"a", b"code".to_vec());
        let written = functions.written();
        for end in 0..written.len() {
            assert_eq!(Functions::known(written[..end].to_vec()).get(b"a"), None, "{end}");
        }
        assert_eq!(Functions::known(vec![0xff; 64]).places.len(), 0);
    }
}
