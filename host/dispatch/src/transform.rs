//! The transforms of a rule, inside the attempt and before its target, and the port to what they run in.
//!
//! They are pure, so they run once an attempt, however often a conflict makes the handler run again, and nothing of what they
//! make is kept: the next attempt begins with the event as it was received.

use std::{collections::HashMap, sync::Arc, time::Duration};

use futures_util::{FutureExt as _, future::BoxFuture};
use tokio::sync::Semaphore;
use wharf_capability::{AttemptContext, NoHttp, NoLlm, NoModels, NoSecrets, Tape};
use wharf_delivery::{Details, Failure, LimitsDocument, Verdict};
use wharf_event::{Code, Digest, Event, PluginName};
use wharf_runtime::{Runtime, TransformRelease, TransformReport, Transformed};

use crate::{
    attempt::Attempts,
    clock::rfc3339,
    inputs,
    quarantine::Whose,
    rules::{Origin, RuleSet},
    schedule::Waiting,
    turns::Caller,
    values::AttemptValues,
};

/// Something that changes events on their way to handlers.
pub trait Transform: Send + Sync + 'static {
    /// Changes the event of `context`. It returns when the transform does, or when a limit ends it.
    fn transform(&self, context: AttemptContext, limits: LimitsDocument) -> BoxFuture<'_, TransformReport>;
}

/// What can change events, by its digest.
pub type Transforms = HashMap<Digest, Arc<dyn Transform>>;

/// A release in the runtime that prepared it.
pub struct SandboxedTransform {
    runtime: Arc<Runtime>,
    release: TransformRelease,
}

impl SandboxedTransform {
    /// Calls `release` in fresh instances of `runtime`.
    #[must_use]
    pub fn new(runtime: Arc<Runtime>, release: TransformRelease) -> Self {
        Self { runtime, release }
    }
}

impl Transform for SandboxedTransform {
    fn transform(&self, context: AttemptContext, limits: LimitsDocument) -> BoxFuture<'_, TransformReport> {
        self.runtime.transform(&self.release, context, limits).boxed()
    }
}

/// A plugin that is a transform, ready to be called.
pub(crate) struct Step {
    name: PluginName,
    release: Digest,
    transform: Arc<dyn Transform>,
    limits: LimitsDocument,
    origin: Origin,
    /// Its turns: as many as it may make at a time, over all rules that name it.
    turns: Semaphore,
}

impl Step {
    pub(crate) fn new(
        (name, release): (PluginName, Digest),
        transform: Arc<dyn Transform>,
        limits: LimitsDocument,
        origin: Origin,
    ) -> Self {
        let turns = Semaphore::new(usize::try_from(limits.concurrency).unwrap_or(Semaphore::MAX_PERMITS));
        Self { name, release, transform, limits, origin, turns }
    }

    pub(crate) fn origin(&self) -> Origin {
        self.origin
    }

    pub(crate) fn release(&self) -> Digest {
        self.release
    }

    /// Changes one event when it is this call's turn.
    async fn call(&self, context: AttemptContext) -> TransformReport {
        let Ok(_turn) = self.turns.acquire().await else {
            // Nobody closes it.
            let reason = "its turns have ended; that is a defect of the host".to_owned();
            let made = Transformed::Failed(Failure::new(Code::Internal, reason));
            return TransformReport { made, duration: Duration::ZERO, details: Details::default() };
        };
        self.transform.transform(context, self.limits).await
    }
}

/// What the transforms of a rule made of an event, how long they took, and what they used and said.
pub(crate) struct Passed {
    /// The event for the handler, or how the attempt ends without it.
    pub(crate) event: Result<Event, Verdict>,
    pub(crate) took: Duration,
    pub(crate) details: Details,
}

/// Lets an event through the transforms of its delivery's rule, and makes the target's input of it. What they used comes to what the attempt had
/// used before.
pub(crate) async fn pass(attempts: &Attempts, waiting: &Waiting, rules: &RuleSet, received: &Event) -> Passed {
    let (mut event, mut took, mut details) = (received.clone(), Duration::ZERO, Details::default());
    details.charge(waiting.used_before());
    for step in rules.transforms(&waiting.row.tenant, &waiting.row.target.rule) {
        let report = call(attempts, waiting, (rules, step), (received, &event)).await;
        let TransformReport { made, duration, details: used } = report;
        took += duration;
        details.add(&used);
        let ended = match made {
            Transformed::Event(next) => {
                event = next;
                continue;
            }
            Transformed::Filtered => Verdict::Filtered(step.name.clone()),
            Transformed::Failed(failure) => {
                let reason = format!("transform `{}`: {}", step.name, failure.reason);
                Verdict::Failed(Failure { reason, ..failure })
            }
        };
        return Passed { event: Err(ended), took, details };
    }
    Passed { event: inputs::made(waiting, rules, event), took, details }
}

