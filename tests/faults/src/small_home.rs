//! A home on the faulty disk with so much room and no more.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use wharf_dispatch::{Home, Room};
use wharf_log::{AnyDisk, SegmentSizes};
use wharf_state::StateFile;

use crate::{disk::FaultyDisk, home::SimHome};

const BALLAST: &str = "ballast";

/// The home and its disk, of which another program may take what is left.
#[derive(Clone)]
pub struct SmallHome {
    home: SimHome,
    room: Arc<AtomicU64>,
    ballast_bytes_max: u64,
}

impl SmallHome {
    /// On the disk of a home, with so many bytes in all, of which the ballast is to hold some where there is room.
    #[must_use]
    pub fn of(home: SimHome, bytes: u64, ballast_bytes_max: u64) -> Self {
        let small = Self { home, room: Arc::default(), ballast_bytes_max };
        small.resize(bytes);
        small
    }

    /// Its disk.
    #[must_use]
    pub fn disk(&self) -> &FaultyDisk {
        &self.home.disk
    }

    /// From now on there is room for so many bytes in all.
    pub fn resize(&self, bytes: u64) {
        self.room.store(bytes, Ordering::Relaxed);
        self.disk().set_room(Some(bytes));
    }

    /// Lets another program take all that is left, but for so many bytes.
    pub fn take_but(&self, bytes: u64) {
        self.resize(self.disk().allocated() + bytes);
    }

    /// Bytes of the ballast.
    #[must_use]
    pub fn ballast(&self) -> u64 {
        self.disk().bytes(BALLAST).len() as u64
    }

    /// What another process finds.
    #[must_use]
    pub fn after_kill(&self) -> Self {
        Self { home: SimHome { disk: self.disk().after_kill(), ..self.home.clone() }, ..self.clone() }
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
        Ok(self.room.load(Ordering::Relaxed).saturating_sub(self.disk().allocated()))
    }

    fn ballast(&self) -> io::Result<u64> {
        Ok(SmallHome::ballast(self))
    }

    fn set_ballast(&self, bytes: u64) -> io::Result<()> {
        let (file, held) = (self.disk().file(BALLAST)?, SmallHome::ballast(self));
        if bytes < held {
            return file.set_len(bytes);
        }
        StateFile::write_at(&file, held, &vec![0; (bytes - held) as usize])
    }

    fn ballast_bytes_max(&self) -> u64 {
        self.ballast_bytes_max
    }
}
