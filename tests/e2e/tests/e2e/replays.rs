//! Goal: what the archive has is owed again once each, in order, marked, at a rate, whatever ends the host meanwhile; and a replay that is cancelled
//! brings nothing more.

use std::time::Duration;

use serde_json::{Value, json};

use crate::host::{Host, Site, wharf};

const REPLAYS: &str = "/v1/tenants/acme/replays";

/// A tenant with a rule for `probe.` events, a bus `audit` whose rule sends all to the queue `seen`, and these quotas.
fn site() -> Site {
    Site::with_probe(
        "[tenants.acme.queues.seen]\n[tenants.acme.buses.audit]\n[tenants.acme.rules.probe]\n\
         pattern = { type = [{ prefix = \"probe.\" }] }\ntargets = [{ plugin = \"probe\", dead_letter = \"dead\" }]\n\
         [tenants.acme.rules.seen]\nbus = \"audit\"\npattern = { type = [{ prefix = \"\" }] }\ntargets = [{ queue = \"seen\" }]\n",
    )
}

fn begin(host: &Host, name: &str, wish: &Value) -> (u16, Value) {
    let (status, _, body) = host.put(&format!("{REPLAYS}/{name}"), None, wish.to_string());
    (status, body)
}

/// Waits until a replay is over, and gives it.
fn over(host: &Host, name: &str) -> Value {
    host.found("the end of the replay", || {
        let (status, replay) = host.get(&format!("{REPLAYS}/{name}"));
        assert_eq!(status, 200, "{replay}");
        (replay["phase"] != "running").then_some(replay)
    })
}

/// The events of a bus, the oldest first: their ids with the mark, if they have it.
fn events(host: &Host, bus: &str) -> Vec<(String, Option<String>)> {
    let events = host.get("/v1/tenants/acme/events?limit=1000").1.as_array().unwrap().clone();
    let text = |value: &Value| value.as_str().map(ToOwned::to_owned);
    let of = |event: &Value| (text(&event["event"]["id"]).unwrap(), text(&event["event"]["wharfreplay"]));
    events.iter().rev().filter(|event| event["bus"] == bus).map(of).collect()
}

#[test]
fn events_are_owed_again_in_order_with_a_mark_and_a_second_replay_brings_the_same() {
    let site = site();
    let host = site.start("serve");
    for (id, kind) in [("a", "probe.increment"), ("b", "other"), ("c", "probe.increment"), ("d", "probe.tell")] {
        host.send(id, kind);
    }
    host.settled("acme");
    assert_eq!(host.value("probe", "shared").as_deref(), Some("2"));
    let wish = json!({"type_prefix": "probe.inc", "events_per_s": 50_000});
    let (status, begun) = begin(&host, "again", &wish);
    assert_eq!((status, &begun["wish"]["bus"]), (201, &json!("default")), "{begun}");
    let replay = over(&host, "again");
    assert_eq!((&replay["phase"], &replay["replayed"], &replay["progress"]), (&json!("done"), &json!(2), &json!(1.0)));
    host.settled("acme");
    assert_eq!(host.value("probe", "shared").as_deref(), Some("4"));
    // The same wish is the same replay, also when it is over.
    assert_eq!(begin(&host, "again", &wish).0, 200);
    let marked = |name: &str, ids: &[&str]| -> Vec<_> {
        ids.iter().map(|id| ((*id).to_owned(), Some(name.to_owned()))).collect()
    };
    let all = events(&host, "default");
    assert_eq!(all[all.len() - 2..], marked("again", &["a", "c"]));
    // What was replayed is not replayed by the next one, onto another bus; what was published is.
    let published = all.len() - 6;
    let (status, _) = begin(&host, "audited", &json!({"to_bus": "audit"}));
    assert_eq!(status, 201);
    let replay = over(&host, "audited");
    assert_eq!(replay["replayed"], json!(4 + published));
    let ids: Vec<_> = all.iter().filter(|(_, mark)| mark.is_none()).map(|(id, _)| id.as_str()).collect();
    assert_eq!(events(&host, "audit"), marked("audited", &ids));
    // From the log alone it is the same.
    assert_eq!(host.stop(), Some(0));
    std::fs::remove_file(site.folder.path().join("data/state.redb")).unwrap();
    let host = site.start("serve");
    assert_eq!(host.get(&format!("{REPLAYS}/audited")).1, replay);
    assert_eq!(host.delete(&format!("{REPLAYS}/audited")), 204);
    assert_eq!(host.get(REPLAYS).1.as_array().unwrap().len(), 1);
}

