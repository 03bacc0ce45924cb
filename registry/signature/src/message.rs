//! What is signed.
//!
//! Invariant: the message of one digest is that of no other, and begins as nothing else does that one of these keys might sign.

use wharf_event::Digest;

/// What sets these messages apart from all others, with the version of their form.
const PURPOSE: &str = "wharf release v1\n";

/// The bytes that are signed for a release of this digest: text, so that other programs can make them.
#[must_use]
pub fn message(digest: &Digest) -> Vec<u8> {
    format!("{PURPOSE}{digest}\n").into_bytes()
}
