//! Goal: a target that fails is given a rest, costs no attempts meanwhile, and is used again when it works; everybody is told.

use serde_json::{Value, json};

use crate::host::{Host, Site, wharf};

const PLUGIN: &str = "/v1/tenants/acme/plugins/probe";

fn state(host: &Host) -> Value {
    host.get(PLUGIN).1["breaker_state"].clone()
}

/// How many attempts the only delivery of an event had.
fn attempts(host: &Host, event: &str) -> usize {
    let detail = host.get(&format!("/v1/tenants/acme/events/{event}")).1;
    detail["deliveries"][0]["attempts"].as_array().map_or(0, Vec::len)
}

fn site(breaker: &str) -> Site {
    Site::with_probe(&format!(
        r#"breaker = {{ {breaker} }}
limits = {{ concurrency = 1 }}
[tenants.acme.plugins.listener]
component = "{}"
grants = {{ publish = ["probe.*"], kv = ["probe"] }}
[tenants.acme.rules.probe]
pattern = {{ type = [{{ prefix = "probe." }}] }}
targets = [{{ plugin = "probe", retry = {{ first = "1ms", max = "1ms", attempts = 1 }}, dead_letter = "dead" }}]
[tenants.acme.rules.told]
pattern = {{ type = [{{ prefix = "dev.wharf.target." }}] }}
targets = [{{ plugin = "listener" }}]
"#,
        crate::host::guest("probe").display()
    ))
}

/// The events of a type that the host told.
fn told(host: &Host, kind: &str) -> Vec<Value> {
    let listed = host.get(&format!("/v1/tenants/acme/events?type_prefix={kind}")).1;
    let ids =
        listed.as_array().unwrap().iter().map(|event| event["event"]["id"].as_str().unwrap_or_default().to_owned());
    ids.map(|id| host.get(&format!("/v1/tenants/acme/events/{id}")).1["event"]["data"].clone()).collect()
}

#[test]
fn a_plugin_that_fails_in_a_row_is_given_a_rest_and_works_again_when_it_changes() {
    let site = site("failures = 3, open = '1h', open_max = '1h'");
    let host = site.start("dev");
    for n in 0..3 {
        host.send(&format!("bad-{n}"), "probe.panic");
    }
    host.stats_until("acme", |_| state(&host)["state"] == "open");
    host.send("held", "probe.quiet");
    host.stats_until("acme", |stats| {
        stats["load"]["plugins"].as_array().is_some_and(|all| all.iter().any(|of| of["held_by"] == "held-breaker"))
    });
    let standing = state(&host);
    assert_eq!(
        (&standing["failures"], &standing["openings"], &standing["code"]),
        (&json!(3), &json!(1), &json!("handler-trap"))
    );
    assert!(standing["since"].is_string() && standing["probe_at"].is_string(), "{standing}");
    let shown = wharf().args(["--url", &host.url, "plugin", "show", "probe"]).output().unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains("breaker   open since ") && shown.contains("last handler-trap: "), "{shown}");
    assert!(host.get("/metrics").1.as_str().unwrap().contains("wharf_targets_open 1\n"));
    assert_eq!(attempts(&host, "held"), 0, "nothing is tried");
    host.stats_until("acme", |_| told(&host, "dev.wharf.target.open").len() == 1);

    // Another setting makes another target.
    let text = std::fs::read_to_string(site.folder.path().join("wharf.toml")).unwrap();
    site.write("wharf.toml", text.replace("concurrency = 1 ", "concurrency = 2 "));
    host.settled("acme");
    assert_eq!(attempts(&host, "held"), 1);
    host.stats_until("acme", |_| state(&host)["state"] == "closed");
    host.stats_until("acme", |_| told(&host, "dev.wharf.target.closed").len() == 1);
}

#[test]
fn one_delivery_is_tried_at_a_time_until_one_works() {
    let site = site("failures = 2, open = '200ms', open_max = '400ms'");
    let host = site.start("serve");
    for n in 0..4 {
        host.send(&format!("bad-{n}"), "probe.panic");
    }
    host.send("good", "probe.quiet");
    host.settled("acme");
    // The breaker hears of a call when that is settled.
    host.stats_until("acme", |_| state(&host)["state"] == "closed");
    let standing = state(&host);
    // Two failures, two probes that fail, and one that works.
    assert_eq!(
        (&standing["state"], &standing["openings"], &standing["failures"]),
        (&json!("closed"), &json!(1), &json!(0))
    );
    for event in ["bad-0", "bad-1", "bad-2", "bad-3", "good"] {
        assert_eq!(attempts(&host, event), 1, "{event}");
    }
    host.stats_until("acme", |_| told(&host, "dev.wharf.target.").len() == 2);
}
