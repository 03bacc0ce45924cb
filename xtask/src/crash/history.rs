//! What happened, read from the feed from the start of the log to a last event that marks its end.
//!
//! Invariant: every delivery ends at most once and every event is brought once; what contradicts that is taken down as a
//! sentence. The log's order is the feed's order, so that the mark is behind everything that matters.
//!
//! It does not know what should have been sent: [`super::verdict`] does.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};

use crate::host::Api;
use crate::host::view::{Event, FeedItem, Outcome};

/// How a delivery ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It was acknowledged.
    Settled,
    /// It was given up.
    DeadLettered,
}

/// Events, deliveries and attempts of a log.
#[derive(Default)]
pub struct History {
    /// The received events: id, position.
    pub received: BTreeMap<String, String>,
    /// Deliveries by the event's position and the plugin.
    pub deliveries: BTreeMap<(String, String), Option<End>>,
    /// The published events: id, type, and the position of the event that was handled.
    pub published: BTreeMap<String, (String, String)>,
    /// Attempts that ended in a retry.
    pub retries: u64,
    /// Attempts in all.
    pub attempts: u64,
    /// What cannot be.
    pub violations: Vec<String>,
    positions: BTreeSet<String>,
}

impl History {
    /// Reads until the event whose id is `mark`.
    pub fn read(api: &Api, mark: &str) -> Result<Self> {
        let mut history = Self::default();
        for item in api.feed()? {
            history.take(item?);
            if history.received.contains_key(mark) {
                return Ok(history);
            }
        }
        Err(anyhow::anyhow!("the feed ended")).with_context(|| format!("looking for {mark}"))
    }

    fn take(&mut self, item: FeedItem) {
        match item {
            FeedItem::Received { event } => {
                self.bring(&event);
                if let Some(first) = self.received.insert(event.event.id.clone(), event.position.clone()) {
                    self.violations.push(format!("{} was received at {first} and {}", event.event.id, event.position));
                }
            }
            FeedItem::Settled { event, plugin, attempt, published } => {
                self.attempts += 1;
                self.settle(event.clone(), plugin, attempt.attempt, &attempt.outcome);
                for child in published {
                    self.publish(&event, &child);
                }
            }
            FeedItem::Redriven { event } => self.violations.push(format!("nobody asked to redrive {event}")),
            FeedItem::Moved(_) | FeedItem::Edited(_) | FeedItem::Discarded(_) => {
                self.violations.push("nobody has queues, edits letters or lets go of any".into())
            }
        }
    }

    /// An event with the deliveries that it comes to.
    fn bring(&mut self, event: &Event) {
        if !self.positions.insert(event.position.clone()) {
            self.violations.push(format!("two events are at {}", event.position));
        }
        for target in &event.deliveries {
            self.deliveries.insert((event.position.clone(), target.plugin.clone()), None);
        }
    }

    fn settle(&mut self, event: String, plugin: String, attempt: u32, outcome: &Outcome) {
        let what = format!("attempt {attempt} of {plugin} on {event}");
        let end = match outcome {
            Outcome::Retry => {
                self.retries += 1;
                None
            }
            Outcome::Ack => Some(End::Settled),
            Outcome::DeadLetter => Some(End::DeadLettered),
        };
        match self.deliveries.get_mut(&(event, plugin)) {
            None => self.violations.push(format!("{what} is of a delivery that there is not")),
            Some(Some(before)) => {
                let before = *before;
                self.violations.push(format!("{what} ended ({outcome:?}) after the delivery had ended ({before:?})"));
            }
            Some(state) => *state = end,
        }
    }

    fn publish(&mut self, parent: &str, child: &Event) {
        self.bring(child);
        if child.parent.as_deref() != Some(parent) {
            self.violations.push(format!("{} names the parent {:?}, not {parent}", child.event.id, child.parent));
        }
        let of = (child.event.r#type.clone(), parent.to_owned());
        if self.published.insert(child.event.id.clone(), of).is_some() {
            self.violations.push(format!("{} was published twice", child.event.id));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn event(position: &str, id: &str, plugins: &[&str]) -> Value {
        let deliveries: Vec<Value> = plugins.iter().map(|plugin| json!({"plugin": plugin})).collect();
        json!({"position": position, "event": {"id": id, "type": "t"}, "deliveries": deliveries})
    }

    fn received(position: &str, id: &str, plugins: &[&str]) -> Value {
        json!({"received": {"event": event(position, id, plugins)}})
    }

    fn settled(position: &str, plugin: &str, outcome: &str, published: Vec<Value>) -> Value {
        let time = "2026-01-31T23:59:59Z";
        let attempt = json!({"attempt": 1, "outcome": {"outcome": outcome}, "time": time, "duration_us": 1});
        json!({"settled": {"event": position, "plugin": plugin, "attempt": attempt, "published": published}})
    }

    fn child(position: &str, id: &str, parent: &str) -> Value {
        let mut child = event(position, id, &["q"]);
        child["parent"] = json!(parent);
        child
    }

    fn violations(items: Vec<Value>) -> Vec<String> {
        let mut history = History::default();
        items.into_iter().for_each(|item| history.take(serde_json::from_value(item).unwrap()));
        history.violations
    }

    #[test]
    fn a_retry_and_then_an_end_is_as_it_should_be() {
        let items = vec![
            received("1-0", "a", &["p"]),
            settled("1-0", "p", "retry", vec![]),
            settled("1-0", "p", "ack", vec![child("3-1", "x", "1-0")]),
            settled("3-1", "q", "dead-letter", vec![]),
        ];
        assert_eq!(violations(items), Vec::<String>::new());
    }

    #[test]
    fn what_happens_twice_is_found() {
        let twice = |item: Value| vec![received("1-0", "a", &["p"]), item.clone(), item];
        for (items, word) in [
            (twice(settled("1-0", "p", "ack", vec![])), "after the delivery had ended"),
            (twice(received("2-0", "b", &[])), "was received at"),
            (twice(settled("1-0", "p", "retry", vec![child("3-1", "x", "1-0")])), "was published twice"),
            (vec![settled("1-0", "p", "ack", vec![])], "that there is not"),
            (
                vec![received("1-0", "a", &["p"]), settled("1-0", "p", "ack", vec![child("3-1", "x", "9-0")])],
                "the parent",
            ),
        ] {
            let violations = violations(items);
            assert!(violations.iter().any(|violation| violation.contains(word)), "{word}: {violations:?}");
        }
    }
}
