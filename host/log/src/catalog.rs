//! Which frames there are and where: shared by the one writer and all readers.
//!
//! Invariant: a frame is in the catalog only when it is durable, so a reader cannot see what a crash could take back. The
//! catalog holds every segment's header in memory, the frame index of the active segment, and the index of the sealed ones
//! that were read last; the index of an old segment is built when a reader first needs it.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};

use crate::disk::Disk;
use crate::error::{DiskOp, LogError};
use crate::limits::{SECTOR_BYTES, SEGMENTS_OPEN_MAX};
use crate::scan::{Chain, Depth, Until, Window, sector_of, walk};
use crate::segment::{HEADER_BLOCK_BYTES, SegmentHead, SegmentInfo, segment_name};
use crate::tail::{Held, Tail};

/// An open segment with the sectors at which its frames begin, and where the last one ends.
pub(crate) struct Indexed<F> {
    pub(crate) head: SegmentHead,
    pub(crate) file: Arc<F>,
    pub(crate) sectors: Vec<u32>,
}

/// Where a frame stands.
pub(crate) struct Place<F> {
    pub(crate) head: SegmentHead,
    pub(crate) file: Arc<F>,
    pub(crate) offset: u64,
    pub(crate) bytes: u64,
}

/// What writer and readers share.
pub(crate) struct Shared<D: Disk> {
    pub(crate) disk: D,
    catalog: RwLock<Catalog<D::File>>,
    /// Sealed segments in use, the last used one first.
    sealed: Mutex<Vec<Arc<Indexed<D::File>>>>,
    tail: Mutex<Tail>,
}

struct Catalog<F> {
    /// Every segment, the oldest first; the last one is the active one.
    heads: Vec<SegmentHead>,
    active: Indexed<F>,
    last_k: u64,
}

impl<F> Indexed<F> {
    /// Offset behind the last frame, in bytes.
    pub(crate) fn end(&self) -> u64 {
        self.sectors.last().map_or(HEADER_BLOCK_BYTES, |&sector| u64::from(sector) * SECTOR_BYTES)
    }

    fn place(&self, k: u64) -> Option<Place<F>> {
        let at = usize::try_from(k.checked_sub(self.head.first_k)?).ok()?;
        let offset = u64::from(*self.sectors.get(at)?) * SECTOR_BYTES;
        let end = u64::from(*self.sectors.get(at + 1)?) * SECTOR_BYTES;
        Some(Place { head: self.head, file: Arc::clone(&self.file), offset, bytes: end - offset })
    }
}

impl<D: Disk> Shared<D> {
    pub(crate) fn new(disk: D, heads: Vec<SegmentHead>, active: Indexed<D::File>, last_k: u64) -> Self {
        let catalog = RwLock::new(Catalog { heads, active, last_k });
        Self { disk, catalog, sealed: Mutex::default(), tail: Mutex::default() }
    }

    /// The oldest frame that is kept.
    pub(crate) fn first_k(&self) -> u64 {
        self.catalog().heads.first().map_or(1, |head| head.first_k)
    }

    /// The last durable frame, 0 if there is none.
    pub(crate) fn last_k(&self) -> u64 {
        self.catalog().last_k
    }

    /// The headers of all segments, the oldest first.
    pub(crate) fn heads(&self) -> Vec<SegmentHead> {
        self.catalog().heads.clone()
    }

    /// All segments, the oldest first.
    pub(crate) fn segments(&self) -> Vec<SegmentInfo> {
        let catalog = self.catalog();
        let next = catalog.heads.iter().skip(1).map(|head| head.first_k - 1).chain([catalog.last_k]);
        let info =
            |(head, last_k): (&SegmentHead, u64)| SegmentInfo { first_k: head.first_k, last_k, bytes: head.bytes };
        catalog.heads.iter().zip(next).map(info).collect()
    }

    /// Where frame `k` stands; `None` if it is not written yet or trimmed.
    pub(crate) fn locate(&self, k: u64) -> Result<Option<Place<D::File>>, LogError> {
        let (head, last_k) = {
            let catalog = self.catalog();
            if k > catalog.last_k {
                return Ok(None);
            }
            if k >= catalog.active.head.first_k {
                return Ok(catalog.active.place(k));
            }
            let after = catalog.heads.partition_point(|head| head.first_k <= k);
            let Some(head) = after.checked_sub(1).and_then(|at| catalog.heads.get(at)) else { return Ok(None) };
            let Some(next) = catalog.heads.get(after) else { return Ok(None) };
            (*head, next.first_k - 1)
        };
        Ok(self.sealed(head, last_k)?.and_then(|segment| segment.place(k)))
    }

