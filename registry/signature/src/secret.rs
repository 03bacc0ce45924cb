//! Private keys.
//!
//! Invariant: a private key leaves only as the PEM that somebody asks for; it is not printed, and its memory is cleared. The random bytes
//! that it is made of are the caller's to get.

use std::{fmt, ops::Deref};

use ed25519_dalek::{
    Signer as _, SigningKey,
    pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _, KeypairBytes, spki::der::pem::LineEnding},
};
use wharf_event::Digest;

use crate::{error::KeyError, key::PublicKey, limits::TEXT_BYTES_MAX, message::message, signature::Signature};

/// A private key, which signs releases.
pub struct SecretKey {
    key: SigningKey,
    public: PublicKey,
}

impl SecretKey {
    /// The key of 32 random bytes.
    ///
    /// # Errors
    /// When its public part would be weak, which no random bytes have been seen to give.
    pub fn from_random(bytes: &[u8; 32]) -> Result<Self, KeyError> {
        Self::of(SigningKey::from_bytes(bytes))
    }

    /// Reads a PEM block `PRIVATE KEY`, PKCS#8 as `openssl genpkey -algorithm ed25519` writes it.
    ///
    /// # Errors
    /// When the text is none, or its key is of another kind.
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(KeyError::TooLong);
        }
        SigningKey::from_pkcs8_pem(text.trim_ascii()).map_err(|_| KeyError::Private).and_then(Self::of)
    }

    /// The PEM block. What it gives is cleared when it is dropped.
    ///
    /// # Errors
    /// When it cannot be encoded, which is not known to happen.
    pub fn to_pem(&self) -> Result<impl Deref<Target = String> + use<>, KeyError> {
        // Without the public part, which other programs of these days do not read there (RFC 5958).
        let bytes = KeypairBytes { secret_key: self.key.to_bytes(), public_key: None };
        bytes.to_pkcs8_pem(LineEnding::LF).map_err(|_| KeyError::Private)
    }

    fn of(key: SigningKey) -> Result<Self, KeyError> {
        let public = PublicKey::of(key.verifying_key())?;
        Ok(Self { key, public })
    }

    /// Its public part.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        self.public
    }

    /// Signs a release, by its digest.
    #[must_use]
    pub fn sign(&self, digest: &Digest) -> Signature {
        Signature { key: self.public.id(), bytes: self.key.sign(&message(digest)).to_bytes() }
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey({})", self.public.id())
    }
}
