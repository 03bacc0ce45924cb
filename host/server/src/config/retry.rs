//! The keys of a target's retry policy, and how they are read.
//!
//! Invariant: a rule for an outcome that could never hold, or says what nothing follows from, is a mistake.

use serde_json::json;
use wharf_delivery::{
    Backoff, FINAL_CODES, Glob, Jitter, OutcomeRule, RetryPolicy, Statuses, Then, limits::OUTCOME_RULES_MAX,
};
use wharf_event::Code;

use super::{
    duration::duration_text,
    keys::{Key, Otherwise, Shape, key},
    table::{Found, Sink, Table},
};

/// Attempts in all.
const ATTEMPTS_MAX: u32 = 1_000;

pub(super) static RETRY: &[Key] = &[
    key(
        "backoff",
        "How pauses grow: `exponential`, they double with each attempt, or `fixed`, all are the first one.",
        Shape::Choice(Backoff::WORDS),
        Otherwise::Default(|| json!(Backoff::default())),
    ),
    key(
        "jitter",
        "How pauses are spread: `full`, anything from nothing to the whole pause, `equal`, from half of it, or `none`.",
        Shape::Choice(Jitter::WORDS),
        Otherwise::Default(|| json!(Jitter::default())),
    ),
    key(
        "first",
        "The longest pause after the first attempt. It doubles with each further one, unless `backoff` says otherwise.",
        Shape::Duration,
        Otherwise::Default(|| json!(duration_text(RetryPolicy::default().first_ms))),
    ),
    key(
        "max",
        "The longest pause of all.",
        Shape::Duration,
        Otherwise::Default(|| json!(duration_text(RetryPolicy::default().max_ms))),
    ),
    key(
        "attempts",
        "Attempts in all.",
        Shape::Integer(1..=ATTEMPTS_MAX),
        Otherwise::Default(|| json!(RetryPolicy::default().attempts)),
    ),
    key(
        "age",
        "The time since the event was accepted after which nothing is tried again.",
        Shape::Duration,
        Otherwise::Default(|| json!(duration_text(RetryPolicy::default().age_ms))),
    ),
    key(
        "on",
        "What follows from some outcomes: the first that matches counts.",
        Shape::List("outcome", OUTCOME_RULES_MAX, OUTCOME),
        Otherwise::Nothing,
    ),
];

static OUTCOME: &[Key] = &[
    key(
        "code",
        "The code that the attempt ended with, such as `limit-memory`; a `*` stands for anything, as in `limit-*`.",
        Shape::Text,
        Otherwise::Nothing,
    ),
    key(
        "status",
        "The HTTP status that the target answered with: `429`, or a class such as `5xx`.",
        Shape::Text,
        Otherwise::Nothing,
    ),
    key(
        "reason",
        "The reason of the failure, the whole of it; a `*` stands for anything, as in `*rate limit*`.",
        Shape::Text,
        Otherwise::Nothing,
    ),
    key(
        "then",
        "What follows: `retry`, as long as attempts and age allow, or `dead-letter` at once.",
        Shape::Choice(Then::WORDS),
        Otherwise::Default(|| json!(Then::default())),
    ),
    key(
        "backoff",
        "How pauses grow after it, if not as after others.",
        Shape::Choice(Backoff::WORDS),
        Otherwise::Nothing,
    ),
    key("jitter", "How pauses are spread after it.", Shape::Choice(Jitter::WORDS), Otherwise::Nothing),
    key("first", "The longest pause after the first attempt, if it ends so.", Shape::Duration, Otherwise::Nothing),
    key("max", "The longest pause of all after it.", Shape::Duration, Otherwise::Nothing),
    key(
        "attempts",
        "Attempts in all if the last one ends so; never more than the policy's.",
        Shape::Integer(1..=ATTEMPTS_MAX),
        Otherwise::Nothing,
    ),
];

/// The keys of an outcome that say something of further attempts.
const OF_RETRIES: [&str; 5] = ["backoff", "jitter", "first", "max", "attempts"];

