//! Where a record stands in the log. Invariant: its text and its key form have one spelling each, and both forms of two
//! positions compare as the positions do (the text by its numbers, the key by its bytes). It is never a file offset.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::limits::ERROR_VALUE_CHARS_MAX;

/// The place of a record, or of an event that a record carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The number of the frame in the log, gap-free from 1.
    pub k: u64,
    /// The record's index in its frame times 256, plus n: 0 is the record itself, 1 and up are the events that a settle
    /// record published.
    pub i: u32,
}

/// A text that is no position.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a position: they look like 1042-256")]
pub struct PositionError(String);

impl Position {
    /// "Absent": before every position that a log gives.
    pub const ZERO: Self = Self { k: 0, i: 0 };

    /// The length of the key form, in bytes.
    pub const KEY_LEN: usize = 12;

    /// The key form, big endian, which sorts in log order.
    #[must_use]
    pub fn to_bytes(self) -> [u8; Self::KEY_LEN] {
        let mut key = [0; Self::KEY_LEN];
        let (k, i) = key.split_at_mut(8);
        k.copy_from_slice(&self.k.to_be_bytes());
        i.copy_from_slice(&self.i.to_be_bytes());
        key
    }

    /// Reads the key form back; `None` unless it is exactly 12 bytes.
    #[must_use]
    pub fn from_bytes(key: &[u8]) -> Option<Self> {
        let (k, i) = key.split_at_checked(8)?;
        Some(Self { k: u64::from_be_bytes(k.try_into().ok()?), i: u32::from_be_bytes(i.try_into().ok()?) })
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.k, self.i)
    }
}

/// Decimal digits with no sign and no leading zero, so that a number has one spelling.
fn decimal<N: FromStr>(text: &str) -> Option<N> {
    let canonical = text == "0" || !text.starts_with('0');
    (canonical && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}

impl FromStr for Position {
    type Err = PositionError;

    fn from_str(text: &str) -> Result<Self, PositionError> {
        let parse = || {
            let (k, i) = text.split_once('-')?;
            Some(Self { k: decimal(k)?, i: decimal(i)? })
        };
        parse().ok_or_else(|| PositionError(text.chars().take(ERROR_VALUE_CHARS_MAX).collect()))
    }
}

impl Serialize for Position {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Position {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_position_survives_its_text_its_key_and_its_json(k in any::<u64>(), i in any::<u32>()) {
            let position = Position { k, i };
            prop_assert_eq!(position.to_string().parse::<Position>(), Ok(position));
            prop_assert_eq!(Position::from_bytes(&position.to_bytes()), Some(position));
            let json = serde_json::to_string(&position).unwrap();
            prop_assert_eq!(serde_json::from_str::<Position>(&json).unwrap(), position);
        }

        #[test]
        fn keys_sort_as_positions_do(a in any::<(u64, u32)>(), b in any::<(u64, u32)>()) {
            let (a, b) = (Position { k: a.0, i: a.1 }, Position { k: b.0, i: b.1 });
            prop_assert_eq!(a.to_bytes().cmp(&b.to_bytes()), a.cmp(&b));
        }
    }

    #[test]
    fn only_the_one_spelling_of_a_position_is_read() {
        for text in ["", "-", "1", "1-", "-1", "01-0", "1-00", "+1-0", "1-+0", "1-2-3", " 1-2", "1-4294967296", "x-1"] {
            assert!(text.parse::<Position>().is_err(), "{text:?}");
        }
        assert_eq!("0-0".parse(), Ok(Position::ZERO));
        assert_eq!(Position::from_bytes(&[0; 11]), None);
        assert_eq!(Position::from_bytes(&[0; 13]), None);
    }
}
