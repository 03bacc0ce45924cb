//! Secrets, as JSON: all but their values.

use std::fmt;

use serde::{Deserialize, Serialize};
use wharf_event::SecretName;

/// A secret, without its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptSecretView {
    /// Its name.
    pub secret: SecretName,
    /// 1 for its first value, and one more for each that followed.
    pub version: u32,
    /// When this value came, in RFC 3339.
    pub at: String,
}

/// A value for a secret.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretDraft {
    /// The value.
    pub value: String,
}

impl fmt::Debug for SecretDraft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretDraft(…)")
    }
}
