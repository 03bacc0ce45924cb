//! So many lines a second and no more, and what was left out is counted and told.
//!
//! Invariant: every line is either shown or counted, and a count is told within a second of the first line in it, or at the
//! end. It comes after all filters, so nothing that was asked for is crowded out by what was not.

use std::time::Duration;

use tokio::time::Instant;

/// How long one count lasts.
const WINDOW: Duration = Duration::from_secs(1);

/// Lines against the clock.
pub struct Pace {
    per_second: Option<u32>,
    since: Instant,
    shown: u32,
    hidden: u64,
}

impl Pace {
    /// So many lines a second, or all.
    pub fn new(per_second: Option<u32>, now: Instant) -> Self {
        Self { per_second, since: now, shown: 0, hidden: 0 }
    }

    /// Whether a line is to be shown; it is counted otherwise. What is [`due`](Self::due) comes first.
    pub fn admits(&mut self, now: Instant) -> bool {
        if now.duration_since(self.since) >= WINDOW && self.hidden == 0 {
            (self.since, self.shown) = (now, 0);
        }
        if self.per_second.is_none_or(|most| self.shown < most) {
            self.shown = self.shown.saturating_add(1);
            return true;
        }
        self.hidden += 1;
        false
    }

    /// When there is a count to be told, if there will be one.
    pub fn due_at(&self) -> Option<Instant> {
        (self.hidden > 0).then(|| self.since + WINDOW)
    }

    /// The lines that were left out and not told of yet.
    pub fn rest(&mut self) -> Option<u64> {
        (self.hidden > 0).then(|| std::mem::take(&mut self.hidden))
    }

    /// The lines that were left out, once it is time to say so; then the next second begins.
    pub fn due(&mut self, now: Instant) -> Option<u64> {
        let is_due = self.due_at().is_some_and(|at| at <= now);
        is_due.then(|| {
            (self.since, self.shown) = (now, 0);
            std::mem::take(&mut self.hidden)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_much_in_a_second_is_counted_and_told_at_its_end() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut pace = Pace::new(Some(2), start);
        assert_eq!([0, 1, 2, 3, 999].map(|ms| pace.admits(at(ms))), [true, true, false, false, false]);
        assert_eq!((pace.due(at(999)), pace.due_at()), (None, Some(at(1_000))));
        assert_eq!((pace.due(at(1_500)), pace.due_at()), (Some(3), None));
        assert_eq!([1_500, 1_501, 1_502].map(|ms| pace.admits(at(ms))), [true, true, false]);
        assert_eq!((pace.rest(), pace.rest()), (Some(1), None));
    }

    #[test]
    fn a_quiet_feed_is_shown_whole_however_long_it_is_followed() {
        let start = Instant::now();
        let mut pace = Pace::new(Some(1), start);
        assert!((0..100).all(|s| pace.admits(start + Duration::from_secs(s))));
        let mut all = Pace::new(None, start);
        assert!((0..100_000).all(|_| all.admits(start)) && all.due_at().is_none());
    }
}
