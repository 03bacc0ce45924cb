//! The ways out of the attempts of one delivery, or of calls with the messages of a batch, to models above all: what was answered once is given again.
//!
//! Invariant: an answer that may be paid for is on its way to the log before anything else can happen to its attempt. So it stands there before all that
//! comes of it, and nothing that comes of it leaves the host before it is durable, but the next few questions to models. (A stream is an answer with its end:
//! what a guest makes of its first pieces does not wait.) A delivery pays once for what its attempts ask as the same call, and messages of batches for what is the
//! same question (`sharing.rs`), unless the host is killed before the log has the answer, which is so of a few answers at most. Whoever finds no room for another answer asks nobody.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use futures_util::{
    FutureExt as _,
    future::{BoxFuture, Shared},
};
use wharf_capability::{
    Asking, Calling, Filling, HttpFailed, HttpOut, HttpRequest, LlmAnswer, LlmCall, LlmFailed, LlmKeeping, LlmOut,
    LlmSpent, PromptCall,
};
use wharf_delivery::{
    DeliveryId, KeepRequest, Refused, TableError, answers_are_full, answers_left, kept_answer,
    limits::ANSWERS_PER_DELIVERY_MAX,
};
use wharf_event::{Code, Digest, Grants, Target, TenantName};
use wharf_llm::{Failed, Kept, Usage};

use crate::{
    calling::{Calls, STOPS, ends, unreadable},
    limits::ANSWERS_AHEAD_MAX,
    partition::{self, AskError, chain},
    sharing::{Batch, Place},
};

/// Bytes that a row takes beside its answer, at most.
const ROW: u64 = 512;

/// What an attempt may use, and its ways out of the host.
pub(crate) struct Ways {
    pub(crate) grants: Arc<Grants>,
    pub(crate) llm: Arc<dyn LlmOut>,
    pub(crate) http: Arc<dyn HttpOut>,
}

impl Ways {
    /// Those of an attempt of a delivery, or of a batch. Most may not ask models: nothing is made for those.
    pub(crate) fn new(calls: &Arc<Calls>, grants: Arc<Grants>, asker: Asker, target: &Target) -> Self {
        if grants.llm.is_empty() {
            return Self { grants, llm: Arc::<Calls>::clone(calls), http: Arc::<Calls>::clone(calls) };
        }
        let (began_k, calls, target) = (calls.shared.read().k, Arc::clone(calls), target.clone());
        let of = Arc::new(OfDelivery { calls, asker, target, began_k, kept: Arc::default() });
        Self { grants, llm: Arc::<OfDelivery>::clone(&of), http: of }
    }
}

/// Whose answers they are.
#[derive(Clone)]
pub(crate) enum Asker {
    /// Those of one delivery, by the number of the call.
    Delivery(DeliveryId),
    /// Those that messages of a queue share.
    Batch(Arc<Batch>),
}

/// What is asked: that, and of the messages of a batch how many calls before asked the same.
#[derive(Clone, Copy)]
struct Question {
    digest: Digest,
    same: usize,
}

impl Asker {
    pub(crate) fn batch(messages: Arc<[DeliveryId]>) -> Self {
        Self::Batch(Arc::new(Batch::new(messages)))
    }

    fn asks(&self, call: &LlmCall) -> Question {
        let digest = digest(call);
        let same = if let Self::Batch(batch) = self { batch.asks(call.number, digest) } else { 0 };
        Question { digest, same }
    }
}

/// The ways out of an attempt that may ask models.
#[derive(Clone)]
struct OfDelivery {
    calls: Arc<Calls>,
    asker: Asker,
    target: Target,
    /// The frame that the state had when the attempt began: its event, and what its configuration follows from, are in it or earlier.
    began_k: u64,
    kept: Arc<Keeps>,
}

/// What an attempt keeps, over all of its runs. Only one of a delivery runs at a time.
#[derive(Default)]
struct Keeps {
    /// Bytes of answers for which the delivery has room, by what the attempt's first call found and what was kept since.
    left: OnceLock<AtomicU64>,
    /// The answers that nobody waited for, each with the number of its call, the oldest first.
    ahead: Mutex<VecDeque<(u32, Coming)>>,
}

/// What comes of an answer's way to the log, for all who wait for it.
type Coming = Shared<BoxFuture<'static, Result<LlmKeeping, Ended>>>;

impl Keeps {
    fn knows_room(&self) -> bool {
        self.left.get().is_some()
    }

    /// The first that says so is believed: it was read before anything was kept.
    fn has_room(&self, left: u64) {
        self.left.get_or_init(|| AtomicU64::new(left));
    }

