//! The port to what is outside of the host: a request goes out, an answer or the lack of one comes back.
//!
//! Invariant: whoever stands behind it checks the address that it connects to, follows no redirect, and keeps to the time and the bytes that
//! the request says. Nothing here knows HTTP.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{FutureExt as _, future::BoxFuture};
use wharf_capability::{
    HttpAnswer, HttpFailed, HttpOut as _, HttpRequest, InferCall, InferFailed, InferOut as _, Inferred, LlmAnswer,
    LlmCall, LlmFailed, LlmOut as _, NoHttp, NoLlm, NoModels, NotHeld, Secret,
};
use wharf_catalog::PromptDocument;
use wharf_delivery::{Object, ReserveRequest, Reserved, SpendRequest};
use wharf_event::{Code, PromptName, SecretName, TenantName, WebhookName};
use wharf_llm::Failed;
use wharf_webhook::Message;

/// A request that leaves the host: a `POST`. Whoever sends it signs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutgoingRequest {
    /// Whose it is.
    pub tenant: TenantName,
    /// The webhook that it is of.
    pub webhook: WebhookName,
    /// Where it goes.
    pub url: String,
    /// What it says, not signed yet.
    pub message: Message,
    /// What it is to be signed with, as the log has it: the newest first.
    pub secrets: Vec<String>,
    /// Networks that it may reach though they are not public, as far as the operator grants them.
    pub networks: Vec<String>,
    /// How long all of it may take.
    pub timeout: Duration,
    /// How much of the answer's body is kept, in bytes.
    pub keep_bytes: usize,
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutgoingAnswer {
    /// Its status.
    pub status: u16,
    /// Names and values of its fields, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The first bytes of its body.
    pub body: Bytes,
    /// Whether there was more.
    pub is_cut: bool,
}

/// Why nothing came back.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct NoAnswer {
    /// The stable code.
    pub code: Code,
    /// What happened, in words.
    pub reason: String,
}

/// The books of what models cost.
pub trait Books: Send + Sync + 'static {
    /// Takes what asking a model may cost at most out of budgets. That is durable when it is answered.
    ///
    /// # Errors
    /// When a budget has not enough left.
    fn reserve(&self, request: ReserveRequest) -> BoxFuture<'static, Result<Reserved, Failed>>;

    /// Puts what it did cost in the place of that. It is on its way to the log when this returns.
    fn spend(&self, request: SpendRequest);
}

/// Lets what a guest asks of a model of its tenant leave the host.
pub trait Leaves: Send + Sync + 'static {
    /// Waits until every frame is durable that it may follow from. Gives the tenant's secrets as they are kept, sealed.
    fn leave(&self, tenant: &TenantName) -> BoxFuture<'static, Result<BTreeMap<SecretName, String>, HttpFailed>>;
}

/// Sends requests out of the host.
pub trait Outgoing: Send + Sync + 'static {
    /// Sends a request and waits for its answer.
    fn send(&self, request: OutgoingRequest) -> BoxFuture<'static, Result<OutgoingAnswer, NoAnswer>>;

    /// Sends a guest's request, and gives it up when the answer is not waited for any more.
    fn call(&self, request: HttpRequest) -> BoxFuture<'static, Result<HttpAnswer, HttpFailed>> {
        NoHttp.call(request)
    }

    /// Whether a grant of a tenant can lead a guest's request to a host.
    fn leads(&self, host: &str) -> bool {
        NoHttp.leads(host)
    }

    /// Asks a model for a guest, and gives it up when the answer is not waited for any more. The tenant's secrets go along as they are kept,
    /// sealed: which of them is needed follows from the route. What it may cost and does is written down in `books`.
    fn ask(
        &self,
        call: LlmCall,
        secrets: BTreeMap<SecretName, String>,
        books: Arc<dyn Books>,
    ) -> BoxFuture<'static, Result<LlmAnswer, LlmFailed>> {
        drop((secrets, books));
        NoLlm.ask(call)
    }

    /// The prompt of that name that the operator's file has. It stands before one that is a control object.
    fn prompt(&self, _tenant: &TenantName, _prompt: &PromptName) -> Option<PromptDocument> {
        None
    }

    /// Opens a secret of a tenant, for a guest that may hold it.
    ///
    /// # Errors
    /// When it does not open.
    fn open(&self, _tenant: &TenantName, secret: &SecretName, _sealed: &str) -> Result<Secret, NotHeld> {
        let reason = format!("the secret `{secret}` cannot be opened: this host has no key of secrets");
        Err(NotHeld { code: Code::SecretClosed, reason })
    }

    /// Asks a model of the tenant for a guest, and gives it up when the answer is not waited for any more. It runs beside the host; where it
    /// runs elsewhere nothing leaves before `leaves` lets it. `model` is its record, where there is one.
    fn infer(
        &self,
        call: InferCall,
        model: Option<Object>,
        leaves: Arc<dyn Leaves>,
    ) -> BoxFuture<'static, Result<Inferred, InferFailed>> {
        drop((model, leaves));
        NoModels.infer(call)
    }
}

/// Where there is no outside: every request fails.
#[derive(Clone, Copy, Debug)]
pub struct NoOutside;

impl Outgoing for NoOutside {
    fn send(&self, _: OutgoingRequest) -> BoxFuture<'static, Result<OutgoingAnswer, NoAnswer>> {
        let reason = "nothing leaves this host".to_owned();
        async { Err(NoAnswer { code: Code::WebhookUnreachable, reason }) }.boxed()
    }
}
