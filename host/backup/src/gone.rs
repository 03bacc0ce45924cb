//! What of a backup's components and models its host does not have any more, and for how long they stay.
//!
//! Invariant: whoever restores a moment that the backup covers finds what its records name. When something went between two backups nobody knows,
//! so it counts as there until the second: it stays as long as the backup has a frame that was written by then.

use std::collections::{BTreeMap, BTreeSet};

use wharf_event::Digest;

use crate::{
    back_up::{ONNX, WASM, digest_of, file_name},
    manifest::Manifest,
};

/// The files that are gone, each with the last frame of the first backup that did not find it.
pub(crate) type Gone = BTreeMap<String, u64>;

/// Adds those of the backup of `before` that a backup from the frame `first_k` to the frame `last_k` has to keep, to what the host has.
pub(crate) fn keep(
    before: Option<&Manifest>,
    (components, models): (&mut Vec<Digest>, &mut Vec<Digest>),
    (first_k, last_k): (u64, u64),
) -> Gone {
    let Some(before) = before else { return Gone::new() };
    let files = |components: &[Digest], models: &[Digest]| -> BTreeSet<String> {
        let components = components.iter().map(|digest| file_name(digest, WASM));
        components.chain(models.iter().map(|digest| file_name(digest, ONNX))).collect()
    };
    let there = files(components, models);
    let missing = files(&before.components, &before.models).into_iter().filter(|file| !there.contains(file));
    let since = missing.map(|file| {
        let gone_k = before.gone.get(&file).copied().unwrap_or(last_k);
        (file, gone_k)
    });
    let gone: Gone = since.filter(|(_, gone_k)| first_k <= *gone_k).collect();
    components.extend(gone.keys().filter_map(|file| digest_of(file, WASM)));
    models.extend(gone.keys().filter_map(|file| digest_of(file, ONNX)));
    gone
}