    /// Takes the room of an answer, if it is there for sure.
    fn takes(&self, keep: &KeepRequest) -> bool {
        let bytes = keep.answer.len() as u64 + ROW;
        let less = |left: u64| left.checked_sub(bytes);
        let took = |left: &AtomicU64| left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok();
        keep.call <= ANSWERS_PER_DELIVERY_MAX && self.left.get().is_some_and(took)
    }

    fn goes_ahead(&self, call: u32, coming: Coming) {
        self.ahead().push_back((call, coming));
    }

    /// Waits until the log has all answers but so many, and that of this call, if a run before had one.
    async fn all_but(&self, most: usize, call: Option<u32>) -> Result<(), Ended> {
        while let Some(oldest) = self.to_wait_for(most, call) {
            oldest.await?;
        }
        Ok(())
    }

    /// The oldest answer, where it is to be waited for. One that the log did not take stays, so that all who wait are told.
    fn to_wait_for(&self, most: usize, call: Option<u32>) -> Option<Coming> {
        let mut ahead = self.ahead();
        while ahead.front().is_some_and(|(_, oldest)| matches!(came_so_far(oldest), Some(Ok(_)))) {
            ahead.pop_front();
        }
        let (_, oldest) = ahead.front()?;
        let waits = oldest.peek().is_some() || ahead.len() > most || ahead.iter().any(|(of, _)| Some(*of) == call);
        waits.then(|| oldest.clone())
    }

    fn ahead(&self) -> MutexGuard<'_, VecDeque<(u32, Coming)>> {
        self.ahead.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What came of an answer's way, if anything did. Where nobody waits for it, nobody looked yet; who waits for it looks when it comes, and would not be
/// told if somebody else looked meanwhile.
fn came_so_far(coming: &Coming) -> Option<Result<LlmKeeping, Ended>> {
    if coming.strong_count() == Some(1) { coming.clone().now_or_never() } else { coming.peek().copied() }
}

impl LlmOut for OfDelivery {
    fn ask(&self, call: LlmCall) -> Asking {
        let (this, bytes_max) = (self.clone(), call.answer_bytes_max);
        let question = this.asker.asks(&call);
        Box::pin(async move { this.answered(call, question).await?.within(bytes_max) })
    }

    fn fill(&self, call: PromptCall) -> Filling {
        self.calls.fill(call)
    }
}

/// A request may be an order: whoever gets it has to be able to rely on what it follows from.
impl HttpOut for OfDelivery {
    fn call(&self, request: HttpRequest) -> Calling {
        let this = self.clone();
        Box::pin(async move {
            let ends = |_| HttpFailed::new(Code::HttpUnreachable, STOPS);
            this.kept.all_but(0, None).await.map_err(ends)?;
            this.calls.call(request).await
        })
    }

