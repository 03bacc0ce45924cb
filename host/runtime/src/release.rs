//! A release: a component that was checked, compiled and linked, under the digest of its bytes.
//!
//! Whether its code is in memory at a moment is nobody's business but the runtime's.

use std::sync::Arc;

use wharf_capability::{Attempt, BatchPre, EventTransformPre, ProxyPre};
use wharf_event::Digest;
use wharf_inspect::Kind;

use crate::{called::Called, slot::Slot};

/// A release of any kind, as the component's exports say.
pub enum Prepared {
    /// It handles events, by the world of handlers or as a program.
    Handler(Release),
    /// It handles events of a queue, many in one call.
    Batch(BatchRelease),
    /// It changes events on their way to handlers.
    Transform(TransformRelease),
    /// It answers requests.
    Http(HttpRelease),
}

impl Prepared {
    /// A release that this host made ready before, whose code is loaded, or made again, when an attempt needs it.
    #[must_use]
    pub fn unloaded(kind: Kind, digest: Digest) -> Self {
        match kind {
            Kind::Handler | Kind::Command => Self::Handler(Release { kind, slot: Slot::empty(digest) }),
            Kind::Batch => Self::Batch(BatchRelease { slot: Slot::empty(digest) }),
            Kind::Transform => Self::Transform(TransformRelease { slot: Slot::empty(digest) }),
            Kind::Http => Self::Http(HttpRelease { slot: Slot::empty(digest) }),
        }
    }

    /// SHA-256 of the component.
    #[must_use]
    pub fn digest(&self) -> &Digest {
        match self {
            Self::Handler(release) => release.digest(),
            Self::Batch(release) => release.digest(),
            Self::Transform(release) => release.digest(),
            Self::Http(release) => release.digest(),
        }
    }
}

/// An immutable version of a plugin, ready to be called. Clones share it; its code goes with the last of them, or while nobody calls it.
#[derive(Clone)]
pub struct Release {
    kind: Kind,
    pub(crate) slot: Arc<Slot<Called>>,
}

impl Release {
    /// Of which world it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// SHA-256 of the component.
    #[must_use]
    pub fn digest(&self) -> &Digest {
        self.slot.digest()
    }
}

/// The same of a plugin that handles batches.
#[derive(Clone)]
pub struct BatchRelease {
    pub(crate) slot: Arc<Slot<BatchPre<Attempt>>>,
}

impl BatchRelease {
    /// SHA-256 of the component.
    #[must_use]
    pub fn digest(&self) -> &Digest {
        self.slot.digest()
    }
}

/// The same of a plugin that is a transform.
#[derive(Clone)]
pub struct TransformRelease {
    pub(crate) slot: Arc<Slot<EventTransformPre<Attempt>>>,
}

impl TransformRelease {
    /// SHA-256 of the component.
    #[must_use]
    pub fn digest(&self) -> &Digest {
        self.slot.digest()
    }
}

/// The same of a plugin that answers requests.
#[derive(Clone)]
pub struct HttpRelease {
    pub(crate) slot: Arc<Slot<ProxyPre<Attempt>>>,
}

impl HttpRelease {
    /// SHA-256 of the component.
    #[must_use]
    pub fn digest(&self) -> &Digest {
        self.slot.digest()
    }
}
