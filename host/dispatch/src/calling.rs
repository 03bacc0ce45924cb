//! Requests of guests, and their calls of models, on their way out.
//!
//! Invariant: nothing leaves before the frames are durable that it follows from: an attempt may begin earlier, and waits here.

use std::{collections::BTreeMap, sync::Arc};

use wharf_capability::{Asking, Calling, HttpFailed, HttpOut, HttpRequest, LlmCall, LlmFailed, LlmOut};
use wharf_delivery::{Object, ObjectKind, ObjectName, SecretsObject};
use wharf_event::{Code, SecretName, TenantName};
use wharf_llm::Failed;

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

impl LlmOut for Calls {
    fn ask(&self, call: LlmCall) -> Asking {
        let (shared, outgoing) = (Arc::clone(&self.shared), Arc::clone(&self.outgoing));
        Box::pin(async move {
            let damaged = |reason| LlmFailed::of(Code::Internal, Failed::Provider(reason));
            let secrets: BTreeMap<SecretName, String> = kept(&shared, &call.tenant)
                .map_err(damaged)?
                .secrets
                .into_iter()
                .map(|(name, secret)| (name, secret.sealed))
                .collect();
            if shared.read_durable(|_| ()).await.is_none() {
                let reason = "the host takes nothing any more, so nothing leaves it";
                return Err(Failed::Overloaded(reason.to_owned()).into());
            }
            outgoing.ask(call, secrets).await
        })
    }
}

/// The secrets of a tenant, as they are kept at this moment.
fn kept(shared: &Shared, tenant: &TenantName) -> Result<SecretsObject, String> {
    let object = Object::get(&shared.read().state, tenant, ObjectKind::Secrets, &ObjectName::from(tenant));
    let object = object.map_err(|error| format!("the secrets cannot be read: {error}"))?;
    let kept = object.map(|object| serde_json::from_slice::<SecretsObject>(&object.document)).transpose();
    Ok(kept.map_err(|error| format!("the secrets cannot be read: {error}"))?.unwrap_or_default())
}

/// Adds the secrets of a request.
fn sealed(shared: &Shared, request: &mut HttpRequest) -> Result<(), HttpFailed> {
    if request.secrets.is_empty() {
        return Ok(());
    }
    let kept = kept(shared, &request.tenant).map_err(|reason| HttpFailed::new(Code::Internal, reason))?;
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
