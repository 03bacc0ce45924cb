//! What is wrong with a key or a signature, each with its code.

use wharf_event::{Code, SigningKeyName};

use crate::{
    key::KeyId,
    limits::{KEYS_MAX, SIGNATURES_MAX, TEXT_BYTES_MAX},
};

/// Why a text is no key, or a key cannot be registered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// A text that is no key in either form.
    #[error(
        "this is no public key: it is written `ed25519:` and 44 characters of base64, or as a PEM block `PUBLIC KEY`"
    )]
    Public,
    /// Bytes that are no point that a signature can be checked with.
    #[error("this public key is not of ed25519, or so weak that anybody can sign for it")]
    Weak,
    /// A text that is no private key.
    #[error("this is no private key: it is a PEM block `PRIVATE KEY` with an ed25519 key (PKCS#8, not encrypted)")]
    Private,
    /// The text is too long to be one.
    #[error("a key has at most {TEXT_BYTES_MAX} bytes")]
    TooLong,
    /// Another one has the name.
    #[error("there is a key `{0}` already")]
    NameTaken(SigningKeyName),
    /// It is registered.
    #[error("the key {id} is registered already, as `{name}`")]
    Registered {
        /// Its id.
        id: KeyId,
        /// Its name.
        name: SigningKeyName,
    },
    /// There are as many as there may be.
    #[error("a tenant has at most {KEYS_MAX} keys, revoked ones too")]
    TooMany,
}

impl KeyError {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> Code {
        Code::SigningKeyInvalid
    }
}

/// Why a release is not taken, as far as its signatures go.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// A text that holds no signatures.
    #[error("this is no signature: a line is `wharf-signature:v1:`, the key's id, `:`, and 88 characters of base64")]
    Malformed,
    /// More than are looked at.
    #[error("a release has at most {SIGNATURES_MAX} signatures")]
    TooMany,
    /// None where one has to be.
    #[error("the release is not signed, and the tenant takes signed ones only")]
    Missing,
    /// By a key that the tenant does not have.
    #[error("the release is signed by the key {key}, which is not registered")]
    UnknownKey {
        /// Its id.
        key: KeyId,
    },
    /// By a key that was revoked.
    #[error("the release is signed by the key {key} (`{name}`), which was revoked")]
    Revoked {
        /// Its id.
        key: KeyId,
        /// Its name.
        name: SigningKeyName,
    },
    /// It is not of this release, or not by this key.
    #[error("the signature by the key {key} is wrong: it is of another component, or was changed")]
    Wrong {
        /// The key's id.
        key: KeyId,
    },
}

impl SignatureError {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::Malformed | Self::TooMany => Code::SignatureInvalid,
            Self::Missing => Code::SignatureMissing,
            Self::UnknownKey { .. } => Code::SigningKeyUnknown,
            Self::Revoked { .. } => Code::SigningKeyRevoked,
            Self::Wrong { .. } => Code::SignatureWrong,
        }
    }
}
