//! Which dead letters of a queue are meant: a filter, and those among some rows that it leaves.
//!
//! Invariant: what is left depends on the rows, their events and the filter alone. Conditions on the row are asked before those that have to read the
//! event, which may block.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use wharf_delivery::{DeadLetterRow, DeliveryId, TableError, keys};
use wharf_event::{Code, RuleName, Target};
use wharf_pattern::{Pattern, PatternErrors, Subject};

use crate::archive::Archive;

/// Letters of which all is true that is said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LetterWish {
    /// Of this rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<RuleName>,
    /// Owed to this target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Target>,
    /// Given up with this code, or with this one as its cause.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
    /// Given up then or later, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since_ms: Option<u64>,
    /// Given up before then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_ms: Option<u64>,
    /// Of events whose type begins so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub type_prefix: Option<String>,
    /// Of events that this pattern matches: JSON as it was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
}

impl LetterWish {
    /// Of these only letters that were given up by this time.
    #[must_use]
    pub fn by(self, at_ms: u64) -> Self {
        let until_ms = at_ms.saturating_add(1);
        Self { until_ms: Some(self.until_ms.map_or(until_ms, |said_ms| said_ms.min(until_ms))), ..self }
    }
}

/// A filter that was understood.
#[derive(Debug, Default)]
pub struct ChosenLetters {
    wish: LetterWish,
    pattern: Option<Pattern>,
}

/// A letter that a filter leaves.
#[derive(Clone, Debug)]
pub struct Letter {
    /// Its id.
    pub id: DeliveryId,
    /// Its key.
    pub key: Bytes,
    /// Its row as it was read.
    pub bytes: Bytes,
    /// Its row.
    pub row: DeadLetterRow,
}

impl ChosenLetters {
    /// # Errors
    /// When the pattern cannot be understood.
    pub fn of(wish: LetterWish) -> Result<Self, PatternErrors> {
        let pattern = wish.pattern.as_ref().map(|text| Pattern::from_json(text.as_bytes())).transpose()?;
        Ok(Self { wish, pattern })
    }

    /// Whether it reads the event of each letter that its other conditions leave.
    #[must_use]
    pub fn reads_events(&self) -> bool {
        self.wish.type_prefix.is_some() || self.pattern.is_some()
    }

    /// Those of some rows that it leaves.
    ///
    /// # Errors
    /// When a row is damaged.
    pub fn among(&self, archive: &Archive, rows: Vec<(Bytes, Bytes)>) -> Result<Vec<Letter>, TableError> {
        let mut letters = Vec::new();
        for (key, bytes) in rows {
            let row = DeadLetterRow::from_bytes(&bytes)?;
            let Some(id) = keys::delivery_of(&key) else { continue };
            if self.has(&row) && (!self.reads_events() || self.has_event(archive, id, &row)) {
                letters.push(Letter { id, key, bytes, row });
            }
        }
        Ok(letters)
    }

    /// Whether the conditions hold that the row alone can answer.
    fn has(&self, row: &DeadLetterRow) -> bool {
        let (wish, target) = (&self.wish, &row.delivery.target);
        wish.rule.as_ref().is_none_or(|rule| target.rule == *rule)
            && wish.target.as_ref().is_none_or(|to| target.to == *to)
            && wish.code.is_none_or(|code| row.code == code || row.cause() == code)
            && wish.since_ms.is_none_or(|since_ms| row.at_ms >= since_ms)
            && wish.until_ms.is_none_or(|until_ms| row.at_ms < until_ms)
    }

    /// Whether the others hold too. A letter whose event cannot be read is none of those that are looked for.
    fn has_event(&self, archive: &Archive, id: DeliveryId, row: &DeadLetterRow) -> bool {
        let event = match archive.event(row.delivery.event_at(id)) {
            Ok(event) => event,
            Err(error) => {
                tracing::error!(%id, "a dead letter is passed over, since its event cannot be read: {error}");
                return false;
            }
        };
        self.wish.type_prefix.as_ref().is_none_or(|prefix| event.kind().starts_with(prefix.as_str()))
            && self.pattern.as_ref().is_none_or(|pattern| pattern.matches(&Subject::of(&event)))
    }
}
