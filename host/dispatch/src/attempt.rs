//! One attempt from its start to its settlement.
//!
//! A conflict is no failure: the attempt runs again at once, on the same release, alone on the keys that changed under it,
//! and is not counted. A host panic is caught here and becomes a failure of the attempt.

use std::{
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::FutureExt as _;
use tokio::sync::watch;
use wharf_capability::AttemptContext;
use wharf_delivery::{
    Answer, Attempt, Failure, Outcome, Read, ReadKey, Refused, Request, RetryPolicy, SettleRequest, Standing,
    TargetRef, Verdict, WriteRequest, disposition,
};
use wharf_event::{Code, Digest, Event, PluginName, QueueName, TenantName};
use wharf_runtime::{Invocation, Report, Runtime};

use crate::{
    archive::Archive,
    clock::{FrameClock, rfc3339},
    contention::{Contention, Held},
    limits::{CONFLICT_RUNS_MAX, RULES_SWAP_WAIT},
    meters::Meters,
    partition::{AskError, Partition, chain},
    rules::{Plugin, RuleSet},
    schedule::Waiting,
    shared::Shared,
    values::AttemptValues,
};

/// What every attempt needs.
pub(crate) struct Attempts {
    pub(crate) partition: Partition,
    pub(crate) shared: Arc<Shared>,
    pub(crate) rules: watch::Sender<Arc<RuleSet>>,
    pub(crate) runtime: Arc<Runtime>,
    pub(crate) archive: Archive,
    pub(crate) contention: Arc<Contention>,
    pub(crate) clock: Arc<FrameClock>,
    pub(crate) meters: Arc<Meters>,
}

/// What an attempt would settle with.
struct Ending {
    release: Option<Digest>,
    duration: Duration,
    outcome: Outcome,
    published: Vec<Event>,
    writes: Vec<WriteRequest>,
    reads: Vec<Read>,
}

impl Attempts {
    pub(crate) fn concurrency(&self, tenant: &TenantName, plugin: &PluginName) -> u32 {
        self.rules.borrow().concurrency(tenant, plugin)
    }

    /// Waits until a rule set newer than `version` is in use, or it takes too long.
    pub(crate) async fn newer_rules(&self, version: u64) {
        let mut rules = self.rules.subscribe();
        // Whether it came in time shows when the request is made again.
        let _ = tokio::time::timeout(RULES_SWAP_WAIT, rules.wait_for(|rules| rules.version() > version)).await;
    }
}

/// Tries a delivery once and settles it.
pub(crate) async fn run(attempts: &Attempts, waiting: Waiting) {
    let Waiting { id, row, event, asked } = &waiting;
    let event = match event.clone().map_or_else(|| attempts.archive.event(id.event), Ok) {
        Ok(event) => event,
        Err(error) => {
            tracing::error!(delivery = %id, "the event of a delivery cannot be read: {}", chain(&error));
            return;
        }
    };
    let rules = Arc::clone(&attempts.rules.borrow());
    let resolved = rules.resolve(&row.tenant, &row.target);
    let (mut held, mut runs) = (None, 0);
    loop {
        let ending = match &resolved {
            Some((plugin, policy)) => {
                let policy = (&policy.retry, &policy.dead_letter);
                if runs > CONFLICT_RUNS_MAX {
                    beaten(attempts, &waiting, plugin, policy)
                } else {
                    tried(attempts, &waiting, &event, plugin, policy, held.is_some()).await
                }
            }
            None => gone(&waiting),
        };
        let final_ = !matches!(ending.outcome, Outcome::Retry { .. });
        match settle(attempts, &waiting, ending).await {
            Ok(()) => {
                if final_ {
                    let since = Duration::from_millis(attempts.clock.now_ms().saturating_sub(row.since_ms));
                    attempts.meters.settled(&row.tenant, asked.map_or(since, |asked| asked.elapsed()));
                }
                return;
            }
            Err(AskError::Refused(Refused::Conflict { keys })) => {
                runs += 1;
                attempts.meters.conflict(&row.tenant);
                held = Some(queue_for(attempts, &row.tenant, held, keys).await);
            }
            Err(error) => {
                // The delivery stays in the state as it is; after a restart it is tried again.
                tracing::error!(delivery = %id, "an attempt cannot be settled: {error}");
                return;
            }
        }
    }
}

/// Holds the keys that changed and those held before, which are let go first: so keys are always taken in one order.
async fn queue_for(
    attempts: &Attempts,
    tenant: &TenantName,
    held: Option<(Held, Vec<ReadKey>)>,
    mut keys: Vec<ReadKey>,
) -> (Held, Vec<ReadKey>) {
    if let Some((held, before)) = held {
        drop(held);
        keys.extend(before);
    }
    (attempts.contention.hold(tenant, keys.clone()).await, keys)
}

async fn tried(
    attempts: &Attempts,
    waiting: &Waiting,
    event: &Event,
    plugin: &Plugin,
    (policy, queue): (&RetryPolicy, &QueueName),
    holds: bool,
) -> Ending {
    let Waiting { id, row, .. } = waiting;
    let values =
        AttemptValues { shared: Arc::clone(&attempts.shared), contention: Arc::clone(&attempts.contention), holds };
    let context = AttemptContext {
        tenant: row.tenant.clone(),
        plugin: row.target.plugin.clone(),
        delivery: *id,
        event: event.clone(),
        config: Arc::clone(&plugin.config),
        grants: Arc::clone(&plugin.grants),
        values: Arc::new(values),
        time: rfc3339(attempts.clock.now_ms()),
    };
    let invocation = Invocation {
        context,
        rule: row.target.rule.to_string(),
        attempt: row.attempts + 1,
        max_attempts: policy.attempts,
        limits: plugin.limits,
    };
    let began = Instant::now();
    let call = AssertUnwindSafe(attempts.runtime.invoke(&plugin.release, invocation));
    let (verdict, effects, duration) = match call.catch_unwind().await {
        Ok(Report { verdict, effects, duration, .. }) => (verdict, effects.into_parts(), duration),
        Err(_) => {
            tracing::error!(delivery = %id, plugin = %row.target.plugin, "the host failed in an attempt; it goes on");
            let reason = "the host failed in this attempt; that is a defect of the host".into();
            let failure = Failure { code: Code::Internal, reason, retry_after_ms: None };
            (Verdict::Failed(failure), Default::default(), began.elapsed())
        }
    };
    let outcome = decided(attempts, waiting, &verdict, policy, queue);
    let (published, writes, reads) = effects;
    let (published, writes) = if verdict == Verdict::Ok { (published, writes) } else { (Vec::new(), Vec::new()) };
    Ending { release: Some(*plugin.release.digest()), duration, outcome, published, writes, reads }
}

/// What follows from a verdict by the target's policy.
fn decided(
    attempts: &Attempts,
    waiting: &Waiting,
    verdict: &Verdict,
    policy: &RetryPolicy,
    queue: &QueueName,
) -> Outcome {
    let (attempt, since_ms) = (waiting.row.attempts + 1, waiting.row.since_ms);
    let now_ms = attempts.clock.now_ms();
    let standing = Standing { attempt, since_ms, now_ms, policy, queue, random: rand::random() };
    let outcome = disposition(verdict, standing);
    log_failure(waiting, verdict, &outcome);
    outcome
}

/// The keys changed under every run: the attempt has failed, and its policy decides.
fn beaten(
    attempts: &Attempts,
    waiting: &Waiting,
    plugin: &Plugin,
    (policy, queue): (&RetryPolicy, &QueueName),
) -> Ending {
    let reason = format!("what it read changed under each of {CONFLICT_RUNS_MAX} runs");
    let failure = Failure { code: Code::Conflict, reason, retry_after_ms: None };
    Ending {
        release: Some(*plugin.release.digest()),
        duration: Duration::ZERO,
        outcome: decided(attempts, waiting, &Verdict::Failed(failure), policy, queue),
        published: Vec::new(),
        writes: Vec::new(),
        reads: Vec::new(),
    }
}

fn log_failure(waiting: &Waiting, verdict: &Verdict, outcome: &Outcome) {
    let Verdict::Failed(failure) = verdict else { return };
    let Waiting { id, row, .. } = waiting;
    let ends = if matches!(outcome, Outcome::Retry { .. }) { "to be tried again" } else { "given up" };
    tracing::info!(
        tenant = %row.tenant, plugin = %row.target.plugin, delivery = %id, attempt = row.attempts + 1,
        code = %failure.code, "an attempt failed, {ends}: {}", failure.reason
    );
}

/// The rule or the plugin is gone: the delivery goes to the queue that is named like the plugin.
fn gone(waiting: &Waiting) -> Ending {
    let TargetRef { rule, plugin } = &waiting.row.target;
    let reason = format!("rule `{rule}` or its target `{plugin}` is no longer there");
    Ending {
        release: None,
        duration: Duration::ZERO,
        outcome: Outcome::DeadLetter { queue: QueueName::from(plugin), code: Code::TargetGone, reason },
        published: Vec::new(),
        writes: Vec::new(),
        reads: Vec::new(),
    }
}

async fn settle(attempts: &Attempts, waiting: &Waiting, ending: Ending) -> Result<(), AskError> {
    let Waiting { id, row, .. } = waiting;
    let attempt = Attempt {
        number: row.attempts + 1,
        release: ending.release,
        duration_us: u64::try_from(ending.duration.as_micros()).unwrap_or(u64::MAX),
    };
    loop {
        let rules = Arc::clone(&attempts.rules.borrow());
        let matched = |event: &Event| {
            // A bus that is gone has no rules any more: what is published there is kept and owed to nobody.
            let targets = rules.targets(&row.tenant, &row.bus, event).unwrap_or_default();
            (event.clone(), targets)
        };
        let request = SettleRequest {
            delivery: *id,
            attempt: attempt.clone(),
            outcome: ending.outcome.clone(),
            reads: ending.reads.clone(),
            rules_version: rules.version(),
            published: ending.published.iter().map(matched).collect(),
            writes: ending.writes.clone(),
        };
        match attempts.partition.ask(Request::Settle(Box::new(request))).await {
            Ok(Answer::Settled(_)) => return Ok(()),
            Ok(_) | Err(AskError::Refused(Refused::Gone)) => return Ok(()),
            Err(AskError::Refused(Refused::StaleRules)) => attempts.newer_rules(rules.version()).await,
            Err(error) => return Err(error),
        }
    }
}
