//! Whether there is room for new work: what is free and the ballast, against what has to be left for the work that waits.
//!
//! Two segments of the log and the ballast are for settles, checkpoints and cleaning. Below that nothing new is taken in, and
//! only some way above it again, so that admission does not flutter. Room is measured now and then, never for a request.

use std::{io, sync::Arc, time::Duration};

use wharf_log::{AnyDisk, any_disk};
use wharf_state::StateFile;

use crate::{
    limits::{ROOM_EVERY, ROOM_PARTS},
    reserve::{BackedDisk, BackedState, Reserve},
    surroundings::Home,
};

/// The watch over the room on a disk. Without anything to watch there always is room.
pub(crate) struct RoomWatch {
    reserve: Option<Arc<Reserve>>,
    looked: Option<Duration>,
    /// Bytes that the log has taken since.
    written: u64,
    short_of: Option<u64>,
}

impl RoomWatch {
    /// Over the disk of `home`.
    pub(crate) fn over(home: &dyn Home) -> io::Result<Self> {
        let reserve = home.room()?.map(|room| Arc::new(Reserve::new(room)));
        Ok(Self { reserve, looked: None, written: 0, short_of: None })
    }

    /// The folder of the log with the reserve behind it.
    pub(crate) fn back_log(&self, disk: AnyDisk) -> AnyDisk {
        match &self.reserve {
            Some(reserve) => any_disk(BackedDisk { disk, reserve: Arc::clone(reserve) }),
            None => disk,
        }
    }

    /// The file of the state with the reserve behind it.
    pub(crate) fn back_state(&self, file: Box<dyn StateFile>) -> Box<dyn StateFile> {
        match &self.reserve {
            Some(reserve) => Box::new(BackedState { file, reserve: Arc::clone(reserve) }),
            None => file,
        }
    }

    /// Bytes that have to become free before new work is taken in; absent where it is.
    pub(crate) fn short_of(&self) -> Option<u64> {
        self.short_of
    }

    /// Notes that the log has taken so many bytes.
    pub(crate) fn wrote(&mut self, bytes: usize) {
        self.written = self.written.saturating_add(bytes as u64);
    }

    /// Looks at the disk if that is due by time or by what was written, when the log is going to take `ahead` bytes for its next two segments. Makes more of the
    /// ballast where there is room, and says whether the answer to [`RoomWatch::short_of`] is another one.
    pub(crate) fn look(&mut self, now: Duration, ahead: u64) -> bool {
        let Some(reserve) = &self.reserve else { return false };
        let recent = self.looked.is_some_and(|at| now.saturating_sub(at) < ROOM_EVERY);
        if recent && self.written < ahead / ROOM_PARTS {
            return false;
        }
        (self.looked, self.written) = (Some(now), 0);
        if let Err(error) = reserve.fill(ahead) {
            tracing::debug!("the ballast cannot be made larger now: {error}");
        }
        let Ok((free, ballast)) = reserve.measure() else { return false };
        let max = reserve.ballast_bytes_max();
        let before = self.short_of;
        self.short_of = short_of(free.saturating_add(ballast), ahead.saturating_add(max), max / 4, before.is_some());
        match (before, self.short_of) {
            (None, Some(bytes)) => tracing::warn!(
                short_of_bytes = bytes,
                free_bytes = free,
                ballast_bytes = ballast,
                "the disk is full: new events are refused until there is room, reads and settlements go on from the reserve"
            ),
            (Some(_), None) => tracing::info!(free_bytes = free, "there is room on the disk again: events are taken"),
            _ => {}
        }
        before != self.short_of
    }
}

/// What `room` is short of. Whoever was short of it has to come to `slack` above `needed`.
fn short_of(room: u64, needed: u64, slack: u64, was_short: bool) -> Option<u64> {
    let wanted = needed.saturating_add(slack);
    let short = room < needed || (was_short && room < wanted);
    short.then(|| wanted - room)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn admission_closes_below_the_reserve_and_opens_some_way_above_it() {
        for (room, was_short, short) in [
            (100, false, None),
            (99, false, Some(11)),
            (100, true, Some(10)),
            (109, true, Some(1)),
            (110, true, None),
            (0, true, Some(110)),
        ] {
            assert_eq!(short_of(room, 100, 10, was_short), short, "{room} {was_short}");
        }
    }
}
