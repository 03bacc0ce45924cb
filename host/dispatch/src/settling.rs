//! How an attempt is settled: by its verdict and the target's policy, with its effects or without.

use std::{sync::Arc, time::Duration};

use wharf_capability::Effects;
use wharf_delivery::{
    Answer, Attempt, Details, Failure, Outcome, PublishRequest, Read, Refused, RetryPolicy, SettleRequest, Standing,
    TargetRef, Verdict, WriteRequest, disposition, hops, limits::HOPS_MAX, published_on,
};
use wharf_event::{Digest, Event};

use crate::{
    attempt::Attempts,
    breaker::Sign,
    meters::Settling,
    partition::{AskError, weigh},
    schedule::Waiting,
    slot::Slot,
};

/// What an attempt settles with.
pub(crate) struct Settlement {
    attempt: Attempt,
    outcome: Outcome,
    /// What ended the attempt, if it failed.
    failed: Option<Failure>,
    published: Vec<Event>,
    writes: Vec<WriteRequest>,
    reads: Vec<Read>,
    /// Since when a release of the plugin is on trial.
    trial: Option<u64>,
    /// Whether the target was called, so that its breaker learns something.
    called: bool,
}

impl Settlement {
    /// The settlement of an attempt that ran. Only one that succeeded keeps its effects; what it read counts in any case.
    pub(crate) fn tried(
        attempts: &Attempts,
        waiting: &Waiting,
        release: Digest,
        verdict: &Verdict,
        effects: Effects,
        (duration, details): (Duration, Arc<Details>),
    ) -> Self {
        let (published, writes, reads) = effects.into_parts();
        let (published, writes) = if *verdict == Verdict::Ok { (published, writes) } else { (Vec::new(), Vec::new()) };
        let duration_us = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let (number, details) = (waiting.row.attempts + 1, Some(details));
        let attempt = Attempt { number, release: Some(release), duration_us, details };
        let failed = if let Verdict::Failed(failure) = verdict { Some(failure.clone()) } else { None };
        Self {
            attempt,
            outcome: decided(attempts, waiting, verdict),
            failed,
            published,
            writes,
            reads,
            trial: None,
            called: true,
        }
    }

    /// The same of an attempt that ended before its target was called.
    pub(crate) fn uncalled(self) -> Self {
        Self { called: false, ..self }
    }

    /// The settlement of an attempt that no release made: it has no effects.
    pub(crate) fn sent(
        attempts: &Attempts,
        waiting: &Waiting,
        verdict: &Verdict,
        (duration, details): (Duration, Arc<Details>),
    ) -> Self {
        // That it took time tells it from one that was not made.
        let duration_us = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX).max(1);
        let attempt = Attempt { number: waiting.row.attempts + 1, release: None, duration_us, details: Some(details) };
        let failed = if let Verdict::Failed(failure) = verdict { Some(failure.clone()) } else { None };
        let outcome = decided(attempts, waiting, verdict);
        Self {
            attempt,
            outcome,
            failed,
            published: Vec::new(),
            writes: Vec::new(),
            reads: Vec::new(),
            trial: None,
            called: true,
        }
    }

    /// The same of an attempt that publishes an event, if it succeeded.
    pub(crate) fn publishing(self, event: Event) -> Self {
        let published = if self.outcome == Outcome::Ack { vec![event] } else { Vec::new() };
        Self { published, ..self }
    }

    /// The same of an attempt that was made while a release was on trial.
    pub(crate) fn on_trial(self, trial: Option<u64>) -> Self {
        Self { trial, ..self }
    }

    /// The settlement of an attempt that came to nothing: no effects, no release; `spent` on the way.
    pub(crate) fn failed(
        attempts: &Attempts,
        waiting: &Waiting,
        failure: Failure,
        spent: Option<Arc<Details>>,
    ) -> Self {
        let failed = Some(failure.clone());
        let outcome = decided(attempts, waiting, &Verdict::Failed(failure));
        let attempt = Attempt { number: waiting.row.attempts + 1, release: None, duration_us: 0, details: spent };
        Self {
            attempt,
            outcome,
            failed,
            published: Vec::new(),
            writes: Vec::new(),
            reads: Vec::new(),
            trial: None,
            called: true,
        }
    }
}

impl Settlement {
    /// What it says of its target.
    fn sign(&self) -> Sign {
        match &self.failed {
            _ if !self.called => Sign::None,
            None => Sign::Good,
            Some(failure) => Sign::of(failure),
        }
    }
}

