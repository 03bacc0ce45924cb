//! Port: requests that a tenant's plugins answer.

use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use wharf_event::TenantName;

use super::Refusal;

/// A body, piece by piece.
pub type Pieces = UnsyncBoxBody<Bytes, Box<dyn std::error::Error + Send + Sync>>;

/// What a plugin answered.
#[derive(Debug)]
pub struct Served {
    /// The answer. What breaks off ends its connection.
    pub response: Response<Pieces>,
    /// The id that the request has in the logs.
    pub id: Arc<str>,
}

/// Why no plugin answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unserved {
    /// What whoever asked is told.
    pub refusal: Refusal,
    /// The methods that there are, where another one was asked for.
    pub allow: Option<String>,
    /// The id that the request has in the logs, if it has one.
    pub id: Option<Arc<str>>,
}

/// Answers requests by plugins.
pub trait Endpoints: Clone + Send + Sync + 'static {
    /// Answers a request; its target is the path beneath the tenant's.
    fn serve(
        &self,
        tenant: &TenantName,
        request: Request<Pieces>,
    ) -> impl Future<Output = Result<Served, Unserved>> + Send;
}
