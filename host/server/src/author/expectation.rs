//! What came of a call in the words of a fixture, and how that differs from what was expected.
//!
//! Invariant: the same call gives the same words: what the host adds to an event by itself is left out, and so is whatever is as it
//! mostly is. What is not said is expected not to be: only the reason of a failure is free where nothing is said of it.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use wharf_delivery::{WriteOp, WriteRequest};
use wharf_event::{Event, PluginName};
use wharf_gateway::view::ValueView;

use super::ended::{Ended, Outcome};

/// What the host says in every event that a plugin publishes.
const OF_HOST: [&str; 7] = ["specversion", "id", "time", "correlationid", "causationid", "wharfhops", "traceparent"];

/// Why a handler failed.
const REASON: &str = "reason";

/// What came of a call.
pub fn of(ended: &Ended, plugin: &PluginName) -> Value {
    let mut told = match ended.outcomes.as_slice() {
        [one] => outcome(one),
        all => Map::from_iter([("outcomes".to_owned(), all.iter().map(|it| Value::Object(outcome(it))).collect())]),
    };
    if let Some(event) = &ended.event {
        let mut members = members(event);
        members.remove("specversion");
        told.insert("event".to_owned(), Value::Object(members));
    }
    let mut list = |name: &str, items: Vec<Value>| {
        if !items.is_empty() {
            told.insert(name.to_owned(), Value::Array(items));
        }
    };
    list("published", ended.published.iter().map(|event| published(event, plugin)).collect());
    list("writes", ended.writes.iter().map(write).collect());
    Value::Object(told)
}

/// What came, without the reason where none is expected.
pub fn comparable(came: Value, expected: &Value) -> Value {
    let Value::Object(mut came) = came else { return came };
    if expected.get(REASON).is_none() {
        came.remove(REASON);
    }
    let expected = expected.get("outcomes").and_then(Value::as_array);
    for (n, outcome) in came.get_mut("outcomes").and_then(Value::as_array_mut).into_iter().flatten().enumerate() {
        let said = expected.and_then(|all| all.get(n)?.get(REASON));
        if let (None, Some(outcome)) = (said, outcome.as_object_mut()) {
            outcome.remove(REASON);
        }
    }
    Value::Object(came)
}

fn outcome(it: &Outcome) -> Map<String, Value> {
    let mut told = Map::from_iter([("outcome".to_owned(), json!(it.outcome))]);
    // Of a trap the reason is addresses.
    let said = it.reason.as_ref().filter(|_| it.outcome.is_said());
    told.extend(said.map(|reason| (REASON.to_owned(), json!(reason))));
    let code = it.code.filter(|_| !it.outcome.is_said());
    told.extend(code.map(|code| ("code".to_owned(), json!(code.as_str()))));
    told.extend(it.retry_after_ms.map(|ms| ("retry_after_ms".to_owned(), json!(ms))));
    told
}

fn members(event: &Event) -> Map<String, Value> {
    match serde_json::from_slice(&event.to_json()) {
        Ok(Value::Object(members)) => members,
        // Its JSON is an object; of anything else there is nothing to tell.
        _ => Map::new(),
    }
}

fn published(event: &Event, plugin: &PluginName) -> Value {
    let mut members = members(event);
    members.retain(|name, value| {
        let usual = match name.as_str() {
            "source" => *value == json!(format!("plugin/{plugin}")),
            "datacontenttype" => value == "application/json",
            name => OF_HOST.contains(&name),
        };
        !usual
    });
    Value::Object(members)
}

fn write(request: &WriteRequest) -> Value {
    let WriteRequest { bucket, key, op } = request;
    let (name, value) = match op {
        WriteOp::Set(value) => match ValueView::of(value) {
            ValueView::Text(text) => ("set", json!(text)),
            ValueView::Base64(text) => ("set_base64", json!(text)),
        },
        WriteOp::Add(delta) => ("add", json!(delta)),
        WriteOp::Delete => ("delete", json!(true)),
    };
    json!(BTreeMap::from([("bucket", json!(bucket.as_str())), ("key", json!(key)), (name, value)]))
}
