//! What the partition's thread shares with everyone else: the state to read, and how far the log is durable.

use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use wharf_state::State;

use crate::{meters::FrameMeters, watched as watch};

/// How far the log has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Progress {
    /// The last durable frame.
    pub(crate) durable_k: u64,
    /// The log takes no more: why.
    pub(crate) failed: Option<String>,
    /// The disk has only its reserve left: bytes that have to become free before new work is taken.
    pub(crate) short_of: Option<u64>,
}

/// The partition's state, to be read from anywhere.
pub(crate) struct Shared {
    state: RwLock<Sequenced>,
    pub(crate) progress: watch::Sender<Progress>,
    pub(crate) frames: FrameMeters,
}

/// The state with the frame that it includes; that frame need not be durable yet.
pub(crate) struct Sequenced {
    pub(crate) state: State,
    pub(crate) k: u64,
}

impl Shared {
    pub(crate) fn new(state: State, k: u64) -> Self {
        let (progress, _) = watch::channel(Progress { durable_k: k, failed: None, short_of: None });
        Self { state: RwLock::new(Sequenced { state, k }), progress, frames: FrameMeters::default() }
    }

    /// The state including frames that are not durable yet: for attempts, whose effects come later in the same log.
    pub(crate) fn read(&self) -> RwLockReadGuard<'_, Sequenced> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, Sequenced> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the state, and gives what was read once the frames that it includes are durable; absent when they never will be.
    pub(crate) async fn read_durable<T>(&self, read: impl FnOnce(&State) -> T) -> Option<T> {
        let (value, k) = {
            let sequenced = self.read();
            (read(&sequenced.state), sequenced.k)
        };
        self.durable(k).await.then_some(value)
    }

    /// Nothing is acknowledged any more; the first reason is the one that is told.
    pub(crate) fn fail(&self, error: String) {
        self.progress.send_modify(|progress| {
            progress.failed.get_or_insert(error);
        });
    }

    /// Waits until what follows from the frames that are sequenced by now may leave the host: they are durable, and the log takes what comes of it.
    pub(crate) async fn may_leave(&self) -> bool {
        let k = self.read().k;
        self.may_leave_from(k).await
    }

    /// The same of what follows from frames up to `k`.
    pub(crate) async fn may_leave_from(&self, k: u64) -> bool {
        self.durable(k).await && self.progress.borrow().failed.is_none()
    }

    /// Waits until frame `k` is durable; false when it never will be.
    pub(crate) async fn durable(&self, k: u64) -> bool {
        let mut progress = self.progress.subscribe();
        let reached = progress.wait_for(|progress| progress.durable_k >= k || progress.failed.is_some()).await;
        reached.is_ok_and(|progress| progress.durable_k >= k)
    }
}
