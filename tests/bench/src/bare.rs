//! The bare log: a file of zeros that is overwritten frame by frame, with a sync after each.
//!
//! Invariant: it writes as many bytes in as many writes and syncs as the commit path did, and nothing else: it has no
//! checksums, no directory, no second file, and its zeros were written before the clock ran.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;

use anyhow::{Context, Result};

use crate::measure::Spent;

/// Zeros written at a time.
const FILL_BYTES: usize = 1 << 20;

/// Writes the frames into a new file in `folder`.
pub fn run(folder: &Path, frames: &[Vec<u8>]) -> Result<Spent> {
    let path = folder.join("bare");
    let mut file = File::create(&path).context("making the bare log")?;
    let bytes: usize = frames.iter().map(Vec::len).sum();
    let zeros = vec![0; FILL_BYTES];
    for _ in 0..bytes.div_ceil(FILL_BYTES) {
        file.write_all(&zeros)?;
    }
    file.sync_all()?;
    let (mut spent, mut at) = (Spent::default(), 0);
    for frame in frames {
        spent.add(|| file.write_all_at(frame, at).and_then(|()| file.sync_data())).0?;
        at += frame.len() as u64;
    }
    Ok(spent)
}
