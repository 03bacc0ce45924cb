//! Secrets that webhooks are signed with, as Standard Webhooks writes them: `whsec_` and `whsk_`.
//!
//! Invariant: a secret is in no message and in no debug print, and its memory is cleared when it goes. `whsec_` is 24 to 64 random bytes,
//! and signs by HMAC-SHA256 (`v1`); `whsk_` is the seed of an Ed25519 key, and signs by that (`v1a`).

use std::{fmt, str::FromStr};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ed25519_dalek::{SECRET_KEY_LENGTH, Signer as _, SigningKey};
use standardwebhooks::Webhook;
use zeroize::Zeroizing;

use crate::limits::{SHARED_BYTES_MAX, SHARED_BYTES_MIN};

/// How a secret of HMAC begins.
const SHARED_PREFIX: &str = "whsec_";

/// How a secret key begins.
const SIGNING_PREFIX: &str = "whsk_";

/// How a public key begins.
pub const PUBLIC_PREFIX: &str = "whpk_";

/// How a secret signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// HMAC-SHA256 with a secret that both sides have.
    V1,
    /// Ed25519: the other side has the public key.
    V1a,
}

impl Scheme {
    /// What a signature begins with.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V1 => "v1",
            Self::V1a => "v1a",
        }
    }
}

/// A text that is no secret. It is not repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// It begins otherwise.
    #[error("a secret begins with `whsec_` (HMAC-SHA256) or `whsk_` (Ed25519)")]
    Prefix,
    /// It is no Base64.
    #[error("behind its prefix a secret is Base64, with its padding")]
    Base64,
    /// It has too few bytes or too many.
    #[error("a secret behind `whsec_` has {SHARED_BYTES_MIN} to {SHARED_BYTES_MAX} bytes, and this one has {0}")]
    SharedLength(usize),
    /// It is no key.
    #[error(
        "a key behind `whsk_` has {SECRET_KEY_LENGTH} bytes, or twice as many with its public key, and this one has {0}"
    )]
    KeyLength(usize),
    /// It has two halves that are of two keys.
    #[error("the second half of the key is not the public key of the first")]
    KeyHalves,
}

/// A secret that webhooks are signed with.
#[derive(Clone)]
pub struct Secret(Kind);

#[derive(Clone)]
enum Kind {
    Shared(Zeroizing<Vec<u8>>),
    Signing(Box<SigningKey>),
}

impl Secret {
    /// A secret of HMAC.
    ///
    /// # Errors
    /// When it has too few bytes or too many.
    pub fn shared(bytes: Zeroizing<Vec<u8>>) -> Result<Self, SecretError> {
        if !(SHARED_BYTES_MIN..=SHARED_BYTES_MAX).contains(&bytes.len()) {
            return Err(SecretError::SharedLength(bytes.len()));
        }
        Ok(Self(Kind::Shared(bytes)))
    }

    /// The key of a seed.
    #[must_use]
    pub fn signing(seed: &[u8; SECRET_KEY_LENGTH]) -> Self {
        Self(Kind::Signing(Box::new(SigningKey::from_bytes(seed))))
    }

    /// How it signs.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        match &self.0 {
            Kind::Shared(_) => Scheme::V1,
            Kind::Signing(_) => Scheme::V1a,
        }
    }

    /// The secret itself, for where it is kept and for whoever is to have it.
    #[must_use]
    pub fn reveal(&self) -> Zeroizing<String> {
        Zeroizing::new(match &self.0 {
            Kind::Shared(bytes) => format!("{SHARED_PREFIX}{}", STANDARD.encode(bytes)),
            Kind::Signing(key) => {
                format!("{SIGNING_PREFIX}{}", STANDARD.encode(Zeroizing::new(key.to_bytes())))
            }
        })
    }

    /// The public key that others verify with; absent for a secret that both sides have.
    #[must_use]
    pub fn public(&self) -> Option<String> {
        match &self.0 {
            Kind::Shared(_) => None,
            Kind::Signing(key) => Some(format!("{PUBLIC_PREFIX}{}", STANDARD.encode(key.verifying_key().as_bytes()))),
        }
    }

    /// A signature over a message: its id, the time of the attempt in seconds since 1970, and its body.
    #[must_use]
    pub fn sign(&self, id: &str, at_s: i64, body: &str) -> String {
        match &self.0 {
            Kind::Shared(bytes) => {
                // Neither of the two can fail: the first takes any bytes, and a `str` is UTF-8, which is all that the second asks for.
                let signed = Webhook::from_bytes(bytes.to_vec()).and_then(|it| it.sign(id, at_s, body.as_bytes()));
                signed.unwrap_or_default()
            }
            Kind::Signing(key) => {
                let signature = key.sign(format!("{id}.{at_s}.{body}").as_bytes());
                format!("{},{}", Scheme::V1a.as_str(), STANDARD.encode(signature.to_bytes()))
            }
        }
    }
}

