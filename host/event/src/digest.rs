//! The SHA-256 digest that names immutable content: releases and their components. Invariant: its text has one spelling,
//! `sha256:` and 64 lower-case hex digits. It is no MAC and hides nothing.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest as _, Sha256};

/// What `short` shows, in hex digits.
const SHORT_DIGITS: usize = 12;

/// A SHA-256 digest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

/// The digest of bytes that come in pieces.
#[derive(Clone, Default)]
pub struct Hashing(Sha256);

impl Hashing {
    /// The next piece.
    pub fn update(&mut self, piece: &[u8]) {
        self.0.update(piece);
    }

    /// The digest of all of them.
    #[must_use]
    pub fn end(self) -> Digest {
        Digest(self.0.finalize().into())
    }
}

/// Why a text is no digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DigestError {
    /// It does not begin with `sha256:`.
    #[error("a digest begins with `sha256:`")]
    Algorithm,
    /// Not 64 digits.
    #[error("a digest has 64 hex digits after `sha256:`, this one has {found}")]
    Length {
        /// How many characters are there.
        found: usize,
    },
    /// A character that is no lower-case hex digit.
    #[error("a digest is written in the digits 0-9 and a-f, this one has {found:?}")]
    Digit {
        /// The first such character.
        found: char,
    },
}

impl Digest {
    /// The digest of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The 32 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The first 12 hex digits, for people: enough to tell releases apart, not to name one.
    #[must_use]
    pub fn short(&self) -> String {
        self.hex().chars().take(SHORT_DIGITS).collect()
    }

    /// The 64 hex digits without the algorithm, as blobs are named.
    #[must_use]
    pub fn hex(&self) -> String {
        self.0.iter().flat_map(|byte| [byte >> 4, byte & 15]).filter_map(|n| char::from_digit(n.into(), 16)).collect()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        let hex = text.strip_prefix("sha256:").ok_or(DigestError::Algorithm)?;
        if let Some(found) = hex.chars().find(|c| !matches!(c, '0'..='9' | 'a'..='f')) {
            return Err(DigestError::Digit { found });
        }
        let length = DigestError::Length { found: hex.len() };
        if hex.len() != 64 {
            return Err(length);
        }
        let digits: Vec<u8> = hex.chars().filter_map(|c| c.to_digit(16)).filter_map(|d| u8::try_from(d).ok()).collect();
        let (pairs, _) = digits.as_chunks::<2>();
        let bytes: Vec<u8> = pairs.iter().map(|[high, low]| high << 4 | low).collect();
        bytes.try_into().map(Self).map_err(|_| length)
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FIPS 180-2, appendix B.1: the digest of "abc".
    const ABC: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn a_digest_is_sha_256_and_survives_its_text() {
        let digest = Digest::of(b"abc");
        assert_eq!(digest.to_string(), ABC);
        assert_eq!(digest.short(), "ba7816bf8f01");
        assert_eq!(ABC.parse(), Ok(digest));
        assert_eq!(serde_json::from_str::<Digest>(&serde_json::to_string(&digest).unwrap()).unwrap(), digest);
    }

    #[test]
    fn a_text_that_is_no_digest_is_refused() {
        let cases = [
            ("", DigestError::Algorithm),
            ("sha512:00", DigestError::Algorithm),
            ("sha256:00", DigestError::Length { found: 2 }),
            ("sha256:BA", DigestError::Digit { found: 'B' }),
            ("sha256:\u{e9}", DigestError::Digit { found: '\u{e9}' }),
        ];
        for (text, wanted) in cases {
            assert_eq!(text.parse::<Digest>(), Err(wanted), "{text:?}");
        }
    }
}
