//! What a tenant takes: by a key of its own that was not revoked, over this digest and nothing else.

use proptest::prelude::*;
use wharf_event::{Code, Digest, SigningKeyName};
use wharf_signature::{Keys, Policy, Signature, SignatureError, Verified, check, limits, message};

use crate::key;

fn name(text: &str) -> SigningKeyName {
    text.parse().unwrap()
}

/// The keys `ci` (seed 1) and `old` (seed 2), of which the second was revoked.
fn keys() -> Keys {
    let mut keys = Keys::default();
    keys.register(name("ci"), key(1).public(), 1).unwrap();
    keys.register(name("old"), key(2).public(), 2).unwrap();
    assert!(keys.revoke(&name("old"), 3));
    keys
}

fn required(digest: &Digest, signatures: &[Signature]) -> Result<Verified, SignatureError> {
    check(Policy::Require, &keys(), digest, signatures)
}

#[test]
fn each_reason_to_refuse_has_its_own_code() {
    let (digest, other) = (Digest::of(b"release"), Digest::of(b"another"));
    let good = key(1).sign(&digest);
    assert_eq!(required(&digest, &[good]), Ok(Verified::By(name("ci"))));
    let impostor = Signature { key: key(1).public().id(), ..key(3).sign(&digest) };
    let cases: [(&[Signature], Code); 6] = [
        (&[], Code::SignatureMissing),
        (&[key(3).sign(&digest)], Code::SigningKeyUnknown),
        (&[key(2).sign(&digest)], Code::SigningKeyRevoked),
        (&[key(1).sign(&other)], Code::SignatureWrong),
        (&[impostor], Code::SignatureWrong),
        (&[good; limits::SIGNATURES_MAX + 1], Code::SignatureInvalid),
    ];
    for (signatures, code) in cases {
        assert_eq!(required(&digest, signatures).unwrap_err().code(), code);
        assert_eq!(check(Policy::None, &keys(), &digest, signatures), Ok(Verified::Unchecked));
    }
    let wrong_by_revoked = key(2).sign(&other);
    assert_eq!(required(&digest, &[wrong_by_revoked]).unwrap_err().code(), Code::SignatureWrong);
}

#[test]
fn one_good_signature_is_enough_and_else_the_gravest_reason_is_told() {
    let digest = Digest::of(b"release");
    let [good, revoked, unknown] = [1, 2, 3].map(|seed| key(seed).sign(&digest));
    let wrong = key(1).sign(&Digest::of(b"another"));
    assert!(required(&digest, &[wrong, unknown, revoked, good]).is_ok());
    for (signatures, code) in [
        ([unknown, revoked, wrong], Code::SignatureWrong),
        ([wrong, revoked, unknown], Code::SignatureWrong),
        ([unknown, revoked, unknown], Code::SigningKeyRevoked),
    ] {
        assert_eq!(required(&digest, &signatures).unwrap_err().code(), code);
    }
}

#[test]
fn a_key_is_registered_once_and_revoked_for_good() {
    let mut keys = keys();
    assert_eq!(keys.register(name("ci"), key(4).public(), 9).unwrap_err().to_string(), "there is a key `ci` already");
    let again = keys.register(name("new"), key(2).public(), 9).unwrap_err().to_string();
    assert!(again.ends_with("is registered already, as `old`"), "{again}");
    assert!(keys.revoke(&name("old"), 9) && !keys.revoke(&name("nobody"), 9));
    assert_eq!(keys.find(key(2).public().id()).unwrap().revoked_at_ms, Some(3));
    for seed in 10.. {
        let registered = keys.register(name(&format!("k{seed}")), key(seed).public(), 9);
        if keys.iter().count() == limits::KEYS_MAX && registered.is_err() {
            break;
        }
        registered.unwrap();
    }
    let text = serde_json::to_string(&keys).unwrap();
    assert_eq!(serde_json::from_str::<Keys>(&text).unwrap(), keys);
    let twice = text.replacen("\"k10\"", "\"k11\"", 1);
    assert!(serde_json::from_str::<Keys>(&twice).is_err());
}

#[test]
fn the_message_is_of_one_purpose_and_one_digest() {
    let zeros = Digest([0; 32]);
    let said = format!("wharf release v1\nsha256:{}\n", "00".repeat(32));
    assert_eq!(message(&zeros), said.into_bytes());
}

proptest! {
    #[test]
    fn a_signature_with_any_bit_changed_or_of_any_other_digest_is_wrong(
        seed: [u8; 32], digest: [u8; 32], other: [u8; 32], bit in 0_usize..512,
    ) {
        let key = wharf_signature::SecretKey::from_random(&seed).unwrap();
        let mut keys = Keys::default();
        keys.register(name("k"), key.public(), 0).unwrap();
        let good = key.sign(&Digest(digest));
        let checked = |digest, signature| check(Policy::Require, &keys, &Digest(digest), &[signature]);
        prop_assert_eq!(checked(digest, good), Ok(Verified::By(name("k"))));
        let mut changed = good;
        changed.bytes[bit / 8] ^= 1 << (bit % 8);
        let wrong = Err(SignatureError::Wrong { key: key.public().id() });
        prop_assert_eq!(checked(digest, changed), wrong.clone());
        prop_assume!(digest != other);
        prop_assert_eq!(checked(other, good), wrong);
    }
}
