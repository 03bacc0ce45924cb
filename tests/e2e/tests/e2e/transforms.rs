//! Transforms change or leave out events on their way to a target; whatever a transform does wrong fails the attempt.

use std::io::Read as _;

use serde_json::{Value, json};

use crate::host::{Host, Site, guest};

/// A site whose rule lets events of types that begin with `probe.` through the probing transform, `rounds` times.
fn site(rounds: usize, limits: &str) -> Site {
    let transforms = vec!["\"bend\""; rounds].join(", ");
    let rule = format!(
        r#"[tenants.acme.rules.probe]
pattern = {{ type = [{{ prefix = "probe." }}] }}
transforms = [{transforms}]
targets = [{{ plugin = "probe", retry = {{ first = "1ms", max = "1ms", attempts = 2 }}, dead_letter = "dead" }}]
"#
    );
    Site::transforming(limits, &rule)
}

fn delivery(host: &Host, event: &str) -> Value {
    host.get(&format!("/v1/tenants/acme/events/{event}")).1["deliveries"][0].clone()
}

#[test]
fn the_target_gets_what_the_transforms_made_and_the_archive_keeps_what_was_received() {
    let site = site(2, "");
    let host = site.start("serve");
    host.send("a", "probe.tell");
    host.settled("acme");
    assert_eq!(
        host.value("probe", "told").as_deref(),
        Some("a-changed-changed transform changed xx {} changed changed")
    );
    let archived = host.get("/v1/tenants/acme/events/a").1["event"]["event"].clone();
    assert_eq!(archived, json!({"specversion": "1.0", "id": "a", "source": "test", "type": "probe.tell", "data": {}}));
    // What the handler published descends from the event as it was received.
    let events = host.get("/v1/tenants/acme/events?limit=10").1;
    let told = events.as_array().unwrap().iter().find(|event| event["event"]["type"] == "probe.told").unwrap();
    let ancestry = ["correlationid", "causationid", "wharfhops"].map(|name| told["event"][name].clone());
    assert_eq!(ancestry, [json!("a"), json!("a"), json!(1)]);
}

#[test]
fn an_event_that_a_transform_leaves_out_is_settled_as_filtered() {
    let site = site(2, "");
    let host = site.start("serve");
    host.send("a", "probe.drop");
    let stats = host.settled("acme");
    let counted = ["deliveries", "attempts", "retries", "dead_letters"].map(|name| stats[name].as_u64().unwrap());
    assert_eq!(counted, [1, 1, 0, 0]);
    let delivery = delivery(&host, "a");
    assert_eq!(delivery["state"], "filtered");
    assert_eq!(delivery["attempts"][0]["outcome"], json!({"outcome": "filtered", "transform": "bend"}));
    assert_eq!(host.stop(), Some(0));
    // What was filtered is so after a restart, with the state made anew out of the log.
    std::fs::remove_file(site.folder.path().join("data/state.redb")).unwrap();
    let host = site.start("serve");
    assert_eq!(self::delivery(&host, "a")["state"], "filtered");
    assert_eq!(host.stats("acme")["pending"], 0);
}

#[test]
fn whatever_a_transform_does_wrong_fails_the_attempt_and_names_it() {
    let site = site(1, "wall_ms = 2000, cpu_ms = 100, memory_mib = 16");
    let host = site.start("serve");
    let cases = [
        ("probe.retry", "handler-retry", "transform `bend`: the transform asks for another attempt"),
        ("probe.panic", "handler-trap", "transform `bend`: wasm trap: wasm `unreachable` instruction executed"),
        ("probe.loop", "limit-cpu", "transform `bend`: the attempt used its CPU budget of 100 ms up"),
        ("probe.memory", "limit-memory", "transform `bend`: the attempt asked for more than its 16 MiB of memory"),
        ("probe.no-id", "transform-output", "transform `bend`: the attribute `id` "),
        ("probe.bad-extension", "transform-output", "transform `bend`: the attribute `Not A Name` "),
        ("probe.twice", "transform-output", "transform `bend`: the event has the member `a` more than once"),
        ("probe.no-json", "transform-output", "transform `bend`: the payload is not JSON"),
        ("probe.too-large", "transform-output", "transform `bend`: the event has "),
        ("probe.reject", "handler-reject", "transform `bend`: the transform rejects as asked"),
    ];
    for (kind, code, said) in cases {
        host.send(kind, kind);
        host.settled("acme");
        let delivery = delivery(&host, kind);
        assert_eq!(delivery["state"], "dead-lettered", "{kind}");
        let outcome = &delivery["attempts"][0]["outcome"];
        assert_eq!(outcome["code"], code, "{kind}: {outcome}");
        assert!(outcome["reason"].as_str().unwrap().starts_with(said), "{kind}: {outcome}");
        let attempts = if kind == "probe.reject" { 1 } else { 2 };
        assert_eq!(delivery["attempts"].as_array().unwrap().len(), attempts, "{kind}");
        host.send(&format!("after-{kind}"), "probe.increment");
        host.settled("acme");
        assert_eq!(delivery_state(&host, &format!("after-{kind}")), "settled", "after {kind}");
    }
    assert_eq!(host.value("probe", "shared"), Some(cases.len().to_string()));
}

