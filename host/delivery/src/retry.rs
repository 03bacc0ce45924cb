//! What follows from a failed attempt: one pure function decides, by the target's policy (docs/design/retries.md).

use wharf_event::{Code, PluginName, QueueName};

use crate::{
    Backoff, Jitter, OnQuarantine, Outcome, OutcomeRule, RetryPolicy, Then, limits::ERROR_TEXT_BYTES_MAX,
    policy::FINAL_CODES,
};

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
    /// The target's wish for the next attempt, in milliseconds from now.
    pub retry_after_ms: Option<u64>,
    /// The HTTP status that the target answered with, if it speaks HTTP and did.
    pub status: Option<u16>,
}

impl Failure {
    /// A failure of which no more is known than what happened.
    pub fn new(code: Code, reason: impl Into<String>) -> Self {
        Self { code, reason: reason.into(), retry_after_ms: None, status: None }
    }
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
    let by = standing.policy.on.iter().find(|rule| rule.matches(failure.code, failure.status, &failure.reason));
    let wanted = by.is_some_and(|rule| rule.then == Then::DeadLetter);
    if given_up || wanted || FINAL_CODES.contains(&failure.code) {
        return dead_letter(failure.code, failure.reason.clone());
    }
    let attempts =
        by.and_then(|rule| rule.attempts).map_or(standing.policy.attempts, |n| n.min(standing.policy.attempts));
    // Its webhook is disabled with this attempt, however many it had: the delivery waits until that is enabled, as all others do.
    let waits = failure.code == Code::WebhookGone;
    if standing.attempt >= attempts && !waits {
        let (n, code, reason) = (standing.attempt, failure.code, &failure.reason);
        let spent = if n == 1 { "1 attempt".to_owned() } else { format!("{n} attempts") };
        let last = format!("{spent} spent{THE_LAST}{code}: {reason}");
        return dead_letter(Code::RetriesSpent, last);
    }
    let pause_ms = failure.retry_after_ms.unwrap_or_else(|| pause_ms(standing, by));
    let at_ms = standing.now_ms.saturating_add(pause_ms);
    if at_ms.saturating_sub(standing.since_ms) > standing.policy.age_ms && !waits {
        let age_s = standing.policy.age_ms / 1_000;
        let (code, reason) = (failure.code, &failure.reason);
        let last = format!("the next attempt would be later than {age_s} s{THE_LAST}{code}: {reason}");
        return dead_letter(Code::RetriesSpent, last);
    }
    Outcome::Retry { at_ms, code: failure.code, reason: clipped(failure.reason.clone()) }
}

/// What comes before the failure of the last attempt, in the words that say that all of them are spent.
const THE_LAST: &str = "; the last: ";

/// What the last attempt of a delivery ended with that was given up so.
#[must_use]
pub fn cause(code: Code, reason: &str) -> Code {
    let last = || reason.split_once(THE_LAST)?.1.split_once(": ")?.0.parse().ok();
    (code == Code::RetriesSpent).then(last).flatten().unwrap_or(code)
}

/// The pause before the next attempt, by the policy and what it says of such an outcome.
fn pause_ms(standing: Standing<'_>, by: Option<&OutcomeRule>) -> u64 {
    let RetryPolicy { first_ms, max_ms, backoff, jitter, .. } = standing.policy;
    let first_ms = by.and_then(|rule| rule.first_ms).unwrap_or(*first_ms);
    let max_ms = by.and_then(|rule| rule.max_ms).unwrap_or(*max_ms);
    let doublings = match by.and_then(|rule| rule.backoff).unwrap_or(*backoff) {
        Backoff::Exponential => standing.attempt.saturating_sub(1).min(63),
        Backoff::Fixed => 0,
    };
    let whole_ms = first_ms.saturating_mul(1 << doublings).min(max_ms);
    let least_ms = match by.and_then(|rule| rule.jitter).unwrap_or(*jitter) {
        Jitter::Full => 0,
        Jitter::Equal => whole_ms / 2,
        Jitter::None => whole_ms,
    };
    least_ms + standing.random % (whole_ms - least_ms).saturating_add(1).max(1)
}

