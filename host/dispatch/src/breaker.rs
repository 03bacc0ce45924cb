//! One target's circuit breaker: closed, open, half-open. A pure machine: it is told of calls and of the time.
//!
//! Invariant: a call counts for the standing that it began in. What began before the breaker opened says nothing of whether it may
//! close, and while it is half-open one call at a time is under way.

use std::time::Duration;

use wharf_delivery::{BreakerDocument, Failure};
use wharf_event::Code;

use crate::limits::BREAKER_WINDOW_PARTS;

/// What a call says of its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sign {
    /// It works.
    Good,
    /// It does not.
    Bad,
    /// Nothing: it was not called, or what went wrong was the host's or the event's.
    None,
}

impl Sign {
    /// What an attempt that failed so says of a target that was called.
    pub(crate) fn of(failure: &Failure) -> Self {
        match (failure.code, failure.status) {
            // Whoever rejects an event has looked at it.
            (Code::HandlerReject, _) | (Code::WebhookStatus, Some(400 | 409 | 413 | 415 | 422)) => Self::Good,
            (Code::HandlerRetry | Code::HandlerTrap, _) => Self::Bad,
            (Code::WebhookStatus | Code::WebhookRedirect | Code::WebhookGone, _) => Self::Bad,
            (Code::WebhookTimeout | Code::WebhookUnreachable | Code::AddressDenied, _) => Self::Bad,
            (code, _) if code.is_limit() => Self::Bad,
            _ => Self::None,
        }
    }
}

/// Where a breaker stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Closed,
    /// Nothing is tried until then.
    Open {
        until: Duration,
        pause: Duration,
    },
    /// One delivery at a time is tried.
    HalfOpen {
        pause: Duration,
        probing: bool,
    },
}

/// Leave to make a call, to be given back when it ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Leave(u64);

/// What became of a breaker when a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// It opened: so many failures in a row, and within its time so many calls, of which so many failed.
    Opened { row: u32, calls: u32, failed: u32 },
    /// It opened again, since the probe failed.
    Reopened,
    /// It closed, since the probe came to an end; it was open for so long.
    Closed(Duration),
    /// The probe said nothing: another one may be made.
    Freed,
}

/// Where a breaker stands, for those who look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerState {
    /// Deliveries are tried as ever.
    Closed,
    /// None is tried.
    Open,
    /// One at a time is tried.
    HalfOpen,
}

impl BreakerState {
    /// Its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half-open",
        }
    }
}

/// A breaker. Times are monotonic.
pub(crate) struct Breaker {
    by: BreakerDocument,
    standing: Standing,
    /// Raised whenever it stands otherwise.
    epoch: u64,
    /// Failures in a row.
    row: u32,
    window: Window,
    /// When it opened last, if it is not closed.
    opened: Duration,
}

impl Breaker {
    pub(crate) fn new(by: BreakerDocument) -> Self {
        let window = Window::new(Duration::from_millis(by.within_ms));
        Self { by, standing: Standing::Closed, epoch: 0, row: 0, window, opened: Duration::ZERO }
    }

    pub(crate) fn by(&self) -> &BreakerDocument {
        &self.by
    }

    /// Whether no call may begin.
    pub(crate) fn holds(&self, now: Duration) -> bool {
        match self.standing {
            Standing::Closed => false,
            Standing::Open { until, .. } => now < until,
            Standing::HalfOpen { probing, .. } => probing,
        }
    }

    /// When a call may begin that may not now, if that is known.
    pub(crate) fn until(&self) -> Option<Duration> {
        if let Standing::Open { until, .. } = self.standing { Some(until) } else { None }
    }

    /// A call begins, if it may.
    pub(crate) fn begin(&mut self, now: Duration) -> Option<Leave> {
        match self.standing {
            Standing::Closed => {}
            Standing::Open { until, pause } if now >= until => self.half_open(pause, true),
            Standing::HalfOpen { pause, probing: false } => self.half_open(pause, true),
            Standing::Open { .. } | Standing::HalfOpen { .. } => return None,
        }
        Some(Leave(self.epoch))
    }

