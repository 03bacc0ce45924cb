//! A release's place for its compiled code, which is there or is not.
//!
//! Invariant: code that somebody has is never taken from under him, and never loaded a second time beside it. How it is loaded stands in
//! `loader.rs`, when it goes in `residency.rs`.

use std::{
    ops::Deref,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use wasmtime::component::InstancePre;
use wharf_capability::{Attempt, BatchPre, EventTransformPre, ProxyPre};
use wharf_delivery::Failure;
use wharf_event::Digest;

use crate::{
    residency::{Counted, Residency, Unload},
    shared::Beside,
};

/// What is called of a component of one kind.
pub(crate) trait Linked: Send + Sync + Sized + 'static {
    /// Finds it in a component that is linked.
    fn of(instance: InstancePre<Attempt>) -> wasmtime::Result<Self>;
}

impl Linked for BatchPre<Attempt> {
    fn of(instance: InstancePre<Attempt>) -> wasmtime::Result<Self> {
        Self::new(instance)
    }
}

impl Linked for EventTransformPre<Attempt> {
    fn of(instance: InstancePre<Attempt>) -> wasmtime::Result<Self> {
        Self::new(instance)
    }
}

impl Linked for ProxyPre<Attempt> {
    fn of(instance: InstancePre<Attempt>) -> wasmtime::Result<Self> {
        Self::new(instance)
    }
}

/// Code in memory, ready to be called.
pub(crate) struct Code<P> {
    linked: P,
    counted: Counted,
    /// Kept so that who needs the same finds it.
    _beside: Beside,
}

impl<P> Code<P> {
    /// Of a component, with the modules that it shares.
    pub(crate) fn new(linked: P, counted: Counted, beside: Beside) -> Self {
        Self { linked, counted, _beside: beside }
    }
}

/// Code that somebody uses. It stays in memory as long as this does.
pub(crate) struct InUse<P> {
    code: Arc<Code<P>>,
    /// Dropped behind `code`.
    _ends: Ends,
}

/// Looks whether there is too much code when its use ends.
struct Ends(Arc<Residency>);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.shrink();
    }
}

impl<P> Deref for InUse<P> {
    type Target = P;

    fn deref(&self) -> &P {
        &self.code.linked
    }
}

/// Why a release could not be loaded, and when that was found.
pub(crate) type Unloadable = (Instant, Failure);

/// A release's place for its code.
pub(crate) struct Slot<P> {
    digest: Digest,
    /// When it was used last.
    used: AtomicU64,
    code: Mutex<Option<Arc<Code<P>>>>,
    /// Who holds it loads; it keeps why that failed last.
    pub(crate) turn: tokio::sync::Mutex<Option<Unloadable>>,
}

impl<P: Send + Sync + 'static> Slot<P> {
    /// One without code.
    pub(crate) fn empty(digest: Digest) -> Arc<Self> {
        Arc::new(Self { digest, used: AtomicU64::new(0), code: Mutex::default(), turn: tokio::sync::Mutex::default() })
    }

    /// SHA-256 of the component.
    pub(crate) fn digest(&self) -> &Digest {
        &self.digest
    }

    /// Its code, if it is there.
    pub(crate) fn get(&self) -> Option<InUse<P>> {
        let code = self.code().clone()?;
        Some(self.in_use(code))
    }

    /// Puts code in its place, and uses it.
    pub(crate) fn put(self: &Arc<Self>, code: Code<P>) -> InUse<P> {
        let code = Arc::new(code);
        *self.code() = Some(Arc::clone(&code));
        let in_use = self.in_use(code);
        // One that is in use does not go by this.
        let this: Weak<Self> = Arc::downgrade(self);
        in_use.code.counted.within().note(this);
        in_use
    }

    fn in_use(&self, code: Arc<Code<P>>) -> InUse<P> {
        let within = code.counted.within();
        self.used.store(within.tick(), Ordering::Relaxed);
        let ends = Ends(Arc::clone(within));
        InUse { code, _ends: ends }
    }

    fn code(&self) -> MutexGuard<'_, Option<Arc<Code<P>>>> {
        self.code.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<P: Send + Sync + 'static> Unload for Slot<P> {
    fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    fn unload(&self) -> bool {
        // Whoever begins to use it does so under this lock, so that one owner means that nobody does. It is unmapped behind the lock.
        let code = {
            let mut place = self.code();
            if place.as_ref().is_some_and(|code| Arc::strong_count(code) == 1) { place.take() } else { None }
        };
        code.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::residency::LoadedFigures;

    fn loaded(residency: &Arc<Residency>, name: &str, bytes: u64) -> Arc<Slot<String>> {
        let slot = Slot::empty(Digest::of(name.as_bytes()));
        drop(slot.put(Code::new(name.to_owned(), residency.count(bytes), Beside::new())));
        slot
    }

    fn there(slots: &[Arc<Slot<String>>]) -> String {
        let names = slots.iter().map(|slot| slot.code().as_ref().map_or("-", |code| code.linked.as_str()).to_owned());
        names.collect()
    }

    #[test]
    fn what_was_idle_longest_goes_first_and_what_is_in_use_stays() {
        let residency = Arc::new(Residency::default());
        let slots: Vec<_> = ["a", "b", "c", "d"].iter().map(|name| loaded(&residency, name, 10)).collect();
        residency.bound(40, u64::MAX);
        assert_eq!(there(&slots), "abcd");
        drop(slots[0].get());
        let used = slots[1].get().unwrap();
        residency.bound(20, u64::MAX);
        assert_eq!(there(&slots), "ab--", "c and d are older than a, and b is in use");
        residency.bound(5, u64::MAX);
        assert_eq!((there(&slots), used.as_str()), ("-b--".to_owned(), "b"), "it is too much, and used");
        drop(used);
        assert_eq!(there(&slots), "----", "it goes when its use ends");
        let LoadedFigures { releases, bytes, unloads, .. } = residency.figures();
        assert_eq!((releases, bytes, unloads), (0, 0, 4));
    }

    #[test]
    fn there_are_no_more_releases_than_may_be_and_those_that_are_gone_do_not_count() {
        let residency = Arc::new(Residency::default());
        residency.bound(u64::MAX, 2);
        let mut slots: Vec<_> = ["a", "b", "c"].iter().map(|name| loaded(&residency, name, 10)).collect();
        assert_eq!(there(&slots), "-bc");
        slots.remove(1);
        assert_eq!(residency.figures().releases, 1);
        slots.push(loaded(&residency, "d", 10));
        assert_eq!(there(&slots), "-cd");
        for n in 0..1_000 {
            drop(loaded(&residency, &n.to_string(), 10));
        }
        assert_eq!(
            residency.figures().releases,
            1,
            "it is d, which was sent away by none: each of them was gone before the next"
        );
    }
}
