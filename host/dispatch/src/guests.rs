//! The threads that guests run on.

use tokio::runtime::Handle;

/// Where guests run: those of tenants that use no more than their share in front, the others behind.
#[derive(Clone, Debug)]
pub struct Guests {
    /// Attempts too.
    pub front: Handle,
    /// Threads that step back for all others: as many as guests run at a time. They have to end after those in front.
    pub behind: Handle,
}

impl From<Handle> for Guests {
    /// The same threads for both.
    fn from(front: Handle) -> Self {
        Self { behind: front.clone(), front }
    }
}
