//! Frame time: it never falls, advances by the monotonic clock, and follows the wall clock's small steps. Where a wall clock that is behind is
//! believed, frame time passes more slowly until it is there.
//!
//! A large step is not believed at once: a machine that comes up with a wrong clock would otherwise bring every delivery to
//! its end by age, and frame time could never go back. It is followed when the wall clock has kept it for ten minutes, or by
//! command. A gap at start is another thing: hosts are stopped for nights and holidays, so the wall clock is believed then, unless it is
//! behind or more than a month ahead. Following is a record of the log (docs/design/records.md), since what is remembered for a while must not be
//! forgotten by a jump.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use crate::limits::{CLOCK_GAP_MAX, CLOCK_JITTER_MS, CLOCK_SLEW, CLOCK_STABLE, CLOCK_STEP_MAX, CLOCK_WANDER_MAX};

/// The machine's two clocks.
pub trait Clock: Send + Sync + 'static {
    /// Milliseconds since 1970, as people have set it.
    fn wall_ms(&self) -> u64;

    /// Time since some moment, which only ever advances and which nobody sets.
    fn monotonic(&self) -> Duration;
}

/// The time of frames.
pub struct FrameClock {
    clock: Arc<dyn Clock>,
    told: Mutex<Told>,
}

struct Told {
    last_ms: u64,
    at: Duration,
    doubt: Option<Doubt>,
    /// How far the wall clock is behind frame time, once that was stable: no longer a doubt.
    behind: Behind,
    /// How far frame time was brought forward by steps that were followed at once, since somebody asked.
    stepped_ms: u64,
    /// When frame time jumped last, or when this began.
    jumped_at: Duration,
}

/// How far the wall clock was behind frame time at a moment, which becomes less with the time that passes.
#[derive(Clone, Copy, Debug, Default)]
struct Behind {
    ms: u64,
    at: Duration,
}

impl Behind {
    fn ms(self, now: Duration) -> u64 {
        let passed_ms = u64::try_from(now.saturating_sub(self.at).as_millis()).unwrap_or(u64::MAX);
        self.ms.saturating_sub(passed_ms / CLOCK_SLEW)
    }
}

/// The wall clock and frame time are further apart than a step that is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Doubt {
    apart_ms: i64,
    since: Duration,
    /// It is a gap at start, and no doubt but that it has to be followed yet.
    is_gap: bool,
}

/// A step of the wall clock that frame time has not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Milliseconds that the wall clock is ahead of frame time; less than 0 where it is behind.
    pub ahead_ms: i64,
    /// Whether it is believed, and followed as soon as that can be written down.
    pub believed: bool,
}

impl FrameClock {
    /// A clock that goes on after the frame time `last_ms`; 0 where there is no frame yet, so that there is nothing to doubt.
    pub fn new(clock: Arc<dyn Clock>, last_ms: u64) -> Self {
        let at = clock.monotonic();
        let last_ms = if last_ms == 0 { clock.wall_ms() } else { last_ms };
        let frame_clock = Self {
            clock,
            told: Mutex::new(Told {
                last_ms,
                at,
                doubt: None,
                behind: Behind::default(),
                stepped_ms: 0,
                jumped_at: at,
            }),
        };
        frame_clock.now_ms();
        frame_clock.believe_gap();
        frame_clock
    }

    /// A doubt that this begins with is none where the wall clock is ahead by as long as hosts are stopped for.
    fn believe_gap(&self) {
        let gap_max_ms = i64::try_from(CLOCK_GAP_MAX.as_millis()).unwrap_or(i64::MAX);
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(doubt) = &mut told.doubt {
            doubt.is_gap = (0..=gap_max_ms).contains(&doubt.apart_ms);
        }
    }

