//! Instances that made an attempt, or answered a request, and wait for the next one, where their plugin or route lets them.
//!
//! Invariant: a set is one plugin's of one tenant, and goes with its settings: an instance never answers under others than it was made
//! under, nor for anybody else. One whose call failed is never kept. There are so many in all (`waiting.rs`), and none waits for long.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use wasmtime::Store;
use wharf_capability::{Attempt, EventHandler, Proxy, ProxyPre};
use wharf_event::Digest;

use crate::{called::Called, limits::IDLE_FOR, slot::InUse, waiting::WaitingPlace};

/// That an instance may be called again, one call after the other.
#[derive(Clone)]
pub struct Reuse {
    /// Those of the plugin that wait. They are of it alone, and under the same settings.
    pub idle: Arc<IdleSet>,
    /// How many calls one gets.
    pub most: u32,
}

/// What is called again, with its code, which it keeps in memory.
pub(crate) enum Living {
    /// What answers requests.
    Proxy { proxy: Proxy, _code: InUse<ProxyPre<Attempt>> },
    /// What handles events.
    Handler { handler: EventHandler, _code: InUse<Called> },
}

/// An instance that waits.
pub(crate) struct Idle {
    pub(crate) store: Store<Attempt>,
    pub(crate) living: Living,
    /// Calls that it had.
    pub(crate) calls: u32,
    /// Its place among all that wait or are between two calls.
    pub(crate) place: WaitingPlace,
}

/// The instances of one plugin that wait.
#[derive(Default)]
pub struct IdleSet(Mutex<Vec<(Digest, Instant, Idle)>>);

impl IdleSet {
    fn waiting(&self) -> MutexGuard<'_, Vec<(Digest, Instant, Idle)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The one of a release that waits for the shortest time, if it had fewer calls than this.
    pub(crate) fn take(&self, release: &Digest, most: u32) -> Option<Idle> {
        let mut waiting = self.waiting();
        let at = waiting.iter().rposition(|(of, _, idle)| of == release && idle.calls < most)?;
        Some(waiting.remove(at).2)
    }

    /// Lets one wait.
    pub(crate) fn put(self: &Arc<Self>, release: Digest, idle: Idle) {
        let was_empty = {
            let mut waiting = self.waiting();
            waiting.push((release, Instant::now(), idle));
            waiting.len() == 1
        };
        if was_empty {
            let set = Arc::downgrade(self);
            // It ends when nothing waits any more, or its plugin has other settings.
            drop(tokio::spawn(async move {
                loop {
                    tokio::time::sleep(IDLE_FOR).await;
                    let Some(set) = set.upgrade() else { return };
                    if set.is_empty_behind(IDLE_FOR) {
                        return;
                    }
                }
            }));
        }
    }

    /// Lets those go that waited for so long; true where none is left.
    fn is_empty_behind(&self, time: std::time::Duration) -> bool {
        let (old, is_empty) = {
            let mut waiting = self.waiting();
            let old: Vec<_> = waiting.extract_if(.., |(_, since, _)| since.elapsed() >= time).collect();
            (old, waiting.is_empty())
        };
        // Their memory is given back outside of the lock.
        drop(old);
        is_empty
    }
}
