//! A partition's home on the faulty disk: what `FolderHome` is on a real one.

use std::io;

use wharf_dispatch::Home;
use wharf_log::{AnyDisk, SegmentSizes, any_disk};
use wharf_state::StateFile;

use crate::disk::FaultyDisk;

/// The folder of the log, as names begin.
pub const LOG_FOLDER: &str = "log/";

/// The file of the state.
pub const STATE_FILE: &str = "state.redb";

/// A home whose every operation may go wrong.
#[derive(Clone)]
pub struct SimHome {
    /// The disk that it is on.
    pub disk: FaultyDisk,
    /// How large the segments of its log are made: small ones are rolled often.
    pub segment_sizes: SegmentSizes,
}

impl Home for SimHome {
    fn log(&self) -> io::Result<AnyDisk> {
        Ok(any_disk(self.disk.folder(LOG_FOLDER)))
    }

    fn state(&self) -> io::Result<Box<dyn StateFile>> {
        Ok(Box::new(self.disk.file(STATE_FILE)?))
    }

    fn segment_sizes(&self) -> SegmentSizes {
        self.segment_sizes
    }

    fn set_state_aside(&self) -> io::Result<String> {
        let aside = format!("{STATE_FILE}.aside-{}", self.disk.names().len());
        self.disk.rename(STATE_FILE, &aside)?;
        Ok(aside)
    }
}
