//! A home on a disk in memory with so much room and no more.

use std::io;

use wharf_dispatch::{Home, Room};
use wharf_faults::{FaultyDisk, SimHome};
use wharf_log::{AnyDisk, SegmentSizes};
use wharf_state::StateFile;

const BALLAST: &str = "ballast";

/// What the ballast holds where there is room.
pub const BALLAST_BYTES: u64 = 1 << 20;

/// The home and its disk, of which another program may take what is left.
#[derive(Clone)]
pub struct SmallHome {
    pub disk: FaultyDisk,
    home: SimHome,
    room: std::sync::Arc<std::sync::atomic::AtomicU64>,
}

impl SmallHome {
    /// On a disk of so many bytes, with segments of 256 KiB at most.
    pub fn new(bytes: u64) -> Self {
        let disk = FaultyDisk::default();
        let segment_sizes = SegmentSizes { first_bytes: 64 << 10, max_bytes: 256 << 10 };
        let small = Self { home: SimHome { disk: disk.clone(), segment_sizes }, disk, room: std::sync::Arc::default() };
        small.resize(bytes);
        small
    }

    /// From now on there is room for so many bytes in all.
    pub fn resize(&self, bytes: u64) {
        self.room.store(bytes, std::sync::atomic::Ordering::Relaxed);
        self.disk.set_room(Some(bytes));
    }

    /// Lets another program take all that is left.
    pub fn take_the_rest(&self) {
        self.resize(self.disk.allocated());
    }

    /// Bytes of the ballast.
    pub fn ballast(&self) -> u64 {
        self.disk.bytes(BALLAST).len() as u64
    }

    /// What another process finds.
    pub fn after_kill(&self) -> Self {
        let disk = self.disk.after_kill();
        Self { home: SimHome { disk: disk.clone(), ..self.home.clone() }, disk, room: self.room.clone() }
    }
}

impl Home for SmallHome {
    fn log(&self) -> io::Result<AnyDisk> {
        self.home.log()
    }

    fn state(&self) -> io::Result<Box<dyn StateFile>> {
        self.home.state()
    }

    fn segment_sizes(&self) -> SegmentSizes {
        self.home.segment_sizes()
    }

    fn room(&self) -> io::Result<Option<Box<dyn Room>>> {
        Ok(Some(Box::new(self.clone())))
    }

    fn set_state_aside(&self) -> io::Result<String> {
        self.home.set_state_aside()
    }
}

impl Room for SmallHome {
    fn free(&self) -> io::Result<u64> {
        Ok(self.room.load(std::sync::atomic::Ordering::Relaxed).saturating_sub(self.disk.allocated()))
    }

    fn ballast(&self) -> io::Result<u64> {
        Ok(SmallHome::ballast(self))
    }

    fn set_ballast(&self, bytes: u64) -> io::Result<()> {
        let (file, held) = (self.disk.file(BALLAST)?, SmallHome::ballast(self));
        if bytes < held {
            return file.set_len(bytes);
        }
        StateFile::write_at(&file, held, &vec![0; (bytes - held) as usize])
    }

    fn ballast_bytes_max(&self) -> u64 {
        BALLAST_BYTES
    }
}
