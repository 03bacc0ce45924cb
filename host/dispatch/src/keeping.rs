//! The way to models of the attempts of one delivery: what was answered once is given again.
//!
//! Invariant: an answer that may be paid for is on its way to the log before anything else can happen to its attempt. So it stands there before all that
//! comes of it, and nothing that comes of it leaves the host before it is durable, but questions to models. A delivery pays once for what its
//! attempts ask as the same call, unless the host is killed before the log has the answer. Whoever finds no room for another answer asks nobody.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicU64, Ordering},
};

use wharf_capability::{Asking, Filling, LlmAnswer, LlmCall, LlmFailed, LlmKeeping, LlmOut, LlmSpent, PromptCall};
use wharf_delivery::{
    DeliveryId, KeepRequest, Refused, Request, TableError, answers_are_full, answers_left, kept_answer,
    limits::ANSWERS_PER_DELIVERY_MAX,
};
use wharf_event::{Code, Digest, Grants, Target};
use wharf_llm::{Failed, Kept, Usage};

use crate::{
    calling::{Calls, ends, unreadable},
    partition::{AskError, chain},
};

/// Bytes that a row takes beside its answer, at most.
const ROW: u64 = 512;

/// Models, for the attempts of a delivery.
#[derive(Clone)]
pub(crate) struct OfDelivery {
    calls: Arc<Calls>,
    delivery: DeliveryId,
    target: Target,
    /// The frame that the state had when the attempt began: its event, and what its configuration follows from, are in it or earlier.
    began_k: u64,
    left: Arc<Left>,
}

/// Bytes of answers for which the delivery has room, by what the attempt's first call found and what was kept since. Only one attempt of a delivery
/// runs at a time.
#[derive(Default)]
struct Left(OnceLock<AtomicU64>);

impl Left {
    /// Takes the room of an answer, if it is there for sure.
    fn takes(&self, keep: &KeepRequest) -> bool {
        let bytes = keep.answer.len() as u64 + ROW;
        let less = |left: u64| left.checked_sub(bytes);
        let took = |left: &AtomicU64| left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok();
        keep.call <= ANSWERS_PER_DELIVERY_MAX && self.0.get().is_some_and(took)
    }
}

/// The way to models of an attempt. Most may not ask any: nothing is made for those.
pub(crate) fn models(calls: &Arc<Calls>, grants: &Grants, delivery: DeliveryId, target: &Target) -> Arc<dyn LlmOut> {
    if grants.llm.is_empty() {
        return Arc::<Calls>::clone(calls);
    }
    let (began_k, left) = (calls.shared.read().k, Arc::default());
    Arc::new(OfDelivery { calls: Arc::clone(calls), delivery, target: target.clone(), began_k, left })
}

impl LlmOut for OfDelivery {
    fn ask(&self, call: LlmCall) -> Asking {
        let (this, bytes_max) = (self.clone(), call.answer_bytes_max);
        Box::pin(async move { this.answered(call).await?.within(bytes_max) })
    }

    fn fill(&self, call: PromptCall) -> Filling {
        self.calls.fill(call)
    }
}

impl OfDelivery {
    async fn answered(&self, call: LlmCall) -> Result<LlmAnswer, LlmFailed> {
        let (tenant, number, request) = (call.tenant.clone(), call.number, digest(&call));
        if let Some(kept) = self.before(&call, &request)? {
            let cached = kept.is_cached();
            let (model, came) = kept.into_parts();
            let (model, keeping) = (model.parse().ok(), LlmKeeping::Before);
            let spent = LlmSpent { model, keeping, cached, ..LlmSpent::default() };
            return match came {
                Ok(told) => Ok(LlmAnswer { told, spent }),
                Err(why) => Err(LlmFailed { why, code: None, spent: Box::new(spent) }),
            };
        }
        let mut asked = self.calls.asked(call, self.began_k).await;
        let answer = worth_keeping(&asked).map(|kept| kept.to_bytes().into());
        let Some(answer) = answer else { return asked };
        let (target, delivery) = (self.target.clone(), self.delivery);
        let keep = KeepRequest { tenant, target, delivery, call: number, request, answer };
        let keeping = self.keep(keep).await?;
        match &mut asked {
            Ok(answer) => answer.spent.keeping = keeping,
            Err(failed) => failed.spent.keeping = keeping,
        }
        asked
    }

    /// Keeps an answer. Where there is room for sure nobody waits for the log: what the guest makes of the answer comes behind it.
    async fn keep(&self, keep: KeepRequest) -> Result<LlmKeeping, LlmFailed> {
        if self.left.takes(&keep) {
            self.calls.partition.tell(Request::Keep(keep));
            return Ok(LlmKeeping::Kept);
        }
        match self.calls.partition.keep(keep).await {
            Ok(_) => Ok(LlmKeeping::Kept),
            // It is settled, so there is no other attempt.
            Err(AskError::Refused(Refused::Gone)) => Ok(LlmKeeping::No),
            Err(AskError::Failed(_) | AskError::Stopping) => Err(ends()),
            Err(AskError::Refused(_) | AskError::TooLarge { .. }) => Ok(LlmKeeping::NoRoom),
        }
    }

    /// What an attempt before was answered. Where there is nothing, there is room for another answer.
    fn before(&self, call: &LlmCall, request: &Digest) -> Result<Option<Kept>, LlmFailed> {
        let failed = |error: TableError| unreadable(format!("what models answered cannot be read: {}", chain(&error)));
        let (found, is_full) = {
            let sequenced = self.calls.shared.read();
            let state = &sequenced.state;
            if self.left.0.get().is_none() {
                let left = answers_left(state, &call.tenant, self.delivery).map_err(failed)?;
                self.left.0.get_or_init(|| AtomicU64::new(left));
            }
            let found = kept_answer(state, (&call.tenant, self.delivery, call.number), request).map_err(failed)?;
            (found, answers_are_full(state, &call.tenant).map_err(failed)?)
        };
        if let Some(bytes) = found {
            let kept = Kept::from_bytes(&bytes);
            if kept.is_none() {
                tracing::warn!(
                    tenant = %call.tenant, delivery = %self.delivery, call = call.number,
                    "what a model answered was kept by another version of the host, and is asked again"
                );
            }
            return Ok(kept);
        }
        if is_full {
            let why = "what models answered for deliveries that are not settled takes all the room that the tenant has for it";
            return Err(LlmFailed::of(Code::LimitLlm, Failed::Overloaded(why.to_owned())));
        }
        Ok(None)
    }
}

/// What is asked, and by which route.
fn digest(call: &LlmCall) -> Digest {
    Digest::of(&[call.route.as_str().as_bytes(), &[0], &call.ask.to_bytes()].concat())
}

/// What is to be kept: answers of somebody outside, and refusals that were paid for.
fn worth_keeping(asked: &Result<LlmAnswer, LlmFailed>) -> Option<Kept> {
    let (came, spent) = match asked {
        Ok(LlmAnswer { told, spent }) => (Ok(told), spent),
        Err(LlmFailed { why, spent, .. }) if spent.usage != Usage::default() => (Err(why), spent.as_ref()),
        Err(_) => return None,
    };
    let model = spent.model.as_ref().map_or("", |model| model.as_str());
    if spent.outside { Kept::of(model, came, spent.cached) } else { None }
}
