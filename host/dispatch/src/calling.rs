//! Requests of guests, and their calls of models, on their way out.
//!
//! Invariant: nothing leaves before the frames are durable that it follows from: an attempt may begin earlier, and waits here. A question of a
//! delivery's to a model, which changes nothing outside, waits only for those that were there when the attempt began (`keeping.rs`).

use std::{collections::BTreeMap, sync::Arc};

use futures_util::future::BoxFuture;
use wharf_capability::{
    Asking, Calling, Filling, HeldSecrets, HttpFailed, HttpOut, HttpRequest, InferCall, InferFailed, InferOut,
    InferSpent, Inferring, LlmAnswer, LlmCall, LlmFailed, LlmOut, NotHeld, Opening, PromptCall,
};
use wharf_delivery::{Object, ObjectKind, ObjectName, SecretsObject};
use wharf_event::{Code, SecretName, TenantName};
use wharf_llm::Failed;

use crate::{
    outgoing::{Leaves, Outgoing},
    partition::Partition,
    rules::RuleSet,
    shared::Shared,
    watched as watch,
};

/// Why nothing leaves a host that stops.
pub(crate) const STOPS: &str = "the host takes nothing any more, so nothing leaves it";

/// The way out of every attempt.
#[derive(Clone)]
pub(crate) struct Calls {
    pub(crate) shared: Arc<Shared>,
    pub(crate) outgoing: Arc<dyn Outgoing>,
    pub(crate) partition: Partition,
    pub(crate) rules: watch::Receiver<Arc<RuleSet>>,
}

impl Calls {
    pub(crate) fn new(
        shared: Arc<Shared>,
        outgoing: Arc<dyn Outgoing>,
        partition: Partition,
        rules: watch::Receiver<Arc<RuleSet>>,
    ) -> Self {
        Self { shared, outgoing, partition, rules }
    }

    /// Asks a model, once frame `k` is durable.
    pub(crate) async fn asked(&self, call: LlmCall, k: u64) -> Result<LlmAnswer, LlmFailed> {
        let secrets = all_sealed(&self.shared, &call.tenant).map_err(unreadable)?;
        if !self.shared.may_leave_from(k).await {
            return Err(ends());
        }
        self.outgoing.ask(call, secrets, Arc::new(self.clone())).await
    }
}

/// The host stops, so no call is made and no answer is given.
pub(crate) fn ends() -> LlmFailed {
    Failed::Overloaded(STOPS.to_owned()).into()
}

/// The state cannot be read, or is not what it should be.
pub(crate) fn unreadable(reason: String) -> LlmFailed {
    LlmFailed::of(Code::Internal, Failed::Provider(reason))
}

impl HttpOut for Calls {
    fn call(&self, request: HttpRequest) -> Calling {
        let (shared, outgoing) = (Arc::clone(&self.shared), Arc::clone(&self.outgoing));
        Box::pin(async move {
            let mut request = request;
            sealed(&shared, &mut request)?;
            if !shared.may_leave().await {
                return Err(HttpFailed::new(Code::HttpUnreachable, STOPS));
            }
            outgoing.call(request).await
        })
    }

    fn leads(&self, host: &str) -> bool {
        self.outgoing.leads(host)
    }
}

/// The calls of who makes them for no delivery: nothing is kept of them.
impl LlmOut for Calls {
    fn ask(&self, call: LlmCall) -> Asking {
        let (calls, bytes_max) = (self.clone(), call.answer_bytes_max);
        let k = self.shared.read().k;
        Box::pin(async move { calls.asked(call, k).await?.within(bytes_max) })
    }

    fn fill(&self, call: PromptCall) -> Filling {
        let calls = self.clone();
        Box::pin(async move { calls.filled(&call) })
    }
}

/// A question waits for no frame, unless its model runs elsewhere: then it waits where it leaves.
impl InferOut for Calls {
    fn infer(&self, call: InferCall) -> Inferring {
        let name = ObjectName::from(&call.model);
        let model = Object::get(&self.shared.read().state, &call.tenant, ObjectKind::Model, &name);
        match model {
            Ok(model) => self.outgoing.infer(call, model, Arc::new(self.clone())),
            Err(error) => {
                let why = wharf_infer::Failed::Host(format!("the models cannot be read: {error}"));
                Box::pin(async { Err(InferFailed::Asked(why, InferSpent::default())) })
            }
        }
    }
}

impl Calls {
    /// The way to models of an attempt, which is the first of its delivery or is not.
    pub(crate) fn inferring(self: &Arc<Self>, is_first: bool) -> Arc<dyn InferOut> {
        if is_first { Arc::<Self>::clone(self) } else { Arc::new(Again(Arc::clone(self))) }
    }
}

/// The way to models of an attempt that is not the first.
struct Again(Arc<Calls>);

impl InferOut for Again {
    fn infer(&self, call: InferCall) -> Inferring {
        self.0.infer(InferCall { is_first: false, ..call })
    }
}

impl Leaves for Calls {
    fn leave(&self, tenant: &TenantName) -> BoxFuture<'static, Result<BTreeMap<SecretName, String>, HttpFailed>> {
        let (sealed, shared) = (all_sealed(&self.shared, tenant), Arc::clone(&self.shared));
        Box::pin(async move {
            let sealed = sealed.map_err(|reason| HttpFailed::new(Code::Internal, reason))?;
            if !shared.may_leave().await {
                return Err(HttpFailed::new(Code::HttpUnreachable, STOPS));
            }
            Ok(sealed)
        })
    }
}

/// A value is read of what is sequenced, as an attempt reads all else: what a handler makes of it comes later in the same log, or waits where it
/// leaves the host. Whoever answers a request waits for it (`answering.rs`).
impl HeldSecrets for Calls {
    fn open(&self, tenant: &TenantName, secret: &SecretName) -> Opening {
        let sealed = kept(&self.shared, tenant).map_err(|reason| NotHeld { code: Code::Internal, reason });
        let sealed = sealed.and_then(|kept| {
            let found = kept.secrets.get(secret).map(|found| found.sealed.clone());
            found.ok_or_else(|| NotHeld { code: Code::SecretUnknown, reason: no_secret(secret) })
        });
        let opened = sealed.and_then(|sealed| self.outgoing.open(tenant, secret, &sealed));
        Box::pin(async { opened })
    }
}

fn no_secret(name: &SecretName) -> String {
    format!("there is no secret `{name}`: `wharf secret set {name}` keeps one")
}

/// The secrets of a tenant, as they are kept at this moment.
fn kept(shared: &Shared, tenant: &TenantName) -> Result<SecretsObject, String> {
    let object = Object::get(&shared.read().state, tenant, ObjectKind::Secrets, &ObjectName::from(tenant));
    let object = object.map_err(|error| format!("the secrets cannot be read: {error}"))?;
    let kept = object.map(|object| serde_json::from_slice::<SecretsObject>(&object.document)).transpose();
    Ok(kept.map_err(|error| format!("the secrets cannot be read: {error}"))?.unwrap_or_default())
}

/// The same by their names, sealed.
fn all_sealed(shared: &Shared, tenant: &TenantName) -> Result<BTreeMap<SecretName, String>, String> {
    Ok(kept(shared, tenant)?.secrets.into_iter().map(|(name, secret)| (name, secret.sealed)).collect())
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
            return Err(HttpFailed::new(Code::SecretUnknown, no_secret(name)));
        };
        sealed.clone_from(&found.sealed);
    }
    Ok(())
}