pub(super) fn read(table: Table<'_>, sink: &Sink) -> RetryPolicy {
    let defaults = RetryPolicy::default();
    let mut retry = RetryPolicy {
        first_ms: table.duration_ms("first").unwrap_or(defaults.first_ms),
        max_ms: table.duration_ms("max").unwrap_or(defaults.max_ms),
        attempts: table.integer("attempts").unwrap_or(defaults.attempts),
        age_ms: table.duration_ms("age").unwrap_or(defaults.age_ms),
        backoff: word(&table, "backoff").unwrap_or_default(),
        jitter: word(&table, "jitter").unwrap_or_default(),
        on: Vec::new(),
    };
    let both_read = both_read(&table, sink);
    if both_read && retry.first_ms > retry.max_ms {
        sink.report(table.span.clone(), "`first` is longer than `max`", "give a `max` that is at least `first`");
    }
    let outcomes = table.tables("on");
    if let Some(first) = outcomes.get(OUTCOME_RULES_MAX) {
        let message = format!("{} has more than {OUTCOME_RULES_MAX} outcomes", table.what());
        sink.report(first.span.clone(), message, "make one of several with a `*` in their `code` or `reason`");
    }
    retry.on = outcomes.iter().map(|outcome| read_outcome(outcome, &retry, both_read, sink)).collect();
    retry
}

fn read_outcome(table: &Table<'_>, policy: &RetryPolicy, policy_read: bool, sink: &Sink) -> OutcomeRule {
    let code = table.parsed::<Glob>("code");
    if let Some(code) = &code {
        check_code(code, sink);
    }
    let matched = ["code", "status", "reason"];
    if matched.iter().all(|key| table.value_span(key).is_none()) {
        let message = format!("{} has none of `code`, `status` and `reason`", table.what());
        sink.report(table.span.clone(), message, "say which outcomes it is for; the policy itself is for all others");
    }
    let rule = OutcomeRule {
        code: code.map(|code| code.value),
        status: table.parsed::<Statuses>("status").map(|status| status.value),
        reason: table.parsed::<Glob>("reason").map(|reason| reason.value),
        then: word(table, "then").unwrap_or_default(),
        backoff: word(table, "backoff"),
        jitter: word(table, "jitter"),
        first_ms: table.duration_ms("first"),
        max_ms: table.duration_ms("max"),
        attempts: table.integer("attempts"),
    };
    if rule.then == Then::DeadLetter {
        for (key, span) in OF_RETRIES.iter().filter_map(|key| Some((key, table.value_span(key)?))) {
            let message = format!("`{key}` says how it is tried again, and a dead letter is not");
            sink.report(span, message, format!("remove `{key}`, or say `then = \"retry\"`"));
        }
    }
    let (first_ms, max_ms) = (rule.first_ms.unwrap_or(policy.first_ms), rule.max_ms.unwrap_or(policy.max_ms));
    let says_so = rule.first_ms.is_some() || rule.max_ms.is_some();
    if says_so && policy_read && both_read(table, sink) && first_ms > max_ms {
        let message = "`first` is longer than `max`, which may be the policy's own";
        sink.report(table.span.clone(), message, "give a `max` that is at least `first`");
    }
    rule
}

/// A code that no attempt ends with is mistyped, and after some there is no further attempt whatever is said of them.
fn check_code(code: &Found<Glob>, sink: &Sink) {
    let Found { value, span } = code;
    if FINAL_CODES.iter().any(|code| code.as_str() == value.as_str()) {
        let message =
            format!("after `{}` a delivery goes to its dead-letter queue whatever is said here", value.as_str());
        return sink.report(span.clone(), message, "remove it");
    }
    if !Code::ALL.iter().any(|code| value.matches(code.as_str())) {
        let codes = Code::ALL.iter().map(|code| code.as_str());
        let help = "`wharf explain` lists the codes";
        sink.report_unknown(span.clone(), format!("no code is `{}`", value.as_str()), value.as_str(), codes, help);
    }
}

fn both_read(table: &Table<'_>, sink: &Sink) -> bool {
    ["first", "max"].iter().all(|key| !sink.has_at(table.value_span(key)))
}

fn word<T: std::str::FromStr<Err: std::fmt::Display>>(table: &Table<'_>, key: &'static str) -> Option<T> {
    table.parsed(key).map(|found| found.value)
}
