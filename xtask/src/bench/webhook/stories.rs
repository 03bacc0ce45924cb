//! The stories: how a receiver behaves, and what has to come of it.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, bail};
use serde::Serialize;
use serde_json::{Value, json};

use super::receiver::{Receiver, Request};
use crate::host::Api;
use crate::host::api::Answer;

/// A story.
pub struct Story {
    pub name: &'static str,
    /// What its webhook has beside where it leads.
    pub settings: &'static str,
    /// Whether its receiver is found by a name.
    pub by_name: bool,
    /// How often it is refused.
    misses: Misses,
    /// What its attempts have to end with beside success.
    code: Option<&'static str>,
    /// How often an event is tried.
    pub attempts: u32,
    /// Seconds for which it has to be left alone where it asks for that.
    apart_s: u64,
}

/// How many of the events come.
#[derive(Clone, Copy, PartialEq)]
enum Misses {
    None,
    /// All but the first.
    AllButOne,
}

const fn story(name: &'static str, settings: &'static str, code: Option<&'static str>) -> Story {
    Story { name, settings, by_name: false, misses: Misses::None, code, attempts: 1_000, apart_s: 0 }
}

/// All of them.
pub static STORIES: &[Story] = &[
    story("well", "mode = \"binary\"", None),
    story("slow", "timeout = \"500ms\"", Some("webhook-timeout")),
    story("broken", "", Some("webhook-unreachable")),
    story("redirect", "", Some("webhook-redirect")),
    Story { apart_s: 2, ..story("busy", "", Some("webhook-status")) },
    // A date has whole seconds.
    Story { apart_s: 3, ..story("busy-until", "", Some("webhook-status")) },
    story("down", "", Some("webhook-status")),
    story("gone", "", Some("webhook-gone")),
    story("dead", "disable_after = \"2s\"", Some("webhook-status")),
    Story {
        by_name: true,
        attempts: 3,
        misses: Misses::AllButOne,
        ..story("moved", "concurrency = 1", Some("address-denied"))
    },
];

/// What became of a story.
#[derive(Serialize)]
pub struct Told {
    /// Events that the receiver took.
    pub delivered: usize,
    /// Requests in all.
    pub requests: usize,
    /// Events that came under more than one id, or shared one.
    pub ids_wrong: usize,
    /// Attempts by the code that they ended with.
    pub codes: BTreeMap<String, usize>,
    /// Deliveries that were given up.
    pub dead: usize,
    /// Alerts that the webhook was disabled, with a sample.
    pub alerts: usize,
    /// Whether what had to be left alone for a while was.
    pub left_alone: bool,
    #[serde(skip)]
    story: &'static Story,
}

impl Told {
    /// What is otherwise than written.
    pub fn broken(&self, events: u32) -> Vec<String> {
        let events = events as usize;
        let wanted = if self.story.misses == Misses::None { events } else { 1 };
        let is_disabled = ["gone", "dead"].contains(&self.story.name);
        let checks = [
            ("not all came", self.delivered == wanted),
            ("ids are not the same in all attempts", self.ids_wrong == 0),
            ("attempts ended otherwise", self.story.code.is_none_or(|code| self.codes.contains_key(code))),
            ("attempts failed for another reason", self.codes.keys().all(|code| self.is_expected(code))),
            ("something was given up", self.dead == events - wanted),
            ("nobody was told", (self.alerts == 1) == is_disabled),
            ("it was not left alone", self.left_alone),
        ];
        checks.into_iter().filter(|(_, holds)| !holds).map(|(what, _)| what.to_owned()).collect()
    }

    fn is_expected(&self, code: &str) -> bool {
        let is_last = code == "retries-spent" && self.story.misses != Misses::None;
        is_last || Some(code) == self.story.code
    }

    pub fn line(&self) -> String {
        let codes: Vec<_> = self.codes.iter().map(|(code, count)| format!("{count} {code}")).collect();
        let dead = if self.dead > 0 { format!(", {} given up", self.dead) } else { String::new() };
        let alert = if self.alerts > 0 { ", disabled and told" } else { "" };
        format!("{} delivered by {} requests; {}{dead}{alert}", self.delivered, self.requests, codes.join(", "))
    }
}

