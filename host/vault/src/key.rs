//! The key that secrets are sealed under: 32 bytes, written as Base64.
//!
//! Invariant: two keys that differ have names that differ, as far as 64 bits tell, and a name tells nothing of its key.

use std::{fmt, str::FromStr};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::{
    digest::{SHA256, digest},
    rand::{SecureRandom as _, SystemRandom},
};
use zeroize::Zeroizing;

/// Bytes of a key.
const KEY_BYTES: usize = 32;

/// What a key's name is made of beside it, so that it is no digest that anybody else takes of a key.
const NAMING: &[u8] = b"wharf secret key name v1";

/// A key.
#[derive(Clone)]
pub struct Key {
    pub(crate) bytes: Zeroizing<[u8; KEY_BYTES]>,
    pub(crate) name: String,
}

/// No key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// It is no text of a key, which is not repeated.
    #[error("a key is 32 bytes as Base64: 44 characters, such as `openssl rand -base64 32` gives")]
    Text,
    /// There are no random numbers.
    #[error("the machine gives no random numbers")]
    Random,
}

impl Key {
    /// A new one.
    ///
    /// # Errors
    /// When the machine gives no random numbers.
    pub fn random() -> Result<Self, KeyError> {
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        SystemRandom::new().fill(bytes.as_mut_slice()).map_err(|_| KeyError::Random)?;
        Ok(Self::new(bytes))
    }

    /// The name of the key, which stands with what it sealed.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The key as text, for where it is kept.
    #[must_use]
    pub fn reveal(&self) -> Zeroizing<String> {
        Zeroizing::new(STANDARD.encode(self.bytes.as_slice()))
    }

    fn new(bytes: Zeroizing<[u8; KEY_BYTES]>) -> Self {
        let named = Zeroizing::new([NAMING, bytes.as_slice()].concat());
        let name = digest(&SHA256, &named).as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        Self { bytes, name }
    }
}

impl FromStr for Key {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let decoded = Zeroizing::new(STANDARD.decode(text.trim()).map_err(|_| KeyError::Text)?);
        let bytes = <[u8; KEY_BYTES]>::try_from(decoded.as_slice()).map_err(|_| KeyError::Text)?;
        Ok(Self::new(Zeroizing::new(bytes)))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("name", &self.name).finish_non_exhaustive()
    }
}
