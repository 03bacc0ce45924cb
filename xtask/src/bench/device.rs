//! The disk below a folder: what the kernel sent to it, whoever wrote it.
//!
//! Invariant: what is still in memory is sent first. What the kernel counts by process says nothing here: with large folios a page that gets
//! dirty counts as all of its folio, which may be a megabyte.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// Bytes of a sector, whatever the disk's own are.
const SECTOR_BYTES: u64 = 512;

/// A disk.
pub struct Device(PathBuf);

impl Device {
    /// The one below a folder.
    pub fn of(folder: &Path) -> Result<Self> {
        let device = fs::metadata(folder).with_context(|| format!("looking at {}", folder.display()))?.dev();
        let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
        Ok(Self(PathBuf::from(format!("/sys/dev/block/{major}:{minor}/stat"))))
    }

    /// Bytes that were written to it so far.
    pub fn written(&self) -> Result<u64> {
        rustix::fs::sync();
        let path = self.0.display();
        let stat = fs::read_to_string(&self.0).with_context(|| format!("reading {path}: is the folder on a disk?"))?;
        let sectors = sectors(&stat).with_context(|| format!("{path} is not what the kernel's documentation says"))?;
        Ok(sectors * SECTOR_BYTES)
    }
}

/// The seventh number: sectors written.
fn sectors(stat: &str) -> Option<u64> {
    stat.split_whitespace().nth(6)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sectors_written_are_the_seventh_number() {
        assert_eq!(
            sectors(" 2500238 69966 131794330 7270387 9985585 626361 341696624 1032763 0 721884"),
            Some(341_696_624)
        );
        assert_eq!(sectors("1 2 3"), None);
    }
}