    /// Adds a frame that is durable and ends at `end`.
    pub(crate) fn publish(&self, k: u64, end: u64) {
        let mut catalog = self.catalog.write().unwrap_or_else(PoisonError::into_inner);
        catalog.active.sectors.push(sector_of(end));
        catalog.last_k = k;
    }

    /// Adds a frame that is durable and is the first of a new segment.
    pub(crate) fn publish_segment(&self, segment: Indexed<D::File>, k: u64) {
        let before = {
            let mut catalog = self.catalog.write().unwrap_or_else(PoisonError::into_inner);
            catalog.heads.push(segment.head);
            catalog.last_k = k;
            std::mem::replace(&mut catalog.active, segment)
        };
        self.keep(Arc::new(before));
    }

    /// Holds a frame that is durable in memory for a while.
    pub(crate) fn hold(&self, frame: Held) {
        self.tail().push(frame);
    }

    /// Lets go of the frames that are held in memory.
    pub(crate) fn let_tail_go(&self) {
        let frames = std::mem::take(&mut *self.tail());
        drop(frames);
    }

    /// Frame `k`, if it is held in memory and was not trimmed.
    pub(crate) fn held(&self, k: u64) -> Option<Held> {
        if k < self.first_k() { None } else { self.tail().get(k) }
    }

    fn tail(&self) -> MutexGuard<'_, Tail> {
        self.tail.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets the oldest segment if it is wholly below `below_k`, and returns its header.
    pub(crate) fn forget_oldest(&self, below_k: u64) -> Option<SegmentHead> {
        let mut catalog = self.catalog.write().unwrap_or_else(PoisonError::into_inner);
        let second = catalog.heads.get(1)?;
        if second.first_k > below_k {
            return None;
        }
        let head = catalog.heads.remove(0);
        drop(catalog);
        self.sealed.lock().unwrap_or_else(PoisonError::into_inner).retain(|segment| segment.head != head);
        Some(head)
    }

    fn catalog(&self) -> RwLockReadGuard<'_, Catalog<D::File>> {
        // Every change of the catalog is a few assignments that cannot panic halfway.
        self.catalog.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// An open sealed segment with its index; `None` if it was trimmed meanwhile.
    fn sealed(&self, head: SegmentHead, last_k: u64) -> Result<Option<Arc<Indexed<D::File>>>, LogError> {
        {
            let mut sealed = self.sealed.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(at) = sealed.iter().position(|segment| segment.head == head) {
                let segment = sealed.remove(at);
                sealed.insert(0, Arc::clone(&segment));
                return Ok(Some(segment));
            }
        }
        let Some(file) = self.open_segment(&head)? else { return Ok(None) };
        let walk = walk(&mut Window::new(&file, head), Chain::before(&head), Depth::Fronts, Until::Frame(last_k))?;
        if walk.chain.next_k <= last_k {
            return Err(LogError::Damaged { segment: head.name(), offset: walk.end(), k: walk.chain.next_k });
        }
        let segment = Arc::new(Indexed { head, file: Arc::new(file), sectors: walk.sectors });
        self.keep(Arc::clone(&segment));
        Ok(Some(segment))
    }

    /// Opens a segment's file; `None` if it was trimmed meanwhile.
    pub(crate) fn open_segment(&self, head: &SegmentHead) -> Result<Option<D::File>, LogError> {
        let name = segment_name(head.first_k);
        match self.disk.open(&name) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound && head.first_k < self.first_k() => Ok(None),
            Err(error) => Err(LogError::io(DiskOp::Open, &name)(error)),
        }
    }

    fn keep(&self, segment: Arc<Indexed<D::File>>) {
        let mut sealed = self.sealed.lock().unwrap_or_else(PoisonError::into_inner);
        sealed.retain(|other| other.head != segment.head);
        sealed.insert(0, segment);
        let stay = sealed.len().min(SEGMENTS_OPEN_MAX);
        let closed = sealed.split_off(stay);
        drop(sealed);
        // Closing a file takes its time, and others wait for the segments that stay.
        drop(closed);
    }
}