#[test]
fn a_replay_goes_on_behind_a_crash_and_brings_each_event_once() {
    let site = site();
    let host = site.start("serve");
    let batch: Vec<Value> = (0..2_000)
        .map(|n| json!({"specversion": "1.0", "id": n.to_string(), "source": "test", "type": "x", "data": {"n": n}}))
        .collect();
    for some in batch.chunks(500) {
        let some = Value::Array(some.to_vec()).to_string();
        assert_eq!(host.post("/events", "application/cloudevents-batch+json", some).0, 200);
    }
    assert_eq!(begin(&host, "slow", &json!({"to_bus": "audit", "target": "queue/seen", "events_per_s": 800})).0, 201);
    host.stats_until("acme", |stats| stats["deliveries"].as_u64() > Some(300));
    host.kill();
    let host = site.start("serve");
    let replay = over(&host, "slow");
    assert_eq!((&replay["phase"], &replay["replayed"]), (&json!("done"), &json!(2_000)));
    let mut seen = Vec::new();
    let receive = "/v1/tenants/acme/queues/seen/receive";
    while seen.len() < 2_000 {
        let (status, page) = host.post(receive, "application/json", r#"{"max": 1000}"#);
        assert_eq!(status, 200, "{page}");
        let page = page["messages"].as_array().unwrap();
        assert!(!page.is_empty(), "{} came", seen.len());
        seen.extend(page.iter().map(|message| message["event"]["data"]["n"].as_u64().unwrap()));
    }
    assert_eq!(seen, (0..2_000).collect::<Vec<_>>(), "each once, in the order in which they came in");
    assert_eq!(host.stats("acme")["deliveries"], 2_000);
}

#[test]
fn a_replay_that_is_cancelled_brings_nothing_more() {
    let site = site();
    let host = site.start("serve");
    for n in 0..20 {
        host.send(&n.to_string(), "x");
    }
    assert_eq!(begin(&host, "slow", &json!({"to_bus": "audit", "events_per_s": 5})).0, 201);
    host.stats_until("acme", |stats| stats["deliveries"].as_u64() > Some(1));
    assert_eq!(host.delete(&format!("{REPLAYS}/slow")), 409);
    // What it is for is counted beside it.
    let slow = || host.get(&format!("{REPLAYS}/slow")).1;
    let going = host.found("how many are left", || Some(slow()).filter(|replay| !replay["left"].is_null()));
    let (left, progress) = (going["left"].as_u64().unwrap(), going["progress"].as_f64().unwrap());
    assert!(left > 0 && left < 20 && progress > 0.0 && progress < 1.0, "{going}");
    let mut command = wharf();
    let cancelled = command.args(["--url", &host.url, "-t", "acme", "-o", "json", "replay", "cancel", "slow"]).output();
    let cancelled: Value = serde_json::from_slice(&cancelled.unwrap().stdout).unwrap();
    assert_eq!(cancelled["phase"], "cancelled");
    let brought = cancelled["replayed"].as_u64().unwrap();
    assert!((2..20).contains(&brought), "{cancelled}");
    host.wait(Duration::from_millis(500));
    assert_eq!(events(&host, "audit").len() as u64, brought);
    // By pattern, one at a time, waited for.
    let mut command = wharf();
    command.args(["--url", &host.url, "-t", "acme", "replay", "start", "one", "--to-bus", "audit"]);
    let said = command.args(["--pattern", "{\"id\": [\"7\"]}", "--wait"]).output().unwrap();
    assert_eq!(said.status.code(), Some(0));
    assert_eq!(events(&host, "audit").last().unwrap(), &("7".to_owned(), Some("one".to_owned())));
}

#[test]
fn what_cannot_be_replayed_is_said() {
    let site = site();
    let host = site.start("serve");
    host.send("a", "probe.other");
    host.settled("acme");
    let cases = [
        (json!({"bus": "nowhere"}), 404, "bus-unknown"),
        (json!({"to_bus": "queue/seen"}), 404, "bus-unknown"),
        (json!({"rule": "seen"}), 404, "rule-unknown"),
        (json!({"target": "queue/seen"}), 422, "replay-invalid"),
        (json!({"target": "Queue"}), 422, "replay-invalid"),
        (json!({"start": "2026-01-02T00:00:00Z", "end": "2026-01-01T00:00:00Z"}), 422, "replay-invalid"),
        (json!({"start": "yesterday"}), 422, "replay-invalid"),
        (json!({"events_per_s": 0}), 422, "replay-invalid"),
        (json!({"pattern": {"type": "x"}}), 422, "pattern-invalid"),
    ];
    for (wish, status, code) in cases {
        let (said, refused) = begin(&host, "again", &wish);
        assert_eq!((said, &refused["code"]), (status, &json!(code)), "{wish}: {refused}");
    }
    assert_eq!(host.get(REPLAYS).1, json!([]));
    let past = json!({"start": "2100-01-01T00:00:00Z"});
    assert_eq!(begin(&host, "none", &past).0, 201);
    assert_eq!(over(&host, "none")["replayed"], 0);
    let shown = wharf().args(["--url", &host.url, "-t", "acme", "replay", "show", "none"]).output().unwrap();
    let talk = String::from_utf8(shown.stderr).unwrap();
    assert!(talk.contains("the rules of bus `default` owe none to anybody"), "{talk}");
    // Four may go on at a time.
    assert_eq!(begin(&host, "none", &json!({})).1["code"], "replay-exists");
    for n in 0..300 {
        host.send(&format!("n{n}"), "probe.other");
    }
    for n in 0..4 {
        assert_eq!(begin(&host, &format!("r{n}"), &json!({"events_per_s": 1})).0, 201);
    }
    let (status, refused) = begin(&host, "r4", &json!({"events_per_s": 1}));
    assert_eq!((status, &refused["code"]), (409, &json!("replays-too-many")), "{refused}");
}

#[test]
fn a_replay_asks_for_as_much_as_the_backlog_takes_and_fails_where_one_event_is_too_much() {
    let wide = "[tenants.acme.topics.wide]\n[tenants.acme.rules.own]\nbus = \"audit\"\n\
        pattern = { type = [\"probe.increment\"] }\ntargets = [{ plugin = \"probe\", dead_letter = \"dead\" }]\n";
    let queue = |n| {
        format!(
            "[tenants.acme.queues.q{n}]\n[tenants.acme.topics.wide.subscriptions.s{n}]\ntargets = [{{ queue = \"q{n}\" }}]\n"
        )
    };
    let queues: String = (0..5).map(queue).collect();
    let site = site();
    let config = std::fs::read_to_string(site.folder.path().join("wharf.toml")).unwrap();
    site.write("wharf.toml", format!("{config}{wide}{queues}[tenants.acme]\nbacklog = 4\n"));
    let host = site.start("serve");
    host.send("7", "x");
    // More at once than may wait: they come as there is room.
    for n in 100..120 {
        host.send(&n.to_string(), "probe.increment");
        host.settled("acme");
    }
    let wish = json!({"to_bus": "audit", "rule": "own", "type_prefix": "probe.increment", "events_per_s": 100_000});
    assert_eq!(begin(&host, "many", &wish).0, 201);
    let replay = over(&host, "many");
    assert_eq!((&replay["phase"], &replay["replayed"]), (&json!("done"), &json!(20)), "{replay}");
    host.settled("acme");
    let wish = json!({"to_bus": "topic/wide", "pattern": {"id": ["7"]}});
    assert_eq!(begin(&host, "much", &wish).0, 201);
    let replay = over(&host, "much");
    let why = "event `7` is owed to 5 targets, and 4 deliveries may wait of the tenant";
    assert_eq!((&replay["phase"], &replay["reason"]), (&json!("failed"), &json!(why)), "{replay}");
}

#[test]
fn a_mark_that_a_client_made_up_is_none() {
    let site = site();
    let host = site.start("serve");
    let forged = json!({"specversion": "1.0", "id": "a", "source": "test", "type": "x", "wharfreplay": "again",
        "wharfedited": "now", "wharfschema": "violated", "tier": "gold"});
    assert_eq!(host.post("/events", "application/cloudevents+json", forged.to_string()).0, 202);
    let sent = "/v1/tenants/acme/queues/seen/messages";
    assert_eq!(host.post(sent, "application/cloudevents+json", forged.to_string()).0, 202);
    for event in host.get("/v1/tenants/acme/events").1.as_array().unwrap() {
        let event = event["event"].as_object().unwrap();
        assert_eq!(event["tier"], "gold");
        assert!(!event.keys().any(|name| name.starts_with("wharf")), "{event:?}");
    }
    assert_eq!(begin(&host, "again", &json!({"to_bus": "audit"})).0, 201);
    assert_eq!(over(&host, "again")["replayed"], 1);
}
