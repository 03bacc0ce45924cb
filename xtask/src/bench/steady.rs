//! Single events that are posted at a fixed rate, and what their clients had of that.
//!
//! Invariant: each event has a time at which it is due, however late the one before was answered, and its wait is counted from then. What the
//! host measures begins with the receipt: of a host that stands still it knows as many events as there are clients, and these clients know all
//! that were due meanwhile.

use std::fmt;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::Serialize;

use super::load;
use super::median::median;
use crate::host::Api;
use crate::host::api::Answer;
use crate::interrupt::Interrupt;
use crate::poll;

/// Clients that post.
const CLIENTS: u64 = 4;

/// What the latest event of a run may be late by when it is posted, in milliseconds. On machines that others share one sync of the disk takes
/// tenths of a second now and then; a host that does not answer for a whole one stood still.
const LATE_MS_MAX: f64 = 1_000.0;

/// What all but one in a hundred answers may take more than the allowed multiple of what they take without what is measured, in milliseconds.
/// A few syncs that are slow for a neighbour's sake are a hundredth of a run, and take as long; nobody who sends an event notices it.
const ANSWERED_MS_MORE: f64 = 50.0;

/// What a run was to its clients.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Posted {
    /// What the latest event was late by when it was posted.
    pub late_ms: f64,
    /// Within what time of when it was due an event was answered, all but one in a hundred.
    pub answered_p99_ms: f64,
}

impl Posted {
    fn of(mut events: Vec<Event>) -> Self {
        events.sort_unstable_by_key(|event| event.answered);
        let behind = events.len().div_ceil(100);
        let p99 = events.iter().rev().nth(behind.saturating_sub(1));
        Self {
            late_ms: rounded(events.iter().map(|event| event.late).max().unwrap_or_default()),
            answered_p99_ms: rounded(p99.map(|event| event.answered).unwrap_or_default()),
        }
    }

    /// Whether the host took every event about when it was due.
    pub fn is_in_time(&self) -> bool {
        self.late_ms < LATE_MS_MAX
    }
}

/// What pairs of runs were to their clients: without what is measured, and with it.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Clients {
    /// What the latest event of all runs was late by when it was posted.
    pub late_ms: f64,
    /// The medians of the runs' own.
    pub answered_p99_ms: f64,
    pub answered_p99_base_ms: f64,
}

impl Clients {
    pub fn of(pairs: &[(Posted, Posted)]) -> Self {
        let late = pairs.iter().map(|(off, on)| off.late_ms.max(on.late_ms));
        Self {
            late_ms: late.fold(0.0, f64::max),
            answered_p99_ms: median(pairs.iter().map(|(_, on)| on.answered_p99_ms)),
            answered_p99_base_ms: median(pairs.iter().map(|(off, _)| off.answered_p99_ms)),
        }
    }

    /// Whether they were answered in time, where so many times what it is without is what it may take.
    pub fn are_well(&self, ratio_max: f64) -> bool {
        self.late_ms < LATE_MS_MAX && self.answered_p99_ms <= ratio_max * self.answered_p99_base_ms + ANSWERED_MS_MORE
    }
}

impl fmt::Display for Clients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { late_ms, answered_p99_ms, answered_p99_base_ms } = self;
        write!(
            f,
            "p99 from due to answered {answered_p99_base_ms:.2} ms without, {answered_p99_ms:.2} ms with; the latest was posted {late_ms:.0} ms late"
        )
    }
}

/// What an event was to the client that posted it.
#[derive(Clone, Copy)]
struct Event {
    /// From when it was due until it was posted, and until it was answered.
    late: Duration,
    answered: Duration,
}

/// Posts events at a rate, each at its time.
pub fn post(
    url: &str,
    events: u64,
    rate: u32,
    event: impl Fn(u64) -> String + Sync,
    interrupt: &Interrupt,
) -> Result<Posted> {
    post_by(|| Api::new(url), events, rate, event, interrupt)
}

/// The same by these clients.
pub fn post_by(
    api: impl Fn() -> Api + Sync,
    events: u64,
    rate: u32,
    event: impl Fn(u64) -> String + Sync,
    interrupt: &Interrupt,
) -> Result<Posted> {
    let start = Instant::now();
    let client = |first: u64| -> Result<Vec<Event>> {
        let (api, mut posted) = (api(), Vec::new());
        for n in (first..events).step_by(usize::try_from(CLIENTS)?) {
            interrupt.check()?;
            let due = Duration::from_nanos(n * 1_000_000_000 / u64::from(rate));
            poll::pause(due.saturating_sub(start.elapsed()));
            let late = start.elapsed().saturating_sub(due);
            match api.post(&event(n))? {
                Answer::Accepted(_) => {}
                Answer::Busy => bail!("the host was busy"),
                Answer::Refused(why) => bail!("the host refused an event: {why}"),
            }
            posted.push(Event { late, answered: start.elapsed().saturating_sub(due) });
        }
        Ok(posted)
    };
    let mut all = Vec::new();
    thread::scope(|scope| {
        let client = &client;
        let clients: Vec<_> = (0..CLIENTS).map(|first| scope.spawn(move || client(first))).collect();
        for client in clients {
            all.extend(client.join().ok().context("a client ended in a panic")??);
        }
        anyhow::Ok(())
    })?;
    Ok(Posted::of(all))
}

/// An order that names one of the keys.
pub fn order(n: u64) -> String {
    let key = n % load::KEYS;
    format!(
        r#"{{"specversion":"1.0","id":"order-{n}","source":"bench","type":"order.placed","datacontenttype":"application/json","data":{{"key":"customer-{key:04}","order":{n}}}}}"#
    )
}

/// Milliseconds, to the microsecond.
fn rounded(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    fn posted(events: &[(u64, u64)]) -> Posted {
        let event =
            |&(late, answered)| Event { late: Duration::from_millis(late), answered: Duration::from_millis(answered) };
        Posted::of(events.iter().map(event).collect())
    }

    #[test]
    fn all_events_that_were_due_while_the_host_stood_still_count() {
        let quiet = posted(&[(0, 1); 200]);
        assert_eq!((quiet.late_ms, quiet.answered_p99_ms), (0.0, 1.0));
        // One in a hundred may take as long as it likes.
        assert_eq!(posted(&[&[(0, 1); 198][..], &[(0, 90); 2]].concat()).answered_p99_ms, 90.0);
        assert_eq!(posted(&[&[(0, 1); 199][..], &[(0, 90); 1]].concat()).answered_p99_ms, 1.0);
        let stood: Vec<_> = (0..200).map(|n| (n, n + 1)).collect();
        let stood = posted(&stood);
        assert_eq!((stood.late_ms, stood.answered_p99_ms), (199.0, 199.0));
        assert_eq!(posted(&[]).answered_p99_ms, 0.0);
    }

    #[test]
    fn clients_are_well_within_the_multiple_and_a_little_more() {
        let of = |off, on, late_ms| {
            let one = |answered_p99_ms| Posted { late_ms, answered_p99_ms };
            Clients::of(&[(one(off), one(on))])
        };
        assert!(of(2.0, 53.0, 900.0).are_well(1.5));
        assert!(!of(2.0, 54.0, 900.0).are_well(1.5));
        assert!(!of(2.0, 2.0, 1_000.0).are_well(1.5));
    }
}
