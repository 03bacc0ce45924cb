//! The port behind outgoing HTTP: a request that was allowed goes in, an answer or the lack of one comes back.
//!
//! Invariant: whoever stands behind it checks the address that is connected to, follows no redirect, and keeps to the time and the bytes that
//! the request says. Both bodies are whole: nothing is half sent when an attempt ends.

use std::{pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use tokio::sync::{Semaphore, SemaphorePermit};
use wharf_event::{Code, PluginName, SecretUse, TenantName};

/// A request of a guest.
#[derive(Clone, Debug)]
pub struct HttpRequest {
    /// Whose it is.
    pub tenant: TenantName,
    /// Which plugin's.
    pub plugin: PluginName,
    /// What allows it: connections are not shared between those that differ in this.
    pub policy: Arc<str>,
    /// Its method.
    pub method: Method,
    /// Where it goes: an absolute URL.
    pub url: String,
    /// Its fields, but for those that say where it goes and how long it is.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
    /// What the host puts into its fields and its query: each with the secret as it is kept, sealed. Only the first half is known where it begins.
    pub secrets: Vec<(SecretUse, String)>,
    /// Whether it may reach what is not public, as far as the operator lets it be reached.
    pub private: bool,
    /// How long all of it may take.
    pub timeout: Duration,
    /// Room for the answer's body, a byte a permit, which all requests of an attempt share: what is kept of it takes them and gives none back.
    pub room: Arc<Semaphore>,
}

impl HttpRequest {
    /// Takes room for so many bytes of the answer; false when there is less.
    #[must_use]
    pub fn takes_room(&self, bytes: usize) -> bool {
        let taken = u32::try_from(bytes).ok().and_then(|bytes| self.room.try_acquire_many(bytes).ok());
        taken.map(SemaphorePermit::forget).is_some()
    }
}

/// What came back.
#[derive(Clone, Debug)]
pub struct HttpAnswer {
    /// Its status.
    pub status: StatusCode,
    /// Its fields.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
    /// How long it took.
    pub took: Duration,
}

/// Why nothing came back.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct HttpFailed {
    /// The stable code.
    pub code: Code,
    /// What happened, in words.
    pub reason: String,
    /// Bytes of an answer that came all the same.
    pub bytes_in: u64,
    /// Whether the other side may have done what was asked.
    pub may_be_done: bool,
    /// Whether a grant to addresses that are not public can lead there, as far as it is known: not to many at once, nor to what tells a machine its secrets.
    pub may_be_granted: bool,
}

impl HttpFailed {
    /// Nothing came.
    pub fn new(code: Code, reason: impl Into<String>) -> Self {
        Self { code, reason: reason.into(), bytes_in: 0, may_be_done: false, may_be_granted: false }
    }
}

/// What comes of a request.
pub type Calling = Pin<Box<dyn Future<Output = Result<HttpAnswer, HttpFailed>> + Send>>;

/// Sends requests out of the host.
pub trait HttpOut: Send + Sync {
    /// Sends a request and waits for its answer. It is given up where nobody waits any more.
    fn call(&self, request: HttpRequest) -> Calling;

    /// Whether a grant of the tenant can lead to a host: not where it is an address that nobody's plugins reach.
    fn leads(&self, _host: &str) -> bool {
        true
    }
}

/// What is said where none can.
pub const LEADS_NOWHERE: &str = "; no grant of a tenant leads there";

/// Where there is no outside: every request fails.
#[derive(Clone, Copy, Debug)]
pub struct NoHttp;

impl HttpOut for NoHttp {
    fn call(&self, _: HttpRequest) -> Calling {
        Box::pin(async { Err(HttpFailed::new(Code::HttpUnreachable, "nothing leaves this host")) })
    }
}
