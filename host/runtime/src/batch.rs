//! One call with many events of a queue: a fresh instance, and an outcome for each event. Every limit is on, as for one event.
//!
//! Invariant: there are as many verdicts as events, or the call failed as a whole.

use std::time::{Duration, Instant};

use wharf_capability::{Attempt, AttemptContext, Contended, Effects, batch_exports::Item, wharf::plugin::types};
use wharf_delivery::{DeliveryId, Details, Failure, LimitsDocument, ReadKey, Verdict};
use wharf_event::{Code, Event};

use crate::{
    BatchRelease, Runtime,
    broken::{broken, too_long},
    cpu::{CpuMeter, Metered},
    invoke::{finish, to_guest, wished},
};

/// A call to be made.
pub struct BatchInvocation {
    /// Who runs, with what. Its delivery and events are those of the first event: what is published descends from that.
    pub context: AttemptContext,
    /// What it gets.
    pub items: Vec<BatchItem>,
    /// What it may consume.
    pub limits: LimitsDocument,
}

/// One event of a batch.
pub struct BatchItem {
    /// The event.
    pub event: Event,
    /// Which delivery.
    pub delivery: DeliveryId,
    /// The rule that matched.
    pub rule: String,
    /// 1 for the first attempt.
    pub attempt: u32,
    /// How many there may be.
    pub max_attempts: u32,
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BatchEnding {
    /// With a verdict for each event, in order.
    Verdicts(Vec<Verdict>),
    /// All events failed, for this reason.
    Failed(Failure),
    /// It met a key that another attempt has for itself: it runs again when it is its turn.
    Contended(ReadKey),
}

/// What came of a call.
pub struct BatchReport {
    /// How it ended.
    pub ending: BatchEnding,
    /// What it did; to be dropped unless every verdict is `Ok`.
    pub effects: Effects,
    /// Wall time.
    pub duration: Duration,
    /// What it used and said.
    pub details: Details,
}

impl BatchReport {
    /// Of a call for which nothing was called.
    #[must_use]
    pub fn unstarted(failure: Failure) -> Self {
        let (effects, details) = (Effects::default(), Details::default());
        Self { ending: BatchEnding::Failed(failure), effects, duration: Duration::ZERO, details }
    }
}

impl Runtime {
    /// Calls the batch handler of `release` in a fresh instance. It returns when the handler does, or when a limit ends it. Waiting
    /// until its code is in memory is none of the attempt's time.
    pub async fn invoke_batch(&self, release: &BatchRelease, invocation: BatchInvocation) -> BatchReport {
        let handler = match self.code(&release.slot).await {
            Ok(handler) => handler,
            Err(failure) => return BatchReport::unstarted(failure),
        };
        let BatchInvocation { context, items, limits } = invocation;
        let (count, event_bytes) = (items.len(), items.iter().map(|item| item.event.size()).sum());
        let items: Vec<_> = items.into_iter().map(|item| handed(item, limits.wall_ms)).collect();
        let (began, meter) = (Instant::now(), CpuMeter::default());
        let mut store = self.store(context, limits, meter.clone());
        let call = async {
            let instance = handler.instantiate_async(&mut store).await?;
            instance.wharf_plugin_batch_handler().call_handle_batch(&mut store, &items).await
        };
        let wall = Duration::from_millis(u64::from(limits.wall_ms));
        let ending = match tokio::time::timeout(wall, Metered::new(call, meter.clone())).await {
            Ok(Ok(Ok(outcomes))) => verdicts(outcomes, count, store.data()),
            Ok(Ok(Err(failure))) => BatchEnding::Failed(store.data().redacted(wished(failure))),
            Ok(Err(error)) => match error.downcast_ref::<Contended>() {
                Some(Contended(key)) => BatchEnding::Contended(key.clone()),
                None => BatchEnding::Failed(broken(&error, store.data_mut(), limits)),
            },
            Err(_) => BatchEnding::Failed(too_long(limits)),
        };
        let failure = if let BatchEnding::Failed(failure) = &ending { Some(failure) } else { None };
        let duration = began.elapsed();
        let (effects, details) = finish(store, &meter, failure, (duration, event_bytes));
        BatchReport { ending, effects, duration, details }
    }
}

fn handed(item: BatchItem, wall_ms: u32) -> Item {
    let BatchItem { event, delivery, rule, attempt, max_attempts } = item;
    let id = delivery.to_string();
    let delivery = types::Delivery { id, rule, attempt, max_attempts, deadline_ms: wall_ms };
    Item { event: to_guest(&event), delivery }
}

/// The verdicts on so many events, if the guest gave as many outcomes.
fn verdicts(outcomes: Vec<Result<(), types::Failure>>, count: usize, attempt: &Attempt) -> BatchEnding {
    if outcomes.len() != count {
        let counted = |count, what| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
        let reason = format!("it gave {} for {}", counted(outcomes.len(), "outcome"), counted(count, "event"));
        return BatchEnding::Failed(Failure::new(Code::BatchOutcomes, reason));
    }
    let verdict = |outcome: Result<(), types::Failure>| match outcome {
        Ok(()) => Verdict::Ok,
        Err(failure) => Verdict::Failed(attempt.redacted(wished(failure))),
    };
    BatchEnding::Verdicts(outcomes.into_iter().map(verdict).collect())
}
