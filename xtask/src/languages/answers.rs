//! What the host says became of a scenario's events.
//!
//! Invariant: it is asked by the API and read as any client would; nothing is judged here.

use anyhow::{Context, Result};
use serde_json::{Map, Value};

use super::compare::filled;
use super::scenario::{Scenario, World};
use crate::host::Api;

/// How many of the newest events are looked through for what a batch published.
const EVENTS_ROWS: usize = 50;

/// What became of a scenario's events.
pub struct Answers {
    /// What stands for itself in expectations: `{id}`, `{delivery}` and the like.
    pub names: Vec<(String, String)>,
    /// What is stored under each event's id.
    pub answers: Vec<Option<Value>>,
    /// What is stored elsewhere, by key.
    pub kv: Vec<(String, Option<Value>)>,
    /// The first event's delivery; none of a batch.
    pub delivery: Option<Value>,
    /// What was published.
    pub published: Vec<Map<String, Value>>,
    /// The dead letters of a batch's queue that are of this scenario.
    pub dead: Vec<Value>,
}

impl Answers {
    /// Asks for all of it.
    pub fn read(api: &Api, scenario: &Scenario, ids: &[&str]) -> Result<Self> {
        let first = ids.first().copied().unwrap_or_default();
        let mut names = vec![("{id}".to_owned(), first.to_owned()), ("{source}".to_owned(), scenario.name.clone())];
        let mut answers = Self {
            names: Vec::new(),
            answers: Vec::new(),
            kv: Vec::new(),
            delivery: None,
            published: Vec::new(),
            dead: Vec::new(),
        };
        if scenario.world == World::Batch {
            answers.published = published_by_batch(api, &scenario.name)?;
            answers.dead = letters(api, scenario)?;
        } else {
            let detail = api.read(&format!("/events/{first}"))?;
            let delivery = detail.pointer("/deliveries/0").cloned().context("it was delivered to nobody")?;
            let id = delivery.get("id").and_then(Value::as_str).unwrap_or_default();
            names.push(("{delivery}".to_owned(), id.to_owned()));
            answers.published = published_by_handler(api, &delivery)?;
            answers.delivery = Some(delivery);
        }
        for (n, event) in answers.published.iter().enumerate() {
            let id = event.get("id").and_then(Value::as_str).unwrap_or_default();
            names.push((format!("{{published.{n}.id}}"), id.to_owned()));
        }
        let bucket = match (&scenario.bucket, scenario.world) {
            (Some(name), _) => name,
            (None, World::Batch) => "sums",
            (None, _) => "probe",
        };
        for id in ids {
            answers.answers.push(value(api, bucket, id)?);
        }
        for key in scenario.kv.keys() {
            let at = filled(key, &names);
            answers.kv.push((key.clone(), value(api, bucket, &at)?));
        }
        answers.names = names;
        Ok(answers)
    }
}

/// What is stored under a key.
fn value(api: &Api, bucket: &str, key: &str) -> Result<Option<Value>> {
    let row = api.find(&format!("/kv/{bucket}/{key}"))?;
    Ok(row.and_then(|row| row.get("value").cloned()))
}

fn published_by_handler(api: &Api, delivery: &Value) -> Result<Vec<Map<String, Value>>> {
    let attempts = delivery.get("attempts").and_then(Value::as_array).into_iter().flatten();
    let positions = attempts.filter_map(|attempt| attempt.get("published")?.as_array()).flatten();
    positions
        .map(|position| {
            let detail = api.read(&format!("/events/{}", position.as_str().unwrap_or_default()))?;
            event_of(detail.get("event"))
        })
        .collect()
}

/// A batch's events have no attempts of their own to ask: what it published is known by its type and by its cause.
fn published_by_batch(api: &Api, source: &str) -> Result<Vec<Map<String, Value>>> {
    let newest = api.read(&format!("/events?limit={EVENTS_ROWS}"))?;
    let events: Result<Vec<_>> = newest.as_array().into_iter().flatten().map(|row| event_of(Some(row))).collect();
    let text =
        |event: &Map<String, Value>, name: &str| event.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let caused = |event: &Map<String, Value>| {
        text(event, "type") == "probe.batched" && text(event, "causationid").starts_with(source)
    };
    Ok(events?.into_iter().filter(caused).collect())
}

/// The CloudEvent of a row of the archive.
fn event_of(row: Option<&Value>) -> Result<Map<String, Value>> {
    row.and_then(|row| row.get("event")?.as_object()).cloned().context("a row of the archive without its event")
}

/// The dead letters of a scenario's queue that are of its source.
fn letters(api: &Api, scenario: &Scenario) -> Result<Vec<Value>> {
    let queue = if scenario.ordered { "line" } else { "jobs" };
    let all = api.find(&format!("/dlq/{queue}?limit=1000"))?.unwrap_or_default();
    let of_it = |letter: &&Value| letter.pointer("/event/event/source").and_then(Value::as_str) == Some(&scenario.name);
    Ok(all.as_array().into_iter().flatten().filter(of_it).cloned().collect())
}
