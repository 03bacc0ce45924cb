//! Keys and signatures as texts: one spelling each, and nothing else is read.

use proptest::prelude::*;
use wharf_event::Digest;
use wharf_signature::{KeyError, PublicKey, SecretKey, Signature, SignatureError, limits};

use crate::key;

#[test]
fn a_public_key_has_one_text_and_others_are_none() {
    let text = key(1).public().to_string();
    assert_eq!(text, "ed25519:iojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1w=");
    assert_eq!(key(1).public().id().to_string().len(), 2 * limits::KEY_ID_BYTES);
    assert_eq!(format!(" {text}\n").parse::<PublicKey>().unwrap(), key(1).public());
    let refused = [
        "",
        "ed25519:",
        "iojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1w=",
        "ed25519:iojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1w",
        "ed25519:iojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1x=",
        "ed25519:iojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1xc",
        "ED25519:iojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1w=",
        "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA\n-----END PUBLIC KEY-----",
    ];
    for text in refused {
        assert_eq!(text.parse::<PublicKey>(), Err(KeyError::Public), "{text}");
    }
    assert_eq!("x".repeat(limits::TEXT_BYTES_MAX + 1).parse::<PublicKey>(), Err(KeyError::TooLong));
}

#[test]
fn a_key_that_anybody_can_sign_for_is_none() {
    // Points of small order: the neutral one, and the one of order two.
    let mut neutral = [0; 32];
    neutral[0] = 1;
    let mut two = [0xff; 32];
    (two[0], two[31]) = (0xec, 0x7f);
    for bytes in [neutral, two, [0; 32]] {
        assert_eq!(PublicKey::from_bytes(&bytes), Err(KeyError::Weak), "{bytes:?}");
    }
}

#[test]
fn a_private_key_survives_its_pem_and_is_not_printed() {
    let pem = key(7).to_pem().unwrap();
    assert!(pem.starts_with("-----BEGIN PRIVATE KEY-----\n") && pem.ends_with("-----END PRIVATE KEY-----\n"));
    assert_eq!(SecretKey::from_pem(&pem).unwrap().public(), key(7).public());
    assert_eq!(format!("{:?}", key(7)), format!("SecretKey({})", key(7).public().id()));
    let public = key(7).public().to_string();
    let encrypted = pem.replace("PRIVATE", "ENCRYPTED PRIVATE");
    for text in ["", &public, &encrypted, &pem[..60]] {
        assert!(matches!(SecretKey::from_pem(text), Err(KeyError::Private)), "{text}");
    }
}

#[test]
fn signatures_are_read_line_by_line_and_only_so_many() {
    let one = key(1).sign(&Digest::of(b"a"));
    let two = key(2).sign(&Digest::of(b"a"));
    assert_eq!(Signature::list(&format!("{one}\n\n  {two}\r\n")).unwrap(), [one, two]);
    assert_eq!(Signature::list("").unwrap(), []);
    let text = one.to_string();
    let id = one.key.to_string();
    let refused = [
        text.replace("v1", "v2"),
        text.replace(&id, &id.to_uppercase()),
        text.replace(&id, &id[1..]),
        text.replace(&id, "+3f2a4c5d6e7f801"),
        text[..text.len() - 4].to_owned(),
        format!("{text}AAAA"),
        format!("{text} # by ci"),
        "wharf-signature:v1:".to_owned(),
    ];
    for text in refused {
        assert_eq!(Signature::list(&text), Err(SignatureError::Malformed), "{text}");
    }
    let many = format!("{one}\n").repeat(limits::SIGNATURES_MAX + 1);
    assert_eq!(Signature::list(&many), Err(SignatureError::TooMany));
    assert_eq!(Signature::list(&" ".repeat(limits::TEXT_BYTES_MAX + 1)), Err(SignatureError::TooMany));
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused_and_what_is_read_is_written_so(text in "(ed25519:|wharf-signature:v1:)?[0-9a-f:A-Z+/=\\n]{0,160}") {
        if let Ok(key) = text.parse::<PublicKey>() {
            prop_assert_eq!(key.to_string(), text.trim_ascii());
        }
        if let Ok(signature) = text.parse::<Signature>() {
            prop_assert_eq!(signature.to_string(), text);
        }
    }

    #[test]
    fn keys_and_signatures_survive_their_texts(seed: [u8; 32], digest: [u8; 32]) {
        let key = SecretKey::from_random(&seed).unwrap();
        let signature = key.sign(&Digest(digest));
        prop_assert_eq!(signature.to_string().parse(), Ok(signature));
        prop_assert_eq!(key.public().to_string().parse(), Ok(key.public()));
        prop_assert_eq!(serde_json::to_string(&key.public()).unwrap(), format!("\"{}\"", key.public()));
        prop_assert_eq!(SecretKey::from_pem(&key.to_pem().unwrap()).unwrap().public(), key.public());
    }
}
