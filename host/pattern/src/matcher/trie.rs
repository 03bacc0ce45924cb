//! A map from byte strings in the form of a radix tree. Invariant: a clone shares all nodes, and a change copies those on the
//! way to it that are shared, so that a snapshot never changes. A change goes as deep as its key has bytes at most, so that
//! keys have to have a limit.

use std::sync::Arc;

use crate::text::same;

/// The map.
#[derive(Clone, Debug)]
pub(crate) struct Trie<T> {
    root: Option<Arc<Node<T>>>,
}

#[derive(Clone, Debug)]
struct Node<T> {
    /// The bytes that lead here from the parent, after the first one, which stands there. Mostly there are none.
    label: Box<[u8]>,
    value: Option<T>,
    /// The bytes that lead on, sorted, and where to.
    children: Vec<(u8, Arc<Self>)>,
}

/// What a name leads to.
pub(crate) enum Found<'a, T> {
    Nothing,
    Whole(&'a T),
    /// The value for what is before a dot, and where the rest begins.
    Dotted(&'a T, usize),
}

impl<T> Default for Trie<T> {
    fn default() -> Self {
        Self { root: None }
    }
}

impl<T> Node<T> {
    const fn leaf(label: Box<[u8]>) -> Self {
        Self { label, value: None, children: Vec::new() }
    }

    #[inline]
    fn child(&self, first: u8) -> Option<&Self> {
        let at = if self.children.len() <= 16 {
            self.children.iter().position(|(byte, _)| *byte == first)?
        } else {
            self.place(first).ok()?
        };
        self.children.get(at).map(|(_, child)| child.as_ref())
    }

    fn place(&self, first: u8) -> Result<usize, usize> {
        self.children.binary_search_by_key(&first, |(byte, _)| *byte)
    }
}

impl<T> Trie<T> {
    #[inline]
    pub(crate) const fn is_empty(&self) -> bool {
        self.root.is_none()
    }

    pub(crate) fn get(&self, key: &[u8]) -> Option<&T> {
        match self.name(key) {
            Found::Whole(value) => Some(value),
            _ => None,
        }
    }

    /// The value for a name; or for the part of it that is before a dot. Keys of this trie have no dots then.
    #[inline]
    pub(crate) fn name(&self, name: &[u8]) -> Found<'_, T> {
        let Some(mut node) = self.root.as_deref() else { return Found::Nothing };
        let mut rest = name;
        loop {
            rest = match after(rest, &node.label) {
                Some(after) => after,
                None => return Found::Nothing,
            };
            let Some((first, below)) = rest.split_first() else {
                return node.value.as_ref().map_or(Found::Nothing, Found::Whole);
            };
            match node.child(*first) {
                Some(child) => (node, rest) = (child, below),
                None if *first == b'.' => {
                    let at = name.len() - below.len();
                    return node.value.as_ref().map_or(Found::Nothing, |value| Found::Dotted(value, at));
                }
                None => return Found::Nothing,
            }
        }
    }

    /// Gives each value on the way along a text, with whether the text ends there. The text is asked byte by byte, so that it
    /// can be read backwards or in lower case.
    #[inline]
    pub(crate) fn along<'a>(&'a self, byte: impl Fn(usize) -> Option<u8>, mut visit: impl FnMut(&'a T, bool)) {
        let Some(mut node) = self.root.as_deref() else { return };
        let mut at = 0;
        loop {
            for wanted in &node.label {
                if byte(at) != Some(*wanted) {
                    return;
                }
                at += 1;
            }
            let next = byte(at);
            if let Some(value) = &node.value {
                visit(value, next.is_none());
            }
            match next.and_then(|next| node.child(next)) {
                Some(child) => node = child,
                None => return,
            }
            at += 1;
        }
    }
}

/// What follows a label that a text begins with.
#[inline]
fn after<'a>(text: &'a [u8], label: &[u8]) -> Option<&'a [u8]> {
    // Mostly there is none.
    if label.is_empty() {
        return Some(text);
    }
    let (head, rest) = text.split_at_checked(label.len())?;
    same(head, label).then_some(rest)
}

impl<T: Clone + Default> Trie<T> {
    /// Changes the value of a key, which is made if there is none.
    pub(crate) fn change<R>(&mut self, key: &[u8], change: impl FnOnce(&mut T) -> R) -> R {
        let root = self.root.get_or_insert_with(|| Arc::new(Node::leaf(Box::default())));
        change_below(root, key, change)
    }