/// What follows from a verdict by the target's policy. A target that is gone has the default one, and the queue that it had.
fn decided(attempts: &Attempts, waiting: &Waiting, verdict: &Verdict) -> Outcome {
    let Waiting { row, .. } = waiting;
    let rules = Arc::clone(&attempts.rules.borrow());
    let resolved = rules.resolve(&row.tenant, &row.target);
    let (default, queue) = (RetryPolicy::default(), rules.dead_letter(&row.tenant, &row.target));
    let policy = resolved.map_or(&default, |of| &of.retry);
    disposition(
        verdict,
        Standing {
            attempt: row.attempts + 1,
            since_ms: row.since_ms.max(rules.resumed_ms(&row.tenant)),
            now_ms: attempts.clock.now_ms(),
            policy,
            queue: &queue,
            on_quarantine: rules.limits_of(&row.tenant, &row.target.to).quarantine,
            random: attempts.surroundings.random.bits(),
        },
    )
}

/// Settles; matches what was published again when the rules change meanwhile.
pub(crate) async fn settle(
    attempts: &Attempts,
    waiting: &Waiting,
    with: &Settlement,
    slot: &Arc<Slot>,
) -> Result<(), AskError> {
    let Waiting { id, row, .. } = waiting;
    let mut turn = None;
    loop {
        let rules = Arc::clone(&attempts.rules.borrow());
        let mut bytes = 0;
        let matched = |event: &Event| {
            // A bus that is gone has no rules any more: what is published there is kept and owed to nobody.
            let targets = rules.targets(&row.tenant, published_on(&row.bus, &row.target), event).unwrap_or_default();
            weigh(&mut bytes, event, &targets)?;
            let queue = |target: &TargetRef| rules.dead_letter(&row.tenant, target);
            let beyond = hops(event) > HOPS_MAX;
            let queues = if beyond { targets.iter().map(queue).collect() } else { Vec::new() };
            Ok(PublishRequest { event: event.clone(), targets, queues })
        };
        let request = SettleRequest {
            delivery: *id,
            tenant: row.tenant.clone(),
            target: row.target.to.clone(),
            attempt: with.attempt.clone(),
            outcome: with.outcome.clone(),
            reads: with.reads.clone(),
            rules_version: rules.version_of(&row.tenant),
            published: with.published.iter().map(matched).collect::<Result<_, AskError>>()?,
            writes: with.writes.clone(),
            quotas: rules.quotas_on(&row.tenant, published_on(&row.bus, &row.target)),
            publish_per_s: rules.limits_of(&row.tenant, &row.target.to).publish_per_s,
        };
        match attempts.partition.settle(request, slot).await {
            Ok(Answer::Settled(_)) => {
                tell(waiting, with);
                count(attempts, waiting, with);
                slot.tell(with.sign(), with.failed.as_ref());
                return Ok(());
            }
            Ok(_) | Err(AskError::Refused(Refused::Gone)) => return Ok(()),
            Err(AskError::Refused(Refused::StaleRules)) if turn.is_none() => {
                turn = Some(attempts.configuring.read().await);
            }
            Err(error) => return Err(error),
        }
    }
}

/// Says that an attempt failed, once that is durable: what conflicts run again is told of by none.
fn tell(waiting: &Waiting, with: &Settlement) {
    let Waiting { id, row, .. } = waiting;
    let Some(failure) = &with.failed else { return };
    let ends = if matches!(with.outcome, Outcome::Retry { .. }) { "to be tried again" } else { "given up" };
    tracing::info!(
        tenant = %row.tenant, target = %row.target.to, event = %id.event, delivery = %id, attempt = with.attempt.number,
        code = %failure.code, "an attempt failed, {ends}: {}", failure.reason
    );
}

/// Counts a settlement that is durable, and how long the delivery took if that was its end.
fn count(attempts: &Attempts, waiting: &Waiting, with: &Settlement) {
    let Waiting { row, asked, .. } = waiting;
    let since = match asked {
        _ if matches!(with.outcome, Outcome::Retry { .. }) => None,
        Some(asked) => Some(attempts.surroundings.clock.monotonic().saturating_sub(*asked)),
        None => Some(Duration::from_millis(attempts.clock.now_ms().saturating_sub(row.since_ms))),
    };
    let Attempt { release, duration_us: took_us, .. } = with.attempt;
    let settling = Settling {
        release,
        outcome: &with.outcome,
        failed: with.failed.as_ref().map(|failure| failure.code),
        took_us,
        details: with.attempt.details.as_deref(),
    };
    // Retries say nothing of the release that they happen to be made with.
    if let (Some(since_ms), Some(release), 0, Some(plugin)) =
        (with.trial, release, row.attempts, row.target.to.plugin())
    {
        let failed = matches!(with.outcome, Outcome::Retry { .. } | Outcome::DeadLetter { .. });
        attempts.trials.count((&row.tenant, plugin), (since_ms, release), failed, took_us);
    }
    attempts.meters.settled(&row.tenant, &row.target.to, &settling, since);
}
