//! Requests of guests on their way out.
//!
//! Invariant: nothing leaves before the frames are durable that it follows from: an attempt may begin earlier, and waits here.

use std::sync::Arc;

use wharf_capability::{Calling, HttpFailed, HttpOut, HttpRequest};
use wharf_event::Code;

use crate::{outgoing::Outgoing, shared::Shared};

/// The way out of every attempt.
pub(crate) struct Calls {
    shared: Arc<Shared>,
    outgoing: Arc<dyn Outgoing>,
}

impl Calls {
    pub(crate) fn new(shared: Arc<Shared>, outgoing: Arc<dyn Outgoing>) -> Self {
        Self { shared, outgoing }
    }
}

impl HttpOut for Calls {
    fn call(&self, request: HttpRequest) -> Calling {
        let (shared, outgoing) = (Arc::clone(&self.shared), Arc::clone(&self.outgoing));
        Box::pin(async move {
            if shared.read_durable(|_| ()).await.is_none() {
                let reason = "the host takes nothing any more, so nothing leaves it";
                return Err(HttpFailed::new(Code::HttpUnreachable, reason));
            }
            outgoing.call(request).await
        })
    }
}
