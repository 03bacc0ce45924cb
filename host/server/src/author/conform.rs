//! Whether a component keeps the contract, whatever it is for: it is called with events that a host may give it, and each call has to end by
//! its own word.
//!
//! Invariant: nothing is taken for wrong that the contract allows: a component may refuse any event and wish for any retry. What it may
//! not is trap, meet a limit on an event within the limits of events, or give something that a host cannot take.

use std::{collections::BTreeMap, sync::Arc};

use serde::Serialize;
use wharf_delivery::LimitsDocument;
use wharf_event::{
    Code, Event, EventBuilder, EventError, Grants,
    limits::{EVENT_BYTES_MAX, EXTENSIONS_MAX},
};
use wharf_inspect::Kind;

use super::{
    ended::{Ended, Word},
    secrets::Secrets,
    seed::Seed,
    stage::{Call, Stage, StageError},
};

/// What every event says of where it is from.
const SOURCE: &str = "wharf/conformance";

/// The time at which each call is made: 2026-01-01.
const NOW_MS: u64 = 1_767_225_600_000;

/// Attempts that there may be.
const ATTEMPTS: u32 = 3;

/// Events of the large batch.
const BATCH: usize = 100;

/// One thing that was looked at.
#[derive(Debug, Serialize)]
pub struct Finding {
    /// What.
    pub check: String,
    /// Whether it is as the contract says.
    pub passed: bool,
    /// How the call ended.
    pub outcome: Word,
    /// Why, if it did not end well, as a stable code.
    pub code: Option<Code>,
    /// The same in words.
    pub reason: Option<String>,
}

/// A component could not be called at all.
#[derive(Debug, thiserror::Error)]
pub enum ConformError {
    /// It is none, or the calls could not be made.
    #[error(transparent)]
    Stage(#[from] StageError),
    /// An event type that is none.
    #[error(transparent)]
    Event(#[from] EventError),
}

impl ConformError {
    /// The stable code.
    pub fn code(&self) -> Code {
        match self {
            Self::Stage(error) => error.code(),
            Self::Event(error) => error.code(),
        }
    }
}

/// Calls a component with events of this type, and says of each call whether it was as it should be.
///
/// # Errors
/// When it cannot be called, or there are no events of that type.
pub fn conform(stage: &Stage, kind: &str) -> Result<Vec<Finding>, ConformError> {
    let granted = stage.asked();
    let mut findings = Vec::new();
    for (case, event) in cases(kind)? {
        findings.push(finding(case, &stage.call(call(vec![event], &granted, 1))?));
    }
    let ordinary = || event("ordinary", kind).data(ORDINARY).build();
    findings.push(finding("nothing is granted", &stage.call(call(vec![ordinary()?], &Grants::default(), 1))?));
    findings.push(finding("the last attempt", &stage.call(call(vec![ordinary()?], &granted, ATTEMPTS))?));
    match stage.kind() {
        Kind::Batch => {
            let item = |n: usize| event(&format!("item-{n}"), kind).data(n.to_string()).build();
            let batch: Vec<Event> = (0..BATCH).map(item).collect::<Result<_, _>>()?;
            findings.push(finding("a batch of 100", &stage.call(call(batch, &granted, 1))?));
        }
        Kind::Transform => {
            let once = stage.call(call(vec![ordinary()?], &granted, 1))?;
            let again = stage.call(call(vec![ordinary()?], &granted, 1))?;
            let mut found = finding("the same event again", &again);
            if once.event != again.event || once.outcomes != again.outcomes {
                found.passed = false;
                found.reason = Some("a transform is pure, and it did not give the same".to_owned());
            }
            findings.push(found);
        }
        // What answers requests takes no events, and has been refused above.
        Kind::Handler | Kind::Command | Kind::Http => {}
    }
    Ok(findings)
}

/// A payload that has a bit of everything.
const ORDINARY: &str = r#"{"id": 7, "name": "Ada", "total": 9.5, "tags": ["a", "b"], "paid": true, "note": null}"#;

fn event(id: &str, kind: &str) -> EventBuilder {
    EventBuilder::new(id, SOURCE, kind)
}

/// Events that a host may give it: one for each thing that may be odd of one.
fn cases(kind: &str) -> Result<Vec<(&'static str, Event)>, EventError> {
    let odd = "\u{202e}\u{feff}\u{1f980} a\u{0308}\u{10fffd} \u{e9}";
    let bytes: Vec<u8> = (0..=u8::MAX).collect();
    let deep = format!("{}1{}", "[".repeat(100), "]".repeat(100));
    // The attributes have bytes too.
    let large = format!("\"{}\"", "x".repeat(EVENT_BYTES_MAX - 4_096));
    let all = event("attributes", kind).time("2026-01-01T00:00:00.123456789+14:00").dataschema("https://example.com/s");
    let all = (0..EXTENSIONS_MAX).fold(all.subject(odd), |all, n| all.extension(format!("x{n}"), odd));
    let text = |id: &str, data: &str| event(id, kind).data(data.to_owned()).build();
    let media = |id: &str, media: &str, data: Vec<u8>| event(id, kind).datacontenttype(media).data(data).build();
    Ok(vec![
        ("no payload", event("none", kind).build()?),
        ("an object", text("object", ORDINARY)?),
        ("an empty object", text("empty", "{}")?),
        ("null", text("null", "null")?),
        ("a list", text("list", "[1, \"two\", {}]")?),
        ("a text", text("text", &format!("\"{odd}\""))?),
        ("an integer beyond 64 bits", text("number", "123456789012345678901234567890")?),
        ("lists 100 deep", text("deep", &deep)?),
        ("a payload of nearly 1 MiB", text("large", &large)?),
        ("every byte", media("bytes", "application/octet-stream", bytes)?),
        ("an empty payload that is no JSON", media("nothing", "text/plain", Vec::new())?),
        ("all attributes and 64 extensions", all.data(ORDINARY).build()?),
    ])
}

fn call(events: Vec<Event>, grants: &Grants, attempt: u32) -> Call {
    Call {
        events,
        seed: Arc::new(Seed::default()),
        stubs: Arc::default(),
        secrets: Secrets::default(),
        config: BTreeMap::new(),
        grants: grants.clone(),
        limits: LimitsDocument::default(),
        attempt,
        max_attempts: ATTEMPTS,
        now_ms: NOW_MS,
        stands_still: true,
    }
}

/// What a call ended with is as it should be where the component said it itself.
fn finding(check: &str, ended: &Ended) -> Finding {
    let outcome = ended.worst();
    let passed = matches!(outcome, Word::Ok | Word::Filtered | Word::Retry | Word::Reject);
    let why = ended.outcomes.iter().find(|it| it.outcome == outcome);
    let (code, reason) = why.map(|it| (it.code, it.reason.clone())).unwrap_or_default();
    Finding { check: check.to_owned(), passed, outcome, code, reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_is_an_event_that_a_host_takes() {
        let cases = cases("order.created").unwrap();
        let names: std::collections::BTreeSet<_> = cases.iter().map(|(name, _)| name).collect();
        assert_eq!(names.len(), cases.len());
        assert!(super::cases("").is_err());
    }
}
