//! What a tenant asks of its releases, as far as signatures go. What a signature is, `wharf-signature` knows.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// What a tenant asks of its releases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SignaturePolicy {
    /// Nothing: signatures are not looked at.
    #[default]
    None,
    /// A signature by one of its keys.
    Require,
}

/// A word that is no policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a policy of signatures is `none` or `require`")]
pub struct NoPolicy;

impl SignaturePolicy {
    /// All policies.
    pub const ALL: [Self; 2] = [Self::None, Self::Require];

    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Require => "require",
        }
    }

    /// Whether nothing is asked.
    #[must_use]
    pub const fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }
}

impl FromStr for SignaturePolicy {
    type Err = NoPolicy;

    fn from_str(text: &str) -> Result<Self, NoPolicy> {
        Self::ALL.into_iter().find(|policy| policy.as_str() == text).ok_or(NoPolicy)
    }
}

impl fmt::Display for SignaturePolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
