//! Room for the bodies of requests: how many bytes of them the host holds at once, over all its connections.
//!
//! Invariant: a body takes room before it takes memory, as it comes and whatever it announces, and gives it back when its request is
//! answered. The first bytes of each need none, since there are only so many connections: a small body never waits for large ones.
//! Those that wait for each other end, since one at a time may go on without room. Uploads are not held, so they take no part.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wharf_event::Code;

use crate::limits::{BODIES_BYTES_MAX, BODY_FREE_BYTES, BODY_ROOM_TIMEOUT};
use crate::measure::{Family, Kind, Reading};
use crate::problem::Problem;

/// Room is counted in these, since a semaphore counts to 2^32 at a time.
const UNIT_BYTES: usize = 1024;

/// The room that the bodies of a host share.
#[derive(Clone, Debug)]
pub struct Bodies(Arc<Room>);

#[derive(Debug)]
struct Room {
    /// Units that are free.
    free: Arc<Semaphore>,
    /// Units in all.
    units: AtomicUsize,
    /// The place of the one body that goes on without room.
    beyond: Arc<Semaphore>,
    /// Units that were ever taken.
    taken: AtomicU64,
    patience: Duration,
}

impl Default for Bodies {
    fn default() -> Self {
        Self::new(BODIES_BYTES_MAX, BODY_ROOM_TIMEOUT)
    }
}

impl Bodies {
    /// Room for so many bytes, for which a body waits so long.
    #[must_use]
    pub fn new(bytes: u64, patience: Duration) -> Self {
        let units = units(bytes);
        let (free, beyond) = (Arc::new(Semaphore::new(units)), Arc::new(Semaphore::new(1)));
        Self(Arc::new(Room { free, units: units.into(), beyond, taken: AtomicU64::new(0), patience }))
    }

    /// Makes it so many bytes. What is held is not taken back: where there is to be less room than that, it shrinks to what is held.
    pub fn resize(&self, bytes: u64) {
        let units = units(bytes);
        let before = self.0.units.swap(units, Ordering::Relaxed);
        self.0.free.add_permits(units.saturating_sub(before));
        let kept =
            before.saturating_sub(units).saturating_sub(self.0.free.forget_permits(before.saturating_sub(units)));
        self.0.units.fetch_add(kept, Ordering::Relaxed);
    }

    /// How much room was ever taken: it stands still while no large body comes.
    #[must_use]
    pub fn taken(&self) -> u64 {
        self.0.taken.load(Ordering::Relaxed)
    }

    pub(crate) fn families(&self) -> [Family; 2] {
        let bytes = |units: usize| Reading::Count((units * UNIT_BYTES) as u64);
        let all = self.0.units.load(Ordering::Relaxed);
        let held = all.saturating_sub(self.0.free.available_permits());
        let about = "Room that bodies of requests hold, their first 64 KiB aside, in bytes.";
        let about_max = "Room that bodies of requests may hold, in bytes.";
        [
            Family::of_one(Kind::Gauge, "wharf_http_body_bytes", about, bytes(held)),
            Family::of_one(Kind::Gauge, "wharf_http_body_bytes_max", about_max, bytes(all)),
        ]
    }
}

/// How many units so many bytes are; what no machine has counts as all that can be counted.
fn units(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX) / UNIT_BYTES
}

/// There was no room for a body for long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NoRoom;

/// What one request holds of the room, until it is answered.
#[derive(Debug)]
struct Share {
    bodies: Bodies,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    room: Option<OwnedSemaphorePermit>,
    beyond: Option<OwnedSemaphorePermit>,
}

/// The layer of routes that read a body whole: what it holds is held until the answer is there.
pub(crate) async fn hold(State(bodies): State<Bodies>, mut request: Request, next: Next) -> Response {
    let share = Arc::new(Share { bodies, held: Mutex::default() });
    request.extensions_mut().insert(Arc::clone(&share));
    let response = next.run(request).await;
    drop(share);
    response
}

/// A body that is still to be read, with its share of the room.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) body: Body,
    share: Arc<Share>,
}

impl<S: Send + Sync> FromRequest<S> for Sent {
    type Rejection = Problem;

    async fn from_request(mut request: Request, _: &S) -> Result<Self, Problem> {
        let share = request.extensions_mut().remove::<Arc<Share>>();
        let share = share.ok_or_else(|| Problem::new(Code::Internal, "this route has no room for a body"))?;
        Ok(Self { body: request.into_body(), share })
    }
}

