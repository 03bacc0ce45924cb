//! Tenants are made while a host runs: each with its own rules, plugins and data, suspended and resumed, and deleted so that nothing
//! of them is left for another one of their name.

use serde_json::{Value, json};

use crate::host::{Host, Site, guest, wharf};

/// Runs a command for a tenant: exit status, and what it printed as JSON.
fn run(host: &Host, tenant: &str, words: &[&str]) -> (i32, Value) {
    let output = wharf().args(["-o", "json", "-t", tenant]).args(words).env("WHARF_URL", &host.url).output().unwrap();
    (output.status.code().unwrap(), serde_json::from_slice(&output.stdout).unwrap_or_default())
}

/// A tenant with a plugin that counts, a rule for it, and an event bus of its own.
fn furnished(host: &Host, site: &Site, tenant: &str) {
    assert_eq!(run(host, tenant, &["tenant", "create", tenant]).0, 0);
    site.write("settings.json", r#"{"grants": {"kv": ["made"], "publish": ["probe.*"]}}"#);
    let settings = site.folder.path().join("settings.json").display().to_string();
    assert_eq!(run(host, tenant, &["plugin", "set", "made", "--file", &settings]).0, 0);
    let probe = guest("probe").display().to_string();
    let (exit, release) = run(host, tenant, &["plugin", "upload", "made", &probe]);
    assert_eq!((exit, release["state"].as_str()), (0, Some("ready")), "{release}");
    assert_eq!(run(host, tenant, &["promote", "made"]).0, 0);
    let pattern = r#"{"type": [{"prefix": "probe."}]}"#;
    assert_eq!(run(host, tenant, &["rules", "add", "made", "--pattern", pattern, "--target", "made"]).0, 0);
    assert_eq!(run(host, tenant, &["bus", "add", "orders", "--age", "30d"]).0, 0);
}

fn send(host: &Host, tenant: &str, id: &str, kind: &str) -> (u16, Value) {
    let event = json!({"specversion": "1.0", "id": id, "source": "test", "type": kind});
    let path = format!("/v1/tenants/{tenant}/buses/default/events");
    host.post(&path, "application/cloudevents+json", event.to_string())
}

fn value(host: &Host, tenant: &str, key: &str) -> (u16, Value) {
    host.get(&format!("/v1/tenants/{tenant}/kv/made/{key}"))
}

/// Gives a tenant of [`furnished`] a delivery that is tried again and again, and waits by itself in between.
fn stubborn(host: &Host, tenant: &str) {
    let retry = json!({"first": "50ms", "max": "50ms", "attempts": 1_000});
    let rule = json!({"pattern": {"type": ["probe.panic"]}, "targets": [{"plugin": "made", "retry": retry}]});
    let path = format!("/v1/tenants/{tenant}/buses/default/rules/stubborn");
    assert_eq!(host.put(&path, None, rule.to_string()).0, 201);
    assert_eq!(send(host, tenant, "stubborn", "probe.panic").0, 202);
    host.stats_until(tenant, |stats| stats["retries"].as_u64() > Some(0));
}

/// What changes when a delivery of a tenant is tried.
fn tries(host: &Host, tenant: &str) -> [Value; 2] {
    ["attempts", "pending"].map(|name| host.stats(tenant)[name].clone())
}

/// Waits until a tenant's stubborn delivery was tried some times more.
fn tried(host: &Host, tenant: &str) {
    let attempts = |stats: &Value| stats["attempts"].as_u64().unwrap();
    let before = attempts(&host.stats(tenant));
    host.stats_until(tenant, |stats| attempts(stats) >= before + 5);
}

#[test]
fn tenants_have_all_of_their_own_and_nothing_of_one_is_anothers() {
    let site = Site::new("default_tenant = \"acme\"\n[tenants.acme]\n");
    let host = site.start("serve");
    furnished(&host, &site, "north");
    furnished(&host, &site, "south");
    let (status, sent) = send(&host, "north", "one", "probe.add-hot");
    assert_eq!(status, 202, "{sent}");
    host.settled("north");
    assert_eq!(value(&host, "north", "hot").0, 200);
    assert_eq!((value(&host, "south", "hot").0, value(&host, "acme", "hot").0), (404, 404));
    let position = sent["position"].as_str().unwrap();
    assert_eq!(host.get(&format!("/v1/tenants/north/events/{position}")).0, 200);
    let (status, other) = host.get(&format!("/v1/tenants/south/events/{position}"));
    assert_eq!((status, other["code"].as_str()), (404, Some("event-unknown")));
    let (_, buses) = run(&host, "north", &["bus", "ls"]);
    let ages: Vec<_> = buses.as_array().unwrap().iter().map(|bus| (&bus["bus"], &bus["retention"]["age"])).collect();
    assert_eq!(ages, [(&json!("default"), &json!("7d")), (&json!("orders"), &json!("30d"))]);
    assert_eq!(run(&host, "acme", &["tenant", "delete", "acme", "--yes"]).0, 5, "it stands in the file");
    assert_eq!(run(&host, "acme", &["tenant", "create", "north"]).0, 5, "there is one");
    host.kill();
    let host = site.start("serve");
    let (_, all) = run(&host, "north", &["tenant", "ls"]);
    assert_eq!(all["tenants"], json!(["acme", "north", "south"]));
    assert_eq!(value(&host, "north", "hot").0, 200);
    assert_eq!(send(&host, "south", "one", "probe.add-hot").0, 202);
    host.settled("south");
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn a_suspended_tenant_takes_no_events_and_its_deliveries_wait_without_losing_attempts() {
    let site = Site::new("[tenants.acme]\n");
    let host = site.start("serve");
    furnished(&host, &site, "north");
    furnished(&host, &site, "south");
    let (exit, tenant) = run(&host, "north", &["tenant", "suspend", "north"]);
    assert_eq!((exit, &tenant["suspended"]), (0, &json!(true)), "{tenant}");
    let (status, refusal) = send(&host, "north", "one", "probe.add-hot");
    assert_eq!((status, refusal["code"].as_str()), (403, Some("tenant-suspended")), "{refusal}");
    assert_eq!(send(&host, "south", "one", "probe.add-hot").0, 202, "nobody else is");
    host.settled("south");
    assert_eq!(run(&host, "north", &["tenant", "resume", "north"]).0, 0);
    stubborn(&host, "north");
    stubborn(&host, "south");
    // Events that come right before it: those of which no attempt began wait.
    for n in 0..200 {
        assert_eq!(send(&host, "north", &format!("n{n}"), "probe.add-hot").0, 202);
    }
    assert_eq!(run(&host, "north", &["tenant", "suspend", "north"]).0, 0);
    // Attempts that had begun come to their end; by then the other one's were tried anew some times.
    tried(&host, "south");
    let before = tries(&host, "north");
    tried(&host, "south");
    assert_eq!(tries(&host, "north"), before, "nothing of it is tried");
    host.kill();
    let host = site.start("serve");
    let before = tries(&host, "north");
    assert!(before[1].as_u64() > Some(0), "{before:?}");
    tried(&host, "south");
    assert_eq!(tries(&host, "north"), before, "it rests after a start too");
    assert_eq!(run(&host, "north", &["tenant", "resume", "north"]).0, 0);
    tried(&host, "north");
    host.until("that all events are counted", || value(&host, "north", "hot").1["value"] == json!({ "text": "200" }));
    assert_eq!(host.stats("north")["dead_letters"], json!(0));
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn what_a_deleted_tenant_had_is_gone_and_the_next_one_of_its_name_finds_nothing() {
    let site = Site::new("[tenants.acme]\n");
    let host = site.start("serve");
    furnished(&host, &site, "north");
    let (_, first) = send(&host, "north", "one", "probe.add-hot");
    let position = first["position"].as_str().unwrap().to_owned();
    host.settled("north");
    // Some that wait: for their turn, for their time, and as dead letters.
    for n in 0..50 {
        send(&host, "north", &format!("r{n}"), if n % 2 == 0 { "probe.panic" } else { "probe.reject" });
    }
    let refused = run(&host, "north", &["tenant", "delete", "north"]);
    assert_eq!(refused.0, 1, "nobody confirmed it");
    assert_eq!(run(&host, "north", &["tenant", "delete", "north", "--yes"]).0, 0);
    assert_eq!(host.get("/v1/tenants/north").1["code"], json!("tenant-unknown"));
    assert_eq!(send(&host, "north", "two", "probe.add-hot").1["code"], json!("tenant-unknown"));
    host.kill();
    let host = site.start("serve");
    host.until("that it is deleted to the end", || {
        host.get("/v1/tenants").1["deleting"].as_array().unwrap().is_empty()
    });
    assert_eq!(host.get("/v1/tenants").1["tenants"], json!(["acme"]));
    assert_eq!(host.stop(), Some(0));
    let host = site.start("serve");
    assert_eq!(host.get("/v1/tenants").1["tenants"], json!(["acme"]), "a start later");
    let components = site.folder.path().join("data/components");
    host.until("that its component is removed", || std::fs::read_dir(&components).unwrap().count() == 0);
    furnished(&host, &site, "north");
    let stats = host.get("/v1/tenants/north/stats").1;
    assert_eq!(
        (&stats["events"], &stats["pending"], &stats["dead_letters"]),
        (&json!(0), &json!(0), &json!(0)),
        "{stats}"
    );
    for path in ["kv/made/hot", &format!("events/{position}"), "events/one"] {
        assert_eq!(host.get(&format!("/v1/tenants/north/{path}")).0, 404, "{path}");
    }
    assert_eq!(host.get("/v1/tenants/north/events").1, json!([]));
    let (status, again) = send(&host, "north", "one", "probe.add-hot");
    assert_eq!(
        (status, &again["duplicate"]),
        (202, &json!(false)),
        "what another one had sent is no duplicate: {again}"
    );
    host.settled("north");
    assert_eq!(value(&host, "north", "hot").1["value"], json!({ "text": "1" }));
    assert_eq!(host.stop(), Some(0));
}