/// A text as long as an attempt's record keeps it.
#[must_use]
pub fn clipped(mut text: String) -> String {
    if text.len() > ERROR_TEXT_BYTES_MAX {
        text.truncate(text.floor_char_boundary(ERROR_TEXT_BYTES_MAX));
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIVE: &str = r#"{"first_ms":100,"max_ms":1000,"attempts":5,"age_ms":10000}"#;

    /// What follows of a failure after `attempt`, five seconds after the event came.
    fn settle(policy: &str, failure: Failure, attempt: u32, random: u64) -> String {
        let policy: RetryPolicy = serde_json::from_str(policy).unwrap();
        let (queue, on_quarantine) = ("dead".parse().unwrap(), OnQuarantine::DeadLetter);
        let standing =
            Standing { attempt, since_ms: 0, now_ms: 5_000, policy: &policy, queue: &queue, on_quarantine, random };
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
            (Code::WebhookGone, None, 4, 800, "retry at 5800 webhook-gone"),
            (Code::WebhookGone, None, 5, 0, "retry at 5000 webhook-gone"),
        ];
        for (code, retry_after_ms, attempt, random, expected) in cases {
            let failure = Failure { retry_after_ms, ..Failure::new(code, "no") };
            assert_eq!(
                settle(FIVE, failure, attempt, random),
                expected,
                "{code} {retry_after_ms:?} {attempt} {random}"
            );
        }
    }

    #[test]
    fn pauses_grow_or_do_not_and_are_spread_as_the_policy_says() {
        let cases = [
            ("exponential", "full", 3, 400, 400),
            ("exponential", "full", 3, 401, 0),
            ("exponential", "equal", 3, 0, 200),
            ("exponential", "equal", 3, 200, 400),
            ("exponential", "equal", 3, 201, 200),
            ("exponential", "none", 3, 7, 400),
            ("exponential", "none", 9, 7, 1_000),
            ("fixed", "full", 3, 101, 0),
            ("fixed", "equal", 3, 0, 50),
            ("fixed", "none", 3, 7, 100),
        ];
        for (backoff, jitter, attempt, random, pause_ms) in cases {
            let policy = format!(
                r#"{{"first_ms":100,"max_ms":1000,"attempts":10,"age_ms":10000,"backoff":"{backoff}","jitter":"{jitter}"}}"#
            );
            let settled = settle(&policy, Failure::new(Code::HandlerTrap, "no"), attempt, random);
            assert_eq!(
                settled,
                format!("retry at {} handler-trap", 5_000 + pause_ms),
                "{backoff} {jitter} {attempt} {random}"
            );
        }
        let longest =
            RetryPolicy { first_ms: u64::MAX, max_ms: u64::MAX, jitter: Jitter::None, ..RetryPolicy::default() };
        let longest = serde_json::to_string(&longest).unwrap();
        assert_eq!(settle(&longest, Failure::new(Code::HandlerTrap, "no"), 2, 7), "dead retries-spent");
    }

    #[test]
    fn what_is_said_of_an_outcome_counts_before_the_policy_and_within_its_caps() {
        let on = concat!(
            r#"[{"code":"limit-memory","then":"dead-letter"},"#,
            r#"{"code":"limit-*","attempts":2},"#,
            r#"{"status":"429","backoff":"fixed","first_ms":700},"#,
            r#"{"status":"4xx","then":"dead-letter"},"#,
            r#"{"reason":"*busy*","jitter":"none","first_ms":2000,"max_ms":3000,"attempts":99},"#,
            r#"{"code":"handler-*"}]"#
        );
        let policy = FIVE.replace('}', &format!(r#","jitter":"none","on":{on}}}"#));
        let of = |code, reason: &str| Failure::new(code, reason);
        let answered = |status| Failure { status: Some(status), ..of(Code::HandlerRetry, "busy") };
        let wish = |ms, failure| Failure { retry_after_ms: Some(ms), ..failure };
        let cases = [
            (of(Code::LimitMemory, "no"), 1, "dead limit-memory"),
            (wish(1, of(Code::LimitMemory, "no")), 1, "dead limit-memory"),
            (of(Code::LimitCpu, "no"), 1, "retry at 5100 limit-cpu"),
            (of(Code::LimitCpu, "no"), 2, "dead retries-spent"),
            (answered(429), 3, "retry at 5700 handler-retry"),
            (wish(900, answered(429)), 3, "retry at 5900 handler-retry"),
            (wish(5_001, answered(429)), 3, "dead retries-spent"),
            (answered(404), 1, "dead handler-retry"),
            (answered(503), 1, "retry at 7000 handler-retry"),
            (of(Code::HandlerTrap, "it was busy"), 2, "retry at 8000 handler-trap"),
            (of(Code::HandlerTrap, "it was busy"), 5, "dead retries-spent"),
            (of(Code::HandlerTrap, "no"), 1, "retry at 5100 handler-trap"),
            (of(Code::HandlerReject, "no"), 1, "dead handler-reject"),
            (of(Code::Conflict, "no"), 1, "retry at 5100 conflict"),
        ];
        for (failure, attempt, expected) in cases {
            let told = format!("{failure:?} {attempt}");
            assert_eq!(settle(&policy, failure, attempt, 7), expected, "{told}");
        }
    }

    #[test]
    fn what_was_given_up_says_what_its_last_attempt_ended_with() {
        let queue: QueueName = "q".parse().unwrap();
        let policy = RetryPolicy { attempts: 2, age_ms: 10_000, ..RetryPolicy::default() };
        let standing = |attempt, now_ms| Standing {
            attempt,
            since_ms: 0,
            now_ms,
            policy: &policy,
            queue: &queue,
            on_quarantine: OnQuarantine::Wait,
            random: 0,
        };
        let failed = |code| Verdict::Failed(Failure::new(code, "it said; the last: no: really"));
        for (code, attempt, now_ms) in
            [(Code::HandlerTrap, 2, 0), (Code::WebhookStatus, 1, 20_000), (Code::HandlerReject, 1, 0)]
        {
            let Outcome::DeadLetter { code: given_up, reason, .. } =
                disposition(&failed(code), standing(attempt, now_ms))
            else {
                panic!("{code} is no dead letter")
            };
            assert_eq!(cause(given_up, &reason), code, "{reason}");
        }
        assert_eq!(cause(Code::RetriesSpent, "otherwise"), Code::RetriesSpent);
    }
}
