//! The real payloads through the example plugins, against a count made from the file alone.

use std::{collections::BTreeMap, io::Read as _};

use serde_json::{Value, json};

use crate::host::{Host, Site, guest};

fn payloads() -> Vec<Value> {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../data/github-webhooks.ndjson.gz");
    let mut text = String::new();
    flate2::read::GzDecoder::new(std::fs::File::open(file).unwrap()).read_to_string(&mut text).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn site() -> Site {
    let plugin = |name: &str, more: &str| {
        format!("[tenants.acme.plugins.{name}]\ncomponent = \"{}\"\n{more}\n", guest(name).display())
    };
    let rule = |name: &str, pattern: &str, targets: &str| {
        format!("[tenants.acme.rules.{name}]\npattern = {{ type = [{pattern}] }}\ntargets = [{targets}]\n")
    };
    Site::new(
        &[
            "default_tenant = \"acme\"\n".to_owned(),
            plugin("github-triage", "grants = { publish = [\"triage.*\"] }"),
            plugin("event-stats", "grants = { kv = [\"event-stats\"] }"),
            plugin("push-stats", "grants = { kv = [\"push-stats\"] }"),
            plugin("label-stats", "grants = { kv = [\"label-stats\"] }"),
            plugin("flaky", "config = { retry_every = 10, fail_every = 50, after_ms = 50 }"),
            rule("opened", "\"com.github.issues.opened\"", "{ plugin = \"github-triage\" }"),
            rule("counted", "{ prefix = \"com.github.\" }", "{ plugin = \"event-stats\" }"),
            rule("pushed", "\"com.github.push\"", "{ plugin = \"push-stats\" }"),
            rule("labeled", "\"triage.labeled\"", "{ plugin = \"label-stats\" }"),
            rule(
                "flaky",
                "{ prefix = \"com.github.\" }",
                "{ plugin = \"flaky\", retry = { first = \"50ms\", max = \"50ms\", attempts = 3 }, dead_letter = \"flaky-failed\" }",
            ),
        ]
        .concat(),
    )
}

fn bucket(host: &Host, name: &str) -> BTreeMap<String, u64> {
    let keys = host.get(&format!("/v1/tenants/acme/kv/{name}?limit=1000")).1;
    let number = |key: &Value| key["value"]["text"].as_str().unwrap().parse().unwrap();
    keys.as_array().unwrap().iter().map(|key| (key["key"].as_str().unwrap().to_owned(), number(key))).collect()
}

#[test]
fn the_real_payloads_give_the_totals_that_the_file_has() {
    let site = site();
    let host = site.start("serve");
    let (mut counted, mut pushed, mut opened, mut pushes) = (BTreeMap::new(), BTreeMap::new(), 0, 0);
    let mut events = Vec::new();
    for (line, entry) in (1..).zip(payloads()) {
        let (name, payload) = (entry["event"].as_str().unwrap(), &entry["payload"]);
        let repository = payload["repository"]["full_name"].as_str().unwrap_or("none");
        let kind = match payload["action"].as_str() {
            Some(action) => format!("com.github.{name}.{action}"),
            None => format!("com.github.{name}"),
        };
        *counted.entry(format!("type/{kind}")).or_insert(0) += 1;
        *counted.entry(format!("repo/{repository}")).or_insert(0) += 1;
        opened += u64::from(kind == "com.github.issues.opened");
        if kind == "com.github.push" {
            pushes += 1;
            for commit in payload["commits"].as_array().unwrap() {
                *pushed.entry(format!("repo/{repository}")).or_insert(0) += 1;
                let author = commit["author"]["username"].as_str().unwrap_or("none");
                *pushed.entry(format!("author/{author}")).or_insert(0) += 1;
            }
        }
        let source = format!("github/{repository}");
        events.push(
            json!({"specversion": "1.0", "id": format!("gh-{line}"), "source": source, "type": kind, "data": payload}),
        );
    }
    for batch in events.chunks(50) {
        let body = serde_json::to_vec(batch).unwrap();
        let (status, answers) = host.post("/events", "application/cloudevents-batch+json", body);
        assert_eq!((status, answers.as_array().unwrap().len()), (200, batch.len()));
    }
    let stats = host.settled("acme");
    let received = events.len() as u64;
    assert_eq!((received, opened), (329, 4));
    let deliveries = 2 * received + opened + pushes + opened;
    for (name, expected) in [
        ("events", received),
        ("published", opened),
        ("deliveries", deliveries),
        ("retries", 38),
        ("dead_letters", 6),
        ("attempts", deliveries + 38),
        ("duplicates", 0),
    ] {
        assert_eq!(stats[name], expected, "{name} of {stats}");
    }
    assert_eq!(bucket(&host, "event-stats"), counted);
    assert_eq!(bucket(&host, "push-stats"), pushed);
    assert_eq!(bucket(&host, "label-stats").values().sum::<u64>(), opened, "one label an issue in this file");
    let letters = host.dead("flaky-failed");
    let ids: Vec<_> = letters.iter().map(|letter| letter["event"]["event"]["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["gh-50", "gh-100", "gh-150", "gh-200", "gh-250", "gh-300"]);
    assert!(letters.iter().all(|letter| letter["code"] == "retries-spent" && letter["attempts"] == 3), "{letters:?}");

    let (_, answers) =
        host.post("/events", "application/cloudevents-batch+json", serde_json::to_vec(&events[..50]).unwrap());
    assert!(answers.as_array().unwrap().iter().all(|answer| answer["duplicate"] == true));
    assert_eq!(host.settled("acme")["events"], received);
}
