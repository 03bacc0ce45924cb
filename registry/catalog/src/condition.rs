//! What ends a canary: `error_rate>2%`, `p99>500ms`, `p95>2x`. A factor is one of the stable release's figure over the same time.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::share::hundredths;

/// A figure of first attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// Those that failed, by all.
    ErrorRate,
    /// The time within which half of them ended.
    P50,
    /// The time within which 95 of a hundred ended.
    P95,
    /// The time within which 99 of a hundred ended.
    P99,
}

impl Measure {
    const ALL: [(Self, &'static str); 4] =
        [(Self::ErrorRate, "error_rate"), (Self::P50, "p50"), (Self::P95, "p95"), (Self::P99, "p99")];

    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::ALL.into_iter().find(|(measure, _)| *measure == self).map_or("", |(_, word)| word)
    }

    /// The part of attempts that a quantile is about, in percent; none for a rate.
    pub(crate) fn percentile(self) -> Option<f64> {
        match self {
            Self::ErrorRate => None,
            Self::P50 => Some(50.0),
            Self::P95 => Some(95.0),
            Self::P99 => Some(99.0),
        }
    }
}

/// What a figure must not be above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// Hundredths of a percent; of rates only.
    Percent(u64),
    /// Milliseconds; of times only.
    Millis(u64),
    /// Hundredths of the stable release's figure.
    Times(u64),
}

/// A bound of a canary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Condition {
    /// Of what.
    pub measure: Measure,
    /// How much.
    pub bound: Bound,
}

/// A text that is no condition.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConditionError {
    /// No `>`.
    #[error("a condition is a figure, `>`, and a bound, such as `error_rate>2%`")]
    Form,
    /// No such figure.
    #[error("there is no figure `{0}`: there are error_rate, p50, p95 and p99")]
    Measure(String),
    /// Not a bound of that figure.
    #[error("`{bound}` is no bound of {}: give {wanted}", .measure.as_str())]
    Bound {
        /// What was given.
        bound: String,
        /// Of what.
        measure: Measure,
        /// What it may be.
        wanted: &'static str,
    },
}

impl Condition {
    /// The conditions of a text: one, or several with commas between.
    ///
    /// # Errors
    /// The first that is none.
    pub fn list(text: &str) -> Result<Vec<Self>, ConditionError> {
        text.split(',').map(|one| one.trim().parse()).collect()
    }
}

impl FromStr for Condition {
    type Err = ConditionError;

    fn from_str(text: &str) -> Result<Self, ConditionError> {
        let (name, bound) = text.split_once('>').ok_or(ConditionError::Form)?;
        let (name, bound) = (name.trim(), bound.trim());
        let found = Measure::ALL.into_iter().find(|(_, word)| *word == name);
        let (measure, _) = found.ok_or_else(|| ConditionError::Measure(name.chars().take(32).collect()))?;
        let number = |suffix: &str| bound.strip_suffix(suffix).and_then(hundredths);
        let read = match measure {
            Measure::ErrorRate => number("%").filter(|hundredths| *hundredths < 10_000).map(Bound::Percent),
            _ => number("ms").map(|hundredths| hundredths / 100).map(Bound::Millis),
        };
        let read = read.or_else(|| number("x").filter(|hundredths| *hundredths >= 100).map(Bound::Times));
        let wanted = match measure {
            Measure::ErrorRate => "a percentage such as `2%`, or a factor from 1 on such as `2x`",
            _ => "milliseconds such as `500ms`, or a factor from 1 on such as `2x`",
        };
        let bound = || bound.chars().take(32).collect();
        let bound = read.ok_or_else(|| ConditionError::Bound { bound: bound(), measure, wanted })?;
        Ok(Self { measure, bound })
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimal = |hundredths: u64| match hundredths % 100 {
            0 => (hundredths / 100).to_string(),
            rest if rest % 10 == 0 => format!("{}.{}", hundredths / 100, rest / 10),
            rest => format!("{}.{rest:02}", hundredths / 100),
        };
        write!(f, "{}>", self.measure.as_str())?;
        match self.bound {
            Bound::Percent(hundredths) => write!(f, "{}%", decimal(hundredths)),
            Bound::Times(hundredths) => write!(f, "{}x", decimal(hundredths)),
            Bound::Millis(ms) => write!(f, "{ms}ms"),
        }
    }
}

impl Serialize for Condition {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Condition {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}
