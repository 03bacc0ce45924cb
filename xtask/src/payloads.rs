//! The real payloads of `tests/data`, and the CloudEvents that they are sent as.
//!
//! Invariant: the mapping to CloudEvents is that of the README: id `gh-<line>`, source `github/<repository or none>`, type
//! `com.github.<event>[.<action>]`, and the payload's own bytes as data.
//!
//! It does not count anything: [`crate::tally`] does.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use anyhow::{Context, Result};
use flate2::read::GzDecoder;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

/// Where the payloads are, in the repository.
const FILE: &str = "tests/data/github-webhooks.ndjson.gz";

/// One payload.
pub struct Payload {
    /// The number of its line, from 1.
    pub line: u64,
    /// Its event, and its action if it names one: `push`, `issues.opened`.
    pub kind: String,
    /// The full name of its repository, or `none`.
    pub repository: String,
    /// What it says.
    pub value: Value,
    /// The same as it stands in the file.
    text: Box<RawValue>,
}

#[derive(Deserialize)]
struct Line {
    event: String,
    payload: Box<RawValue>,
}

#[derive(Serialize)]
struct CloudEvent<'a> {
    specversion: &'a str,
    id: &'a str,
    source: String,
    r#type: String,
    datacontenttype: &'a str,
    data: &'a RawValue,
}

impl Payload {
    fn parse(line: u64, text: &str) -> Result<Self> {
        let Line { event, payload } = serde_json::from_str(text)?;
        let value: Value = serde_json::from_str(payload.get())?;
        let kind = match value.get("action").and_then(Value::as_str) {
            Some(action) => format!("{event}.{action}"),
            None => event,
        };
        let repository = value.pointer("/repository/full_name").and_then(Value::as_str).unwrap_or("none").to_owned();
        Ok(Self { line, kind, repository, value, text: payload })
    }

    /// The event in the JSON format of CloudEvents, under an id.
    pub fn event(&self, id: &str) -> Result<String> {
        let event = CloudEvent {
            specversion: "1.0",
            id,
            source: format!("github/{}", self.repository),
            r#type: format!("com.github.{}", self.kind),
            datacontenttype: "application/json",
            data: &self.text,
        };
        Ok(serde_json::to_string(&event)?)
    }
}

/// Reads all payloads of the repository.
pub fn read(repository: &Path) -> Result<Vec<Payload>> {
    let path = repository.join(FILE);
    let file = File::open(&path).with_context(|| format!("opening {}", path.display()))?;
    let lines = BufReader::new(GzDecoder::new(file)).lines();
    let parse = |(line, text): (u64, std::io::Result<String>)| {
        Payload::parse(line, &text?).with_context(|| format!("line {line} of {}", path.display()))
    };
    (1..).zip(lines).map(parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_becomes_a_cloudevent_with_its_own_bytes() {
        let line = r#"{"event":"issues","payload":{"action":"opened","n":1.50,"repository":{"full_name":"a/b"}}}"#;
        let event = Payload::parse(7, line).unwrap().event("gh-7").unwrap();
        assert!(event.contains(r#""source":"github/a/b","type":"com.github.issues.opened""#), "{event}");
        assert!(event.ends_with(r#""data":{"action":"opened","n":1.50,"repository":{"full_name":"a/b"}}}"#), "{event}");
    }

    #[test]
    fn a_payload_without_action_or_repository_says_so() {
        let payload = Payload::parse(1, r#"{"event":"ping","payload":{"action":null}}"#).unwrap();
        assert_eq!((payload.kind.as_str(), payload.repository.as_str()), ("ping", "none"));
    }

    #[test]
    fn the_file_has_329_payloads() {
        let payloads = read(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))).unwrap();
        assert_eq!(payloads.len(), 329);
        assert_eq!(payloads.iter().filter(|payload| payload.kind == "issues.opened").count(), 4);
    }
}
