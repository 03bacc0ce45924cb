//! The fields that some rule names, as a tree by the parts of their paths. Invariant: a field is there as long as a way names
//! it, and keeps its number as long; the names above it are there with it.

use std::sync::Arc;

use super::{index::Index, trie::Trie};

/// Stands for "no rule names this".
pub(crate) const UNNAMED: u32 = u32::MAX;

/// One name of the tree, and what is below it.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    /// Its number, if some way names it.
    pub(crate) id: u32,
    /// How many ways name it.
    uses: u32,
    pub(crate) index: Option<Arc<Index>>,
    pub(crate) below: Trie<Self>,
}

impl Default for Field {
    fn default() -> Self {
        Self { id: UNNAMED, uses: 0, index: None, below: Trie::default() }
    }
}

impl Field {
    fn is_void(&self) -> bool {
        self.uses == 0 && self.below.is_empty()
    }
}

/// Counts one more way that names a path, and gives its number; a new one is asked for if it has none.
pub(crate) fn name(root: &mut Trie<Field>, path: &str, number: impl FnOnce() -> u32) -> u32 {
    change(root, path, |field| {
        field.uses += 1;
        if field.id == UNNAMED {
            field.id = number();
        }
        field.id
    })
}

/// Changes the index of a field that is named.
pub(crate) fn index<R>(root: &mut Trie<Field>, path: &str, work: impl FnOnce(&mut Index) -> R) -> R {
    change(root, path, |field| work(Arc::make_mut(field.index.get_or_insert_default())))
}

/// Looks at a field.
pub(crate) fn find<'a>(root: &'a Trie<Field>, path: &str) -> Option<&'a Field> {
    let (first, rest) = path.split_once('.').map_or((path, None), |(first, rest)| (first, Some(rest)));
    let field = root.get(first.as_bytes())?;
    match rest {
        Some(rest) => find(&field.below, rest),
        None => Some(field),
    }
}

fn change<R>(root: &mut Trie<Field>, path: &str, work: impl FnOnce(&mut Field) -> R) -> R {
    let (first, rest) = path.split_once('.').map_or((path, None), |(first, rest)| (first, Some(rest)));
    root.change(first.as_bytes(), |field| match rest {
        Some(rest) => change(&mut field.below, rest, work),
        None => work(field),
    })
}

/// Counts one way less that names a path, and gives its number if that was the last.
pub(crate) fn forget(root: &mut Trie<Field>, path: &str) -> Option<u32> {
    let (first, rest) = path.split_once('.').map_or((path, None), |(first, rest)| (first, Some(rest)));
    root.shrink(first.as_bytes(), |field| {
        let freed = match rest {
            Some(rest) => forget(&mut field.below, rest),
            None => {
                field.uses = field.uses.saturating_sub(1);
                (field.uses == 0).then(|| {
                    field.index = None;
                    std::mem::replace(&mut field.id, UNNAMED)
                })
            }
        };
        (freed, field.is_void())
    })?
}
