//! Requests of guests on their way out.
//!
//! Invariant: nothing leaves before the frames are durable that it follows from: an attempt may begin earlier, and waits here.

use std::sync::Arc;

use wharf_capability::{Calling, HttpFailed, HttpOut, HttpRequest};
use wharf_delivery::{Object, ObjectKind, ObjectName, SecretsObject};
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
            let mut request = request;
            sealed(&shared, &mut request)?;
            if shared.read_durable(|_| ()).await.is_none() {
                let reason = "the host takes nothing any more, so nothing leaves it";
                return Err(HttpFailed::new(Code::HttpUnreachable, reason));
            }
            outgoing.call(request).await
        })
    }
}

/// Adds the secrets of a request, as they are kept at this moment.
fn sealed(shared: &Shared, request: &mut HttpRequest) -> Result<(), HttpFailed> {
    if request.secrets.is_empty() {
        return Ok(());
    }
    let damaged = |reason: String| HttpFailed::new(Code::Internal, reason);
    let name = ObjectName::from(&request.tenant);
    let object = Object::get(&shared.read().state, &request.tenant, ObjectKind::Secrets, &name);
    let object = object.map_err(|error| damaged(format!("the secrets cannot be read: {error}")))?;
    let kept = object.map(|object| serde_json::from_slice::<SecretsObject>(&object.document)).transpose();
    let kept = kept.map_err(|error| damaged(format!("the secrets cannot be read: {error}")))?.unwrap_or_default();
    for (used, sealed) in &mut request.secrets {
        let name = used.secret();
        let Some(found) = kept.secrets.get(name) else {
            let reason = format!("there is no secret `{name}`: `wharf secret set {name}` keeps one");
            return Err(HttpFailed::new(Code::SecretUnknown, reason));
        };
        sealed.clone_from(&found.sealed);
    }
    Ok(())
}