    /// A call that had leave ended.
    pub(crate) fn end(&mut self, Leave(epoch): Leave, sign: Sign, now: Duration) -> Option<Turn> {
        if epoch != self.epoch {
            return None;
        }
        match (self.standing, sign) {
            (Standing::Closed, Sign::None) | (Standing::Open { .. }, _) => None,
            (Standing::Closed, sign) => self.count(sign == Sign::Bad, now),
            (Standing::HalfOpen { pause, .. }, Sign::None) => {
                self.half_open(pause, false);
                Some(Turn::Freed)
            }
            (Standing::HalfOpen { pause, .. }, Sign::Bad) => {
                self.open(pause.saturating_mul(2).min(self.longest()), now);
                Some(Turn::Reopened)
            }
            (Standing::HalfOpen { .. }, Sign::Good) => {
                let (opened, epoch) = (self.opened, self.epoch + 1);
                *self = Self { epoch, ..Self::new(self.by) };
                Some(Turn::Closed(now.saturating_sub(opened)))
            }
        }
    }

    /// Where it stands now.
    pub(crate) fn state(&self, now: Duration) -> BreakerState {
        match self.standing {
            Standing::Closed => BreakerState::Closed,
            Standing::Open { until, .. } if now < until => BreakerState::Open,
            Standing::Open { .. } | Standing::HalfOpen { .. } => BreakerState::HalfOpen,
        }
    }

    /// Failures in a row.
    pub(crate) fn row(&self) -> u32 {
        self.row
    }

    /// For how long it has not been closed; none where it is.
    pub(crate) fn open_for(&self, now: Duration) -> Option<Duration> {
        (self.standing != Standing::Closed).then(|| now.saturating_sub(self.opened))
    }

    fn count(&mut self, failed: bool, now: Duration) -> Option<Turn> {
        self.row = if failed { self.row.saturating_add(1) } else { 0 };
        let (calls, of_those) = self.window.add(failed, now);
        let BreakerDocument { failures, share, calls: calls_min, open_ms, .. } = self.by;
        let share_met = calls >= calls_min && u64::from(of_those) * 100 >= u64::from(calls) * u64::from(share);
        // Only a failure opens it: behind it nobody finds a share that was met while calls were too few, and went well since.
        if !failed || (self.row < failures && !share_met) {
            return None;
        }
        self.opened = now;
        self.open(Duration::from_millis(open_ms).min(self.longest()), now);
        Some(Turn::Opened { row: self.row, calls, failed: of_those })
    }

    fn open(&mut self, pause: Duration, now: Duration) {
        self.epoch += 1;
        self.standing = Standing::Open { until: now.saturating_add(pause), pause };
    }

    fn half_open(&mut self, pause: Duration, probing: bool) {
        self.epoch += 1;
        self.standing = Standing::HalfOpen { pause, probing };
    }

    fn longest(&self) -> Duration {
        Duration::from_millis(self.by.open_max_ms)
    }
}

/// Calls and failures of the last while, in parts of which the oldest goes as a whole.
struct Window {
    part: Duration,
    /// The newest part, counted from the beginning of time.
    newest: u128,
    parts: [(u32, u32); BREAKER_WINDOW_PARTS],
}

impl Window {
    fn new(within: Duration) -> Self {
        let part = (within / u32::try_from(BREAKER_WINDOW_PARTS).unwrap_or(1)).max(Duration::from_millis(1));
        Self { part, newest: 0, parts: Default::default() }
    }

    /// Counts a call, and gives the sums with it.
    fn add(&mut self, failed: bool, now: Duration) -> (u32, u32) {
        let number = now.as_nanos() / self.part.as_nanos();
        let passed = usize::try_from(number.saturating_sub(self.newest)).unwrap_or(usize::MAX);
        self.newest = self.newest.max(number);
        let kept = BREAKER_WINDOW_PARTS.saturating_sub(passed);
        self.parts.rotate_left(BREAKER_WINDOW_PARTS - kept);
        self.parts.iter_mut().skip(kept).for_each(|part| *part = (0, 0));
        if let Some((calls, failures)) = self.parts.last_mut() {
            *calls = calls.saturating_add(1);
            *failures = failures.saturating_add(u32::from(failed));
        }
        self.parts
            .iter()
            .fold((0, 0), |(calls, failures), part| (part.0.saturating_add(calls), part.1.saturating_add(failures)))
    }
}

#[cfg(test)]
mod tests;