impl Sent {
    /// Waits until there is room for `bytes` of this body in all.
    pub(crate) async fn make_room(&mut self, bytes: usize) -> Result<(), NoRoom> {
        let units = bytes.saturating_sub(BODY_FREE_BYTES).div_ceil(UNIT_BYTES);
        let more = {
            let held = self.held();
            if held.beyond.is_some() {
                return Ok(());
            }
            units.saturating_sub(held.room.as_ref().map_or(0, OwnedSemaphorePermit::num_permits))
        };
        if more == 0 {
            return Ok(());
        }
        let Room { free, beyond, taken, patience, .. } = &*self.share.bodies.0;
        taken.fetch_add(more as u64, Ordering::Relaxed);
        let permits = u32::try_from(more).unwrap_or(u32::MAX);
        tokio::select! {
            biased;
            room = Arc::clone(free).acquire_many_owned(permits) => {
                let room = room.map_err(|_| NoRoom)?;
                match &mut self.held().room {
                    Some(held) => held.merge(room),
                    none => *none = Some(room),
                }
            }
            beyond = Arc::clone(beyond).acquire_owned() => self.held().beyond = Some(beyond.map_err(|_| NoRoom)?),
            () = tokio::time::sleep(*patience) => return Err(NoRoom),
        }
        Ok(())
    }

    /// Gives back what it holds.
    pub(crate) fn let_go(&mut self) {
        *self.held() = Held::default();
    }

    fn held(&self) -> std::sync::MutexGuard<'_, Held> {
        self.share.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIB: usize = 1024;
    const KIB_OF_ROOM: u64 = 1024;

    fn sent(bodies: &Bodies) -> Sent {
        Sent { body: Body::empty(), share: Arc::new(Share { bodies: bodies.clone(), held: Mutex::default() }) }
    }

    #[tokio::test]
    async fn a_small_body_needs_no_room_and_of_large_ones_one_goes_on_without() {
        let bodies = Bodies::new(100 * KIB_OF_ROOM, Duration::from_millis(20));
        let [mut first, mut second, mut third, mut small] = [(); 4].map(|()| sent(&bodies));
        assert!(first.make_room(BODY_FREE_BYTES + 100 * KIB).await.is_ok());
        assert!(second.make_room(BODY_FREE_BYTES + 1).await.is_ok(), "beyond the room");
        assert!(second.make_room(BODY_FREE_BYTES + 100 * KIB).await.is_ok(), "to its end");
        assert!(third.make_room(BODY_FREE_BYTES + 1).await.is_err());
        assert!(small.make_room(BODY_FREE_BYTES).await.is_ok());
        drop(first);
        assert!(third.make_room(BODY_FREE_BYTES + 100 * KIB).await.is_ok());
        second.let_go();
        assert!(small.make_room(BODY_FREE_BYTES + 1).await.is_ok());
    }

    #[tokio::test]
    async fn bodies_that_wait_for_each_other_all_end() {
        let bodies = Bodies::new(100 * KIB_OF_ROOM, BODY_ROOM_TIMEOUT);
        let mut all: Vec<_> = (0..10).map(|_| sent(&bodies)).collect();
        for sent in &mut all {
            assert!(sent.make_room(BODY_FREE_BYTES + 10 * KIB).await.is_ok());
        }
        // Each holds a part, and none has room for the rest.
        let rest =
            all.into_iter().map(|mut sent| async move { sent.make_room(BODY_FREE_BYTES + 50 * KIB).await.is_ok() });
        assert_eq!(futures_util::future::join_all(rest).await, [true; 10]);
    }

    #[tokio::test]
    async fn the_room_can_be_another() {
        let bodies = Bodies::new(100 * KIB_OF_ROOM, BODY_ROOM_TIMEOUT);
        let mut first = sent(&bodies);
        assert!(first.make_room(BODY_FREE_BYTES + 60 * KIB).await.is_ok());
        bodies.resize(10 * KIB_OF_ROOM);
        assert_eq!(bodies.0.units.load(Ordering::Relaxed), 60, "what is held is not taken back");
        drop(first);
        bodies.resize(200 * KIB_OF_ROOM);
        assert_eq!(bodies.0.free.available_permits(), 200);
        bodies.resize(10 * KIB_OF_ROOM);
        assert_eq!(bodies.0.free.available_permits(), 10);
    }
}