    fn leads(&self, host: &str) -> bool {
        self.calls.leads(host)
    }
}

/// The log takes nothing any more.
#[derive(Clone, Copy)]
struct Ended;

impl From<Ended> for LlmFailed {
    fn from(_: Ended) -> Self {
        ends()
    }
}

impl OfDelivery {
    async fn answered(&self, call: LlmCall, question: Question) -> Result<LlmAnswer, LlmFailed> {
        let (tenant, number) = (call.tenant.clone(), call.number);
        let mut place = self.place(&call, question)?;
        // A host that is killed pays again for what the log has not.
        self.kept.all_but(ANSWERS_AHEAD_MAX - 1, place.map(|place| place.call)).await?;
        let mut before = self.before(&call, &question.digest, place)?;
        if let (Asker::Batch(batch), Some(_), None) = (&self.asker, place, &before) {
            // Another call that had a message at once was there first, so it is kept elsewhere.
            self.kept.all_but(0, None).await?;
            batch.looks_again();
            place = self.place(&call, question)?;
            before = self.before(&call, &question.digest, place)?;
        }
        if let (Some(kept), Some(place)) = (before, place) {
            self.share(tenant, question, (place, &kept)).await?;
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
        let keeping = self.keep((tenant, number), question, answer).await?;
        match &mut asked {
            Ok(answer) => answer.spent.keeping = keeping,
            Err(failed) => failed.spent.keeping = keeping,
        }
        asked
    }

    /// Where the answer to a question is kept, if it is.
    fn place(&self, call: &LlmCall, question: Question) -> Result<Option<Place>, LlmFailed> {
        match &self.asker {
            Asker::Delivery(delivery) => {
                if !self.kept.knows_room() {
                    let left = answers_left(&self.calls.shared.read().state, &call.tenant, *delivery);
                    self.kept.has_room(left.map_err(unread)?);
                }
                Ok(Some(Place { delivery: *delivery, call: call.number }))
            }
            Asker::Batch(batch) => {
                let of = (&*self.calls.shared, &call.tenant);
                let (place, left) = batch.find(of, (&question.digest, question.same)).map_err(unread)?;
                self.kept.has_room(left);
                Ok(place)
            }
        }
    }

    /// Keeps an answer of a call for whoever may ask the same.
    async fn keep(
        &self,
        (tenant, number): (TenantName, u32),
        question: Question,
        answer: Bytes,
    ) -> Result<LlmKeeping, LlmFailed> {
        let (place, batch) = match &self.asker {
            Asker::Delivery(delivery) => (Some(Place { delivery: *delivery, call: number }), Arc::default()),
            Asker::Batch(batch) => (batch.next(), Arc::clone(&batch.messages)),
        };
        match place {
            Some(place) => self.keep_at(tenant, question, (place, batch, answer)).await,
            None => Ok(LlmKeeping::No),
        }
    }

    /// Lets all messages of a batch share an answer that some of them had: kept once more where it is, it is theirs too.
    async fn share(
        &self,
        tenant: TenantName,
        question: Question,
        (place, kept): (Place, &Kept),
    ) -> Result<(), LlmFailed> {
        if let Asker::Batch(batch) = &self.asker
            && batch.lacks(place)
        {
            let (batch, answer) = (Arc::clone(&batch.messages), kept.to_bytes().into());
            self.keep_at(tenant, question, (place, batch, answer)).await?;
        }
        Ok(())
    }

    async fn keep_at(
        &self,
        tenant: TenantName,
        question: Question,
        (place, batch, answer): (Place, Arc<[DeliveryId]>, Bytes),
    ) -> Result<LlmKeeping, LlmFailed> {
        let (target, request, Place { delivery, call }) = (self.target.clone(), question.digest, place);
        let keep = KeepRequest { tenant, target, delivery, batch, call, request, answer };
        let keeping = self.kept_by(keep).await?;
        if let (Asker::Batch(batch), LlmKeeping::Kept) = (&self.asker, &keeping) {
            batch.keeps((request, question.same), place);
        }
        Ok(keeping)
    }

    /// Where there is room for sure nobody waits for the log: what the guest makes of the answer comes behind it.
    async fn kept_by(&self, keep: KeepRequest) -> Result<LlmKeeping, LlmFailed> {
        let (call, has_room) = (keep.call, self.kept.takes(&keep));
        match self.calls.partition.keep(keep) {
            Ok(coming) if has_room => {
                self.kept.goes_ahead(call, came_of(coming).boxed().shared());
                Ok(LlmKeeping::Kept)
            }
            Ok(coming) => Ok(came_of(coming).await?),
            Err(AskError::TooLarge { .. }) => Ok(LlmKeeping::NoRoom),
            Err(_) => Err(Ended.into()),
        }
    }

    /// What an attempt before was answered. Where there is nothing, there is room for another answer.
    fn before(&self, call: &LlmCall, request: &Digest, place: Option<Place>) -> Result<Option<Kept>, LlmFailed> {
        let (found, is_full) = {
            let sequenced = self.calls.shared.read();
            let state = &sequenced.state;
            let found = |Place { delivery, call: of }| kept_answer(state, (&call.tenant, delivery, of), request);
            let found = place.map(found).transpose().map_err(unread)?.flatten();
            (found, answers_are_full(state, &call.tenant).map_err(unread)?)
        };
        if let Some(bytes) = found {
            let kept = Kept::from_bytes(&bytes);
            if kept.is_none() {
                tracing::warn!(
                    tenant = %call.tenant, delivery = %call.delivery, call = call.number,
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

/// The state cannot be read.
fn unread(error: TableError) -> LlmFailed {
    unreadable(format!("what models answered cannot be read: {}", chain(&error)))
}

/// What comes of keeping an answer. It is an error where the log takes nothing any more.
async fn came_of(coming: partition::Coming) -> Result<LlmKeeping, Ended> {
    match coming.await {
        Ok(Ok(_)) => Ok(LlmKeeping::Kept),
        // It is settled, so there is no other attempt.
        Ok(Err(AskError::Refused(Refused::Gone))) => Ok(LlmKeeping::No),
        Err(_) | Ok(Err(AskError::Failed(_) | AskError::Stopping)) => Err(Ended),
        Ok(Err(AskError::Refused(_) | AskError::TooLarge { .. })) => Ok(LlmKeeping::NoRoom),
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

#[cfg(test)]
mod tests;
