//! Port: replays, begun, cancelled, let go of, and read.

use std::future::Future;

use wharf_event::{ReplayName, TenantName};

use super::{Put, Refusal};
use crate::view::{ReplayView, ReplayWishView};

/// One replay by its names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplayRef {
    /// Whose replay.
    pub tenant: TenantName,
    /// The replay.
    pub replay: ReplayName,
}

/// Lets a tenant's events of the archive be owed again.
pub trait Replays: Clone + Send + Sync + 'static {
    /// The replays by name, those that are over among them: those behind `after` only, at most `limit`. Only an empty page is the end.
    fn replays(
        &self,
        tenant: &TenantName,
        after: Option<ReplayName>,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<ReplayView>, Refusal>> + Send;

    /// One replay.
    fn replay(&self, of: ReplayRef) -> impl Future<Output = Result<ReplayView, Refusal>> + Send;

    /// Begins a replay of what the archive has now. The same wish again changes nothing.
    fn begin_replay(
        &self,
        of: ReplayRef,
        wish: ReplayWishView,
    ) -> impl Future<Output = Result<Put<ReplayView>, Refusal>> + Send;

    /// Ends a replay where it is. One that is over stays as it is.
    fn cancel_replay(&self, of: ReplayRef) -> impl Future<Output = Result<ReplayView, Refusal>> + Send;

    /// Lets go of a replay that is over.
    fn remove_replay(&self, of: ReplayRef) -> impl Future<Output = Result<(), Refusal>> + Send;
}
