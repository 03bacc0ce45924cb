//! A part of the traffic, and who is in it.
//!
//! Invariant: whether something is within a share depends on the release and on what it is (an ordering key, a delivery), and on
//! nothing else; so a larger share has all of a smaller one, and one key is always handled by one release.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use wharf_event::Digest;

/// The whole, in hundredths of a percent.
const WHOLE: u16 = 10_000;

/// More than nothing and less than all, in hundredths of a percent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share(u16);

/// A text that is no share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShareError {
    /// Not a number of percent.
    #[error("a share is written like `10%` or `0.5%`, with two digits behind the point at most")]
    Form,
    /// Nothing, or all.
    #[error("a share is at least 0.01% and at most 99.99%: to give a release all traffic, promote it")]
    Range,
}

impl Share {
    /// So many hundredths of a percent.
    ///
    /// # Errors
    /// When that is nothing, or all.
    pub fn of_hundredths(hundredths: u16) -> Result<Self, ShareError> {
        if (1..WHOLE).contains(&hundredths) { Ok(Self(hundredths)) } else { Err(ShareError::Range) }
    }

    /// Hundredths of a percent.
    #[must_use]
    pub fn hundredths(self) -> u16 {
        self.0
    }

    /// Whether what has this key is within the share of `release`.
    #[must_use]
    pub fn has(self, release: &Digest, key: &[u8]) -> bool {
        let mut text = release.as_bytes().to_vec();
        text.extend_from_slice(key);
        let place = Digest::of(&text).0.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
        // The remainder is even to one part in 10^15.
        place % u64::from(WHOLE) < u64::from(self.0)
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0 / 100, self.0 % 100);
        match rest {
            0 => write!(f, "{whole}%"),
            _ if rest % 10 == 0 => write!(f, "{whole}.{}%", rest / 10),
            _ => write!(f, "{whole}.{rest:02}%"),
        }
    }
}

impl FromStr for Share {
    type Err = ShareError;

    fn from_str(text: &str) -> Result<Self, ShareError> {
        let number = text.strip_suffix('%').ok_or(ShareError::Form)?;
        Self::of_hundredths(u16::try_from(hundredths(number).ok_or(ShareError::Form)?).map_err(|_| ShareError::Range)?)
    }
}

/// A decimal number with two digits behind the point at most, times a hundred.
pub(crate) fn hundredths(text: &str) -> Option<u64> {
    let (whole, rest) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(rest) || rest.len() > 2 {
        return None;
    }
    let rest = rest.parse::<u64>().ok()? * if rest.len() == 1 { 10 } else { 1 };
    whole.parse::<u64>().ok()?.checked_mul(100)?.checked_add(rest)
}

impl Serialize for Share {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}
