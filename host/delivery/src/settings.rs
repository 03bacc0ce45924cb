//! What holds for a tenant as a whole, wherever the tenant was made: in the configuration file, or by the API.
//!
//! Invariant: a setting that is not said has its default, and is not written.

use serde::{Deserialize, Serialize};

/// What holds for a tenant as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TenantSettings {}

impl TenantSettings {
    /// Whether nothing is said.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}
