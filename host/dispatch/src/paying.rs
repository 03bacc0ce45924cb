//! The books of what models cost: by way of the partition, as everything that lasts.
//!
//! Invariant: what is reserved is durable before a model is asked, and what it cost is in the log before the answer is (keeping.rs), by the order in which
//! both are told. Nothing is written down for a tenant that is gone.

use futures_util::{FutureExt as _, future::BoxFuture};
use wharf_delivery::{Answer, Refused, Request, ReserveRequest, Reserved, SpendRequest};
use wharf_llm::Failed;

use crate::{calling::Calls, outgoing::Books, partition::AskError};

impl Books for Calls {
    fn reserve(&self, request: ReserveRequest) -> BoxFuture<'static, Result<Reserved, Failed>> {
        let partition = self.partition.clone();
        async move {
            match partition.ask(Request::Reserve(Box::new(request))).await {
                Ok(Answer::Reserved(reserved)) => Ok(reserved),
                Err(AskError::Refused(Refused::Budget(spent))) => Err(Failed::BudgetExceeded(spent.to_string())),
                Err(AskError::Refused(Refused::Gone)) => Err(Failed::Denied("its tenant is deleted".to_owned())),
                Err(AskError::Refused(refused)) => Err(Failed::Overloaded(refused.to_string())),
                Ok(_) | Err(AskError::Failed(_) | AskError::TooLarge { .. } | AskError::Stopping) => {
                    Err(Failed::Overloaded("the host takes nothing any more, so nobody is asked".to_owned()))
                }
            }
        }
        .boxed()
    }

    fn spend(&self, request: SpendRequest) {
        if self.rules.borrow().has_tenant(&request.tenant) {
            self.partition.tell(Request::Spend(Box::new(request)));
        }
    }
}
