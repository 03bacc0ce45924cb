//! Stripe's signatures: the field `Stripe-Signature` has a time and signatures over that time, a point, and the body
//! (docs.stripe.com/webhooks, "Verify webhook signatures manually").
//!
//! Invariant: a signature is compared in constant time, over the very bytes that came. What is too old is refused though it is signed: whoever
//! recorded it may send it again.

use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// How far the time of a signature may be from now, either way.
pub const TOLERANCE: Duration = Duration::from_secs(300);

/// Signatures that are looked at: one for each secret that the endpoint has, which are two while it changes.
const SIGNATURES_MAX: usize = 16;

/// Why a request is not known to be Stripe's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrong {
    /// The field is not what Stripe sends.
    Field,
    /// It was signed too long ago, or in the future.
    Time,
    /// No signature of it is one by this secret.
    Signature,
}

impl Wrong {
    /// In words.
    pub fn told(self) -> &'static str {
        match self {
            Self::Field => "the field stripe-signature has no time, or no signature of the scheme v1",
            Self::Time => "it was signed more than five minutes ago, or in the future",
            Self::Signature => "no signature is one by the endpoint's secret",
        }
    }
}

/// Checks that a body is signed by this secret, at about this time.
pub fn verify(field: &str, body: &[u8], secret: &[u8], now: Duration) -> Result<(), Wrong> {
    let (mut time, mut signatures) = (None, Vec::new());
    for part in field.split(',') {
        match part.trim().split_once('=') {
            Some(("t", value)) if time.is_none() => time = Some(value),
            Some(("t", _)) => return Err(Wrong::Field),
            Some(("v1", value)) if signatures.len() < SIGNATURES_MAX => signatures.extend(bytes(value)),
            // Schemes of before and of later: what is signed by them alone is not known to be signed.
            _ => {}
        }
    }
    let time = time.filter(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()));
    let time = time.ok_or(Wrong::Field)?;
    if signatures.is_empty() {
        return Err(Wrong::Field);
    }
    let at = Duration::from_secs(time.parse().map_err(|_| Wrong::Field)?);
    let mut signing = Hmac::<Sha256>::new_from_slice(secret).map_err(|_| Wrong::Signature)?;
    signing.update(time.as_bytes());
    signing.update(b".");
    signing.update(body);
    if !signatures.iter().any(|signature| signing.clone().verify_slice(signature).is_ok()) {
        return Err(Wrong::Signature);
    }
    if at.abs_diff(now) > TOLERANCE { Err(Wrong::Time) } else { Ok(()) }
}

/// The bytes of hexadecimal digits, if they are as many as a signature has.
fn bytes(digits: &str) -> Option<Vec<u8>> {
    let digit = |at: usize| char::from(*digits.as_bytes().get(at)?).to_digit(16);
    let byte = |at: usize| u8::try_from(digit(at)? << 4 | digit(at + 1)?).ok();
    (digits.len() == 64).then(|| (0..64).step_by(2).map(byte).collect())?
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &[u8] = b"whsec_test_secret";
    const BODY: &[u8] = br#"{"id": "evt_1", "object": "event"}"#;
    const NOW: Duration = Duration::from_secs(1_492_774_577);

    /// Made by `printf '1492774577.%s' "$BODY" | openssl dgst -sha256 -hmac whsec_test_secret`.
    const SIGNED: &str = "09357d4fb8d9eba6f07fdea6b2428fa819063ec7bb7f9eca18b88cf0ff729476";

    fn of(field: &str) -> Result<(), Wrong> {
        verify(field, BODY, SECRET, NOW)
    }

    #[test]
    fn what_the_secret_signed_is_known_among_other_signatures() {
        assert_eq!(of(&format!("t=1492774577,v1={SIGNED}")), Ok(()));
        let other = "0".repeat(64);
        assert_eq!(
            of(&format!("t=1492774577, v1={other}, v1={SIGNED}, v0=6ffbb59b2300aae63f272406069a9788598b792a")),
            Ok(())
        );
        assert_eq!(of(&format!("t=1492774577,v1={}", SIGNED.to_uppercase())), Ok(()));
    }

    #[test]
    fn what_is_changed_is_not() {
        let field = format!("t=1492774577,v1={SIGNED}");
        assert_eq!(verify(&field, b"{}", SECRET, NOW), Err(Wrong::Signature));
        assert_eq!(verify(&field, BODY, b"whsec_other", NOW), Err(Wrong::Signature));
        assert_eq!(of(&format!("t=1492774578,v1={SIGNED}")), Err(Wrong::Signature));
        assert_eq!(of(&format!("t=1492774577,v0={SIGNED}")), Err(Wrong::Field), "a scheme that is none");
        for field in ["", "t=1492774577", "v1=00", "t=,v1=", "t=x,v1=00", "t=1492774577,v1=00"] {
            assert_eq!(of(field), Err(Wrong::Field), "{field}");
        }
        assert_eq!(of(&format!("t=1492774577,t=1492774577,v1={SIGNED}")), Err(Wrong::Field));
    }

    #[test]
    fn what_is_signed_is_known_for_five_minutes() {
        let field = format!("t=1492774577,v1={SIGNED}");
        for (seconds, known) in [(0, Ok(())), (300, Ok(())), (301, Err(Wrong::Time))] {
            let by = Duration::from_secs(seconds);
            assert_eq!(verify(&field, BODY, SECRET, NOW + by), known, "{seconds} later");
            assert_eq!(verify(&field, BODY, SECRET, NOW - by), known, "{seconds} earlier");
        }
    }
}
