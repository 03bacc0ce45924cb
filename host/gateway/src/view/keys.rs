//! Keys that sign releases, as JSON.

use serde::{Deserialize, Serialize};
use wharf_event::SigningKeyName;

/// A key that a tenant registered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SigningKeyView {
    /// What the tenant calls it.
    pub name: SigningKeyName,
    /// Its id, by which signatures name it.
    pub id: String,
    /// The public key: `ed25519:` and base64.
    pub key: String,
    /// When it was registered, in RFC 3339.
    pub at: String,
    /// When it was revoked, in RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<String>,
}

/// A key that is to be registered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SigningKeyDraft {
    /// The public key: `ed25519:` and base64, or a PEM block `PUBLIC KEY`.
    pub key: String,
}
