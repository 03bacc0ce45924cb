//! What can go wrong with a registry, each with its code.
//!
//! Invariant: a registry's own words are cut, and nothing of what it was shown is in them.

use oci_client::errors::{OciDistributionError, OciErrorCode};
use wharf_event::Code;

use crate::{
    limits::{COMPONENT_BYTES_MAX, WORDS_CHARS_MAX},
    reference::{NoReference, Reference},
};

/// Why there is no component, or it is not pushed.
#[derive(Debug, thiserror::Error)]
pub enum OciError {
    /// The text names nothing.
    #[error(transparent)]
    Reference(#[from] NoReference),
    /// The credentials cannot be read.
    #[error("the credentials of docker's configuration cannot be used: {0}")]
    Credentials(String),
    /// There is nothing of that name.
    #[error("the registry has no {0}")]
    Unknown(Reference),
    /// The registry does not allow it.
    #[error("the registry does not allow it with what it was shown for {0}")]
    Denied(Reference),
    /// The registry does not answer as it should.
    #[error("the registry {registry} does not do it: {reason}")]
    Unavailable {
        /// Which.
        registry: String,
        /// In its words, or in those of the connection.
        reason: String,
    },
    /// It is something else.
    #[error("{reference} is no component: {reason}")]
    Foreign {
        /// Which.
        reference: Reference,
        /// What it is.
        reason: String,
    },
    /// It is larger than a host takes.
    #[error("{reference} has a component of {bytes} bytes, and {COMPONENT_BYTES_MAX} is the most")]
    TooLarge {
        /// Which.
        reference: Reference,
        /// How large it is said to be.
        bytes: u64,
    },
    /// What came is not what was named.
    #[error("what the registry gave for {0} is not what its digest says")]
    Digest(Reference),
}

impl OciError {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::Reference(_) => Code::OciReference,
            Self::Credentials(_) | Self::Denied(_) => Code::OciDenied,
            Self::Unknown(_) => Code::OciUnknown,
            Self::Unavailable { .. } => Code::OciUnavailable,
            Self::Foreign { .. } => Code::OciForeign,
            Self::TooLarge { .. } => Code::ComponentTooLarge,
            Self::Digest(_) => Code::OciDigest,
        }
    }

    /// What the client says, understood.
    pub(crate) fn of(reference: &Reference, error: &OciDistributionError) -> Self {
        use OciDistributionError as E;
        let unavailable = |reason: String| Self::Unavailable {
            registry: reference.registry().to_owned(),
            reason: reason.chars().take(WORDS_CHARS_MAX).collect(),
        };
        let status = |code: u16, reason: String| match code {
            401 | 403 => Self::Denied(reference.clone()),
            404 => Self::Unknown(reference.clone()),
            _ => unavailable(reason),
        };
        match error {
            E::AuthenticationFailure(_) | E::UnauthorizedError { .. } => Self::Denied(reference.clone()),
            E::ImageManifestNotFoundError(_) => Self::Unknown(reference.clone()),
            E::DigestError(_) => Self::Digest(reference.clone()),
            E::ServerError { code, message, .. } => status(*code, format!("status {code}: {message}")),
            E::RequestError(error) => match error.status() {
                Some(code) => status(code.as_u16(), format!("status {code}")),
                None => unavailable(innermost(error)),
            },
            E::RegistryError { envelope, .. } => {
                let has = |codes: &[OciErrorCode]| envelope.errors.iter().any(|error| codes.contains(&error.code));
                if has(&[OciErrorCode::Unauthorized, OciErrorCode::Denied]) {
                    Self::Denied(reference.clone())
                } else if has(&[
                    OciErrorCode::ManifestUnknown,
                    OciErrorCode::NameUnknown,
                    OciErrorCode::NotFound,
                    OciErrorCode::BlobUnknown,
                ]) {
                    Self::Unknown(reference.clone())
                } else {
                    unavailable(envelope.to_string())
                }
            }
            other => unavailable(other.to_string()),
        }
    }
}

/// What lies at the bottom; the layers above only say that it failed.
fn innermost(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source()).last().map(ToString::to_string).unwrap_or_default()
}
