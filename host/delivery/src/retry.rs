//! What follows from a failed attempt: one pure function decides.

use serde::{Deserialize, Serialize};
use wharf_event::{Code, PluginName, QueueName};

use crate::{OnQuarantine, Outcome, limits::ERROR_TEXT_BYTES_MAX};

/// How often and how long a target is tried: exponential backoff with full jitter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetryPolicy {
    /// Upper bound of the first pause, in milliseconds. It doubles with each attempt.
    pub first_ms: u64,
    /// Upper bound of every pause, in milliseconds.
    pub max_ms: u64,
    /// Attempts in all.
    pub attempts: u32,
    /// Time since the event was accepted after which nothing is tried again, in milliseconds.
    pub age_ms: u64,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { first_ms: 1_000, max_ms: 300_000, attempts: 185, age_ms: 24 * 3_600_000 }
    }
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The handler returned `ok`.
    Ok,
    /// A transform of the rule left the event out, so the handler was not called.
    Filtered(PluginName),
    /// The handler did not, or a transform before it failed.
    Failed(Failure),
}

/// Why an attempt did not succeed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What happened: the handler's own wish, a trap, a limit.
    pub code: Code,
    /// What happened, in words for people.
    pub reason: String,
    /// The handler's wish for the next attempt, in milliseconds from now.
    pub retry_after_ms: Option<u64>,
}

/// Where a delivery stands when its attempt ends.
#[derive(Clone, Copy, Debug)]
pub struct Standing<'a> {
    /// The attempt that ended, from 1.
    pub attempt: u32,
    /// When the obligation arose, in milliseconds.
    pub since_ms: u64,
    /// Now, in milliseconds.
    pub now_ms: u64,
    /// The target's policy.
    pub policy: &'a RetryPolicy,
    /// The target's dead-letter queue.
    pub queue: &'a QueueName,
    /// What becomes of it when its release is quarantined.
    pub on_quarantine: OnQuarantine,
    /// A random number, for the jitter.
    pub random: u64,
}

/// Decides how an attempt is settled.
#[must_use]
pub fn disposition(verdict: &Verdict, standing: Standing<'_>) -> Outcome {
    let failure = match verdict {
        Verdict::Ok => return Outcome::Ack,
        Verdict::Filtered(transform) => return Outcome::Filtered { transform: transform.clone() },
        Verdict::Failed(failure) => failure,
    };
    let dead_letter =
        |code, reason: String| Outcome::DeadLetter { queue: standing.queue.clone(), code, reason: clipped(reason) };
    let given_up = failure.code == Code::ReleaseQuarantined && standing.on_quarantine == OnQuarantine::DeadLetter;
    if given_up || matches!(failure.code, Code::HandlerReject | Code::TargetInput | Code::TargetGone) {
        return dead_letter(failure.code, failure.reason.clone());
    }
    if standing.attempt >= standing.policy.attempts {
        let last = format!("{} attempts spent; the last: {}: {}", standing.attempt, failure.code, failure.reason);
        return dead_letter(Code::RetriesSpent, last);
    }
    let pause_ms = failure.retry_after_ms.unwrap_or_else(|| jittered(standing));
    let at_ms = standing.now_ms.saturating_add(pause_ms);
    if at_ms.saturating_sub(standing.since_ms) > standing.policy.age_ms {
        let age_s = standing.policy.age_ms / 1_000;
        let last =
            format!("the next attempt would be later than {age_s} s; the last: {}: {}", failure.code, failure.reason);
        return dead_letter(Code::RetriesSpent, last);
    }
    Outcome::Retry { at_ms, code: failure.code, reason: clipped(failure.reason.clone()) }
}

/// A random pause of at most `first * 2^(attempt - 1)`, and never more than `max`.
fn jittered(standing: Standing<'_>) -> u64 {
    let doublings = standing.attempt.saturating_sub(1).min(63);
    let bound = standing.policy.first_ms.saturating_mul(1 << doublings).min(standing.policy.max_ms);
    standing.random % bound.saturating_add(1).max(1)
}

/// A text as long as an attempt's record keeps it.
#[must_use]
pub fn clipped(mut text: String) -> String {
    if text.len() > ERROR_TEXT_BYTES_MAX {
        let end = (0..=ERROR_TEXT_BYTES_MAX).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settle(code: Code, after: Option<u64>, attempt: u32, random: u64) -> String {
        let policy = RetryPolicy { first_ms: 100, max_ms: 1_000, attempts: 5, age_ms: 10_000 };
        let (queue, on_quarantine) = ("dead".parse().unwrap(), OnQuarantine::DeadLetter);
        let standing =
            Standing { attempt, since_ms: 0, now_ms: 5_000, policy: &policy, queue: &queue, on_quarantine, random };
        let failure = Failure { code, reason: "no".into(), retry_after_ms: after };
        match disposition(&Verdict::Failed(failure), standing) {
            Outcome::Ack | Outcome::Filtered { .. } => "settled".into(),
            Outcome::Retry { at_ms, code, .. } => format!("retry at {at_ms} {code}"),
            Outcome::DeadLetter { code, .. } => format!("dead {code}"),
        }
    }

    #[test]
    fn a_failure_is_retried_with_growing_jitter_until_the_policy_is_spent() {
        let cases = [
            (Code::HandlerRetry, Some(50), 1, 0, "retry at 5050 handler-retry"),
            (Code::HandlerTrap, None, 1, 100, "retry at 5100 handler-trap"),
            (Code::HandlerTrap, None, 1, 101, "retry at 5000 handler-trap"),
            (Code::HandlerTrap, None, 3, 400, "retry at 5400 handler-trap"),
            (Code::HandlerTrap, None, 4, 800, "retry at 5800 handler-trap"),
            (Code::HandlerTrap, None, 5, 0, "dead retries-spent"),
            (Code::HandlerRetry, Some(5_001), 1, 0, "dead retries-spent"),
            (Code::HandlerRetry, Some(u64::MAX), 1, 0, "dead retries-spent"),
            (Code::HandlerReject, None, 1, 0, "dead handler-reject"),
            (Code::TargetInput, None, 1, 0, "dead target-input"),
            (Code::ReleaseQuarantined, None, 1, 0, "dead release-quarantined"),
        ];
        for (code, after, attempt, random, expected) in cases {
            assert_eq!(settle(code, after, attempt, random), expected, "{code} {after:?} {attempt} {random}");
        }
    }
}
