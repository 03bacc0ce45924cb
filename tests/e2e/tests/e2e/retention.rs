//! Goal: segments past retention go, and nothing that is still needed goes with them: the log that is left gives the whole
//! state without the state file.
//! Method: a dead letter, a retry far away, values, then enough bytes that segments fill; wait until the first one is gone.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::{
    host::{Host, Site, guest},
    routes::asked,
};

const SEGMENT: &str = "data/log/00000000000000000001.seg";

fn site() -> Site {
    site_with("")
}

fn site_with(rest: &str) -> Site {
    Site::new(&format!(
        r#"
default_tenant = "acme"
[tenants.acme.buses.default]
retention = {{ age = "1s" }}
[tenants.acme.plugins.probe]
component = "{}"
grants = {{ publish = ["probe.*"], kv = ["probe"] }}
[tenants.acme.rules.probe]
pattern = {{ type = [{{ prefix = "probe." }}] }}
targets = [{{ plugin = "probe", retry = {{ first = "1h", max = "1h" }}, dead_letter = "dead" }}]
{rest}
"#,
        guest("probe").display()
    ))
}

fn start(site: &Site) -> Host {
    site.start_with("serve", &["--dedup-window", "1s"])
}

/// Sends events of 900 KB that nobody handles until the log's first segment is gone.
pub fn until_trimmed(site: &Site, host: &Host, round: &str) {
    let began = Instant::now();
    let padding = "x".repeat(900_000);
    for n in 0.. {
        let event = json!({"specversion": "1.0", "id": format!("{round}-{n}"), "source": "test", "type": "filler",
            "data": padding});
        assert_eq!(host.post("/events", "application/cloudevents+json", event.to_string()).0, 202);
        if n >= 16 && !site.folder.path().join(SEGMENT).exists() {
            return;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "the first segment does not go");
        // Segments are left alone while their last events are within the deduplication window.
        if n >= 16 {
            host.wait(Duration::from_millis(100));
        }
    }
}

/// What must be the same before and after.
fn seen(host: &Host) -> Value {
    let mut stats = host.stats("acme");
    // These count from the host's start, and the load is that of the moment.
    for key in ["duplicates", "conflicts", "p50_ms", "p99_ms", "load"] {
        stats.as_object_mut().unwrap().remove(key);
    }
    let value = |key| host.value("probe", key);
    json!({"stats": stats, "dead": host.dead("dead"), "shared": value("shared"), "added": value("added")})
}

#[test]
fn segments_past_retention_go_and_nothing_goes_with_them_that_is_still_needed() {
    let site = site();
    let host = start(&site);
    (0..5).for_each(|n| drop(host.send(&format!("count-{n}"), "probe.increment")));
    let rejected = host.send("rejected", "probe.reject");
    // A panic is tried again in up to an hour: it waits all through this test.
    host.send("waits", "probe.panic");
    host.stats_until("acme", |stats| stats["pending"] == 1 && stats["attempts"] == 7);
    until_trimmed(&site, &host, "first");
    let (status, problem) = host.get(&format!("/v1/tenants/acme/events/{}", rejected["position"].as_str().unwrap()));
    assert_eq!((status, &problem["code"]), (404, &"event-unknown".into()), "the archive let go of it: {problem}");
    // A feed begins with the oldest that there is, or where it was told to: it leaves nothing out without a word.
    let (status, problem) = host.get(&format!("/v1/tenants/acme/feed?from={}", rejected["position"].as_str().unwrap()));
    assert_eq!((status, &problem["code"]), (404, &"event-unknown".into()), "{problem}");
    let begins = problem["detail"].as_str().unwrap().split_once("begins with ").unwrap().1.split_once(',').unwrap().0;
    host.first_line(&format!("/v1/tenants/acme/feed?from={begins}"));
    host.first_line("/v1/tenants/acme/feed?from=0-0");
    let before = seen(&host);
    assert_eq!(before["dead"][0]["event"]["event"]["id"], "rejected", "a dead letter keeps its event: {before}");
    assert_eq!((&before["shared"], &before["stats"]["pending"]), (&"5".into(), &1.into()));
    assert_eq!(host.stop(), Some(0));

    // Row by row what the log that is left gives is what the state file holds.
    let (status, found, said) = site.examine(&["doctor"]);
    assert_eq!((status, &found["findings"]), (0, &json!([])), "{found} {said}");
    assert!(found["state"]["rows"].as_u64() > Some(5) && found["log"]["first_k"].as_u64() > Some(1), "{found}");
    std::fs::remove_file(site.folder.path().join("data/state.redb")).unwrap();
    let host = start(&site);
    assert_eq!(seen(&host), before, "the log that is left gives the whole state");
    let (status, _) = host.post("/v1/tenants/acme/dlq/dead/redrive", "application/json", r#"{"all": true}"#);
    assert_eq!(status, 200);
    // It is tried again with the event that was carried, and rejected again.
    host.stats_until("acme", |stats| stats["dead_letters"] == 2 && stats["pending"] == 1);
    host.send("count-5", "probe.increment");
    host.stats_until("acme", |stats| stats["pending"] == 1);
    assert_eq!(host.value("probe", "shared").as_deref(), Some("6"));
}

#[test]
fn what_is_known_of_a_tenant_that_never_had_an_event_does_not_go_either() {
    let site = site_with(&format!(
        "[tenants.web.plugins.bringer]\ncomponent = \"{}\"\ngrants = {{ publish = [\"brought\"], kv = [\"bringer\"] }}\n\
         [tenants.web.routes.\"/do/*\"]\nplugin = \"bringer\"\n",
        guest("bringer").display()
    ));
    let host = start(&site);
    assert_eq!(asked(&host, "POST /t/web/do/look", b"").status, 200);
    // What it used is charged within a second.
    let used = |host: &Host| host.get("/v1/tenants/web/usage").1["total"].clone();
    let charged = |_| {
        host.wait(Duration::from_millis(20));
        used(&host)["attempts"] == 1
    };
    assert!((0..500).any(charged), "{}", used(&host));
    until_trimmed(&site, &host, "first");
    assert_eq!(host.stats("web")["events"], 0);
    let before = used(&host);
    assert_eq!(host.stop(), Some(0));
    let (status, found, said) = site.examine(&["doctor"]);
    assert_eq!((status, &found["findings"]), (0, &json!([])), "{found} {said}");
    std::fs::remove_file(site.folder.path().join("data/state.redb")).unwrap();
    let host = start(&site);
    assert_eq!(used(&host), before, "the log that is left says what was used");
}
