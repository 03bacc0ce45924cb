//! Time comes in through here: the wall clock for people, the monotonic clock for its advance.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// A wall clock.
pub trait Clock: Send + Sync + 'static {
    /// Milliseconds since 1970.
    fn wall_ms(&self) -> u64;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods, reason = "the one place where wall time comes in")]
    fn wall_ms(&self) -> u64 {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }
}

/// A step of the wall clock beyond this is not followed.
const STEP_FOLLOWED: Duration = Duration::from_secs(300);

/// Frame time: it never falls, and advances by the monotonic clock where the wall clock jumps.
pub struct FrameClock {
    wall: Box<dyn Clock>,
    last: Mutex<(u64, Instant)>,
}

impl FrameClock {
    /// A clock that goes on after the frame time `last_ms`.
    pub fn new(wall: impl Clock, last_ms: u64) -> Self {
        let now_ms = wall.wall_ms().max(last_ms);
        Self { wall: Box::new(wall), last: Mutex::new((now_ms, Instant::now())) }
    }

    /// Milliseconds since 1970, never less than the time before.
    pub fn now_ms(&self) -> u64 {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let (last_ms, at) = *last;
        let advanced = last_ms.saturating_add(u64::try_from(at.elapsed().as_millis()).unwrap_or(u64::MAX));
        let wall = self.wall.wall_ms();
        let step = Duration::from_millis(wall.abs_diff(advanced));
        let now = if step <= STEP_FOLLOWED { wall.max(last_ms) } else { advanced };
        if now > last_ms {
            *last = (now, Instant::now());
        }
        now
    }
}

/// `ms` since 1970 as RFC 3339 with milliseconds, UTC.
#[must_use]
pub fn rfc3339(ms: u64) -> String {
    let ms = i64::try_from(ms).unwrap_or(i64::MAX);
    jiff::Timestamp::from_millisecond(ms).map_or_else(|_| ms.to_string(), |time| format!("{time:.3}"))
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    };

    use super::*;

    #[derive(Clone)]
    struct Set(Arc<AtomicU64>);
    impl Clock for Set {
        fn wall_ms(&self) -> u64 {
            self.0.load(Ordering::Relaxed)
        }
    }

    #[test]
    fn frame_time_never_falls_and_ignores_jumps() {
        let wall = Set(Arc::new(AtomicU64::new(10_000_000)));
        let clock = FrameClock::new(wall.clone(), 0);
        assert_eq!(clock.now_ms(), 10_000_000);
        wall.0.store(10_001_000, Ordering::Relaxed);
        assert_eq!(clock.now_ms(), 10_001_000, "small steps forward are followed");
        wall.0.store(9_999_000, Ordering::Relaxed);
        assert_eq!(clock.now_ms(), 10_001_000, "small steps back are waited out");
        wall.0.store(90_000_000, Ordering::Relaxed);
        assert!(clock.now_ms() < 10_060_000, "a jump is not followed");
        assert_eq!(FrameClock::new(wall, 95_000_000).now_ms(), 95_000_000, "it starts after the last frame");
    }

    #[test]
    fn a_time_is_written_as_rfc_3339() {
        assert_eq!(rfc3339(1_700_000_000_123), "2023-11-14T22:13:20.123Z");
    }
}
