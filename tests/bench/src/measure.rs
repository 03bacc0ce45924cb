//! Wall time and CPU time of one thread, added up over many pieces of work.
//!
//! Invariant: what is done between the pieces (making requests, checking answers) does not count.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;

/// CPU time that this thread has used.
pub fn thread_cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let part = |part: i64| u64::try_from(part).unwrap_or(0);
    Duration::from_secs(part(time.tv_sec)) + Duration::from_nanos(part(time.tv_nsec))
}

/// What pieces of work took together.
#[derive(Clone, Copy, Default)]
pub struct Spent {
    wall: Duration,
    cpu: Duration,
}

impl Spent {
    /// Does a piece of work; gives what it gave, and its wall time.
    pub fn add<T>(&mut self, work: impl FnOnce() -> T) -> (T, Duration) {
        let (cpu, start) = (thread_cpu(), Instant::now());
        let done = work();
        let wall = start.elapsed();
        self.wall += wall;
        self.cpu += thread_cpu().saturating_sub(cpu);
        (done, wall)
    }

    /// The same, an event.
    pub fn cost(&self, events: usize) -> Cost {
        let events = double(events);
        Cost { per_s: (events / self.wall.as_secs_f64()).round(), cpu_us: round(self.cpu.as_secs_f64() * 1e6 / events) }
    }
}

/// What one event costs.
#[derive(Clone, Copy, Serialize)]
pub struct Cost {
    /// Events a second.
    pub per_s: f64,
    /// CPU time of the committing thread, in microseconds an event.
    pub cpu_us: f64,
}

/// The medians of both numbers.
pub fn median(costs: &[Cost]) -> Cost {
    let middle = |mut numbers: Vec<f64>| {
        numbers.sort_by(f64::total_cmp);
        numbers.get(numbers.len() / 2).copied().unwrap_or_default()
    };
    Cost {
        per_s: middle(costs.iter().map(|cost| cost.per_s).collect()),
        cpu_us: middle(costs.iter().map(|cost| cost.cpu_us).collect()),
    }
}

/// To two digits behind the point.
pub fn round(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}

/// In milliseconds, to two digits.
pub fn ms(time: Duration) -> f64 {
    round(time.as_secs_f64() * 1e3)
}

/// A count as a double.
#[allow(clippy::cast_precision_loss, reason = "what is counted here is exact in a double")]
pub fn double(count: usize) -> f64 {
    count as f64
}
