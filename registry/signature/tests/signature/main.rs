//! Keys and signatures as others see them: by the vectors of RFC 8032, beside the program `openssl`, and with everything changed that can be.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at what it did not expect, helpers included"
)]

mod checking;
mod openssl;
mod texts;

use wharf_signature::{PublicKey, SecretKey};

/// A private key that is the same every time.
pub fn key(seed: u8) -> SecretKey {
    SecretKey::from_random(&[seed; 32]).unwrap()
}

/// Bytes of their hex digits.
pub fn hex(digits: &str) -> Vec<u8> {
    let pair = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
    (0..digits.len()).step_by(2).map(pair).collect()
}

/// RFC 8032, section 7.1: private keys with their public ones.
const VECTORS: [(&str, &str); 3] = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
    ),
];

#[test]
fn keys_are_those_of_rfc_8032() {
    for (secret, public) in VECTORS {
        let made = SecretKey::from_random(&hex(secret).try_into().unwrap()).unwrap();
        let read = PublicKey::from_bytes(&hex(public).try_into().unwrap()).unwrap();
        assert_eq!(made.public(), read);
    }
}