/// Sends the events of all stories, and gives where they are in the log.
pub fn send(api: &Api, events: u32) -> Result<BTreeMap<&'static str, Vec<String>>> {
    let mut positions: BTreeMap<&'static str, Vec<String>> = BTreeMap::new();
    for n in 0..events {
        for story in STORIES {
            let id = format!("{}-{n}", story.name);
            let event = json!({"specversion": "1.0", "id": id, "source": "bench", "type": story.name, "data": {"n": n, "text": "ü \"€\""}});
            match api.post(&event.to_string())? {
                Answer::Accepted(admission) => positions.entry(story.name).or_default().push(admission.position),
                other => bail!("an event was not taken: {other:?}"),
            }
        }
    }
    Ok(positions)
}

/// Mends what has to be mended once all of it is disabled, and gives up what is not to come.
pub fn go_on(api: &Api, receiver: &Receiver) -> Result<()> {
    let off = |name: &str| -> Result<bool> {
        let webhook: Value = api.read(&format!("/webhooks/{name}"))?;
        Ok(webhook.get("enabled") == Some(&Value::Bool(false)))
    };
    if off("gone")? && off("dead")? {
        receiver.mend();
        for name in ["gone", "dead"] {
            api.act(&format!("/webhooks/{name}/enable"), &json!({}))?;
        }
    }
    Ok(())
}

/// What became of a story.
pub fn told(api: &Api, story: &'static Story, positions: &[String], requests: &[Request]) -> Result<Told> {
    let path = format!("/{}", story.name);
    let own: Vec<_> = requests.iter().filter(|request| request.path == path).collect();
    let (mut ids, mut delivered) = (BTreeMap::<String, BTreeSet<&str>>::new(), BTreeSet::new());
    for request in &own {
        let event = event_id(request).context("a request without an event")?;
        let id = request.headers.get("webhook-id").context("a request without an id")?;
        ids.entry(event.clone()).or_default().insert(id);
        if request.status == 200 {
            delivered.insert(event);
        }
    }
    let distinct: BTreeSet<_> = ids.values().flatten().collect();
    let doubled = ids.values().filter(|ids| ids.len() != 1).count();
    let (mut codes, mut dead) = (BTreeMap::<String, usize>::new(), 0);
    for position in positions {
        let detail: Value = api.read(&format!("/events/{position}"))?;
        let delivery = detail.pointer("/deliveries/0").context("an event without a delivery")?;
        dead += usize::from(delivery.get("state").and_then(Value::as_str) == Some("dead-lettered"));
        for attempt in delivery.get("attempts").and_then(Value::as_array).into_iter().flatten() {
            if let Some(code) = attempt.pointer("/outcome/code").and_then(Value::as_str) {
                *codes.entry(code.to_owned()).or_default() += 1;
            }
        }
    }
    let alerts = api.read("/events?type_prefix=dev.wharf.webhook.disabled&limit=100")?;
    let alerts = alerts.as_array().into_iter().flatten().filter(|alert| {
        let text = |pointer: &str| alert.pointer(pointer).and_then(Value::as_str);
        let named = ["/event/data/webhook", "/event/data/sample/type"].map(text);
        named == [Some(story.name); 2] && text("/event/data/code").is_some()
    });
    Ok(Told {
        delivered: delivered.len(),
        requests: own.len(),
        ids_wrong: doubled + ids.len().abs_diff(distinct.len()),
        codes,
        dead,
        alerts: alerts.count(),
        left_alone: story.apart_s == 0 || apart_s(&own).is_some_and(|apart_s| apart_s >= story.apart_s),
        story,
    })
}

/// Seconds between the request that was asked to leave the receiver alone and the next one of the same event.
fn apart_s(own: &[&Request]) -> Option<u64> {
    let asked = own.iter().find(|request| [429, 503].contains(&request.status))?;
    let id = event_id(asked)?;
    let mut later = own.iter().filter(|request| request.at > asked.at);
    let next = later.find(|request| event_id(request).as_ref() == Some(&id))?;
    Some(next.at.duration_since(asked.at).as_secs())
}

/// The id of the event in a request, in either mode.
fn event_id(request: &Request) -> Option<String> {
    if let Some(id) = request.headers.get("ce-id") {
        return Some(id.clone());
    }
    let event: Value = serde_json::from_str(&request.body).ok()?;
    event.get("id")?.as_str().map(str::to_owned)
}
