//! The surroundings of a run: a disk that fails, a clock that moves when the script says so, numbers that are the same each time.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use wharf_dispatch::{Clock, Home, Job, NoOutside, NoRecordings, Random, Surroundings, Threads};
use wharf_faults::{FaultyDisk, SimHome};
use wharf_log::{AnyDisk, SegmentSizes};
use wharf_state::StateFile;

use crate::site::{Site, without};

/// Segments so small that the script fills several.
const SIZES: SegmentSizes = SegmentSizes { first_bytes: 6 << 10, max_bytes: 12 << 10 };

/// Milliseconds since 1970 when a run begins.
const START_MS: u64 = 1_800_000_000_000;

/// A home on the faulty disk, whose log leaves out the syncs of one site.
pub struct CutHome {
    home: SimHome,
    without: Option<Site>,
}

impl CutHome {
    pub fn new(disk: &FaultyDisk, without: Option<Site>) -> Self {
        Self { home: SimHome { disk: disk.clone(), segment_sizes: SIZES }, without }
    }
}

impl Home for CutHome {
    fn log(&self) -> io::Result<AnyDisk> {
        Ok(without(self.home.log()?, self.without))
    }

    fn state(&self) -> io::Result<Box<dyn StateFile>> {
        self.home.state()
    }

    fn segment_sizes(&self) -> SegmentSizes {
        self.home.segment_sizes()
    }

    fn set_state_aside(&self) -> io::Result<String> {
        self.home.set_state_aside()
    }
}

/// Clocks that the script moves.
#[derive(Default)]
pub struct Hands {
    monotonic_ms: AtomicU64,
    jumped_ms: AtomicU64,
}

impl Hands {
    pub fn pass(&self, ms: u64) {
        self.monotonic_ms.fetch_add(ms, Ordering::Relaxed);
    }

    /// The wall clock is set forward.
    pub fn jump(&self, ms: u64) {
        self.jumped_ms.fetch_add(ms, Ordering::Relaxed);
    }
}

struct HandClock(Arc<Hands>);

impl Clock for HandClock {
    fn wall_ms(&self) -> u64 {
        START_MS + self.0.monotonic_ms.load(Ordering::Relaxed) + self.0.jumped_ms.load(Ordering::Relaxed)
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.0.monotonic_ms.load(Ordering::Relaxed))
    }
}

/// Numbers that nobody outside of a run foresees, and that are the same in every run.
struct Counted(AtomicU64);

impl Random for Counted {
    fn bits(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed).wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15)
    }
}

/// Everything happens on the one thread that there is.
struct Inline;

impl Threads for Inline {
    fn blocking(&self, job: Job) {
        job();
    }

    fn partition(&self, _task: futures_util::future::BoxFuture<'static, ()>) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// Surroundings whose clocks are `hands`. `life` tells the numbers of one life from those of another.
pub fn surroundings(hands: &Arc<Hands>, life: u64) -> Surroundings {
    Surroundings {
        clock: Arc::new(HandClock(Arc::clone(hands))),
        outgoing: Arc::new(NoOutside),
        recordings: Arc::new(NoRecordings),
        random: Arc::new(Counted(AtomicU64::new(life << 32))),
        threads: Arc::new(Inline),
    }
}
