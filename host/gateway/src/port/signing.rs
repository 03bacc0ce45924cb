//! Port: the keys that sign a tenant's releases.

use std::future::Future;

use wharf_event::{SigningKeyName, TenantName};

use super::{Put, Refusal};
use crate::view::{SigningKeyDraft, SigningKeyView};

/// One key by its names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigningKeyRef {
    /// Whose key.
    pub tenant: TenantName,
    /// What the tenant calls it.
    pub key: SigningKeyName,
}

/// Reads and changes the keys of a tenant.
pub trait Signing: Clone + Send + Sync + 'static {
    /// All of them, revoked ones too, in the order in which they were registered.
    fn keys(&self, tenant: &TenantName) -> impl Future<Output = Result<Vec<SigningKeyView>, Refusal>> + Send;

    /// Registers a key. One that is registered under this name already stays as it is.
    fn add_key(
        &self,
        of: SigningKeyRef,
        draft: SigningKeyDraft,
    ) -> impl Future<Output = Result<Put<SigningKeyView>, Refusal>> + Send;

    /// Revokes a key, for good. It stays in the list.
    fn revoke_key(&self, of: SigningKeyRef) -> impl Future<Output = Result<SigningKeyView, Refusal>> + Send;
}
