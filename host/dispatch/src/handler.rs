//! The port to what runs when a delivery is attempted.

use std::sync::Arc;

use futures_util::{FutureExt as _, future::BoxFuture};
use wharf_event::{Digest, GrantBounds};
use wharf_runtime::{Invocation, Release, Report, Runtime};

/// Something that handles events.
pub trait Handler: Send + Sync + 'static {
    /// What names it: the same digest is the same behaviour.
    fn digest(&self) -> Digest;

    /// What it says that it needs: it gets no more of that. A kind that it does not say it gets as it is granted.
    fn needs(&self) -> GrantBounds {
        GrantBounds::default()
    }

    /// Handles one event. It returns when the handler does, or when a limit ends it.
    fn handle(&self, invocation: Invocation) -> BoxFuture<'_, Report>;
}

/// A release in the runtime that prepared it.
pub struct Sandboxed {
    runtime: Arc<Runtime>,
    release: Release,
    needs: GrantBounds,
}

impl Sandboxed {
    /// Calls `release` in fresh instances of `runtime`.
    #[must_use]
    pub fn new(runtime: Arc<Runtime>, release: Release) -> Self {
        Self { runtime, release, needs: GrantBounds::default() }
    }

    /// The same, which says that it needs this.
    #[must_use]
    pub fn needing(self, needs: GrantBounds) -> Self {
        Self { needs, ..self }
    }
}

impl Handler for Sandboxed {
    fn digest(&self) -> Digest {
        *self.release.digest()
    }

    fn needs(&self) -> GrantBounds {
        self.needs.clone()
    }

    fn handle(&self, invocation: Invocation) -> BoxFuture<'_, Report> {
        self.runtime.invoke(&self.release, invocation).boxed()
    }
}
