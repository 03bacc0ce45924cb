//! What the host has when schemathesis tries it: something of everything that delivers, and the names by which that is met.
//!
//! Invariant: what stands in the file of the host stays, whatever is asked of it; what came by the API is so much that some is left to the end.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tempfile::NamedTempFile;

use super::command::Client;
use crate::interrupt::Interrupt;
use crate::poll;

/// A queue, a topic, a webhook whose address is refused, and a schedule, beside the rest of the configuration.
pub const CONFIG: &str = r#"
[tenants.acme.queues.jobs]
max_receives = 1000
[tenants.acme.webhooks.crm]
url = "http://127.0.0.1:9/"
[tenants.acme.topics.orders.subscriptions.small]
pattern = { data = { total = [{ numeric = ["<", 100] }] } }
targets = [{ queue = "jobs" }]
[tenants.acme.topics.orders.subscriptions.crm]
targets = [{ webhook = "crm", retry = { attempts = 1 }, dead_letter = "dead" }]
[tenants.acme.schedules.nightly]
expression = "cron(0 3 * * ? *)"
type = "stranger.nightly"
"#;

/// Messages that somebody has, and as many that nobody has.
const MESSAGES: usize = 200;

/// Events that become dead letters.
const LETTERS: usize = 20;

/// What they take at most: a plugin's first call is among it.
const LETTERS_S_MAX: Duration = Duration::from_secs(60);

/// Brings what schemathesis is to meet, and gives its configuration: the file of that name, and the names of what came.
pub fn config(scripts: &Path, client: &Client, interrupt: &Interrupt) -> Result<NamedTempFile> {
    let own = "/v1/tenants/acme";
    let events = |kind: &str, count: usize| {
        let event = |n| json!({"specversion": "1.0", "id": format!("{kind}-{n}"), "source": "seed", "type": kind, "data": {"total": n}});
        json!((0..count).map(event).collect::<Vec<_>>()).to_string()
    };
    let batch = "application/cloudevents-batch+json";
    client.post(&format!("{own}/queues/jobs/messages"), batch, &events("job", 2 * MESSAGES))?;
    client.post("/events", batch, &events("probe.reject", LETTERS))?;
    client.post(&format!("{own}/topics/orders/publish"), batch, &events("order", 10))?;
    let replay = json!({"bus": "topic/orders", "target": "queue/jobs"}).to_string();
    client.put(&format!("{own}/replays/again"), "application/json", &replay)?;
    let wish = json!({"max": MESSAGES, "visibility": "12h"}).to_string();
    let received = client.ask(&format!("{own}/queues/jobs/receive"), "application/json", &wish)?;
    let values = |list: &Value, name: &str| -> Vec<Value> {
        list.as_array().into_iter().flatten().filter_map(|of| of.get(name).cloned()).collect()
    };
    let list = |path: &str| -> Result<Value> {
        serde_json::from_str(&client.get(&format!("{own}/{path}"))?).with_context(|| format!("reading {path}"))
    };
    let receipts = values(received.get("messages").unwrap_or(&Value::Null), "receipt");
    ensure!(receipts.len() == MESSAGES, "{} messages were received", receipts.len());
    let letters = poll::until("events to become dead letters", LETTERS_S_MAX, interrupt, || {
        let letters = values(&list("dlq/dead?limit=50")?, "id");
        Ok((letters.len() >= LETTERS).then_some(letters))
    })?;
    let mut text = std::fs::read_to_string(scripts.join("schemathesis.toml")).context("reading schemathesis.toml")?;
    for (name, values) in
        [("receipts", receipts), ("events", values(&list("events?limit=50")?, "position")), ("letters", letters)]
    {
        ensure!(!values.is_empty(), "there are no {name}");
        write!(text, "\n[dictionaries.{name}]\nvalues = {}\n", json!(values))?;
    }
    let mut file = NamedTempFile::with_suffix(".toml").context("making a file")?;
    file.write_all(text.as_bytes())?;
    Ok(file)
}
