//! Sealing and opening. What is sealed is text: `v1.KEY.BASE64`, with the key's name, and behind it nonce, ciphertext and tag.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    rand::{SecureRandom as _, SystemRandom},
};
use zeroize::Zeroizing;

use crate::key::Key;

/// Bytes of a value at most, where it is a secret of a tenant.
pub const SECRET_BYTES_MAX: usize = 4 << 10;

/// How a sealed text begins.
const VERSION: &str = "v1";

/// A value in the clear.
#[derive(Clone, PartialEq, Eq)]
pub struct Value(Zeroizing<Vec<u8>>);

impl Value {
    /// A value.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The value itself, for where it is used.
    #[must_use]
    pub fn reveal(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Value(…)")
    }
}

/// Why a value cannot be sealed or opened. No part of it is told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// It is no sealed text.
    #[error("what is kept is no sealed value")]
    Text,
    /// Another key sealed it.
    #[error("it was sealed under key {sealed}, and this host has key {here}")]
    OtherKey {
        /// The key's name that stands with it.
        sealed: String,
        /// This host's.
        here: String,
    },
    /// It was changed, or is not for this place.
    #[error("it does not open: it was changed, or belongs elsewhere")]
    Closed,
    /// There is no key.
    #[error("this host has no key of secrets")]
    NoKey,
    /// Sealing failed.
    #[error("the machine gives no random numbers, or takes no key")]
    Machine,
}

/// Seals and opens values.
pub trait Sealer: Send + Sync {
    /// Seals a value for a place, such as a tenant and a secret's name.
    ///
    /// # Errors
    /// When it cannot be sealed.
    fn seal(&self, place: &str, value: &Value) -> Result<String, SealError>;

    /// Opens what was sealed for a place.
    ///
    /// # Errors
    /// When it does not open.
    fn open(&self, place: &str, sealed: &str) -> Result<Value, SealError>;
}

/// The name of the key that sealed a text; absent where it is none.
#[must_use]
pub fn sealed_under(sealed: &str) -> Option<&str> {
    let mut parts = sealed.splitn(3, '.');
    let (VERSION, name) = (parts.next()?, parts.next()?) else { return None };
    parts.next().map(|_| name)
}

impl Key {
    fn cipher(&self) -> Result<LessSafeKey, SealError> {
        Ok(LessSafeKey::new(UnboundKey::new(&AES_256_GCM, self.bytes.as_slice()).map_err(|_| SealError::Machine)?))
    }
}

impl Sealer for Key {
    fn seal(&self, place: &str, value: &Value) -> Result<String, SealError> {
        // Random nonces of 96 bits: safe for 2^32 values under one key, which is more than a host ever has.
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).map_err(|_| SealError::Machine)?;
        let mut sealed = Zeroizing::new(value.reveal().to_vec());
        let tag = self.cipher()?.seal_in_place_separate_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(place.as_bytes()),
            &mut sealed,
        );
        let tag = tag.map_err(|_| SealError::Machine)?;
        let all = [&nonce, sealed.as_slice(), tag.as_ref()].concat();
        Ok(format!("{VERSION}.{}.{}", self.name, STANDARD.encode(all)))
    }

    fn open(&self, place: &str, sealed: &str) -> Result<Value, SealError> {
        let mut parts = sealed.splitn(3, '.');
        let (Some(VERSION), Some(name), Some(text)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(SealError::Text);
        };
        if name != self.name {
            return Err(SealError::OtherKey { sealed: name.to_owned(), here: self.name.clone() });
        }
        let all = STANDARD.decode(text).map_err(|_| SealError::Text)?;
        let (nonce, sealed) = all.split_first_chunk::<NONCE_LEN>().ok_or(SealError::Text)?;
        let mut opened = Zeroizing::new(sealed.to_vec());
        let aad = Aad::from(place.as_bytes());
        let value = self.cipher()?.open_in_place(Nonce::assume_unique_for_key(*nonce), aad, &mut opened);
        Ok(Value::new(value.map_err(|_| SealError::Closed)?.to_vec()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    #[test]
    fn a_secret_opens_where_it_was_sealed_for_and_nowhere_else() {
        let (key, other): (Key, _) = (KEY.parse().unwrap(), Key::random().unwrap());
        let value = Value::new(b"sk_live_1".to_vec());
        let [one, two] = [key.seal("acme/stripe", &value).unwrap(), key.seal("acme/stripe", &value).unwrap()];
        assert!(one != two && !one.contains("sk_live"), "{one}");
        assert_eq!(key.open("acme/stripe", &one), Ok(value.clone()));
        assert_eq!((sealed_under(&one), sealed_under("v1.x"), sealed_under("")), (Some(key.name()), None, None));
        assert_eq!(key.open("acme/other", &one), Err(SealError::Closed));
        assert!(matches!(other.open("acme/stripe", &one), Err(SealError::OtherKey { .. })));
        for at in 0..one.len() {
            let mut changed = one.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            assert_ne!(key.open("acme/stripe", &String::from_utf8(changed).unwrap()), Ok(value.clone()), "{at}");
        }
        assert_eq!(key.open("acme/stripe", ""), Err(SealError::Text));
        assert_eq!(format!("{value:?} {key:?}").matches("sk_live").count(), 0);
    }

    #[test]
    fn a_secret_key_is_32_bytes_of_base64() {
        assert_eq!(KEY.parse::<Key>().unwrap().reveal().as_str(), KEY);
        assert_eq!(format!("{KEY}\n").parse::<Key>().unwrap().name().len(), 16);
        for text in ["", "AAEC", "not base64 at all", &KEY[..40]] {
            assert_eq!(text.parse::<Key>().unwrap_err(), crate::KeyError::Text, "{text}");
        }
    }
}
