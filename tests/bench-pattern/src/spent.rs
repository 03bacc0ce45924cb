//! CPU time of this thread. Invariant: what other threads and processes do does not count.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Rounds of which the middle one counts.
const ROUNDS: usize = 7;

fn now() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let part = |part: i64| u64::try_from(part).unwrap_or(0);
    Duration::from_secs(part(time.tv_sec)) + Duration::from_nanos(part(time.tv_nsec))
}

/// The time of one piece of work, in microseconds.
pub fn once(work: impl FnOnce()) -> f64 {
    let start = now();
    work();
    now().saturating_sub(start).as_secs_f64() * 1e6
}

/// The middle times of several pieces of work that take turns, in microseconds.
pub fn turns<const N: usize>(mut work: [&mut dyn FnMut(); N]) -> [f64; N] {
    let mut times: [Vec<f64>; N] = std::array::from_fn(|_| Vec::new());
    // The first round warms what has to be warm, and does not count.
    for round in 0..=ROUNDS {
        for (work, times) in work.iter_mut().zip(&mut times) {
            let time = once(work);
            if round > 0 {
                times.push(time);
            }
        }
    }
    times.map(|mut times| {
        times.sort_by(f64::total_cmp);
        times.get(times.len() / 2).copied().unwrap_or_default()
    })
}
