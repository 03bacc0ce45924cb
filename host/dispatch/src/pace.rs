//! How fast something may come: at even distances, and faster for a while where it was kept back.
//!
//! Invariant: within any time no more come than its rate lets, and those of the slack before it. It knows no clock: it is told what time it is, by
//! one that only ever advances.

use std::time::Duration;

/// When the next one may come.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    each: Duration,
    slack: Duration,
    next: Duration,
}

impl Pace {
    /// So many a second from now on. Where they were kept back, those of the `slack` come at once.
    pub(crate) fn new(per_s: u32, slack: Duration, now: Duration) -> Self {
        Self { each: Duration::from_secs(1) / per_s.max(1), slack, next: now }
    }

    /// Another rate, from the next one on.
    pub(crate) fn set(&mut self, per_s: u32) {
        self.each = Duration::from_secs(1) / per_s.max(1);
    }

    /// How many may come now, `most` at most; they are counted.
    pub(crate) fn take(&mut self, now: Duration, most: usize) -> usize {
        // What a pause kept back does not come all at once.
        self.next = self.next.max(now.saturating_sub(self.slack));
        let mut count = 0;
        while self.next <= now && count < most {
            self.next += self.each;
            count += 1;
        }
        count
    }

    /// They did not come.
    pub(crate) fn give_back(&mut self, count: usize) {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        self.next = self.next.saturating_sub(self.each.saturating_mul(count));
    }

    /// Time until the next one may come.
    pub(crate) fn wait(&self, now: Duration) -> Duration {
        self.next.saturating_sub(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn they_come_at_their_rate_and_what_a_pause_kept_back_comes_in_part() {
        let mut pace = Pace::new(1_000, 250 * MS, Duration::ZERO);
        assert_eq!((pace.take(Duration::ZERO, 100), pace.take(MS / 2, 100), pace.wait(MS / 2)), (1, 0, MS / 2));
        assert_eq!(pace.take(10 * MS, 100), 10);
        let late = Duration::from_secs(60);
        assert_eq!(pace.take(late, 100_000), 251);
        pace.give_back(251);
        assert_eq!(pace.take(late, 7), 7);
        let mut even = Pace::new(1, Duration::ZERO, Duration::ZERO);
        assert_eq!((even.take(Duration::ZERO, 9), even.take(late, 9)), (1, 1));
        assert_eq!(even.wait(late), Duration::from_secs(1));
        even.set(2);
        assert_eq!((even.take(2 * late, 9), even.wait(2 * late)), (1, 500 * MS));
    }
}
