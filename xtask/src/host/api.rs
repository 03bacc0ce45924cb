//! The host's HTTP API, as far as the demo, the crash test and the benchmarks need it.
//!
//! Invariant: a request that got no answer is told apart from one that was refused: only of the latter is known that it changed
//! nothing.
//!
//! It does not share types with the gateway: what it reads is what any client would.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use ureq::http::{Response, StatusCode};
use ureq::{Agent, Body};

use super::view::{Admission, Event, FeedItem, Letter, Stats};
use crate::tally::Counters;

/// The tenant of the demo's configuration.
const TENANT: &str = "demo";

/// How long one answer may take.
const ANSWER_S_MAX: Duration = Duration::from_secs(30);

/// A page of keys or letters, in rows: as many as the API gives.
const PAGE_ROWS: usize = 1_000;

/// A page of events, in rows: few, since they come with their payloads.
const EVENTS_PAGE_ROWS: usize = 200;

/// An answer, in bytes.
const ANSWER_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// What became of an event that was posted and answered.
#[derive(Debug)]
pub enum Answer {
    /// It is durable.
    Accepted(Admission),
    /// Not now.
    Busy,
    /// No, with the status and the problem.
    Refused(String),
}

/// What became of a batch.
#[derive(Debug)]
pub enum Batch {
    /// All of so many events are durable.
    Accepted(usize),
    /// Not now.
    Busy,
}

/// What became of a batch whose sender goes on either way.
#[derive(Debug)]
pub enum Sent {
    /// All of it is durable.
    Taken,
    /// Nothing of it is.
    Refused {
        /// The status.
        status: u16,
        /// The code of the problem, or nothing.
        code: String,
        /// Whether it says when to come again.
        after: bool,
    },
}

/// A client of one host. Threads have one each: it keeps its connection.
pub struct Api {
    agent: Agent,
    base: String,
}

impl Api {
    /// A client of the host at `url`, of the demo's tenant.
    pub fn new(url: &str) -> Self {
        Self::of(url, TENANT)
    }