    /// Milliseconds since 1970, never less than the time before.
    pub fn now_ms(&self) -> u64 {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let (now, wall_ms) = (self.clock.monotonic(), self.clock.wall_ms());
        let elapsed_ms = u64::try_from(now.saturating_sub(told.at).as_millis()).unwrap_or(u64::MAX);
        let (behind_before_ms, behind_ms) = (told.behind.ms(told.at), told.behind.ms(now));
        let mut advanced_ms = told.last_ms.saturating_add(elapsed_ms);
        let apart_ms = signed_difference(wall_ms.saturating_add(behind_before_ms), advanced_ms);
        let step_max_ms = i64::try_from(CLOCK_STEP_MAX.as_millis()).unwrap_or(i64::MAX);
        let now_ms = if apart_ms.abs() <= step_max_ms {
            told.doubt = None;
            advanced_ms = advanced_ms.saturating_sub(behind_before_ms - behind_ms);
            wall_ms.saturating_add(behind_ms).max(told.last_ms)
        } else {
            // Nobody knows how far it is behind now.
            told.behind = Behind { ms: behind_before_ms, at: now };
            told.doubt = Some(told.doubted(apart_ms, now));
            advanced_ms
        };
        if now_ms > told.last_ms {
            let step_ms = now_ms.saturating_sub(advanced_ms);
            if step_ms >= CLOCK_JITTER_MS {
                told.stepped_ms = told.stepped_ms.saturating_add(step_ms);
            }
            // What is less than a millisecond is not lost, however often somebody asks.
            let at = if now_ms == advanced_ms { told.at + Duration::from_millis(elapsed_ms) } else { now };
            (told.last_ms, told.at) = (now_ms, at);
        }
        now_ms
    }

    /// The step that frame time has not followed yet, if there is one.
    pub fn step(&self) -> Option<Step> {
        self.now_ms();
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.doubt.map(|doubt| Step { ahead_ms: doubt.apart_ms, believed: doubt.is_gap })
    }

    /// How far frame time may jump now, in milliseconds: it is a gap that is believed, the wall clock was stable for long enough, or `at_once`. Frame time
    /// does not go back to a wall clock that is behind: it is so much ahead then, and comes near again by a tenth of the time that passes.
    pub fn follow(&self, at_once: bool) -> Option<u64> {
        self.now_ms();
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let doubt = told.doubt?;
        let now = self.clock.monotonic();
        if !at_once && !doubt.is_gap && now.saturating_sub(doubt.since) < CLOCK_STABLE {
            return None;
        }
        told.doubt = None;
        if doubt.apart_ms < 0 {
            told.behind = Behind { ms: told.behind.ms(now).saturating_add(doubt.apart_ms.unsigned_abs()), at: now };
            return None;
        }
        told.behind = Behind::default();
        let by_ms = self.clock.wall_ms().saturating_sub(told.last_ms);
        (told.last_ms, told.at) = (told.last_ms + by_ms, self.clock.monotonic());
        told.jumped_at = told.at;
        (by_ms > 0).then_some(by_ms)
    }
}

impl FrameClock {
    /// How far small steps brought frame time forward since this was asked last, in milliseconds: nothing is older for it.
    pub fn take_stepped(&self) -> u64 {
        std::mem::take(&mut self.told.lock().unwrap_or_else(PoisonError::into_inner).stepped_ms)
    }

    /// How far frame time is ahead of a wall clock that is believed, in milliseconds.
    pub fn ahead_ms(&self) -> u64 {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.behind.ms(self.clock.monotonic())
    }

    /// For how long frame time has only passed, without a jump, as far as this process knows.
    pub fn calm_for(&self) -> Duration {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        self.clock.monotonic().saturating_sub(told.jumped_at)
    }
}

impl Told {
    /// The doubt as it was, if the wall clock has kept its step since; a new one otherwise.
    fn doubted(&self, apart_ms: i64, now: Duration) -> Doubt {
        let wander_ms = u64::try_from(CLOCK_WANDER_MAX.as_millis()).unwrap_or(u64::MAX);
        match self.doubt {
            Some(doubt) if doubt.apart_ms.abs_diff(apart_ms) <= wander_ms => Doubt { apart_ms, ..doubt },
            _ => Doubt { apart_ms, since: now, is_gap: false },
        }
    }
}

fn signed_difference(of: u64, from: u64) -> i64 {
    i64::try_from(i128::from(of) - i128::from(from)).unwrap_or(if of > from { i64::MAX } else { i64::MIN })
}