async fn call(
    attempts: &Attempts,
    waiting: &Waiting,
    (rules, step): (&RuleSet, &Arc<Step>),
    (received, event): (&Event, &Event),
) -> TransformReport {
    let values = AttemptValues {
        shared: Arc::clone(&attempts.shared),
        contention: Arc::clone(&attempts.contention),
        holds: false,
    };
    // It imports nothing, so of all this it reaches none; its log lines are told apart by it.
    let context = AttemptContext {
        tenant: waiting.row.tenant.clone(),
        plugin: step.name.clone(),
        occasion: waiting.id.into(),
        event: event.clone(),
        received: received.clone(),
        config: Arc::default(),
        grants: Arc::default(),
        values: Arc::new(values),
        http: Arc::new(NoHttp),
        llm: Arc::new(NoLlm),
        infer: Arc::new(NoModels),
        secrets: Arc::new(NoSecrets),
        time: rfc3339(attempts.clock.now_ms()),
        clock_ms: None,
        tape: Tape::default(),
    };
    let (tenant, plugin) = (&waiting.row.tenant, &step.name);
    let (whose, clock) = (Whose { tenant, plugin, release: step.release }, &attempts.surroundings.clock);
    // It is the target's attempt, so it is its turn.
    let caller = Caller::of(&waiting.row, received, rules);
    let called = Arc::clone(step);
    let call = attempts.turns.take(caller, async move { called.call(context).await }.boxed());
    let called = attempts.quarantine.guard(whose, || clock.monotonic(), call).await;
    called.unwrap_or_else(|failure| TransformReport {
        made: Transformed::Failed(failure),
        duration: Duration::ZERO,
        details: Details::default(),
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use bytes::Bytes;
    use wharf_capability::{CommittedValues, KeyPage, ReadFailed};
    use wharf_delivery::ReadKey;
    use wharf_event::{BucketName, EventBuilder, Position, TenantName};

    use super::*;

    /// Transforms nothing, but remembers how many of its calls ran at a time.
    #[derive(Default)]
    struct Crowd {
        running: AtomicU32,
        most: AtomicU32,
    }

    impl Transform for Crowd {
        fn transform(&self, context: AttemptContext, _: LimitsDocument) -> BoxFuture<'_, TransformReport> {
            async move {
                let running = self.running.fetch_add(1, Ordering::Relaxed) + 1;
                self.most.fetch_max(running, Ordering::Relaxed);
                tokio::task::yield_now().await;
                self.running.fetch_sub(1, Ordering::Relaxed);
                let made = Transformed::Event(context.event);
                TransformReport { made, duration: Duration::ZERO, details: Details::default() }
            }
            .boxed()
        }
    }

    struct NoValues;

    impl CommittedValues for NoValues {
        fn value(&self, _: &TenantName, _: &BucketName, _: &str) -> Result<Option<(Position, Bytes)>, ReadFailed> {
            Ok(None)
        }

        fn keys(&self, _: &TenantName, _: &BucketName, _: Option<&str>, _: usize) -> Result<KeyPage, ReadFailed> {
            Ok(KeyPage::default())
        }

        fn is_taken(&self, _: &TenantName, _: &ReadKey) -> bool {
            false
        }
    }

    #[tokio::test]
    async fn a_transform_runs_as_often_at_a_time_as_its_limits_say() {
        let crowd = Arc::new(Crowd::default());
        let limits = LimitsDocument { concurrency: 3, ..LimitsDocument::default() };
        let step =
            Step::new(("p".parse().unwrap(), Digest::of(b"p")), Arc::<Crowd>::clone(&crowd), limits, Origin::File);
        let event = EventBuilder::new("1", "s", "t").build().unwrap();
        let context = || AttemptContext {
            tenant: "t".parse().unwrap(),
            plugin: "p".parse().unwrap(),
            occasion: "1-0.0".parse::<wharf_delivery::DeliveryId>().unwrap().into(),
            event: event.clone(),
            received: event.clone(),
            config: Arc::default(),
            grants: Arc::default(),
            values: Arc::new(NoValues),
            http: Arc::new(NoHttp),
            llm: Arc::new(NoLlm),
            infer: Arc::new(NoModels),
            secrets: Arc::new(NoSecrets),
            time: String::new(),
            clock_ms: None,
            tape: Tape::default(),
        };
        let calls = (0..20).map(|_| step.call(context()));
        let reports = futures_util::future::join_all(calls).await;
        assert!(reports.iter().all(|report| report.made == Transformed::Event(event.clone())));
        assert_eq!(crowd.most.load(Ordering::Relaxed), 3);
    }
}
