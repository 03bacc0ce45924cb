//! The one writer: opens the log, appends frames, rolls to the next segment, trims old ones.
//!
//! Invariant: a frame is one write and one sync, `k` is returned only after both, at most one frame is unsynced, and after any
//! failed write or sync nothing is written again until the log is opened anew. It does not gather records, does not wait, and does not lock the folder.

use std::sync::Arc;

use crate::catalog::{Indexed, Shared};
use crate::disk::{Disk, DiskFile};
use crate::error::{DiskOp, LogError};
use crate::frame::{FrameHead, FrameKind, Owner, RecordIn, encode, frame_bytes, padded};
use crate::limits::FRAME_BYTES_MAX;
use crate::reader::LogReader;
use crate::recover::recover;
use crate::scan::sector_of;
use crate::segment::{HEADER_BLOCK_BYTES, SegmentHead, SegmentInfo, SegmentSizes};
use crate::spare::Spare;
use crate::tail::Held;
use crate::unsynced::{Synced, Unsynced, Written};

/// How a log is opened.
#[derive(Debug, Clone, Copy)]
pub struct LogOptions {
    /// The partition whose log this is; segments of another one are refused.
    pub partition: u32,
    /// 128 random bits, new for every open and not shown to anyone.
    pub nonce: [u8; 16],
    /// Now, in milliseconds since 1970: the time of a new log's first frame. Elsewhere an open takes no time.
    pub time_ms: u64,
    /// The last frame that the state has durably, 0 if there is none. Nothing up to it may be missing.
    pub checkpoint_k: u64,
    /// How large segment files are made.
    pub sizes: SegmentSizes,
}

/// What opening found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recovery {
    /// The oldest frame that is kept; 1 in a new log.
    pub first_k: u64,
    /// The last frame before this open's own epoch frame, 0 in a new log.
    pub last_k: u64,
    /// Time of that frame, in milliseconds since 1970; 0 in a new log.
    pub last_time_ms: u64,
    /// The epoch that this open began.
    pub epoch: u64,
    /// Length of the torn tail that was cut, in bytes, whole sectors; 0 after a clean stop.
    pub torn_bytes_cut: u64,
}

/// A log that is open for writing.
pub struct Log<D: Disk> {
    shared: Arc<Shared<D>>,
    sizes: SegmentSizes,
    /// The active segment, where the next frame goes, and who wrote the last one.
    head: SegmentHead,
    file: Arc<D::File>,
    end: u64,
    owner: Owner,
    last_k: u64,
    last_time_ms: u64,
    spare: Option<Spare<D::File>>,
    /// The frame that is written and not durable yet.
    unsynced: Option<Written>,
    poison: Option<Arc<LogError>>,
}

impl<D: Disk> Log<D> {
    /// Opens the log in `disk`, makes what it holds durable, cuts a torn tail and begins a new epoch. An empty folder becomes
    /// a new log. Reads every frame from the checkpoint's segment on.
    pub fn open(disk: D, options: LogOptions) -> Result<(Self, Recovery), LogError> {
        let found = recover(&disk, &options)?;
        let (head, file, end) = (found.active.head, Arc::clone(&found.active.file), found.active.end());
        let last_k = found.chain.next_k.saturating_sub(1);
        let owner = Owner { epoch: found.chain.owner.epoch + 1, nonce: options.nonce };
        let mut log = Self {
            shared: Arc::new(Shared::new(disk, found.heads, found.active, last_k)),
            sizes: options.sizes,
            head,
            file,
            end,
            owner: found.chain.owner,
            last_k,
            last_time_ms: found.chain.time_ms,
            spare: None,
            unsynced: None,
            poison: None,
        };
        let recovery = Recovery {
            first_k: log.shared.first_k(),
            last_k,
            last_time_ms: found.chain.time_ms,
            epoch: owner.epoch,
            torn_bytes_cut: found.torn_bytes,
        };
        // Whether now is to be believed is for the caller to decide; what is known is the time of the last frame.
        let time_ms = if last_k == 0 { options.time_ms } else { found.chain.time_ms };
        log.append_frame(FrameKind::Epoch, owner, time_ms, &[])?;
        Ok((log, recovery))
    }