    /// Changes the value of a key, if there is one; it goes when the change says so.
    pub(crate) fn shrink<R>(&mut self, key: &[u8], change: impl FnOnce(&mut T) -> (R, bool)) -> Option<R> {
        let root = self.root.as_mut()?;
        let (result, gone) = shrink(root, key, change)?;
        if gone {
            self.root = None;
        }
        Some(result)
    }
}

fn change_below<T: Clone + Default, R>(node: &mut Arc<Node<T>>, key: &[u8], change: impl FnOnce(&mut T) -> R) -> R {
    let own = Arc::make_mut(node);
    let common = own.label.iter().zip(key).take_while(|(a, b)| a == b).count();
    if common < own.label.len() {
        own.split(common);
    }
    let Some((first, rest)) = key.get(common..).and_then(<[u8]>::split_first) else {
        return change(own.value.get_or_insert_default());
    };
    let at = own.place(*first).unwrap_or_else(|at| {
        own.children.reserve_exact(1);
        own.children.insert(at, (*first, Arc::new(Node::leaf(rest.into()))));
        at
    });
    match own.children.get_mut(at) {
        Some((_, child)) => change_below(child, rest, change),
        // There is a child for each first byte.
        None => change(own.value.get_or_insert_default()),
    }
}

impl<T> Node<T> {
    /// Puts a node before this one, that takes so many bytes of its label.
    fn split(&mut self, common: usize) {
        let (head, tail) = self.label.split_at(common);
        let Some((first, tail)) = tail.split_first() else { return };
        let (head, first, tail): (Box<[u8]>, u8, Box<[u8]>) = (head.into(), *first, tail.into());
        let below = std::mem::replace(self, Self::leaf(head));
        self.children = vec![(first, Arc::new(Self { label: tail, ..below }))];
    }

    fn is_void(&self) -> bool {
        self.value.is_none() && self.children.is_empty()
    }
}

/// What the change gave, and whether the node is left without anything.
fn shrink<T: Clone, R>(
    node: &mut Arc<Node<T>>,
    key: &[u8],
    change: impl FnOnce(&mut T) -> (R, bool),
) -> Option<(R, bool)> {
    let rest = key.strip_prefix(&*node.label)?;
    let own = Arc::make_mut(node);
    let Some((first, rest)) = rest.split_first() else {
        let (result, gone) = change(own.value.as_mut()?);
        if gone {
            own.value = None;
        }
        return Some((result, own.is_void()));
    };
    let at = own.place(*first).ok()?;
    let (result, gone) = shrink(&mut own.children.get_mut(at)?.1, rest, change)?;
    if gone {
        own.children.remove(at);
    }
    Some((result, own.is_void()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn values_along_a_text_are_those_of_its_prefixes() {
        let mut trie = Trie::<u32>::default();
        for (key, value) in [("", 1), ("ab", 2), ("abc", 3), ("abd", 4), ("x", 5)] {
            trie.change(key.as_bytes(), |own| *own = value);
        }
        let along = |text: &'static str| {
            let mut all = Vec::new();
            trie.along(|at| text.as_bytes().get(at).copied(), |value, whole| all.push((*value, whole)));
            all
        };
        assert_eq!(along("abc"), [(1, false), (2, false), (3, true)]);
        assert_eq!(along("abx"), [(1, false), (2, false)]);
        assert_eq!(along(""), [(1, true)]);
        assert!(matches!(trie.name(b"ab.c"), Found::Dotted(2, 3)));
        assert!(matches!(trie.name(b"abx"), Found::Nothing));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn it_is_the_map_that_it_should_be_and_snapshots_stay(
            steps in prop::collection::vec(("[ab]{0,6}", any::<bool>(), 1u32..9), 1..60)
        ) {
            let (mut trie, mut model) = (Trie::<u32>::default(), BTreeMap::new());
            let mut snapshots = Vec::new();
            for (key, put, value) in steps {
                if put {
                    trie.change(key.as_bytes(), |own| *own = value);
                    model.insert(key, value);
                } else {
                    let gone = trie.shrink(key.as_bytes(), |own| (*own, true));
                    prop_assert_eq!(gone, model.remove(&key));
                }
                snapshots.push((trie.clone(), model.clone()));
            }
            for (trie, model) in snapshots {
                prop_assert_eq!(trie.is_empty(), model.is_empty());
                for (key, value) in &model {
                    prop_assert_eq!(trie.get(key.as_bytes()), Some(value));
                }
                for other in ["", "a", "ab", "bba", "aaaaaa"] {
                    prop_assert_eq!(trie.get(other.as_bytes()), model.get(other));
                }
            }
        }
    }
}
