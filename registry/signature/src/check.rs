//! Whether a tenant takes a release, as far as its signatures go.
//!
//! Invariant: one good signature is enough, and bad ones beside it change nothing; where none is good, the gravest reason is told.

use wharf_event::{Digest, SignaturePolicy, SigningKeyName};

use crate::{error::SignatureError, keys::Keys, limits::SIGNATURES_MAX, message::message, signature::Signature};

/// What is known of a release that is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verified {
    /// Nobody asked.
    Unchecked,
    /// This key of the tenant vouches for it.
    By(SigningKeyName),
}

/// Checks a release's signatures against a tenant's policy and keys.
///
/// # Errors
/// When the policy asks for a signature and there is no good one.
pub fn check(
    policy: SignaturePolicy,
    keys: &Keys,
    digest: &Digest,
    signatures: &[Signature],
) -> Result<Verified, SignatureError> {
    match policy {
        SignaturePolicy::None => return Ok(Verified::Unchecked),
        SignaturePolicy::Require if signatures.len() > SIGNATURES_MAX => return Err(SignatureError::TooMany),
        SignaturePolicy::Require => {}
    }
    let message = message(digest);
    let mut gravest = SignatureError::Missing;
    for signature in signatures {
        match one(keys, &message, signature) {
            Ok(name) => return Ok(Verified::By(name.clone())),
            Err(error) if gravity(&error) > gravity(&gravest) => gravest = error,
            Err(_) => {}
        }
    }
    Err(gravest)
}

fn one<'a>(keys: &'a Keys, message: &[u8], signature: &Signature) -> Result<&'a SigningKeyName, SignatureError> {
    let key = signature.key;
    let found = keys.find(key).ok_or(SignatureError::UnknownKey { key })?;
    if !found.key.signed(message, &signature.bytes) {
        return Err(SignatureError::Wrong { key });
    }
    match found.revoked_at_ms {
        Some(_) => Err(SignatureError::Revoked { key, name: found.name.clone() }),
        None => Ok(&found.name),
    }
}

/// A wrong signature tells of a change or a mistake, a revoked key of an old release, an unknown one of a stranger.
const fn gravity(error: &SignatureError) -> u8 {
    match error {
        SignatureError::Missing | SignatureError::Malformed | SignatureError::TooMany => 0,
        SignatureError::UnknownKey { .. } => 1,
        SignatureError::Revoked { .. } => 2,
        SignatureError::Wrong { .. } => 3,
    }
}
