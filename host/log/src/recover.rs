//! Opening: finds the last good frame, tells a torn tail from damage, and cuts the tail.
//!
//! Invariant: only bytes behind the last good frame of the last segment are ever zeroed, and only when nothing that was
//! written later stands behind them and the state is not beyond that frame. Everything found is durable on return. It
//! writes no frame: the epoch frame is the writer's. Segments wholly below the checkpoint are read no further than their
//! header; damage in them is found by whoever reads them.

use std::sync::Arc;

use crate::catalog::Indexed;
use crate::disk::{Disk, DiskFile, read_full};
use crate::error::{DiskOp, LogError};
use crate::frame::Owner;
use crate::limits::SECTOR_BYTES;
use crate::scan::{Chain, Depth, Until, Walk, Window, sector_of, torn_end, walk};
use crate::segment::{HEADER_BLOCK_BYTES, SegmentHead, parse_name, segment_name};
use crate::spare::{Spare, write_zeros};
use crate::writer::LogOptions;

/// What a folder holds, after its torn tail was cut.
pub(crate) struct Recovered<F> {
    /// Headers of all segments, the oldest first.
    pub(crate) heads: Vec<SegmentHead>,
    /// The last segment.
    pub(crate) active: Indexed<F>,
    /// What the next frame has to follow.
    pub(crate) chain: Chain,
    /// Length of the torn tail, in bytes.
    pub(crate) torn_bytes: u64,
}

/// Reads the folder and leaves it with good frames only; makes the first segment if there is none.
pub(crate) fn recover<D: Disk>(disk: &D, options: &LogOptions) -> Result<Recovered<D::File>, LogError> {
    // A rename that an earlier process did not live to sync is made durable before anything is built on it.
    disk.sync_dir().map_err(LogError::io(DiskOp::SyncDir, "."))?;
    let names = disk.list().map_err(LogError::io(DiskOp::List, "."))?;
    let mut firsts: Vec<u64> = names.iter().filter_map(|name| parse_name(name)).collect();
    firsts.sort_unstable();
    let heads = firsts.iter().map(|&first_k| read_head(disk, first_k, options.partition));
    let heads = heads.collect::<Result<Vec<_>, _>>()?;
    // The last segment that may hold the checkpoint's frame; those before it are wholly below.
    let start = heads.partition_point(|head| head.first_k <= options.checkpoint_k).saturating_sub(1);
    let mut chain = None;
    for (at, head) in heads.iter().enumerate().skip(start) {
        let file = open(disk, head)?;
        let from = follow(head, chain)?;
        let found = walk(&mut Window::new(&file, *head), from, Depth::Bodies, Until::End)?;
        chain = Some(found.chain);
        let Some(next) = heads.get(at + 1) else {
            return finish(heads, file, found, options.checkpoint_k);
        };
        if next.first_k != found.chain.next_k {
            return Err(LogError::Damaged { segment: head.name(), offset: found.end(), k: found.chain.next_k });
        }
    }
    create_first(disk, options)
}

/// What the first frame of `head` has to follow, given where the segment before it ended.
fn follow(head: &SegmentHead, before: Option<Chain>) -> Result<Chain, LogError> {
    match before {
        None => Ok(Chain::before(head)),
        Some(chain) if chain.owner == head.owner => Ok(chain),
        Some(_) => Err(LogError::Damaged { segment: head.name(), offset: 0, k: head.first_k }),
    }
}

/// Judges and cuts what stands behind the last good frame, and makes all of it durable.
fn finish<F: DiskFile>(
    heads: Vec<SegmentHead>,
    file: F,
    found: Walk,
    checkpoint_k: u64,
) -> Result<Recovered<F>, LogError> {
    let Some(&head) = heads.last() else {
        return Err(LogError::BelowCheckpoint { last_k: 0, checkpoint_k });
    };
    let name = head.name();
    let offset = found.end();
    let dirty_end = torn_end(&mut Window::new(&file, head), &found.chain, offset)?;
    if found.chain.next_k <= checkpoint_k {
        return Err(LogError::BelowCheckpoint { last_k: found.chain.next_k.saturating_sub(1), checkpoint_k });
    }
    write_zeros(&file, &name, offset, dirty_end - offset)?;
    rewrite_last(&file, &name, &found)?;
    file.sync_data().map_err(LogError::io(DiskOp::Sync, &name))?;
    let active = Indexed { head, file: Arc::new(file), sectors: found.sectors };
    Ok(Recovered { heads, active, chain: found.chain, torn_bytes: dirty_end - offset })
}

/// Writes the last frame over itself. If its sync failed and poisoned the process before this one, the kernel may hold the
/// frame as clean though the disk never got it: it would be read back now and be gone after a power cut. Only the last frame
/// can be in that state, since nothing is appended after a failed sync.
fn rewrite_last<F: DiskFile>(file: &F, name: &str, found: &Walk) -> Result<(), LogError> {
    let Some([from, to]) = found.sectors.last_chunk::<2>() else { return Ok(()) };
    let mut frame = vec![0; (to - from) as usize * SECTOR_BYTES as usize];
    let offset = u64::from(*from) * SECTOR_BYTES;
    let read = read_full(file, offset, &mut frame).map_err(LogError::io(DiskOp::Read, name))?;
    frame.truncate(read);
    file.write_at(offset, &frame).map_err(LogError::io(DiskOp::Write, name))
}

fn create_first<D: Disk>(disk: &D, options: &LogOptions) -> Result<Recovered<D::File>, LogError> {
    if options.checkpoint_k > 0 {
        return Err(LogError::BelowCheckpoint { last_k: 0, checkpoint_k: options.checkpoint_k });
    }
    // There is no epoch before the first. The nonce is there to make the header's checksum one that nobody can know.
    let before = Owner { epoch: 0, nonce: options.nonce };
    let head = SegmentHead::new(options.partition, before, 1, options.sizes.next(None, 0));
    let file = Spare::create(disk, head.bytes)?.into_segment(disk, &head)?;
    let chain = Chain::before(&head);
    let sectors = vec![sector_of(HEADER_BLOCK_BYTES)];
    let active = Indexed { head, file: Arc::new(file), sectors };
    Ok(Recovered { heads: vec![head], active, chain, torn_bytes: 0 })
}

fn open<D: Disk>(disk: &D, head: &SegmentHead) -> Result<D::File, LogError> {
    let name = head.name();
    let file = disk.open(&name).map_err(LogError::io(DiskOp::Open, &name))?;
    let bytes = file.size().map_err(LogError::io(DiskOp::Read, &name))?;
    if bytes < head.bytes {
        return Err(LogError::Damaged { segment: name, offset: bytes, k: head.first_k });
    }
    Ok(file)
}

pub(crate) fn read_head<D: Disk>(disk: &D, first_k: u64, partition: u32) -> Result<SegmentHead, LogError> {
    let name = segment_name(first_k);
    let file = disk.open(&name).map_err(LogError::io(DiskOp::Open, &name))?;
    let mut block = [0; HEADER_BLOCK_BYTES as usize];
    let read = read_full(&file, 0, &mut block).map_err(LogError::io(DiskOp::Read, &name))?;
    SegmentHead::decode(block.get(..read).unwrap_or_default(), first_k, partition)
}
