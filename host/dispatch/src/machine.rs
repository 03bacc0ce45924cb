//! The machine's own surroundings: its clocks, its random numbers, its threads, a folder of its disk.

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use cap_std::fs::{Dir, File, OpenOptions};
use futures_util::future::BoxFuture;
use rustix::fs::{FallocateFlags, fallocate, fstatvfs};
use tokio::runtime::Handle;
use wharf_log::{AnyDisk, FolderDisk, any_disk};
use wharf_recording::NoRecordings;
use wharf_state::StateFile;

use crate::{
    clock::Clock,
    outgoing::NoOutside,
    surroundings::{Home, Job, Random, Room, Surroundings, Threads},
};

/// The state's file in the data folder.
pub(crate) const STATE_FILE: &str = "state.redb";
/// The log's folder in the data folder.
pub(crate) const LOG_FOLDER: &str = "log";
const BALLAST_FILE: &str = "ballast";

/// Zeros written at a time where a file system cannot allocate.
static ZEROS: [u8; 1 << 16] = [0; 1 << 16];

impl Surroundings {
    /// Those of this machine. Jobs that block go to the threads that `io` keeps for them. Nothing leaves the host, and nothing is recorded.
    #[must_use]
    pub fn of_this_machine(io: Handle) -> Self {
        Self {
            outgoing: Arc::new(NoOutside),
            recordings: Arc::new(NoRecordings),
            clock: Arc::new(SystemClock::default()),
            random: Arc::new(SystemRandom),
            threads: Arc::new(SystemThreads { io }),
        }
    }
}

/// The machine's clocks.
pub struct SystemClock {
    start: Instant,
}

impl Default for SystemClock {
    fn default() -> Self {
        Self { start: Instant::now() }
    }
}

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods, reason = "the one place where wall time comes in")]
    fn wall_ms(&self) -> u64 {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }
}

struct SystemRandom;

impl Random for SystemRandom {
    fn bits(&self) -> u64 {
        rand::random()
    }
}

struct SystemThreads {
    io: Handle,
}

impl Threads for SystemThreads {
    fn blocking(&self, job: Job) {
        drop(self.io.spawn_blocking(job));
    }

    fn pause(&self, time: Duration) {
        // Timers of the I/O threads are too coarse for this.
        std::thread::park_timeout(time);
    }

    fn partition(&self, task: BoxFuture<'static, ()>) -> io::Result<()> {
        let io = self.io.clone();
        // Its pauses are timers of the I/O threads; everything else happens on this one.
        std::thread::Builder::new().name("wharf-log".into()).spawn(move || io.block_on(task)).map(drop)
    }
}

/// A folder of the machine's disk.
pub struct FolderHome {
    folder: Dir,
}

impl FolderHome {
    /// Uses `folder`, which is opened as a capability and locked by whoever did so.
    #[must_use]
    pub fn new(folder: Dir) -> Self {
        Self { folder }
    }
}

impl Home for FolderHome {
    fn log(&self) -> io::Result<AnyDisk> {
        if !self.folder.exists(LOG_FOLDER) {
            self.folder.create_dir(LOG_FOLDER)?;
            self.folder.open(".")?.sync_all()?;
        }
        Ok(any_disk(FolderDisk::new(self.folder.open_dir(LOG_FOLDER)?)))
    }

    fn state(&self) -> io::Result<Box<dyn StateFile>> {
        let options = OpenOptions::new().read(true).write(true).create(true).to_owned();
        Ok(Box::new(self.folder.open_with(STATE_FILE, &options)?.into_std()))
    }

    fn room(&self) -> io::Result<Option<Box<dyn Room>>> {
        let options = OpenOptions::new().read(true).write(true).create(true).to_owned();
        let ballast = self.folder.open_with(BALLAST_FILE, &options)?;
        Ok(Some(Box::new(FolderRoom { folder: self.folder.try_clone()?, ballast })))
    }

    fn set_state_aside(&self) -> io::Result<String> {
        let aside = format!("{STATE_FILE}.aside-{:08x}", rand::random::<u32>());
        self.folder.rename(STATE_FILE, &self.folder, &aside)?;
        Ok(aside)
    }
}

/// The room on the disk of a folder.
struct FolderRoom {
    folder: Dir,
    ballast: File,
}

impl Room for FolderRoom {
    fn free(&self) -> io::Result<u64> {
        let disk = fstatvfs(&self.folder)?;
        Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    fn ballast(&self) -> io::Result<u64> {
        Ok(self.ballast.metadata()?.len())
    }

    fn set_ballast(&self, bytes: u64) -> io::Result<()> {
        let held = self.ballast()?;
        if bytes <= held {
            return self.ballast.set_len(bytes);
        }
        let allocated = match fallocate(&self.ballast, FallocateFlags::empty(), held, bytes - held) {
            Err(rustix::io::Errno::OPNOTSUPP) => write_zeros(&self.ballast, held, bytes),
            allocated => Ok(allocated?),
        };
        allocated.inspect_err(|_| {
            // Part of it may be there; what cannot be given back now is looked at again later.
            let _ = self.ballast.set_len(held);
        })
    }
}

fn write_zeros(file: &File, mut from: u64, to: u64) -> io::Result<()> {
    while from < to {
        let bytes = usize::try_from(to - from).unwrap_or(usize::MAX).min(ZEROS.len());
        from += rustix::io::pwrite(file, ZEROS.get(..bytes).unwrap_or_default(), from)? as u64;
    }
    Ok(())
}
