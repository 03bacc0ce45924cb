//! The three forms of an expression.

use jiff::civil::DateTime;

use crate::{
    cron::LocalCron,
    error::{TimingError, quoted},
    limits::{EXPRESSION_BYTES_MAX, PERIOD_MS_MAX, PERIOD_MS_MIN},
};

/// What an expression says.
#[derive(Clone, Debug)]
pub(crate) enum Expression {
    /// Once, at a local time.
    At(DateTime),
    /// Again and again, so many milliseconds apart.
    Rate(u64),
    /// At local times.
    Cron(LocalCron),
}

impl Expression {
    pub(crate) fn parse(text: &str) -> Result<Self, TimingError> {
        if text.len() > EXPRESSION_BYTES_MAX {
            return Err(TimingError::TooLong);
        }
        let form = || TimingError::Form(quoted(text));
        let (name, rest) = text.trim().split_once('(').ok_or_else(form)?;
        let inside = rest.strip_suffix(')').ok_or_else(form)?.trim();
        match name {
            "at" => at(inside).ok_or_else(|| TimingError::At(quoted(inside))).map(Self::At),
            "rate" => rate(inside).map(Self::Rate),
            "cron" => LocalCron::parse(inside).map(Self::Cron),
            _ => Err(form()),
        }
    }
}

/// A local time to the second, as `2026-12-01T09:00:00`. An offset would say which zone it is of, and another field does.
fn at(text: &str) -> Option<DateTime> {
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    (shape == "0000-00-00T00:00:00").then(|| text.parse().ok()).flatten()
}

/// A period such as `5 minutes`, in milliseconds.
fn rate(text: &str) -> Result<u64, TimingError> {
    let wrong = || TimingError::Rate(quoted(text));
    let mut words = text.split_whitespace();
    let (number, unit) = words.next().zip(words.next()).ok_or_else(wrong)?;
    let of_unit_ms: u64 = match unit {
        "second" | "seconds" => 1_000,
        "minute" | "minutes" => 60_000,
        "hour" | "hours" => 3_600_000,
        "day" | "days" => 86_400_000,
        _ => return Err(wrong()),
    };
    if words.next().is_some() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    let period_ms = number.parse::<u64>().ok().and_then(|number| number.checked_mul(of_unit_ms));
    period_ms.filter(|ms| (PERIOD_MS_MIN..=PERIOD_MS_MAX).contains(ms)).ok_or(TimingError::Period)
}
