//! How far the pages of a trace have come.
//!
//! Invariant: it is a place in the order of events, their deliveries and the steps of those, so that a page goes on where the one before ended,
//! be that within an event or a delivery.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use wharf_event::Position;

/// The last thing that a page told: `1042-256`, `1042-256.99` or `1042-256.99@1050-0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceCursor {
    /// The event.
    pub event: Position,
    /// Its delivery, where not all of them were told.
    pub delivery: Option<u16>,
    /// The record of its step, where not all of that delivery were.
    pub step: Option<Position>,
}

/// A text that is no cursor.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no place in a trace: they look like 1042-256, 1042-256.99 or 1042-256.99@1050-0")]
pub struct TraceCursorError(String);

impl TraceCursor {
    /// How many of so many deliveries of an event were told to their end.
    #[must_use]
    pub fn passed(&self, event: Position, total: usize) -> usize {
        match self.delivery {
            _ if event > self.event => 0,
            Some(last) if event == self.event => total.min(usize::from(last) + usize::from(self.step.is_none())),
            _ => total,
        }
    }

    /// Whether a step of a delivery, which a record says, was told.
    #[must_use]
    pub fn has_step(&self, event: Position, n: u16, record: Position) -> bool {
        event == self.event && Some(n) == self.delivery && self.step.is_some_and(|step| record <= step)
    }
}

impl fmt::Display for TraceCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.event)?;
        self.delivery.map_or(Ok(()), |n| write!(f, ".{n}"))?;
        self.step.map_or(Ok(()), |step| write!(f, "@{step}"))
    }
}

impl FromStr for TraceCursor {
    type Err = TraceCursorError;

    fn from_str(text: &str) -> Result<Self, TraceCursorError> {
        let parse = || {
            let (of, step) = match text.split_once('@') {
                Some((of, step)) => (of, Some(step.parse().ok()?)),
                None => (text, None),
            };
            let (event, delivery) = match of.split_once('.') {
                Some((event, n)) => (event, Some(n.parse().ok()?)),
                None => (of, None),
            };
            let is_whole = step.is_none() || delivery.is_some();
            is_whole.then_some(Self { event: event.parse().ok()?, delivery, step })
        };
        let is_same = |cursor: &Self| cursor.to_string() == text;
        parse().filter(is_same).ok_or_else(|| TraceCursorError(text.chars().take(64).collect()))
    }
}

impl Serialize for TraceCursor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TraceCursor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cursor(text: &str) -> TraceCursor {
        text.parse().unwrap()
    }

    #[test]
    fn a_cursor_survives_its_text() {
        for text in ["1042-256", "1042-256.99", "1042-256.99@1050-0"] {
            assert_eq!(cursor(text).to_string(), text);
        }
        for text in [
            "",
            "1",
            "1-0.",
            "1-0.x",
            "1-0.65536",
            "1-0.+5",
            "1-0.007",
            "1-0@2-0",
            "1-0.1@",
            "1-0.1@2",
            "1-0.1@2-0@3-0",
        ] {
            assert!(text.parse::<TraceCursor>().is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_at_or_before_a_cursor_was_told() {
        let passed = |text: &str, event: &str| cursor(text).passed(event.parse().unwrap(), 9);
        assert_eq!(["4-0", "5-0", "6-0"].map(|event| passed("5-0", event)), [9, 9, 0]);
        assert_eq!(["4-0", "5-0", "6-0"].map(|event| passed("5-0.3", event)), [9, 4, 0]);
        assert_eq!(["4-0", "5-0", "6-0"].map(|event| passed("5-0.3@8-0", event)), [9, 3, 0]);
        assert_eq!((passed("5-0.9", "5-0"), passed("5-0.99", "5-0")), (9, 9));
        let has = |event: &str, n, record: &str| {
            cursor("5-0.3@8-0").has_step(event.parse().unwrap(), n, record.parse().unwrap())
        };
        assert_eq!((has("5-0", 3, "8-0"), has("5-0", 3, "8-1"), has("5-0", 2, "7-0")), (true, false, false));
        assert!(!cursor("5-0.3").has_step("5-0".parse().unwrap(), 3, "7-0".parse().unwrap()));
    }
}
