//! The identity of a delivery: one event owed to one of its targets. It never changes, over retries, redrives and restarts.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use wharf_event::Position;

/// One event x target: the event's position and the target's index in the list that was matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeliveryId {
    /// Where the event stands in the log.
    pub event: Position,
    /// Which of the event's targets, from 0.
    pub n: u16,
}

/// A text that is no delivery id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a delivery id: they look like 1042-256.0")]
pub struct DeliveryIdError(String);

impl DeliveryId {
    /// The length of the key form.
    pub const KEY_LEN: usize = 14;

    /// The key form, which sorts in log order.
    #[must_use]
    pub fn to_key(self) -> [u8; Self::KEY_LEN] {
        let mut key = [0; Self::KEY_LEN];
        let (position, n) = key.split_at_mut(12);
        position.copy_from_slice(&self.event.to_bytes());
        n.copy_from_slice(&self.n.to_be_bytes());
        key
    }

    /// Reads the key form back.
    #[must_use]
    pub fn from_key(key: &[u8]) -> Option<Self> {
        let (position, n) = key.split_at_checked(12)?;
        Some(Self { event: Position::from_bytes(position)?, n: u16::from_be_bytes(n.try_into().ok()?) })
    }
}

impl fmt::Display for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.event, self.n)
    }
}

impl FromStr for DeliveryId {
    type Err = DeliveryIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = || {
            let (event, n) = text.split_once('.')?;
            Some(Self { event: event.parse().ok()?, n: n.parse().ok()? })
        };
        parse().ok_or_else(|| DeliveryIdError(text.chars().take(64).collect()))
    }
}

impl Serialize for DeliveryId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for DeliveryId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_survives_its_text_and_its_key() {
        let id = DeliveryId { event: Position { k: 1042, i: 257 }, n: 3 };
        assert_eq!(id.to_string(), "1042-257.3");
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(DeliveryId::from_key(&id.to_key()), Some(id));
        assert!("1042-257".parse::<DeliveryId>().is_err());
    }
}
