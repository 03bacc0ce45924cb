//! `wharf send`: one event that is followed, and files of them.

use serde_json::{Value, json};

use crate::scripted::{Host, Ran, problem};

const EVENTS: &str = "POST buses/default/events";
const EXPLAIN: &str = "POST buses/default/explain?limit=1000";
const FEED: &str = "GET feed?from=1-0";

const ACCEPTED: &str = r#"{"id":"x","position":"1-0","duplicate":false}"#;

fn event(position: &str, targets: &[&str]) -> Value {
    let target = |(n, plugin): (usize, &&str)| json!({"rule": "r", "plugin": plugin, "n": n});
    json!({
        "position": position, "time": "2026-01-31T12:00:00.000Z", "bus": "default",
        "event": {"specversion": "1.0", "type": "a.b", "source": "cli", "id": "x"},
        "deliveries": targets.iter().enumerate().map(target).collect::<Vec<_>>(),
    })
}

fn received(targets: &[&str]) -> String {
    format!("{}\n", json!({"received": {"event": event("1-0", targets)}}))
}

fn settled(delivery: &str, position: &str, outcome: &Value, published: &[Value]) -> String {
    let positions: Vec<_> = published.iter().map(|event| event["position"].clone()).collect();
    let item = json!({"settled": {
        "delivery": delivery, "event": delivery.split('.').next(), "rule": "r", "plugin": "p", "target": "p", "published": published,
        "attempt": {
            "attempt": 1, "position": position, "time": "2026-01-31T12:00:01.000Z", "outcome": outcome,
            "release": format!("sha256:{}", "ab".repeat(32)), "duration_us": 10, "published": positions, "kv_writes": 0,
        },
    }});
    format!("{item}\n")
}

fn ack() -> Value {
    json!({"outcome": "ack"})
}

fn retry() -> Value {
    json!({"outcome": "retry", "at": "2026-01-31T12:00:02.000Z", "code": "handler-retry", "reason": "later"})
}

fn dead_letter() -> Value {
    json!({"outcome": "dead-letter", "code": "handler-reject", "reason": "no\u{1b}[2J", "queue": "q"})
}

/// Sends one event whose feed is this.
fn sent(feed: &str, options: &str) -> Ran {
    let verdicts = json!([{"rule": "other", "matched": false, "plugins": [],
        "mismatch": {"pointer": "/data/state", "wanted": "[\"open\"]", "saw": "\"closed\""}}]);
    let host =
        Host::start().answers(EVENTS, 202, ACCEPTED).stays_open_after(FEED, feed).answers(EXPLAIN, 200, verdicts);
    let host = host.answers(&format!("{EXPLAIN}&after=other"), 200, "[]");
    host.run(&format!("send a.b --timeout 500ms {options}"))
}

#[test]
fn an_event_is_followed_until_all_below_it_has_ended() {
    let feed = [
        received(&["p", "s"]),
        settled("1-0.0", "2-0", &ack(), &[event("2-1", &["t"])]),
        settled("2-1.0", "3-0", &ack(), &[]),
        settled("1-0.1", "4-0", &ack(), &[]),
    ];
    let ran = sent(&feed.concat(), "");
    let wanted = "a.b  1-0  id x  source cli\n\
        ├─ r → p@abababababab  ack  10 us  1 published\n\
        │  └─ a.b  2-1  id x  source cli\n\
        │     └─ r → t@abababababab  ack  10 us\n\
        └─ r → s@abababababab  ack  10 us\n\
        no match  other  /data/state: wanted [\"open\"], saw \"closed\"\n";
    assert_eq!((ran.exit, ran.stdout.as_str(), ran.stderr.as_str()), (0, wanted, ""));
}

#[test]
fn the_exit_status_says_how_it_ended() {
    let cases = [
        (received(&[]), 0),
        (received(&["p"]) + &settled("1-0.0", "2-0", &ack(), &[]), 0),
        (received(&["p"]) + &settled("1-0.0", "2-0", &dead_letter(), &[]), 9),
        (received(&["p"]) + &settled("1-0.0", "2-0", &retry(), &[]), 8),
        (received(&["p"]), 7),
        (String::new(), 7),
    ];
    for (feed, exit) in cases {
        let text = sent(&feed, "");
        let json = sent(&feed, "-o json");
        assert_eq!((text.exit, json.exit), (exit, exit), "{feed}\n{}", text.stderr);
        assert!(!text.stdout.contains('\u{1b}') && !text.stderr.contains('\u{1b}'), "{text:?}");
        let document: Value = serde_json::from_str(&json.stdout).unwrap();
        assert_eq!(document["accepted"]["position"], "1-0");
        assert_eq!(document["rules"][0]["mismatch"]["pointer"], "/data/state");
        assert_eq!(document["event"]["type"], "a.b");
        assert_eq!(document["tree"].is_null(), feed.is_empty());
    }
}

#[test]
fn a_retry_is_told_when_it_is_heard_of_and_what_is_open_at_the_end() {
    let ran = sent(&(received(&["p"]) + &settled("1-0.0", "2-0", &retry(), &[])), "");
    assert!(
        ran.stderr.contains("… r → p@abababababab  retry  10 us  again in 1.0 s (12:00:02.000Z)"),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("after 500.0 ms, 1 delivery has not ended:\n  1-0  r → p"), "{}", ran.stderr);
}

