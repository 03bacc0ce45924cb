//! How much compiled code is in memory, and whose goes when it is too much: that of the releases which were idle longest.
//!
//! Invariant: code that an attempt uses stays, so what is loaded may be more than the bound by what runs at that moment; it is looked at
//! again whenever an attempt ends. A module that releases share counts once, and goes with the last of them. Nothing is loaded here.

use std::{
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use crate::histogram::{Distribution, Histogram, TIMES_US};

/// What may have code in memory, and can be rid of it.
pub(crate) trait Unload: Send + Sync {
    /// When it was used last, on the clock of [`Residency::tick`].
    fn used(&self) -> u64;

    /// Lets its code go, unless an attempt uses it. True when there was code to let go.
    fn unload(&self) -> bool;
}

/// What is loaded, and what it may be.
pub(crate) struct Residency {
    bytes_max: AtomicU64,
    count_max: AtomicU64,
    bytes: AtomicU64,
    count: AtomicU64,
    /// Releases and modules that they share: each has its file open.
    images: AtomicU64,
    ticks: AtomicU64,
    unloads: AtomicU64,
    load_us: Histogram,
    /// What was loaded and may be so still.
    loaded: Mutex<Vec<Weak<dyn Unload>>>,
}

/// What is loaded now, and how it came and went since the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadedFigures {
    /// Releases whose code is in memory.
    pub releases: u64,
    /// Bytes of that code, as far as it may come into memory by being run; what releases share is counted once.
    pub bytes: u64,
    /// Releases whose code left memory because there was too much.
    pub unloads: u64,
    /// How long it took to load code that an attempt needed and that was not there, in microseconds.
    pub load_us: Distribution,
}

impl Default for Residency {
    fn default() -> Self {
        Self {
            bytes_max: AtomicU64::new(u64::MAX),
            count_max: AtomicU64::new(u64::MAX),
            bytes: AtomicU64::default(),
            count: AtomicU64::default(),
            images: AtomicU64::default(),
            ticks: AtomicU64::default(),
            unloads: AtomicU64::default(),
            load_us: Histogram::new(TIMES_US),
            loaded: Mutex::default(),
        }
    }
}

impl Residency {
    /// From now on there may be so much: bytes, and releases with the modules that they share.
    pub(crate) fn bound(&self, bytes_max: u64, count_max: u64) {
        self.bytes_max.store(bytes_max, Ordering::Relaxed);
        self.count_max.store(count_max, Ordering::Relaxed);
        self.shrink();
    }

    /// The next moment: later than every one before.
    pub(crate) fn tick(&self) -> u64 {
        self.ticks.fetch_add(1, Ordering::Relaxed)
    }

    /// Counts a release's code that came into memory, until what is given is dropped.
    pub(crate) fn count(self: &Arc<Self>, bytes: u64) -> Counted {
        self.counted(bytes, 1)
    }

    /// The same of code that releases share, which is none of itself.
    pub(crate) fn count_shared(self: &Arc<Self>, bytes: u64) -> Counted {
        self.counted(bytes, 0)
    }

    fn counted(self: &Arc<Self>, bytes: u64, releases: u64) -> Counted {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.count.fetch_add(releases, Ordering::Relaxed);
        self.images.fetch_add(1, Ordering::Relaxed);
        Counted { bytes, releases, within: Arc::clone(self) }
    }

    /// Remembers who has it, and lets others go if that makes it too much.
    pub(crate) fn note(&self, of: Weak<dyn Unload>) {
        {
            let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
            // Those that are gone, or were noted before: by now and then looking at all of them a note costs the same however many there are.
            if loaded.len() as u64 > 2 * self.count.load(Ordering::Relaxed) + 64 {
                loaded.retain(|one| one.strong_count() > 0 && !one.ptr_eq(&of));
            }
            loaded.push(of);
        }
        self.shrink();
    }

    /// Records how long it took to load what an attempt needed.
    pub(crate) fn took(&self, time: Duration) {
        self.load_us.record(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
    }

    fn is_over(&self) -> bool {
        self.bytes.load(Ordering::Relaxed) > self.bytes_max.load(Ordering::Relaxed)
            || self.images.load(Ordering::Relaxed) > self.count_max.load(Ordering::Relaxed)
    }

    /// Lets code go until it is no more than it may be, or all of it is in use.
    pub(crate) fn shrink(&self) {
        if !self.is_over() {
            return;
        }
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        let mut oldest: Vec<Arc<dyn Unload>> = loaded.iter().filter_map(Weak::upgrade).collect();
        oldest.sort_by_key(|one| one.used());
        loaded.clear();
        for one in oldest {
            if self.is_over() && one.unload() {
                self.unloads.fetch_add(1, Ordering::Relaxed);
            } else {
                loaded.push(Arc::downgrade(&one));
            }
        }
    }

    pub(crate) fn figures(&self) -> LoadedFigures {
        LoadedFigures {
            releases: self.count.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            unloads: self.unloads.load(Ordering::Relaxed),
            load_us: self.load_us.read(),
        }
    }
}

/// Code that is counted.
pub(crate) struct Counted {
    bytes: u64,
    releases: u64,
    within: Arc<Residency>,
}

impl Counted {
    /// Where it is counted.
    pub(crate) fn within(&self) -> &Arc<Residency> {
        &self.within
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.within.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        self.within.count.fetch_sub(self.releases, Ordering::Relaxed);
        self.within.images.fetch_sub(1, Ordering::Relaxed);
    }
}
