//! A schedule's timing: an expression in its zone, between a beginning and an end.
//!
//! Invariant: its due times are strictly ascending, at least a second apart, and each is one however often somebody asks.

use crate::{error::TimingError, expression::Expression, limits::DUE_MS_END, zone::Zone};

/// The first look back for a last due time, in milliseconds; each further one goes eight times as far.
const LOOK_BACK_MS: u64 = 60 * 60 * 1_000;

/// A timing as it is written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimingText<'a> {
    /// The expression, such as `rate(5 minutes)`.
    pub expression: &'a str,
    /// The zone whose local times it names.
    pub timezone: &'a str,
    /// Nothing is due before then, in milliseconds since 1970; a rate counts from there.
    pub start_ms: Option<u64>,
    /// Nothing is due after then.
    pub end_ms: Option<u64>,
}

/// A timing.
#[derive(Clone, Debug)]
pub struct Timing {
    expression: Expression,
    zone: Zone,
    start_ms: Option<u64>,
    end_ms: u64,
}

impl Timing {
    /// Reads a timing. One whose times are all in the past is one too.
    ///
    /// # Errors
    /// When a part of it says nothing, or it is never due.
    pub fn parse(text: &TimingText<'_>) -> Result<Self, TimingError> {
        let TimingText { expression, timezone, start_ms, end_ms } = *text;
        let (expression, zone) = (Expression::parse(expression)?, Zone::named(timezone)?);
        if start_ms.zip(end_ms).is_some_and(|(start, end)| end < start) {
            return Err(TimingError::Span);
        }
        let end_ms = end_ms.map_or(DUE_MS_END - 1, |end| end.min(DUE_MS_END - 1));
        let timing = Self { expression, zone, start_ms, end_ms };
        if timing.next_after(0).is_none() {
            return Err(TimingError::Never);
        }
        Ok(timing)
    }

    /// The zone, as IANA spells it.
    #[must_use]
    pub fn timezone(&self) -> &'static str {
        self.zone.name()
    }

    /// An instant as a clock in the zone shows it, such as `2026-03-29T03:00:00+02:00`.
    #[must_use]
    pub fn local(&self, at_ms: u64) -> String {
        self.zone.told(at_ms).unwrap_or_else(|| at_ms.to_string())
    }

    /// The first due time after an instant; none when there is none any more.
    #[must_use]
    pub fn next_after(&self, after_ms: u64) -> Option<u64> {
        let after_ms = self.start_ms.map_or(after_ms, |start| after_ms.max(start.saturating_sub(1)));
        let due = match &self.expression {
            Expression::At(local) => self.zone.instant(*local).filter(|due| *due > after_ms),
            Expression::Rate(period_ms) => {
                let anchor = self.start_ms.unwrap_or(0);
                match after_ms.checked_sub(anchor) {
                    None => Some(anchor),
                    Some(since) => Some(anchor + (since / period_ms + 1) * period_ms),
                }
            }
            Expression::Cron(cron) => {
                // Local times that come twice, and those that are passed over, may be instants that were before.
                let mut local = self.zone.local(after_ms)?;
                loop {
                    local = cron.next_after(local)?;
                    if let Some(due) = self.zone.instant(local).filter(|due| *due > after_ms) {
                        break Some(due);
                    }
                }
            }
        };
        due.filter(|due| *due <= self.end_ms)
    }

    /// The last due time up to an instant that is not before `from_ms`.
    #[must_use]
    pub fn last_until(&self, until_ms: u64, from_ms: u64) -> Option<u64> {
        let mut span_ms = self.period_ms().unwrap_or(LOOK_BACK_MS);
        loop {
            let from = until_ms.saturating_sub(span_ms).max(from_ms);
            let next = |after_ms| self.next_after(after_ms).filter(|due| *due <= until_ms);
            if let Some(first) = next(from.saturating_sub(1)) {
                return std::iter::successors(Some(first), |due| next(*due)).last();
            }
            if from == from_ms {
                return None;
            }
            span_ms = span_ms.saturating_mul(8);
        }
    }

    /// The period of a rate; none for other expressions.
    pub(crate) fn period_ms(&self) -> Option<u64> {
        if let Expression::Rate(period_ms) = self.expression { Some(period_ms) } else { None }
    }
}
