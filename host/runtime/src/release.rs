//! A release: a component that was checked, compiled and linked, under the digest of its bytes.

use std::sync::Arc;

use wharf_capability::{Attempt, EventHandlerPre, EventTransformPre};
use wharf_event::Digest;

/// A release of either kind, as the component's exports say.
pub enum Prepared {
    /// It handles events.
    Handler(Release),
    /// It changes events on their way to handlers.
    Transform(TransformRelease),
}

impl Prepared {
    /// SHA-256 of the component.
    #[must_use]
    pub fn digest(&self) -> &Digest {
        match self {
            Self::Handler(release) => release.digest(),
            Self::Transform(release) => release.digest(),
        }
    }
}

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

/// The same of a plugin that is a transform.
#[derive(Clone)]
pub struct TransformRelease {
    digest: Digest,
    pub(crate) transform: Arc<EventTransformPre<Attempt>>,
}

impl TransformRelease {
    pub(crate) fn new(digest: Digest, transform: Arc<EventTransformPre<Attempt>>) -> Self {
        Self { digest, transform }
    }

    /// SHA-256 of the component.
    #[must_use]
    pub fn digest(&self) -> &Digest {
        &self.digest
    }
}
