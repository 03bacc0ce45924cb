//! Signatures and their text: a line each, `wharf-signature:v1:KEY-ID:BASE64`.
//!
//! Invariant: a signature has one text. Whether it is right, nobody knows before it is checked.

use std::{fmt, str::FromStr};

use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::{
    error::SignatureError,
    key::KeyId,
    limits::{SIGNATURES_MAX, TEXT_BYTES_MAX},
};

/// How a signature's text begins.
const BEGINS: &str = "wharf-signature:v1:";

/// A signature of a release, with the name of the key that made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signature {
    /// The key's name.
    pub key: KeyId,
    /// The signature, as RFC 8032 encodes it.
    pub bytes: [u8; 64],
}

impl Signature {
    /// Reads signatures, one a line; empty lines count for nothing.
    ///
    /// # Errors
    /// When a line is none, or there are too many.
    pub fn list(text: &str) -> Result<Vec<Self>, SignatureError> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(SignatureError::TooMany);
        }
        let lines = text.lines().map(str::trim_ascii).filter(|line| !line.is_empty());
        let signatures: Vec<Self> = lines.map(str::parse).collect::<Result<_, _>>()?;
        if signatures.len() > SIGNATURES_MAX { Err(SignatureError::TooMany) } else { Ok(signatures) }
    }
}

impl FromStr for Signature {
    type Err = SignatureError;

    fn from_str(text: &str) -> Result<Self, SignatureError> {
        let (key, coded) =
            text.strip_prefix(BEGINS).and_then(|rest| rest.split_once(':')).ok_or(SignatureError::Malformed)?;
        let key = KeyId::parse(key).ok_or(SignatureError::Malformed)?;
        let bytes = STANDARD.decode(coded).ok().and_then(|bytes| bytes.try_into().ok());
        bytes.map(|bytes| Self { key, bytes }).ok_or(SignatureError::Malformed)
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{BEGINS}{}:{}", self.key, STANDARD.encode(self.bytes))
    }
}
