//! Who makes a request, and what that one may meet.
//!
//! Every handler that names a tenant asks here ([`crate::params::Params`] does it for all of them), and so does what lists tenants. Until
//! there is identity everyone who reaches the port is the operator, since it listens on loopback only; what is another tenant's is
//! answered as what there is not.
//!
//! Invariant: there is no other way from a request to a tenant's name.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use http::request::Parts;
use wharf_event::TenantName;

/// Who makes a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Principal {
    /// Whoever runs the host: every tenant is theirs to see and to change.
    Operator,
}

impl Principal {
    /// Who is behind a request.
    fn of(_parts: &Parts) -> Self {
        Self::Operator
    }

    /// Whether a tenant is there, as far as this one is concerned.
    pub(crate) fn sees(&self, _tenant: &TenantName) -> bool {
        match self {
            Self::Operator => true,
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Principal {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        Ok(Self::of(parts))
    }
}
