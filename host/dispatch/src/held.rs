//! How much of what waits the scheduler holds in memory; the rest lies in the state, and is paged from there when its turn comes near.

use crate::limits::{LANE_PAGE, LANE_READY_MAX, LANE_READY_MIN, READY_MAX, TIMERS_MAX, TIMERS_PAGE};

/// How much is in memory, counted in deliveries. Each is 1 at least.
#[derive(Clone, Copy, Debug)]
pub struct Held {
    /// Of all lanes, give or take `lane_min` for each.
    pub ready: usize,
    /// Of one lane at most.
    pub lane_max: usize,
    /// Of one lane, however many all of them hold.
    pub lane_min: usize,
    /// Brought to a lane by one page.
    pub lane_page: usize,
    /// That wait for a time, the next ones due.
    pub timers: usize,
    /// Brought of those by one page.
    pub timers_page: usize,
}

impl Default for Held {
    fn default() -> Self {
        Self {
            ready: READY_MAX,
            lane_max: LANE_READY_MAX,
            lane_min: LANE_READY_MIN,
            lane_page: LANE_PAGE,
            timers: TIMERS_MAX,
            timers_page: TIMERS_PAGE,
        }
    }
}
