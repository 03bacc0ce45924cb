//! Which attempts are recorded, and what all recordings may take.

use crate::limits::{AGE_MS, BYTES, HOURLY, SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN, SEGMENTS};

/// Which attempts are recorded, and what all recordings may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Whether all attempts that fail are.
    pub failures: bool,
    /// How many that succeed are, an hour and a plugin; absent where all are.
    pub hourly: Option<u32>,
    /// Bytes that all recordings may take on the disk.
    pub bytes: u64,
    /// How long they are kept, in milliseconds.
    pub age_ms: u64,
}

impl Default for Policy {
    fn default() -> Self {
        Self { failures: true, hourly: Some(HOURLY), bytes: BYTES, age_ms: AGE_MS }
    }
}

impl Policy {
    /// Every attempt, as an author wants it.
    #[must_use]
    pub fn with_all(self) -> Self {
        Self { failures: true, hourly: None, ..self }
    }

    /// Whether any attempt is.
    pub(crate) fn wants_any(self) -> bool {
        self.failures || self.hourly != Some(0)
    }

    /// Bytes of a segment: retention deletes whole ones.
    pub(crate) fn segment_bytes(self) -> u64 {
        (self.bytes / SEGMENTS).clamp(SEGMENT_BYTES_MIN, SEGMENT_BYTES_MAX)
    }

    /// For how long recordings go into one segment, in milliseconds.
    pub(crate) fn segment_age_ms(self) -> u64 {
        (self.age_ms / SEGMENTS).max(1)
    }
}
