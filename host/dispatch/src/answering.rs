//! What the host tells plugins that answer requests, beside keys and values: only what is durable, since their answer may leave without waiting for a
//! frame.
//!
//! Invariant: nothing that such a guest is told here follows from a frame that may never be there. Handlers are told it earlier (`calling.rs`): what
//! they do comes later in the same log. For keys and values the answer waits, in `bringing.rs`.

use std::sync::Arc;

use wharf_capability::{
    Asking, Filling, HeldSecrets, InferCall, InferFailed, InferOut, InferSpent, Inferring, LlmCall, LlmOut, NotHeld,
    Opening, PromptCall,
};
use wharf_event::{Code, SecretName, TenantName};

use crate::calling::{Calls, STOPS, ends};

/// The way out of whoever answers a request.
pub(crate) struct Answering(pub(crate) Arc<Calls>);

/// What came of a wish, when all is durable that it may follow from.
async fn when_durable<T, E>(calls: &Calls, wish: impl Future<Output = Result<T, E>>, ends: E) -> Result<T, E> {
    let came = wish.await;
    calls.shared.read_durable(|_| ()).await.map_or(Err(ends), |()| came)
}

impl HeldSecrets for Answering {
    fn open(&self, tenant: &TenantName, secret: &SecretName) -> Opening {
        let (calls, opening) = (Arc::clone(&self.0), self.0.open(tenant, secret));
        let ends = NotHeld { code: Code::Internal, reason: STOPS.to_owned() };
        Box::pin(async move { when_durable(&calls, opening, ends).await })
    }
}

impl InferOut for Answering {
    fn infer(&self, call: InferCall) -> Inferring {
        let (calls, inferring) = (Arc::clone(&self.0), self.0.infer(call));
        let ends = InferFailed::Asked(wharf_infer::Failed::Host(STOPS.to_owned()), InferSpent::default());
        Box::pin(async move { when_durable(&calls, inferring, ends).await })
    }
}

impl LlmOut for Answering {
    /// It leaves the host, and waits before it does.
    fn ask(&self, call: LlmCall) -> Asking {
        self.0.ask(call)
    }

    fn fill(&self, call: PromptCall) -> Filling {
        let (calls, filling) = (Arc::clone(&self.0), self.0.fill(call));
        Box::pin(async move { when_durable(&calls, filling, ends()).await })
    }
}