impl FromStr for Secret {
    type Err = SecretError;

    fn from_str(text: &str) -> Result<Self, SecretError> {
        let decoded = |text: &str| STANDARD.decode(text).map(Zeroizing::new).map_err(|_| SecretError::Base64);
        if let Some(rest) = text.strip_prefix(SHARED_PREFIX) {
            return Self::shared(decoded(rest)?);
        }
        let bytes = decoded(text.strip_prefix(SIGNING_PREFIX).ok_or(SecretError::Prefix)?)?;
        // Some write the public key behind the seed.
        let (seed, public) = bytes.split_at_checked(SECRET_KEY_LENGTH).ok_or(SecretError::KeyLength(bytes.len()))?;
        let seed = <&[u8; SECRET_KEY_LENGTH]>::try_from(seed).map_err(|_| SecretError::KeyLength(bytes.len()))?;
        if !public.is_empty() && public.len() != SECRET_KEY_LENGTH {
            return Err(SecretError::KeyLength(bytes.len()));
        }
        let key = SigningKey::from_bytes(seed);
        if !public.is_empty() && public != key.verifying_key().as_bytes() {
            return Err(SecretError::KeyHalves);
        }
        Ok(Self(Kind::Signing(Box::new(key))))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({})", self.scheme().as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_what_it_was_and_nothing_shows_it() {
        let text = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let shared: Secret = text.parse().unwrap();
        assert_eq!((shared.reveal().as_str(), shared.scheme(), shared.public()), (text, Scheme::V1, None));
        let signing = Secret::signing(&[7; 32]);
        let again: Secret = signing.reveal().parse().unwrap();
        assert_eq!((again.public(), again.scheme()), (signing.public(), Scheme::V1a));
        assert_eq!(format!("{shared:?} {signing:?}"), "Secret(v1) Secret(v1a)");
    }

    #[test]
    fn a_key_may_have_its_public_half_behind_it_if_it_is_its_own() {
        let public = |seed: u8| SigningKey::from_bytes(&[seed; 32]).verifying_key().to_bytes();
        let text = |halves: [[u8; 32]; 2]| format!("whsk_{}", STANDARD.encode(halves.concat()));
        let both: Secret = text([[7; 32], public(7)]).parse().unwrap();
        assert_eq!(both.public(), Secret::signing(&[7; 32]).public());
        assert_eq!(text([[7; 32], public(8)]).parse::<Secret>().unwrap_err(), SecretError::KeyHalves);
    }

    #[test]
    fn what_is_no_secret_is_told_without_being_repeated() {
        let of = |bytes: usize| STANDARD.encode(vec![1; bytes]);
        for (text, wanted) in [
            ("hunter2".to_owned(), SecretError::Prefix),
            ("whpk_AAAA".to_owned(), SecretError::Prefix),
            ("whsec_%%".to_owned(), SecretError::Base64),
            (format!("whsec_{}", of(23)), SecretError::SharedLength(23)),
            (format!("whsec_{}", of(65)), SecretError::SharedLength(65)),
            (format!("whsk_{}", of(31)), SecretError::KeyLength(31)),
            (format!("whsk_{}", of(33)), SecretError::KeyLength(33)),
        ] {
            let error = text.parse::<Secret>().unwrap_err();
            assert_eq!(error, wanted, "{text}");
            assert!(!error.to_string().contains(&text));
        }
        assert!(format!("whsec_{}", of(24)).parse::<Secret>().is_ok());
        assert!(format!("whsec_{}", of(64)).parse::<Secret>().is_ok());
    }

    #[test]
    fn the_signature_of_the_specification_is_made() {
        let secret: Secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".parse().unwrap();
        let signed = secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }
}
