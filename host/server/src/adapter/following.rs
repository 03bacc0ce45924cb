//! A release is watched on its way, until it comes to rest.
//!
//! Invariant: a state is told as it is when it is looked at, and looked at again whenever something changed since. One that lasted
//! for less than that may never be told.

use futures_util::stream::{self, BoxStream, StreamExt as _};
use tokio::sync::watch;
use wharf_gateway::{
    Registry as _, ReleaseRef,
    view::{ReleaseState, ReleaseView},
};

use super::HostAdapter;

/// What is known between two states.
struct Following {
    host: HostAdapter,
    of: ReleaseRef,
    changes: watch::Receiver<()>,
    told: Option<ReleaseState>,
}

impl HostAdapter {
    pub(super) fn following(&self, of: ReleaseRef) -> BoxStream<'static, ReleaseView> {
        let changes = self.registry.preparing.changes();
        stream::unfold(Following { host: self.clone(), of, changes, told: None }, Following::next).boxed()
    }
}

impl Following {
    async fn next(mut self) -> Option<(ReleaseView, Self)> {
        loop {
            if self.told.is_some_and(ReleaseState::is_at_rest) {
                return None;
            }
            // First of all, so that what changes while it is looked at is looked at too.
            self.changes.borrow_and_update();
            let view = self.host.release(self.of.clone()).await.ok()?;
            if self.told != Some(view.state) {
                self.told = Some(view.state);
                return Some((view, self));
            }
            self.changes.changed().await.ok()?;
        }
    }
}