#[test]
fn a_broken_feed_is_followed_from_where_it_broke() {
    let first = received(&["p", "s"]) + &settled("1-0.0", "2-0", &ack(), &[]);
    let second = settled("1-0.0", "2-0", &ack(), &[]) + &settled("1-0.1", "3-0", &ack(), &[]);
    let host = Host::start()
        .answers(EVENTS, 202, ACCEPTED)
        .breaks_after(FEED, &first)
        .refuses("GET feed?from=2-0", 503, "not-ready")
        .answers("GET feed?from=2-0", 200, second)
        .answers(EXPLAIN, 200, "[]");
    let ran = host.run("send a.b --timeout 20s");
    assert_eq!((ran.exit, ran.stdout.matches("ack").count()), (0, 2), "{ran:?}");
    assert_eq!(ran.stderr.matches("the feed broke").count(), 1, "{}", ran.stderr);
    assert!(ran.stderr.contains("followed again from 2-0\nthe feed is followed again\n"), "{}", ran.stderr);
}

#[test]
fn an_event_that_cannot_be_followed_is_still_told_to_be_durable() {
    let ran = Host::start().answers(EVENTS, 202, ACCEPTED).refuses(FEED, 404, "event-unknown").run("send a.b");
    assert_eq!((ran.exit, ran.stdout.as_str()), (3, ""));
    assert!(
        ran.stderr.starts_with("the event is durable, at 1-0; what became of it is not known\nerror["),
        "{}",
        ran.stderr
    );
}

#[test]
fn of_a_duplicate_the_archive_tells_what_became_of_the_first() {
    let attempt = json!({"attempt": 1, "position": "2-0", "time": "", "outcome": dead_letter(), "duration_us": 1,
        "published": [], "kv_writes": 0});
    let detail = json!({"event": event("1-0", &["p"]), "deliveries": [
        {"id": "1-0.0", "rule": "r", "plugin": "p", "target": "p", "state": "dead-lettered", "attempts": [attempt]}]});
    let duplicate = ACCEPTED.replace("false", "true");
    let host = Host::start()
        .answers(EVENTS, 202, duplicate)
        .answers("GET events/1-0?limit=1000", 200, detail)
        .answers(EXPLAIN, 200, "[]");
    let ran = host.run("send a.b --id x");
    assert_eq!(ran.exit, 9, "{ran:?}");
    assert!(ran.stdout.contains("└─ r → p  dead-letter"), "{}", ran.stdout);
    assert!(ran.stderr.starts_with("this (source, id) was accepted before, at 1-0"), "{}", ran.stderr);
}

#[test]
fn what_is_sent_is_one_structured_event() {
    let host = Host::start().answers(EVENTS, 202, ACCEPTED);
    let ran = host.run_with("send a.b -d - --subject s -s tenantid=5 --id 7 --no-wait", "{\"n\": 1}");
    assert_eq!((ran.exit, ran.stdout.as_str()), (0, "accepted  1-0  id x\n"));
    let event: Value = serde_json::from_str(&host.bodies("POST")[0]).unwrap();
    let wanted = ["7", "cli", "a.b", "s", "5"];
    assert_eq!(["id", "source", "type", "subject", "tenantid"].map(|name| event[name].as_str().unwrap()), wanted);
    assert_eq!(event["data"], json!({"n": 1}));
    let whole = r#"{"specversion":"1.0","id":"1","source":"s","type":"t"}"#;
    let host =
        host.answers("GET /v1/tenants", 200, r#"{"default":"acme","tenants":[]}"#).answers(EVENTS, 202, ACCEPTED);
    assert_eq!(host.run_with("send - --no-wait", whole).exit, 0);
    assert_eq!(host.bodies("POST")[1], whole);
}

#[test]
fn a_file_is_sent_in_batches_and_refusals_keep_their_line() {
    let accepted: Vec<Value> = (0..100).map(|_| serde_json::from_str(ACCEPTED).unwrap()).collect();
    let refused: Value = serde_json::from_str(&problem(400, "event-json")).unwrap();
    let duplicate = json!({"id": "x", "position": "1-0", "duplicate": true});
    let host = Host::start().refuses(EVENTS, 503, "overloaded").answers(EVENTS, 200, Value::from(accepted)).answers(
        EVENTS,
        200,
        json!([refused, duplicate]),
    );
    let file = "{}\n".repeat(100) + "\nbroken\n{}\r\n{}";
    let ran = host.run_with("send --batch - -o json", &file);
    assert_eq!(ran.exit, 1, "{ran:?}");
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    let counts = ["accepted", "duplicates", "refused"].map(|name| report[name].as_u64().unwrap());
    assert_eq!(counts, [100, 1, 2]);
    let lines: Vec<_> = report["refusals"].as_array().unwrap().iter().map(|it| it["line"].as_u64().unwrap()).collect();
    assert_eq!(lines, [102, 103]);
    let sizes: Vec<_> = host.bodies("POST").iter().map(|body| body.matches("{}").count()).collect();
    assert_eq!(sizes, [100, 100, 2], "a busy host gets the same batch again");
    assert!(ran.stderr.contains("the batch is sent again in"), "{}", ran.stderr);
}

#[test]
fn a_file_that_cannot_be_sent_to_its_end_says_how_far_it_came() {
    let accepted: Vec<Value> = (0..100).map(|_| serde_json::from_str(ACCEPTED).unwrap()).collect();
    let host = Host::start().answers(EVENTS, 200, Value::from(accepted)).refuses(EVENTS, 404, "bus-unknown");
    let ran = host.run_with("send --batch -", &"{}\n".repeat(150));
    assert_eq!((ran.exit, ran.stdout.as_str()), (3, ""));
    assert!(ran.stderr.starts_with("100 events were accepted, 0 were duplicates, 0 refused"), "{}", ran.stderr);
}
