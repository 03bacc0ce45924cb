//! Secrets of the plugin's tenant that it holds itself, where it is granted them.
//!
//! Invariant: a value is read where it is asked for, and is as it is kept at that time. The host takes it out of what the plugin logs and of the
//! reasons that it gives; what it publishes, stores, sends and answers is as it says.

use crate::secrets_bindings::wharf::secrets::held as contract;

/// Why there is no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SecretError {
    /// No grant of the plugin lets it hold the secret. The attempt's log has the line that would.
    #[error("the secret is not granted: {0}")]
    Denied(String),
    /// The tenant has no such secret.
    #[error("{0}")]
    Unknown(String),
    /// It is kept and cannot be opened, or the host failed.
    #[error("{0}")]
    Unavailable(String),
}

impl From<contract::SecretError> for SecretError {
    fn from(error: contract::SecretError) -> Self {
        match error {
            contract::SecretError::Denied(why) => Self::Denied(why),
            contract::SecretError::Unknown(why) => Self::Unknown(why),
            contract::SecretError::Unavailable(why) => Self::Unavailable(why),
        }
    }
}