fn delivery_state(host: &Host, event: &str) -> String {
    delivery(host, event)["state"].as_str().unwrap().to_owned()
}

#[test]
fn plugins_in_the_wrong_place_are_told_with_all_other_mistakes() {
    let (handler, transform) = (guest("probe"), guest("transform-probe"));
    let config = format!(
        r#"default_tenant = "acme"
[tenants.acme.plugins.handles]
component = "{}"
[tenants.acme.plugins.bends]
component = "{}"
config = {{ a = "b" }}
grants = {{ kv = ["x"] }}
[tenants.acme.plugins.missing]
component = "nowhere.wasm"
[tenants.acme.rules.r]
pattern = {{ type = [{{ prefixx = "a" }}] }}
transforms = ["bends", "handles", "nobody"]
targets = [{{ plugin = "bends" }}, {{ plugin = "handles", retries = 1 }}]
"#,
        handler.display(),
        transform.display()
    );
    let site = Site::new(&config);
    let (status, said) = site.refuse("serve");
    assert_ne!(status, 0);
    for expected in [
        "wharf.toml:6:10",
        "plugin `bends` is a transform, which takes no `config`",
        "wharf.toml:7:10",
        "plugin `bends` is a transform, which takes no `grants`",
        "wharf.toml:9:13",
        "error[component-missing]",
        "wharf.toml:11:",
        "error[pattern-invalid]",
        "wharf.toml:12:24",
        "plugin `handles` handles events, and is no transform",
        "wharf.toml:12:35",
        "there is no plugin `nobody`",
        "wharf.toml:13:23",
        "plugin `bends` is a transform, and a target handles events",
        "wharf.toml:13:56",
        "has no key `retries`",
    ] {
        assert!(said.contains(expected), "{expected:?} is not in:\n{said}");
    }
    assert_eq!(said.matches("error[").count(), 8, "{said}");
}

#[test]
fn a_transform_that_imports_a_capability_is_refused() {
    let site = site(1, "");
    let config = std::fs::read_to_string(site.folder.path().join("wharf.toml")).unwrap();
    let pure = guest("transform-probe").display().to_string();
    site.write("wharf.toml", config.replace(&pure, &guest("impure-transform").display().to_string()));
    let (status, said) = site.refuse("serve");
    assert_ne!(status, 0);
    assert!(said.contains("error[component-impure]") && said.contains("wharf.toml:7:13"), "{said}");
    assert!(said.contains("imports wasi:random/random@0.2"), "{said}");
}

#[test]
fn real_pull_requests_reach_the_target_with_a_size_class_and_drafts_do_not() {
    let site = Site::with_probe(&format!(
        r#"[tenants.acme.plugins.enrich]
component = "{}"
[tenants.acme.rules.pulls]
pattern = {{ type = [{{ prefix = "com.github.pull_request." }}] }}
transforms = ["enrich"]
targets = [{{ plugin = "probe" }}]
"#,
        guest("pull-request-enrich").display()
    ));
    let host = site.start("serve");
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../data/github-webhooks.ndjson.gz");
    let mut text = String::new();
    flate2::read::GzDecoder::new(std::fs::File::open(file).unwrap()).read_to_string(&mut text).unwrap();
    let entries = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut drafts = std::collections::BTreeMap::new();
    for (line, entry) in (1..).zip(entries).filter(|(_, entry): &(u32, Value)| entry["event"] == "pull_request") {
        let (payload, id) = (&entry["payload"], format!("gh-{line}"));
        let kind = format!("com.github.pull_request.{}", payload["action"].as_str().unwrap());
        let event = json!({"specversion": "1.0", "id": id, "source": "github", "type": kind, "data": payload});
        assert_eq!(host.post("/events", "application/cloudevents+json", event.to_string()).0, 202);
        drafts.insert(id, payload["pull_request"]["draft"] == true);
    }
    let stats = host.settled("acme");
    assert!(drafts.len() > 20 && drafts.values().any(|draft| *draft), "the file has pull requests, and drafts");
    let counted = ["events", "attempts", "retries", "dead_letters"].map(|name| stats[name].as_u64().unwrap());
    assert_eq!(counted, [drafts.len() as u64, drafts.len() as u64, 0, 0]);
    for (id, draft) in drafts {
        let expected = if draft { "filtered" } else { "settled" };
        assert_eq!(delivery_state(&host, &id), expected, "{id}");
    }
}
