//! Port: routes, read and changed.

use std::future::Future;

use bytes::Bytes;
use wharf_event::{RoutePath, TenantName};

use super::{Expected, Put, Refusal};
use crate::view::RouteView;

/// One route by its tenant and its path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteRef {
    /// Whose route.
    pub tenant: TenantName,
    /// Its path.
    pub route: RoutePath,
}

/// Reads and changes a tenant's routes. A change holds for every request after its answer.
pub trait TenantRoutes: Clone + Send + Sync + 'static {
    /// The routes by path, those behind `after` only, at most `limit`. Only an empty page is the end.
    fn tenant_routes(
        &self,
        tenant: &TenantName,
        after: Option<RoutePath>,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<RouteView>, Refusal>> + Send;

    /// One route.
    fn tenant_route(&self, of: RouteRef) -> impl Future<Output = Result<RouteView, Refusal>> + Send;

    /// Puts a route in the place of the one that has its path: `document` is JSON as it was sent. An equal one changes nothing.
    fn put_tenant_route(
        &self,
        of: RouteRef,
        document: Bytes,
        expected: Expected,
    ) -> impl Future<Output = Result<Put<RouteView>, Refusal>> + Send;

    /// Removes a route.
    fn remove_tenant_route(&self, of: RouteRef, expected: Expected)
    -> impl Future<Output = Result<(), Refusal>> + Send;
}
