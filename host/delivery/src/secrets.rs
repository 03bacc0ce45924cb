//! The secrets of a tenant as the log keeps them: sealed, each with a number that grows. What sealed them is not known here.
//!
//! Invariant: no value is in it in the clear, so neither the log, the state nor a copy of them has one.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use wharf_event::SecretName;

/// The document of a control object: all secrets of a tenant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretsObject {
    /// By their names.
    pub secrets: BTreeMap<SecretName, KeptSecret>,
}

/// One secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeptSecret {
    /// 1 for the first value, and one more for each that followed.
    pub version: u32,
    /// When this value came, in milliseconds since 1970.
    pub at_ms: u64,
    /// The value, sealed.
    pub sealed: String,
}

impl SecretsObject {
    /// Puts a value in the place of what there was.
    pub fn put(&mut self, name: SecretName, sealed: String, at_ms: u64) {
        let version = self.secrets.get(&name).map_or(0, |kept| kept.version).saturating_add(1);
        self.secrets.insert(name, KeptSecret { version, at_ms, sealed });
    }
}