    /// A client of the host at `url`, of that tenant.
    pub fn of(url: &str, tenant: &str) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .timeout_connect(Some(ANSWER_S_MAX))
            .timeout_recv_response(Some(ANSWER_S_MAX))
            .build();
        Self { agent: config.into(), base: format!("{url}/v1/tenants/{tenant}") }
    }

    /// Posts one event in structured mode. An error means that there was no answer.
    pub fn post(&self, event: &str) -> Result<Answer> {
        let request = self.agent.post(format!("{}/buses/default/events", self.base));
        let mut response = request.content_type("application/cloudevents+json").send(event)?;
        let body = response.body_mut().read_to_string()?;
        Ok(match response.status() {
            StatusCode::ACCEPTED => Answer::Accepted(serde_json::from_str(&body).context("reading an admission")?),
            StatusCode::SERVICE_UNAVAILABLE => Answer::Busy,
            status => Answer::Refused(format!("{status}: {body}")),
        })
    }

    /// Posts a batch. Every event of it must be taken, or this is an error; none is one that the host had before.
    pub fn post_batch(&self, batch: &[u8]) -> Result<Batch> {
        let request = self.agent.post(format!("{}/buses/default/events", self.base));
        let mut response = request.content_type("application/cloudevents-batch+json").send(batch)?;
        let body = response.body_mut().read_to_string()?;
        match response.status() {
            StatusCode::OK => {
                let admissions: Vec<Admission> = serde_json::from_str(&body)
                    .with_context(|| format!("reading the admissions of a batch: {body}"))?;
                if admissions.iter().any(|admission| admission.duplicate) {
                    bail!("an event of a batch was taken for a duplicate");
                }
                Ok(Batch::Accepted(admissions.len()))
            }
            StatusCode::SERVICE_UNAVAILABLE => Ok(Batch::Busy),
            status => bail!("the host refused a batch: {status}: {body}"),
        }
    }

    /// Posts a batch, and tells how it was refused where it was.
    pub fn try_batch(&self, batch: &[u8]) -> Result<Sent> {
        let request = self.agent.post(format!("{}/buses/default/events", self.base));
        let mut response = request.content_type("application/cloudevents-batch+json").send(batch)?;
        let after = response.headers().contains_key("retry-after");
        let (status, body) = (response.status(), response.body_mut().read_to_string()?);
        if status == StatusCode::OK {
            return Ok(Sent::Taken);
        }
        let problem: serde_json::Value = serde_json::from_str(&body).unwrap_or_default();
        let code = problem.get("code").and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
        Ok(Sent::Refused { status: status.as_u16(), code, after })
    }

    /// The tenant's totals.
    pub fn stats(&self) -> Result<Stats> {
        self.get("/stats")
    }

    /// Every key-value total of the tenant.
    pub fn counters(&self) -> Result<Counters> {
        #[derive(Deserialize)]
        struct Bucket {
            bucket: String,
        }
        let buckets: Vec<Bucket> = self.get("/kv")?;
        buckets.into_iter().map(|Bucket { bucket }| self.counters_of(&bucket).map(|keys| (bucket, keys))).collect()
    }

    fn counters_of(&self, bucket: &str) -> Result<BTreeMap<String, i64>> {
        #[derive(Deserialize)]
        struct Key {
            key: String,
            value: Value,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "kebab-case")]
        enum Value {
            Text(String),
        }
        let mut counters = BTreeMap::new();
        let mut after = String::new();
        loop {
            let page: Vec<Key> = self.get(&format!("/kv/{bucket}?limit={PAGE_ROWS}{after}"))?;
            // The host cuts pages by bytes too, so only an empty one is the last.
            if page.is_empty() {
                return Ok(counters);
            }
            for Key { key, value: Value::Text(text) } in page {
                let count = text.parse().with_context(|| format!("{bucket}: {key} is {text}, which is no count"))?;
                after = format!("&after={}", percent_encoded(&key));
                counters.insert(key, count);
            }
        }
    }

    /// A metric without labels.
    pub fn metric(&self, name: &str) -> Result<f64> {
        let (host, _) = self.base.split_once("/v1/").context("the address of a tenant")?;
        let page = self.agent.get(format!("{host}/metrics")).call()?.body_mut().read_to_string()?;
        let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        Ok(line.with_context(|| format!("there is no metric {name}"))?.parse()?)
    }

    /// The letters of a dead-letter queue.
    pub fn letters(&self, queue: &str) -> Result<Vec<Letter>> {
        let mut letters: Vec<Letter> = Vec::new();
        loop {
            let after = letters.last().map(|letter| format!("&after={}", percent_encoded(&letter.id)));
            let path = format!("/dlq/{queue}?limit={PAGE_ROWS}{}", after.unwrap_or_default());
            let page: Vec<Letter> = self.get(&path)?;
            if page.is_empty() {
                return Ok(letters);
            }
            letters.extend(page);
        }
    }

    /// The event at a position.
    pub fn event(&self, position: &str) -> Result<Event> {
        #[derive(Deserialize)]
        struct Detail {
            event: Event,
        }
        Ok(self.get::<Detail>(&format!("/events/{position}"))?.event)
    }

    /// A page of events, newest first, from before a position; no more pages if it is empty.
    pub fn events_before(&self, position: Option<&str>) -> Result<Vec<Event>> {
        let before = position.map(|position| format!("&before={position}")).unwrap_or_default();
        self.get(&format!("/events?limit={EVENTS_PAGE_ROWS}{before}"))
    }

    /// All that happened, from the start of the log on. It does not end by itself.
    pub fn feed(&self) -> Result<impl Iterator<Item = Result<FeedItem>> + use<>> {
        Ok(self.feed_from("0-0")?.map(|line| Ok(serde_json::from_value(line?)?)))
    }

    /// The same from a position on, each line as it is.
    pub fn feed_from(&self, position: &str) -> Result<impl Iterator<Item = Result<serde_json::Value>> + use<>> {
        let response = self.agent.get(format!("{}/feed?from={position}", self.base)).call()?;
        if response.status() != StatusCode::OK {
            bail!("the feed: {}", response.status());
        }
        let lines = BufReader::new(response.into_body().into_reader()).lines();
        Ok(lines.map(|line| Ok(serde_json::from_str(&line.context("reading the feed")?)?)))
    }

    /// What is at a path of the tenant, whatever it is.
    pub fn read(&self, path: &str) -> Result<serde_json::Value> {
        self.get(path)
    }

    /// What is at a path of the tenant, if there is anything.
    pub fn find(&self, path: &str) -> Result<Option<serde_json::Value>> {
        let mut response = self.agent.get(format!("{}{path}", self.base)).call()?;
        if response.status() == StatusCode::NOT_FOUND {
            // The connection is used again only when the answer was read.
            response.body_mut().read_to_string()?;
            return Ok(None);
        }
        let body = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_string()?;
        if response.status() != StatusCode::OK {
            bail!("GET {path}: {}: {body}", response.status());
        }
        Ok(Some(serde_json::from_str(&body).with_context(|| format!("GET {path}: not JSON"))?))
    }

    /// Posts a JSON document to a path of the tenant, and gives the answer.
    pub fn act(&self, path: &str, body: &serde_json::Value) -> Result<serde_json::Value> {
        let request = self.agent.post(format!("{}{path}", self.base)).content_type("application/json");
        let mut response = request.send(body.to_string())?;
        let text = response.body_mut().read_to_string()?;
        if !response.status().is_success() {
            bail!("{path}: {}: {text}", response.status());
        }
        serde_json::from_str(&text).with_context(|| format!("POST {path}: not JSON"))
    }

    /// Deliveries that are owed.
    pub fn pending(&self) -> Result<u64> {
        self.read("/stats")?.get("pending").and_then(serde_json::Value::as_u64).context("the totals have no `pending`")
    }

    /// Posts a body.
    pub fn post_to(&self, path: &str, media_type: &str, body: &[u8]) -> Result<()> {
        let request = self.agent.post(format!("{}{path}", self.base)).content_type(media_type);
        done(path, request.send(body)?)
    }

    /// Puts a body in its place.
    pub fn put(&self, path: &str, media_type: &str, body: &[u8]) -> Result<()> {
        let request = self.agent.put(format!("{}{path}", self.base)).content_type(media_type);
        done(path, request.send(body)?)
    }

    /// Posts a JSON document.
    pub(super) fn post_json(&self, path: &str, body: &serde_json::Value) -> Result<()> {
        let request = self.agent.post(format!("{}{path}", self.base)).content_type("application/json");
        done(path, request.send(body.to_string())?)
    }

    pub(super) fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        let mut response = self.agent.get(format!("{}{path}", self.base)).call()?;
        let body = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_string()?;
        if response.status() != StatusCode::OK {
            bail!("GET {path}: {}: {body}", response.status());
        }
        serde_json::from_str(&body).with_context(|| format!("GET {path}: not the JSON that was expected"))
    }
}

/// Whether what was asked was done.
fn done(path: &str, mut response: Response<Body>) -> Result<()> {
    if !response.status().is_success() {
        let body = response.body_mut().read_to_string().unwrap_or_default();
        bail!("{path}: {}: {body}", response.status());
    }
    // The connection is used again only when the answer was read.
    response.body_mut().read_to_string()?;
    Ok(())
}

/// A text as a value in a query.
fn percent_encoded(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(encode).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_means_something_in_a_query_is_encoded() {
        assert_eq!(percent_encoded("repo/a-b.c&d=é"), "repo%2Fa-b.c%26d%3D%C3%A9");
    }
}