    /// Appends one frame with these records, in this order, and returns its `k` when it is durable. The frame's time is
    /// `time_ms` or that of the frame before, whichever is later.
    ///
    /// [`LogError::FrameTooLarge`] and [`LogError::NoRoom`] leave the log as it was; every other error poisons it.
    pub fn append(&mut self, time_ms: u64, records: &[RecordIn<'_>]) -> Result<u64, LogError> {
        self.append_frame(FrameKind::Records, self.owner, time_ms, records)
    }

    /// Writes one frame with these records as [`Log::append`] does, and leaves it to the caller to sync it and to say so to
    /// [`Log::finish`], before anything else is written: at most one frame is unsynced at any time.
    pub fn write(&mut self, time_ms: u64, records: &[RecordIn<'_>]) -> Result<Unsynced<D::File>, LogError> {
        self.write_frame(FrameKind::Records, self.owner, time_ms, records)
    }

    /// Takes note of how the sync of the written frame ended, and returns the frame's `k`: readers see it from now on.
    pub fn finish(&mut self, synced: Synced) -> Result<u64, LogError> {
        self.check_poison()?;
        synced.into_result().map_err(|error| self.poisoned_by(error))?;
        let Some(Written { k, time_ms, owner, start, rolled, bytes }) = self.unsynced.take() else {
            return Ok(self.last_k);
        };
        (self.owner, self.last_k, self.last_time_ms) = (owner, k, time_ms);
        if rolled {
            let sectors = vec![sector_of(start), sector_of(self.end)];
            let segment = Indexed { head: self.head, file: Arc::clone(&self.file), sectors };
            self.shared.publish_segment(segment, k);
        } else {
            self.shared.publish(k, self.end);
        }
        self.shared.hold(Held { k, salt: self.head.salt, bytes });
        Ok(k)
    }

    /// Appends a mark: a frame without records, behind which the frame before is no longer the last one, so that a fault in
    /// it is told from a torn write. Called when nothing was appended for a while.
    pub fn append_mark(&mut self, time_ms: u64) -> Result<u64, LogError> {
        let marked = self.append_frame(FrameKind::Mark, self.owner, time_ms, &[]);
        self.shared.let_tail_go();
        marked
    }

    /// Prepares the next segment by one step (about a millisecond) once the active one is half full; false when there is
    /// nothing to do now, or no room to do it. Optional: an append that needs a segment which is not ready prepares all of it.
    pub fn prepare_step(&mut self) -> Result<bool, LogError> {
        self.check_poison()?;
        if self.end < self.head.bytes / 2 {
            return Ok(false);
        }
        let bytes = self.sizes.next(Some(self.head.bytes), 0);
        let stepped = match &mut self.spare {
            Some(spare) => spare.step(),
            None => Spare::create(&self.shared.disk, bytes).map(|spare| {
                self.spare = Some(spare);
                true
            }),
        };
        match stepped.map_err(LogError::of_preparing) {
            Err(LogError::NoRoom { .. }) => Ok(false),
            stepped => stepped.map_err(|error| self.poisoned_by(error)),
        }
    }

    /// Makes sure that a frame of `bytes` will find its place, as an append would that needs the next segment, and gives the
    /// bytes up to which a frame surely does: on a full disk it may be fewer than `bytes`.
    pub fn make_room(&mut self, bytes: u64) -> Result<u64, LogError> {
        self.check_poison()?;
        if padded(bytes) > self.head.bytes - self.end {
            match self.filled_spare(bytes) {
                Ok(spare) => self.spare = Some(spare),
                Err(LogError::NoRoom { .. }) => {}
                Err(error) => return Err(self.poisoned_by(error)),
            }
        }
        let in_spare = self.spare.as_ref().map_or(0, |spare| spare.filled().saturating_sub(HEADER_BLOCK_BYTES));
        Ok(in_spare.max(self.head.bytes - self.end))
    }

    /// Bytes of the disk's room that the next two segments still take.
    #[must_use]
    pub fn ahead_bytes(&self) -> u64 {
        let next = self.sizes.next(Some(self.head.bytes), 0);
        let filled = self.spare.as_ref().map_or(0, Spare::filled);
        next.saturating_sub(filled) + self.sizes.next(Some(next), 0)
    }

    /// Lets go of the segments that hold only frames below `below_k`, the oldest first; never of the active one. The first of
    /// them becomes the file of the next segment, if there is none yet: its place on the disk is kept.
    pub fn trim(&mut self, below_k: u64) -> Result<(), LogError> {
        self.check_poison()?;
        while let Some(head) = self.shared.forget_oldest(below_k) {
            // One by one: were two to become durable in the other order, a crash would leave a hole.
            self.let_go(&head).map_err(|error| self.poisoned_by(error))?;
        }
        Ok(())
    }

    fn let_go(&mut self, head: &SegmentHead) -> Result<(), LogError> {
        let (disk, name) = (&self.shared.disk, head.name());
        if self.spare.is_none() && head.bytes >= self.sizes.next(Some(self.head.bytes), 0) {
            self.spare = Some(Spare::recycle(disk, &name, head.bytes)?);
        } else {
            disk.remove(&name).map_err(LogError::io(DiskOp::Remove, &name))?;
        }
        disk.sync_dir().map_err(LogError::io(DiskOp::SyncDir, &name))
    }

    /// A reader of this log, for any thread.
    #[must_use]
    pub fn reader(&self) -> LogReader<D> {
        LogReader::new(Arc::clone(&self.shared))
    }

    /// The last durable frame.
    #[must_use]
    pub fn last_k(&self) -> u64 {
        self.last_k
    }

    /// This owner's epoch.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.owner.epoch
    }

    /// All segments, the oldest first.
    #[must_use]
    pub fn segments(&self) -> Vec<SegmentInfo> {
        self.shared.segments()
    }

    fn append_frame(
        &mut self,
        kind: FrameKind,
        owner: Owner,
        time_ms: u64,
        records: &[RecordIn<'_>],
    ) -> Result<u64, LogError> {
        let unsynced = self.write_frame(kind, owner, time_ms, records)?;
        self.finish(unsynced.sync())
    }

    fn write_frame(
        &mut self,
        kind: FrameKind,
        owner: Owner,
        time_ms: u64,
        records: &[RecordIn<'_>],
    ) -> Result<Unsynced<D::File>, LogError> {
        self.check_poison()?;
        assert!(self.unsynced.is_none(), "at most one frame is unsynced at any time");
        let total = frame_bytes(records.len(), records.iter().map(|record| record.body.len() as u64).sum());
        let max = u64::from(FRAME_BYTES_MAX);
        let bytes = u32::try_from(total).ok().filter(|&bytes| bytes <= FRAME_BYTES_MAX);
        let bytes = bytes.ok_or(LogError::FrameTooLarge { bytes: total, max })?;
        let frame = FrameHead {
            kind,
            bytes,
            partition: self.head.partition,
            owner,
            k: self.last_k + 1,
            time_ms: time_ms.max(self.last_time_ms),
            // A frame of bounded length has a bounded number of entries.
            records: records.len() as u32,
        };
        self.put(&frame, records).map_err(|error| if error.is_fatal() { self.poisoned_by(error) } else { error })
    }

    /// Puts the frame where it belongs, in the next segment if it does not fit into this one.
    fn put(&mut self, frame: &FrameHead, records: &[RecordIn<'_>]) -> Result<Unsynced<D::File>, LogError> {
        let rolled = self.end + frame.padded_bytes() > self.head.bytes;
        if rolled {
            self.roll(frame)?;
        }
        let bytes = encode(frame, records, self.head.salt);
        let segment = self.head.name();
        self.file.write_at(self.end, &bytes).map_err(LogError::io(DiskOp::Write, &segment))?;
        let FrameHead { k, time_ms, owner, .. } = *frame;
        let start = self.end;
        self.end += bytes.len() as u64;
        self.unsynced = Some(Written { k, time_ms, owner, start, rolled, bytes: bytes.into() });
        Ok(Unsynced::new(Arc::clone(&self.file), segment))
    }

    /// Makes the segment that begins with `frame`. Its header names who owned the frame before, which `frame` has to follow.
    fn roll(&mut self, frame: &FrameHead) -> Result<(), LogError> {
        let spare = self.filled_spare(u64::from(frame.bytes))?;
        let head = SegmentHead::new(self.head.partition, self.owner, frame.k, spare.bytes());
        self.file = Arc::new(spare.into_segment(&self.shared.disk, &head)?);
        self.head = head;
        self.end = HEADER_BLOCK_BYTES;
        Ok(())
    }

    /// The next segment, all of it filled, for a frame of `bytes`. Where the disk has room for a shorter one only, that is it.
    fn filled_spare(&mut self, bytes: u64) -> Result<Spare<D::File>, LogError> {
        let needed = padded(bytes);
        let wanted = self.sizes.next(Some(self.head.bytes), needed);
        let mut spare = match self.spare.take() {
            Some(spare) => spare,
            None => Spare::create(&self.shared.disk, wanted).map_err(LogError::of_preparing)?,
        };
        match spare.grow(wanted).and_then(|()| spare.fill_up()).map_err(LogError::of_preparing) {
            Ok(()) => Ok(spare),
            Err(LogError::NoRoom { .. }) if spare.filled() >= HEADER_BLOCK_BYTES + needed => {
                spare.cut_to_filled()?;
                Ok(spare)
            }
            Err(error) => {
                // What is filled stays filled, for when there is room.
                self.spare = Some(spare);
                Err(error)
            }
        }
    }

    fn check_poison(&self) -> Result<(), LogError> {
        match &self.poison {
            Some(cause) => Err(LogError::Poisoned { cause: Arc::clone(cause) }),
            None => Ok(()),
        }
    }

    fn poisoned_by(&mut self, error: LogError) -> LogError {
        self.poison = Some(Arc::new(error.clone()));
        error
    }
}
