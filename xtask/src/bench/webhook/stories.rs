//! The stories: how a receiver behaves, and what has to come of it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

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
    /// Whether its events come by a topic.
    pub by_topic: bool,
}

/// What may still come behind a request to be left alone: it was sent before the answer was read.
const UNDER_WAY: Duration = Duration::from_millis(300);

/// How many of the events come.
#[derive(Clone, Copy, PartialEq)]
enum Misses {
    None,
    /// All but the first.
    AllButOne,
}

const fn story(name: &'static str, settings: &'static str, code: Option<&'static str>) -> Story {
    Story { name, settings, by_name: false, misses: Misses::None, code, attempts: 1_000, apart_s: 0, by_topic: false }
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
    Story { by_topic: true, ..story("gone", "", Some("webhook-gone")) },
    story("dead", "disable_after = \"2s\"", Some("webhook-status")),
    Story {
        by_name: true,
        attempts: 3,
        misses: Misses::AllButOne,
        // Each event is tried as often as it may be, and nobody waits in between.
        ..story("moved", "concurrency = 1\nbreaker = { enabled = false }", Some("address-denied"))
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
    /// Alerts that the webhook was disabled.
    pub alerts: usize,
    /// Those of them without the topic, the rule or the event that they are about, or its payload.
    pub alerts_wrong: usize,
    /// Requests that came while it had to be left alone.
    pub too_soon: usize,
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
            ("nobody was told, or too often", self.alerts == usize::from(is_disabled)),
            ("an alert does not say what it is about", self.alerts_wrong == 0),
            ("requests came while it had to be left alone", self.too_soon == 0),
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
            let event =
                json!({"specversion": "1.0", "id": id, "source": "bench", "type": story.name, "data": payload(n)});
            let position = if story.by_topic {
                let answer = api.act(&format!("/topics/{}/publish?source=bench&type={0}", story.name), &payload(n))?;
                answer.get("position").and_then(Value::as_str).context("a published event has no position")?.to_owned()
            } else {
                match api.post(&event.to_string())? {
                    Answer::Accepted(admission) => admission.position,
                    other => bail!("an event was not taken: {other:?}"),
                }
            };
            positions.entry(story.name).or_default().push(position);
        }
    }
    Ok(positions)
}

fn payload(n: u32) -> Value {
    json!({"n": n, "text": "ü \"€\""})
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
    let own_alert = |alert: &&Value| alert.pointer("/event/data/webhook").and_then(Value::as_str) == Some(story.name);
    let alerts: Vec<_> = alerts.as_array().into_iter().flatten().filter(own_alert).collect();
    let too_soon = if story.apart_s == 0 { Some((0, true)) } else { left_alone(&own, story.apart_s) };
    Ok(Told {
        delivered: delivered.len(),
        requests: own.len(),
        ids_wrong: doubled + ids.len().abs_diff(distinct.len()),
        codes,
        dead,
        alerts_wrong: alerts.iter().filter(|alert| !is_whole(alert, story, positions.len())).count(),
        alerts: alerts.len(),
        too_soon: too_soon.map_or(0, |(too_soon, _)| too_soon),
        left_alone: too_soon.is_some_and(|(_, came_again)| came_again),
        story,
    })
}

/// Whether an alert says which topic or rule, with what code, and one of the story's events, its payload with it.
fn is_whole(alert: &Value, story: &Story, events: usize) -> bool {
    let text = |pointer: &str| alert.pointer(pointer).and_then(Value::as_str);
    let sent_for = if story.by_topic { "/event/data/topic" } else { "/event/data/rule" };
    let is_payload = |n: u32| alert.pointer("/event/data/sample/data") == Some(&payload(n));
    text(sent_for) == Some(story.name)
        && text("/event/data/code") == story.code
        && text("/event/data/sample/type") == Some(story.name)
        && (0..u32::try_from(events).unwrap_or(u32::MAX)).any(is_payload)
}

/// How many requests, of whatever event, came while the receiver was to be left alone, and whether the refused one came again behind that.
fn left_alone(own: &[&Request], apart_s: u64) -> Option<(usize, bool)> {
    let asked = own.iter().find(|request| [429, 503].contains(&request.status))?;
    let id = event_id(asked)?;
    let behind = |request: &&&Request| request.at.saturating_duration_since(asked.at);
    let apart = Duration::from_secs(apart_s);
    let too_soon = own.iter().filter(|request| (UNDER_WAY..apart).contains(&behind(request))).count();
    let again = own.iter().filter(|request| request.at > asked.at && event_id(request).as_ref() == Some(&id));
    let mut again = again.map(|request| behind(&request)).collect::<Vec<_>>();
    again.sort();
    Some((too_soon, again.first().is_some_and(|first| *first >= apart)))
}

/// The id of the event in a request, in either mode.
fn event_id(request: &Request) -> Option<String> {
    if let Some(id) = request.headers.get("ce-id") {
        return Some(id.clone());
    }
    let event: Value = serde_json::from_str(&request.body).ok()?;
    event.get("id")?.as_str().map(str::to_owned)
}
