//! Port: a tenant's secrets. A value goes in and never comes out.

use std::future::Future;

use wharf_event::{SecretName, TenantName};

use super::{Put, Refusal};
use crate::view::{KeptSecretView, SecretDraft};

/// One secret by its names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretRef {
    /// Whose secret.
    pub tenant: TenantName,
    /// The secret.
    pub secret: SecretName,
}

/// Reads what there is to know of secrets, and changes them. A change holds for every request that leaves after its answer.
pub trait Secrets: Clone + Send + Sync + 'static {
    /// All of them by name.
    fn secrets(&self, tenant: &TenantName) -> impl Future<Output = Result<Vec<KeptSecretView>, Refusal>> + Send;

    /// Puts a value in the place of what there was.
    fn put_secret(
        &self,
        of: SecretRef,
        draft: SecretDraft,
    ) -> impl Future<Output = Result<Put<KeptSecretView>, Refusal>> + Send;

    /// Removes a secret.
    fn remove_secret(&self, of: SecretRef) -> impl Future<Output = Result<(), Refusal>> + Send;
}
