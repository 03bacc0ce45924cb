//! What becomes of due times that nobody was there for: those that are a minute late or more.

use wharf_event::CatchUp;

use crate::{
    Timing,
    limits::{CATCH_UP_MS_MAX, CATCH_UP_TIMES_MAX, LATE_MS},
};

impl Timing {
    /// The due time to go on with at `now_ms` where `due_ms` is the first that did not fire: that one, or a later one where it was missed.
    /// None when no other comes.
    #[must_use]
    pub fn go_on(&self, catch_up: CatchUp, due_ms: u64, now_ms: u64) -> Option<u64> {
        let early_ms = now_ms.saturating_sub(LATE_MS);
        if due_ms > early_ms {
            return Some(due_ms);
        }
        match catch_up {
            CatchUp::None => self.next_after(early_ms),
            CatchUp::Last => self.last_until(early_ms, due_ms),
            CatchUp::All => {
                let bound_ms = self.period_ms().map_or(CATCH_UP_MS_MAX, |period_ms| {
                    CATCH_UP_MS_MAX.min(period_ms.saturating_mul(CATCH_UP_TIMES_MAX))
                });
                let bound_ms = now_ms.saturating_sub(bound_ms);
                if due_ms > bound_ms { Some(due_ms) } else { self.next_after(bound_ms) }
            }
        }
    }
}
