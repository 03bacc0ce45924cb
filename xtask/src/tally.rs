//! What the demo's plugins come to, counted from the payloads alone.
//!
//! Invariant: no line of this is shared with the host, the SDK or the plugins, so that a mistake there shows as a difference
//! here. The words of the labels are those of `plugins/github-triage`, on purpose written a second time.
//!
//! It does not know what a host did: [`crate::demo`] and [`crate::crash`] compare.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::payloads::Payload;

/// Key-value totals: by plugin, by key.
pub type Counters = BTreeMap<String, BTreeMap<String, i64>>;

/// Every how many lines `flaky` fails once.
const FAILS_ONCE_EVERY: u64 = 10;

/// Every how many lines `flaky` always fails.
const FAILS_ALWAYS_EVERY: u64 = 50;

/// The attempts that `flaky` gets.
const FLAKY_ATTEMPTS: u64 = 3;

/// Totals of a run.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Events received.
    pub events: u64,
    /// Deliveries of received and published events.
    pub deliveries: u64,
    /// Attempts of deliveries.
    pub attempts: u64,
    /// Events that handlers published.
    pub published: u64,
    /// Attempts that ended in a retry.
    pub retries: u64,
    /// Deliveries that ended in the dead-letter queue.
    pub dead_letters: u64,
    /// Key-value totals.
    pub kv: Counters,
}

impl Tally {
    /// Counts what one event comes to.
    pub fn add(&mut self, payload: &Payload) {
        self.events += 1;
        for plugin in plugins(payload) {
            self.deliver(plugin, payload);
        }
    }

    fn deliver(&mut self, plugin: &str, payload: &Payload) {
        self.deliveries += 1;
        self.attempts += 1;
        match plugin {
            "event-stats" => {
                self.count(plugin, format!("type/com.github.{}", payload.kind), 1);
                self.count(plugin, format!("repo/{}", payload.repository), 1);
            }
            "push-stats" => {
                for commit in payload.value.get("commits").and_then(Value::as_array).into_iter().flatten() {
                    let author = commit.pointer("/author/username").and_then(Value::as_str).unwrap_or("none");
                    self.count(plugin, format!("repo/{}", payload.repository), 1);
                    self.count(plugin, format!("author/{author}"), 1);
                }
            }
            "flaky" => {
                let retries = if always_fails(payload.line) {
                    FLAKY_ATTEMPTS - 1
                } else {
                    u64::from(payload.line.is_multiple_of(FAILS_ONCE_EVERY))
                };
                self.attempts += retries;
                self.retries += retries;
                self.dead_letters += u64::from(always_fails(payload.line));
            }
            "github-triage" => {
                self.published += 1;
                self.deliver("label-stats", payload);
            }
            "label-stats" => {
                for label in labels(payload) {
                    self.count(plugin, format!("label/{label}"), 1);
                }
            }
            _ => {}
        }
    }

    fn count(&mut self, plugin: &str, key: String, n: i64) {
        *self.kv.entry(plugin.to_owned()).or_default().entry(key).or_default() += n;
    }
}

/// The plugins that an event of GitHub is delivered to.
pub fn plugins(payload: &Payload) -> Vec<&'static str> {
    let mut plugins = vec!["event-stats", "flaky"];
    match payload.kind.as_str() {
        "issues.opened" => plugins.push("github-triage"),
        "push" => plugins.push("push-stats"),
        _ => {}
    }
    plugins
}

/// Whether `flaky` never takes the event of this line.
pub fn always_fails(line: u64) -> bool {
    line.is_multiple_of(FAILS_ALWAYS_EVERY)
}

fn labels(payload: &Payload) -> Vec<&'static str> {
    let text = |pointer| payload.value.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let words = format!("{} {}", text("/issue/title"), text("/issue/body")).to_lowercase();
    let words: Vec<&str> = words.split(|letter: char| !letter.is_alphanumeric()).collect();
    let mut labels = Vec::new();
    for (label, keywords) in [
        ("bug", "bug broken crash error fail fails panic wrong"),
        ("feature", "enhancement feature proposal support wish"),
        ("question", "help how question why"),
    ] {
        if keywords.split(' ').any(|keyword| words.contains(&keyword)) {
            labels.push(label);
        }
    }
    if labels.is_empty() { vec!["untriaged"] } else { labels }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn one_round_of_the_file_comes_to_what_the_issue_says() {
        let payloads = crate::payloads::read(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))).unwrap();
        let mut tally = Tally::default();
        payloads.iter().for_each(|payload| tally.add(payload));
        assert_eq!((tally.events, tally.retries, tally.dead_letters, tally.published), (329, 38, 6, 4));
        assert_eq!(tally.deliveries, 329 + 329 + 4 + 7 + 4);
        assert_eq!(tally.attempts, tally.deliveries + 38);
        let sum = |plugin: &str, prefix: &str| -> i64 {
            tally.kv[plugin].iter().filter(|(key, _)| key.starts_with(prefix)).map(|(_, n)| n).sum()
        };
        assert_eq!((sum("event-stats", "type/"), sum("event-stats", "repo/")), (329, 329));
        assert_eq!(tally.kv["event-stats"]["repo/none"], 49);
        assert_eq!((sum("push-stats", "repo/"), sum("push-stats", "author/")), (2, 2));
        assert_eq!(tally.kv["label-stats"], BTreeMap::from([("label/bug".to_owned(), 4)]));
    }
}
