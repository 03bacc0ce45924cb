//! Port: tenants and their event buses.

use std::future::Future;

use bytes::Bytes;
use wharf_event::{BusName, TenantName};

use super::{Expected, Refusal};
use crate::view::{BusView, TenantView, TenantsView};

/// One event bus by its names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BusRef {
    /// Whose bus.
    pub tenant: TenantName,
    /// The bus.
    pub bus: BusName,
}

/// Something that was put.
#[derive(Clone, Debug)]
pub struct Put<T> {
    /// It, as it is from now on.
    pub now: T,
    /// Whether there was none of that name.
    pub created: bool,
}

/// Reads and changes tenants and their event buses.
pub trait Tenants: Clone + Send + Sync + 'static {
    /// The names of all tenants.
    fn tenants(&self) -> TenantsView;

    /// One tenant.
    fn tenant(&self, tenant: &TenantName) -> impl Future<Output = Result<TenantView, Refusal>> + Send;

    /// Makes a tenant, or gives one other settings: `settings` is JSON as it was sent.
    fn put_tenant(
        &self,
        tenant: TenantName,
        settings: Bytes,
        expected: Expected,
    ) -> impl Future<Output = Result<Put<TenantView>, Refusal>> + Send;

    /// Deletes a tenant with all that it has. It is unknown when this has answered; its data go behind that.
    fn delete_tenant(&self, tenant: TenantName, expected: Expected)
    -> impl Future<Output = Result<(), Refusal>> + Send;

    /// The buses of a tenant by name, those behind `after` only, at most `limit`. Only an empty page is the end.
    fn buses(
        &self,
        tenant: &TenantName,
        after: Option<BusName>,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<BusView>, Refusal>> + Send;

    /// One bus.
    fn bus(&self, of: BusRef) -> impl Future<Output = Result<BusView, Refusal>> + Send;

    /// Makes a bus, or changes how long it keeps its events: `settings` is JSON as it was sent.
    fn put_bus(
        &self,
        of: BusRef,
        settings: Bytes,
        expected: Expected,
    ) -> impl Future<Output = Result<Put<BusView>, Refusal>> + Send;

    /// Removes a bus that no rule and no schema needs.
    fn remove_bus(&self, of: BusRef, expected: Expected) -> impl Future<Output = Result<(), Refusal>> + Send;
}
