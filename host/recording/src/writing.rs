//! The thread that writes recordings, and keeps all of them within their bounds.
//!
//! Invariant: an error of the disk ends no thread and no attempt: what could not be written is missing, which is said once until something can be written again.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt as _,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::Duration,
};

use crate::{
    limits::LOOK_EVERY_S,
    recorder::Allotting,
    segments::{LENGTH, Segment, Segments},
};

/// What the thread is to do.
pub(crate) enum Order {
    /// A recording has this place.
    Write { segment: u64, offset: u64, bytes: Vec<u8> },
    /// The bounds changed, or are to be looked at.
    Look,
    /// Others need the room: all goes that can.
    Spare,
}

/// The thread's own.
pub(crate) struct Writing {
    segments: Segments,
    allotting: Arc<Allotting>,
    file: Option<(u64, File)>,
    fails: bool,
}

impl Writing {
    pub(crate) fn new(segments: Segments, allotting: Arc<Allotting>) -> Self {
        Self { segments, allotting, file: None, fails: false }
    }

    /// Does what it is told until nobody can tell it any more.
    pub(crate) fn run(mut self, orders: &Receiver<Order>) {
        self.look(self.allotting.policy().bytes);
        loop {
            match orders.recv_timeout(Duration::from_secs(LOOK_EVERY_S)) {
                Ok(order) => {
                    self.follow(order);
                    self.allotting.is_done();
                }
                Err(RecvTimeoutError::Timeout) => self.look(self.allotting.policy().bytes),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn follow(&mut self, order: Order) {
        match order {
            Order::Write { segment, offset, bytes } => {
                let written = self.write(segment, offset, &bytes);
                self.allotting.count(|counted| match &written {
                    Ok(()) => counted.bytes += LENGTH + bytes.len() as u64,
                    Err(_) => counted.unwritten += 1,
                });
                self.told(written);
            }
            Order::Look => self.look(self.allotting.policy().bytes),
            Order::Spare => self.look(0),
        }
    }

    fn write(&mut self, segment: u64, offset: u64, bytes: &[u8]) -> io::Result<()> {
        if self.file.as_ref().is_none_or(|(number, _)| *number != segment) {
            // All are within the bounds also when this one is full.
            let policy = self.allotting.policy();
            self.look(policy.bytes.saturating_sub(policy.segment_bytes()));
            self.file = Some((segment, self.segments.begin(segment)?));
        }
        let Some((_, file)) = &self.file else { return Ok(()) };
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes();
        file.write_all_at(&[&length, bytes].concat(), offset.saturating_sub(LENGTH))
    }

    fn told(&mut self, written: io::Result<()>) {
        match written {
            Ok(()) => self.fails = false,
            Err(error) => {
                if !self.fails {
                    tracing::warn!("recordings of attempts cannot be written, and are left out: {error}");
                }
                self.fails = true;
            }
        }
    }

    /// Deletes the oldest segments until all take so many bytes, and those that are too old. That which is written to stays, and is gone on with no longer
    /// than its age allows.
    fn look(&self, most: u64) {
        let policy = self.allotting.policy();
        let (open, now_ms) = (self.allotting.open_segment(), self.allotting.now_ms());
        let segments = match self.segments.list() {
            Ok(segments) => segments,
            Err(error) => return tracing::warn!("the folder of recordings cannot be read: {error}"),
        };
        let mut bytes: u64 = segments.iter().map(|segment| segment.bytes).sum();
        for Segment { number, bytes: own, written_ms } in segments {
            let is_old = now_ms.saturating_sub(written_ms) > policy.age_ms;
            if open == Some(number) || !(is_old || bytes > most) {
                continue;
            }
            match self.segments.remove(number) {
                Ok(()) => bytes = bytes.saturating_sub(own),
                Err(error) => tracing::warn!("an old segment of recordings cannot be deleted: {error}"),
            }
        }
        self.allotting.count(|counted| counted.bytes = bytes);
    }
}
