//! The receipt for a message that was received: which delivery, and which record leased it. Invariant: it is good for that lease only, since
//! no two leases have one position.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use wharf_event::Position;

use crate::DeliveryId;

/// What a client that has a message shows for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Receipt {
    /// Which delivery.
    pub delivery: DeliveryId,
    /// The record that leased it.
    pub lease: Position,
}

/// A text that is no receipt.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a receipt: they look like 1042-256.0@1050-0")]
pub struct ReceiptError(String);

impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.delivery, self.lease)
    }
}

impl FromStr for Receipt {
    type Err = ReceiptError;

    fn from_str(text: &str) -> Result<Self, ReceiptError> {
        let parse = || {
            let (delivery, lease) = text.split_once('@')?;
            Some(Self { delivery: delivery.parse().ok()?, lease: lease.parse().ok()? })
        };
        parse().ok_or_else(|| ReceiptError(text.chars().take(64).collect()))
    }
}

impl Serialize for Receipt {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Receipt {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receipt_survives_its_text() {
        let delivery = DeliveryId { event: Position { k: 1042, i: 256 }, n: 0 };
        let receipt = Receipt { delivery, lease: Position { k: 1050, i: 0 } };
        assert_eq!(receipt.to_string(), "1042-256.0@1050-0");
        assert_eq!(receipt.to_string().parse(), Ok(receipt));
        for text in ["", "1042-256.0", "1042-256.0@", "@1-0", "1042-256.0@1050-0@1-0"] {
            assert!(text.parse::<Receipt>().is_err(), "{text}");
        }
    }
}
