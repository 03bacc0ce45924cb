//! Port: what plugins may use.

use std::future::Future;

use wharf_event::Grants;

use super::{PluginRef, Refusal};
use crate::view::{Approval, GrantsDetail};

/// Reads and changes what a tenant grants to its plugins. A change holds for every attempt that begins after its answer.
pub trait Granting: Clone + Send + Sync + 'static {
    /// What a plugin is granted, and who waits for more.
    fn grants(&self, of: PluginRef) -> impl Future<Output = Result<GrantsDetail, Refusal>> + Send;

    /// Grants what a release asks for, or what is named.
    fn approve(&self, of: PluginRef, wish: Approval) -> impl Future<Output = Result<GrantsDetail, Refusal>> + Send;

    /// Takes back whatever these cover.
    fn revoke(&self, of: PluginRef, less: Grants) -> impl Future<Output = Result<GrantsDetail, Refusal>> + Send;
}
