//! The way to models of the attempts of one delivery: what was answered once is given again.
//!
//! Invariant: an answer that may be paid for is on its way to the log before anything else can happen to its attempt, and durable before the guest has
//! it. So a delivery pays once for a question that its attempts ask as the same call, wherever the host is killed, but between the provider's
//! answer and the log. Whoever finds no room for another answer asks nobody.

use std::sync::Arc;

use wharf_capability::{Asking, Filling, LlmAnswer, LlmCall, LlmFailed, LlmKeeping, LlmOut, LlmSpent, PromptCall};
use wharf_delivery::{DeliveryId, KeepRequest, Refused, TableError, answers_are_full, kept_answer};
use wharf_event::{Code, Digest, Grants, Target};
use wharf_llm::{Failed, Kept, Usage};

use crate::{
    calling::{Calls, ends, unreadable},
    partition::{AskError, chain},
};

/// Models, for the attempts of a delivery.
#[derive(Clone)]
pub(crate) struct OfDelivery {
    calls: Arc<Calls>,
    delivery: DeliveryId,
    target: Target,
}

/// The way to models of an attempt. Most may not ask any: nothing is made for those.
pub(crate) fn models(calls: &Arc<Calls>, grants: &Grants, delivery: DeliveryId, target: &Target) -> Arc<dyn LlmOut> {
    if grants.llm.is_empty() {
        return Arc::<Calls>::clone(calls);
    }
    Arc::new(OfDelivery { calls: Arc::clone(calls), delivery, target: target.clone() })
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
            let (model, came) = kept.into_parts();
            let spent = LlmSpent { model: model.parse().ok(), keeping: LlmKeeping::Before, ..LlmSpent::default() };
            return match came {
                Ok(told) => Ok(LlmAnswer { told, spent }),
                Err(why) => Err(LlmFailed { why, code: None, spent: Box::new(spent) }),
            };
        }
        let mut asked = self.calls.asked(call).await;
        let answer = worth_keeping(&asked).map(|kept| kept.to_bytes().into());
        let Some(answer) = answer else { return asked };
        let (target, delivery) = (self.target.clone(), self.delivery);
        let keep = KeepRequest { tenant, target, delivery, call: number, request, answer };
        let keeping = match self.calls.partition.keep(keep).await {
            Ok(_) => LlmKeeping::Kept,
            // It is settled, so there is no other attempt.
            Err(AskError::Refused(Refused::Gone)) => LlmKeeping::No,
            Err(AskError::Failed(_) | AskError::Stopping) => return Err(ends()),
            Err(AskError::Refused(_) | AskError::TooLarge { .. }) => LlmKeeping::NoRoom,
        };
        match &mut asked {
            Ok(answer) => answer.spent.keeping = keeping,
            Err(failed) => failed.spent.keeping = keeping,
        }
        asked
    }

    /// What an attempt before was answered. Where there is nothing, there is room for another answer.
    fn before(&self, call: &LlmCall, request: &Digest) -> Result<Option<Kept>, LlmFailed> {
        let failed = |error: TableError| unreadable(format!("what models answered cannot be read: {}", chain(&error)));
        let (found, is_full) = {
            let shared = self.calls.shared.read();
            let found = kept_answer(&shared.state, (&call.tenant, self.delivery, call.number), request);
            (found.map_err(failed)?, answers_are_full(&shared.state, &call.tenant).map_err(failed)?)
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
    if spent.outside { Kept::of(model, came) } else { None }
}