/// `ms` since 1970 as RFC 3339 with milliseconds, UTC.
#[must_use]
pub fn rfc3339(ms: u64) -> String {
    let ms = i64::try_from(ms).unwrap_or(i64::MAX);
    jiff::Timestamp::from_millisecond(ms).map_or_else(|_| ms.to_string(), |time| format!("{time:.3}"))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[derive(Default)]
    struct Set {
        wall_ms: AtomicU64,
        monotonic_ms: AtomicU64,
    }

    impl Clock for Set {
        fn wall_ms(&self) -> u64 {
            self.wall_ms.load(Ordering::Relaxed)
        }

        fn monotonic(&self) -> Duration {
            Duration::from_millis(self.monotonic_ms.load(Ordering::Relaxed))
        }
    }

    impl Set {
        fn at(wall_ms: u64) -> Arc<Self> {
            let set = Self::default();
            set.wall_ms.store(wall_ms, Ordering::Relaxed);
            Arc::new(set)
        }

        /// Both clocks go on.
        fn pass(&self, ms: u64) {
            self.wall_ms.fetch_add(ms, Ordering::Relaxed);
            self.monotonic_ms.fetch_add(ms, Ordering::Relaxed);
        }

        fn set_wall(&self, ms: u64) {
            self.wall_ms.store(ms, Ordering::Relaxed);
        }
    }

    const MINUTE_MS: u64 = 60_000;
    const HOUR_MS: u64 = 60 * MINUTE_MS;
    const START_MS: u64 = 1_000 * HOUR_MS;

    #[test]
    fn small_steps_are_followed_forwards_and_waited_out_backwards() {
        let set = Set::at(START_MS);
        let clock = FrameClock::new(set.clone(), 0);
        assert_eq!(clock.now_ms(), START_MS);
        set.set_wall(START_MS + MINUTE_MS);
        assert_eq!(clock.now_ms(), START_MS + MINUTE_MS);
        assert_eq!((clock.take_stepped(), clock.take_stepped()), (MINUTE_MS, 0));
        set.set_wall(START_MS);
        assert_eq!(clock.now_ms(), START_MS + MINUTE_MS, "it never falls");
        set.pass(2 * MINUTE_MS);
        assert_eq!((clock.now_ms(), clock.step()), (START_MS + 2 * MINUTE_MS, None));
    }

    #[test]
    fn a_large_step_forwards_is_followed_when_it_was_stable() {
        let set = Set::at(START_MS);
        let clock = FrameClock::new(set.clone(), 0);
        set.set_wall(START_MS + HOUR_MS);
        assert_eq!(clock.now_ms(), START_MS);
        set.pass(9 * MINUTE_MS);
        assert_eq!((clock.now_ms(), clock.follow(false)), (START_MS + 9 * MINUTE_MS, None));
        assert_eq!(clock.step().map(|step| step.ahead_ms), Some(HOUR_MS as i64));
        set.pass(MINUTE_MS);
        assert_eq!(clock.follow(false), Some(HOUR_MS));
        assert_eq!((clock.now_ms(), clock.step()), (START_MS + HOUR_MS + 10 * MINUTE_MS, None));
    }

    #[test]
    fn a_gap_that_changes_before_it_is_followed_is_a_step_like_any_other() {
        let set = Set::at(START_MS);
        let clock = FrameClock::new(set.clone(), START_MS - 8 * HOUR_MS);
        set.set_wall(START_MS + HOUR_MS);
        assert_eq!(clock.follow(false), None);
        assert_eq!(clock.step(), Some(Step { ahead_ms: 9 * HOUR_MS as i64, believed: false }));
    }

    #[test]
    fn a_wall_clock_that_wanders_is_not_stable() {
        let set = Set::at(START_MS);
        let clock = FrameClock::new(set.clone(), 0);
        for hours in 1..=4 {
            set.set_wall(START_MS + hours * HOUR_MS);
            assert!(clock.step().is_some());
            set.pass(9 * MINUTE_MS);
            assert_eq!(clock.follow(false), None);
        }
        assert_eq!(clock.now_ms(), START_MS + 36 * MINUTE_MS, "only what passed by the monotonic clock");
        assert!(clock.follow(true).is_some(), "by command it is");
    }

    #[test]
    fn a_large_step_backwards_is_never_gone_back_to_and_no_doubt_for_ever() {
        let set = Set::at(START_MS);
        let clock = FrameClock::new(set.clone(), 0);
        set.set_wall(START_MS - HOUR_MS);
        assert_eq!(clock.now_ms(), START_MS);
        set.pass(10 * MINUTE_MS);
        clock.now_ms();
        set.pass(10 * MINUTE_MS);
        assert_eq!(clock.follow(false), None, "there is no jump");
        assert_eq!((clock.now_ms(), clock.step()), (START_MS + 20 * MINUTE_MS, None));
        assert_eq!(clock.ahead_ms(), HOUR_MS);
        for _ in 0..10 * 60_000 {
            set.pass(1);
            clock.now_ms();
        }
        assert_eq!(clock.now_ms(), START_MS + 29 * MINUTE_MS, "it passes more slowly, however often it is asked");
        set.pass(5 * HOUR_MS);
        assert_eq!((clock.ahead_ms(), clock.step()), (29 * MINUTE_MS, None), "or however seldom");
        set.pass(10 * HOUR_MS);
        assert_eq!((clock.now_ms(), clock.ahead_ms()), (set.wall_ms(), 0), "and is where the wall clock is");
    }

    #[test]
    fn a_wall_clock_that_is_put_right_again_is_no_jump_of_frame_time() {
        let set = Set::at(START_MS);
        let clock = FrameClock::new(set.clone(), 0);
        set.set_wall(START_MS - HOUR_MS);
        clock.now_ms();
        set.pass(10 * MINUTE_MS);
        assert_eq!(clock.follow(false), None);
        set.set_wall(START_MS + 10 * MINUTE_MS);
        clock.now_ms();
        set.pass(10 * MINUTE_MS);
        assert_eq!(clock.follow(false), None, "frame time is where the wall clock is");
        assert_eq!((clock.now_ms(), clock.step()), (START_MS + 20 * MINUTE_MS, None));
    }

    #[test]
    fn a_clock_that_is_asked_often_is_not_slow_for_it() {
        struct Micros(AtomicU64);
        impl Clock for Micros {
            fn wall_ms(&self) -> u64 {
                START_MS + HOUR_MS
            }
            fn monotonic(&self) -> Duration {
                Duration::from_micros(self.0.load(Ordering::Relaxed))
            }
        }
        let micros = Arc::new(Micros(AtomicU64::new(0)));
        let clock = FrameClock::new(micros.clone(), START_MS);
        for _ in 0..10_000 {
            micros.0.fetch_add(1_700, Ordering::Relaxed);
            clock.now_ms();
        }
        assert_eq!(clock.now_ms(), START_MS + 17_000, "by the monotonic clock, while the step is in doubt");
    }

    #[test]
    fn a_gap_at_start_is_followed_as_soon_as_somebody_asks_unless_it_is_longer_than_a_month_or_backwards() {
        let month_ms = 30 * 24 * HOUR_MS;
        let set = Set::at(2 * month_ms);
        for (gap_ms, believed) in [(8 * HOUR_MS, true), (month_ms, true), (month_ms + 1, false)] {
            let clock = FrameClock::new(set.clone(), 2 * month_ms - gap_ms);
            assert_eq!(clock.now_ms(), 2 * month_ms - gap_ms, "not before that is a record");
            assert_eq!(clock.step(), Some(Step { ahead_ms: gap_ms as i64, believed }));
            assert_eq!(clock.follow(false), believed.then_some(gap_ms));
            assert_eq!(clock.follow(true), (!believed).then_some(gap_ms));
            assert_eq!((clock.now_ms(), clock.step()), (2 * month_ms, None));
        }
        let behind = FrameClock::new(set.clone(), 2 * month_ms + HOUR_MS);
        assert_eq!(behind.step(), Some(Step { ahead_ms: -(HOUR_MS as i64), believed: false }));
        assert_eq!((behind.follow(false), behind.now_ms()), (None, 2 * month_ms + HOUR_MS));
        let set = Set::at(START_MS);
        let clock = FrameClock::new(set, START_MS + MINUTE_MS);
        assert_eq!(clock.now_ms(), START_MS + MINUTE_MS, "it starts after the last frame");
    }

    #[test]
    fn a_time_is_written_as_rfc_3339() {
        assert_eq!(rfc3339(1_700_000_000_123), "2023-11-14T22:13:20.123Z");
    }
}
