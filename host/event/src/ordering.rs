//! What events have to have in common to be handled one after the other. Invariant: a key is a short text without control characters,
//! whatever it was made of: what is no such text is named by its digest.

use std::{fmt, sync::Arc};

use crate::{Digest, limits::ORDERING_KEY_BYTES_MAX};

/// A key: deliveries to one target with the same key are made one after the other, in log order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderingKey(Arc<str>);

impl OrderingKey {
    /// The key that a text gives.
    #[must_use]
    pub fn of(text: &str) -> Self {
        if text.len() <= ORDERING_KEY_BYTES_MAX && !text.chars().any(char::is_control) {
            return Self(text.into());
        }
        Self(Digest::of(text.as_bytes()).to_string().into())
    }

    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for OrderingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_its_text_or_the_digest_of_what_is_none() {
        for text in ["", "customer/17", "é#\"x\"", &"k".repeat(ORDERING_KEY_BYTES_MAX)] {
            assert_eq!(OrderingKey::of(text).as_str(), text);
        }
        for text in ["a\0b", "line\n", &"k".repeat(ORDERING_KEY_BYTES_MAX + 1)] {
            let key = OrderingKey::of(text);
            assert_eq!(key.as_str(), Digest::of(text.as_bytes()).to_string());
            // A key that was read back is the same.
            assert_eq!(OrderingKey::of(key.as_str()), key);
        }
    }
}
