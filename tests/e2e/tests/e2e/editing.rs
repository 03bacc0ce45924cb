//! Goal: a dead letter whose payload was bad is edited and then delivered, as the delivery that it was; the archive keeps what came in.
//! Method: an input that doubles the payload, which a large one does not survive; a host that is killed, cleans its log, and loses its state.

use serde_json::{Value, json};

use crate::{
    host::{Host, Site, guest, wharf},
    retention::until_trimmed,
};

fn site(buses: &str) -> Site {
    Site::new(&format!(
        r#"
default_tenant = "acme"
{buses}
[tenants.acme.plugins.probe]
component = "{}"
grants = {{ publish = ["probe.*"], kv = ["probe"] }}
[tenants.acme.rules.twice]
pattern = {{ type = ["probe.tell"] }}
[[tenants.acme.rules.twice.targets]]
plugin = "probe"
dead_letter = "dead"
input_transformer = {{ paths = {{ d = "$.data" }}, template = '[<d>, <d>]' }}
"#,
        guest("probe").display()
    ))
}

/// Sends an event that becomes a letter, and gives the letter's path and id.
fn letter(host: &Host) -> (String, String) {
    let event = json!({"specversion": "1.0", "id": "large", "source": "test", "type": "probe.tell", "subject": "s",
        "data": "x".repeat(600 * 1024)});
    assert_eq!(host.post("/events", "application/cloudevents+json", event.to_string()).0, 202);
    host.stats_until("acme", |stats| stats["dead_letters"] == 1);
    let id = host.dead("dead")[0]["id"].as_str().unwrap().to_owned();
    (format!("/v1/tenants/acme/dlq/dead/{id}"), id)
}

fn edit(host: &Host, letter: &str, changes: &str) -> (u16, Value) {
    let (status, _, answer) = host.put(&format!("{letter}/event"), None, changes);
    (status, answer)
}

fn run(host: &Host, words: &[&str]) -> (i32, String) {
    let output = wharf().args(["--url", &host.url, "dlq"]).args(words).output().unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
}

fn redrive(host: &Host) {
    let (status, done) = host.post("/v1/tenants/acme/dlq/dead/redrive", "application/json", r#"{"all": true}"#);
    assert_eq!((status, done), (200, json!({"redriven": 1})));
    host.stats_until("acme", |stats| stats["pending"] == 0);
}

/// What a trace tells of the delivery.
fn steps(host: &Host) -> Vec<String> {
    let trace = host.get("/v1/tenants/acme/events/large/trace").1;
    let steps = trace["events"][0]["deliveries"][0]["steps"].as_array().unwrap();
    steps.iter().map(|step| step["step"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn an_edited_letter_is_delivered_with_its_id_and_its_history_and_the_archive_keeps_what_came_in() {
    let site = site("");
    let host = site.start("serve");
    let (letter, id) = letter(&host);
    assert_eq!(run(&host, &["edit", "dead", &id, "-d", r#"{"n": 1.50}"#]), (0, format!("edited {id}\n")));
    host.kill();
    let host = site.start("serve");
    let shown = host.get(&letter).1;
    assert_eq!((&shown["id"], &shown["attempts"], &shown["code"]), (&json!(id), &json!(1), &json!("target-input")));
    let (event, edited) = (&shown["event"]["event"], &shown["edited"]);
    assert_eq!((&event["data"], &event["id"], &event["wharfedited"]), (&json!({"n": 1.5}), &json!("large"), edited));
    assert_eq!(shown["original"]["event"]["data"].as_str().map(str::len), Some(600 * 1024));
    assert!(run(&host, &["show", "dead", &id]).1.contains("as it came in"));

    assert_eq!(steps(&host), ["attempt", "edited"], "a trace goes on to the last edit");

    // What is shown can be sent back with another payload: the second edit is of the first.
    let mut whole = event.clone();
    whole["data"] = json!([7]);
    let (status, again) = edit(&host, &letter, &whole.to_string());
    assert_eq!((status, &again["event"]["event"]["data"]), (200, &json!([7])), "{again}");
    host.kill();
    let host = site.start("serve");
    redrive(&host);
    assert_eq!(host.value("probe", "told").as_deref(), Some("large test s  [[7],[7]]"));
    let received = host.get("/v1/tenants/acme/events/large").1;
    assert_eq!(received["event"]["event"]["data"].as_str().map(str::len), Some(600 * 1024), "as it came in");
    let delivery = &received["deliveries"][0];
    assert_eq!((&delivery["id"], delivery["attempts"].as_array().unwrap().len()), (&json!(id), 2), "{delivery}");
    let (status, gone) = edit(&host, &letter, r#"{"data": 1}"#);
    assert_eq!((status, &gone["code"]), (404, &json!("dead-letter-unknown")));
    assert_eq!(steps(&host), ["attempt", "edited", "edited", "redriven", "attempt"]);
}

#[test]
fn an_edit_that_makes_no_event_or_another_one_changes_nothing() {
    let site = site("");
    let host = site.start("serve");
    let (letter, id) = letter(&host);
    let large = json!({"data": "x".repeat(1024 * 1024)}).to_string();
    for (changes, code) in [
        (r#"{"id": "other"}"#, "event-attribute"),
        (r#"{"wharfhops": 1}"#, "event-attribute"),
        (r#"{"Color": "red"}"#, "event-attribute"),
        (r#"{"data": 1, "data_base64": "AQ=="}"#, "event-json"),
        ("{}", "event-json"),
        ("[1]", "event-json"),
        (&large, "event-too-large"),
    ] {
        assert_eq!(edit(&host, &letter, changes).1["code"], code, "{}", &changes[..changes.len().min(60)]);
    }
    let none = letter.replace(&id, "999-0.0");
    assert_eq!(edit(&host, &none, r#"{"data": 1}"#).1["code"], "dead-letter-unknown");
    let elsewhere = letter.replace("/dead/", "/other/");
    assert_eq!(edit(&host, &elsewhere, r#"{"data": 1}"#).1["code"], "queue-unknown");
    let shown = host.get(&letter).1;
    assert_eq!((shown.get("edited"), shown.get("original")), (None, None), "{id}");
}

#[test]
fn an_edited_letter_outlives_the_segments_that_it_came_from_and_the_state() {
    let site = site("[tenants.acme.buses.default]\nretention = { age = \"1s\" }");
    let start = || site.start_with("serve", &["--dedup-window", "1s"]);
    let host = start();
    let (letter, _) = letter(&host);
    assert_eq!(edit(&host, &letter, r#"{"data": [1]}"#).0, 200);
    until_trimmed(&site, &host, "first");
    let shown = host.get(&letter).1;
    assert_eq!((&shown["event"]["event"]["data"], shown.get("original")), (&json!([1]), None), "{shown}");
    // Of what was carried there is an edit, too.
    assert_eq!(edit(&host, &letter, r#"{"subject": "t"}"#).0, 200);
    let shown = host.get(&letter).1;
    assert_eq!(host.stop(), Some(0));

    let (status, found, said) = site.examine(&["doctor"]);
    assert_eq!((status, &found["findings"]), (0, &json!([])), "{found} {said}");
    std::fs::remove_file(site.folder.path().join("data/state.redb")).unwrap();
    let host = start();
    assert_eq!(host.get(&letter).1, shown, "the log that is left gives the letter as it was edited");
    redrive(&host);
    assert_eq!(host.value("probe", "told").as_deref(), Some("large test t  [[1],[1]]"));
}
