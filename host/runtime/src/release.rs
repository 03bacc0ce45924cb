//! A release: a component that was checked, compiled and linked, under the digest of its bytes.

use std::sync::Arc;

use wharf_capability::{Attempt, EventHandlerPre};
use wharf_event::Digest;

/// An immutable version of a plugin, ready to be called. Clones share it; its code goes with the last of them.
#[derive(Clone)]
pub struct Release {
    digest: Digest,
    pub(crate) handler: Arc<EventHandlerPre<Attempt>>,
}

impl Release {
    pub(crate) fn new(digest: Digest, handler: Arc<EventHandlerPre<Attempt>>) -> Self {
        Self { digest, handler }
    }

    /// SHA-256 of the component.
    #[must_use]
    pub fn digest(&self) -> &Digest {
        &self.digest
    }
}
