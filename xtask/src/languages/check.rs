//! Whether what became of a scenario is what its line of the table says.
//!
//! Invariant: the first thing that differs is the cell's text, with what was there and what was expected.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::answers::Answers;
use super::compare::{filled, fits, shown, stored};
use super::scenario::{Attempt, Scenario, World};

/// How much later than it ended an attempt may be settled, in milliseconds.
const SETTLED_WITHIN_MS: i64 = 200;

/// Rows of languages that have a stack to show for an error.
const WITH_STACK: [&str; 3] = ["python", "js", "go"];

/// Holds what became of a scenario against its line.
pub fn check(row: &str, scenario: &Scenario, answers: &Answers) -> Result<()> {
    if scenario.world != World::Batch {
        attempts(row, scenario, answers)?;
    }
    if let Some(expected) = &scenario.answer {
        for (n, answer) in answers.answers.iter().enumerate() {
            stored(&format!("answer {n}"), expected, answer.as_ref(), &answers.names)?;
        }
    }
    if scenario.distinct {
        let all: BTreeSet<String> = answers.answers.iter().flatten().map(Value::to_string).collect();
        ensure!(all.len() == answers.answers.len() && !all.is_empty(), "the answers are {all:?}, which do not differ");
    }
    for ((key, found), expected) in answers.kv.iter().zip(scenario.kv.values()) {
        stored(&format!("the value of {key}"), expected, found.as_ref(), &answers.names)?;
    }
    if let Some(expected) = &scenario.published {
        list("events published", expected, &answers.published, &answers.names)?;
    }
    if let Some(expected) = &scenario.log {
        let last = answers.delivery.iter().filter_map(|it| it.get("attempts")?.as_array()?.last()).next_back();
        let log = last.and_then(|attempt| attempt.get("log")?.as_array()).cloned().unwrap_or_default();
        let lines: Vec<Map<String, Value>> = log.iter().filter_map(|line| line.as_object().cloned()).collect();
        list("lines of the log", expected, &lines, &answers.names)?;
    }
    if let Some(expected) = &scenario.dead {
        ensure!(expected.len() == answers.dead.len(), "{} dead letters, not {}", answers.dead.len(), expected.len());
        for letter in expected {
            let id = format!("{}-{}", scenario.name, letter.n);
            let of_it = |it: &&Value| it.pointer("/event/event/id").and_then(Value::as_str) == Some(&id);
            let found = answers.dead.iter().find(of_it).with_context(|| format!("{id} is no dead letter"))?;
            let error = text(found, "error");
            ensure!(text(found, "code") == letter.code, "{id} ended with {}, not {}", text(found, "code"), letter.code);
            let sdk = if is_bare(row) { "" } else { &letter.sdk_error };
            ensure!(error.contains(&letter.error) && error.contains(sdk), "{id} ended with: {error}");
        }
    }
    Ok(())
}

fn is_bare(row: &str) -> bool {
    row.ends_with("-bare")
}

fn text<'v>(value: &'v Value, member: &str) -> &'v str {
    value.get(member).and_then(Value::as_str).unwrap_or_default()
}

fn list(
    what: &str,
    expected: &[Map<String, Value>],
    found: &[Map<String, Value>],
    names: &[(String, String)],
) -> Result<()> {
    ensure!(expected.len() == found.len(), "{} {what}, not {}", found.len(), expected.len());
    for (n, (expected, found)) in expected.iter().zip(found).enumerate() {
        let (expected, found) = (Value::Object(expected.clone()), Value::Object(found.clone()));
        ensure!(
            fits(&expected, Some(&found), names),
            "{what}: {n} is {}, not {}",
            shown(Some(&found)),
            shown(Some(&expected))
        );
    }
    Ok(())
}

fn attempts(row: &str, scenario: &Scenario, answers: &Answers) -> Result<()> {
    let delivery = answers.delivery.as_ref().context("there is no delivery")?;
    let made = delivery.get("attempts").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if let Some(state) = &scenario.state {
        ensure!(text(delivery, "state") == state, "the delivery is {}, not {state}", text(delivery, "state"));
        return Ok(());
    }
    let Some(expected) = &scenario.attempts else {
        let is_one = made.len() == 1 && text(delivery, "state") == "settled";
        ensure!(is_one, "the delivery is {} after {} attempts: {}", text(delivery, "state"), made.len(), said(made));
        return Ok(());
    };
    ensure!(made.len() == expected.len(), "{} attempts, not {}: {}", made.len(), expected.len(), said(made));
    for (n, (expected, made)) in expected.iter().zip(made).enumerate() {
        attempt(row, expected, made, &answers.names).with_context(|| format!("attempt {}", n + 1))?;
    }
    Ok(())
}

fn said(attempts: &[Value]) -> String {
    shown(attempts.last().and_then(|attempt| attempt.get("outcome")))
}

fn attempt(row: &str, expected: &Attempt, made: &Value, names: &[(String, String)]) -> Result<()> {
    let outcome = made.get("outcome").cloned().unwrap_or_default();
    let reason = text(&outcome, "reason");
    let said = shown(outcome.get("reason"));
    ensure!(
        text(&outcome, "outcome") == expected.outcome,
        "it ended with {}, not {}",
        shown(Some(&outcome)),
        expected.outcome
    );
    let code = expected.code.as_deref().unwrap_or(text(&outcome, "code"));
    ensure!(text(&outcome, "code") == code, "it ended with {}, not {code}", shown(Some(&outcome)));
    ensure!(reason.contains(&filled(&expected.reason, names)), "its reason is {said}, not {:?}", expected.reason);
    if !is_bare(row) {
        ensure!(reason.contains(&expected.sdk_reason), "its reason is {said}, without {:?}", expected.sdk_reason);
    }
    if WITH_STACK.contains(&row) {
        let log = made.get("log").map(Value::to_string).unwrap_or_default();
        let shown = reason.contains(&expected.stack) || log.contains(&expected.stack);
        ensure!(shown, "neither its reason nor its log names the place: {said}");
    }
    let met = made.get("limits").and_then(Value::as_array).cloned().unwrap_or_default();
    for limit in &expected.limits {
        ensure!(met.iter().any(|it| it.as_str() == Some(limit)), "it met the limits {met:?}, and not {limit}");
    }
    if let Some(after_ms) = expected.after_ms {
        let time = |value: &Value, member| text(value, member).parse::<Timestamp>().context("a time");
        let waited = time(&outcome, "at")?.as_millisecond() - time(made, "time")?.as_millisecond();
        // It is counted from the end of the attempt, which is settled a moment later: on a busy machine that takes some milliseconds.
        ensure!(waited + SETTLED_WITHIN_MS >= after_ms, "the next attempt was put off by {waited} ms, not {after_ms}");
    }
    Ok(())
}
