//! Goal: a rule brings events to another bus of the tenant, whose rules they meet like any other; buses in a circle come to an end.

use serde_json::{Value, json};

use crate::host::{Host, Site, wharf};

/// A site with the bus `audit`, whose rule `counts` has the probe for a target, and these rules.
fn site(rules: &str) -> Site {
    Site::with_probe(&format!(
        "[tenants.acme.buses.audit]\n[tenants.acme.rules.counts]\nbus = \"audit\"\n\
         pattern = {{ type = [{{ prefix = \"probe.\" }}] }}\ntargets = [{{ plugin = \"probe\", dead_letter = \"dead\" }}]\n{rules}"
    ))
}

/// A rule of the bus `default` for everything, with a target that says this.
fn aside(target: &str) -> String {
    format!("[tenants.acme.rules.aside]\npattern = {{ type = [{{ prefix = \"\" }}] }}\ntargets = [{{ {target} }}]\n")
}

/// The events of the tenant, the oldest first.
fn events(host: &Host) -> Vec<Value> {
    let mut events = host.get("/v1/tenants/acme/events?limit=100").1.as_array().unwrap().clone();
    events.reverse();
    events
}

#[test]
fn an_event_is_published_once_more_on_the_bus_that_it_is_owed_to_and_a_crash_changes_nothing() {
    let site = site(&aside("bus = \"audit\", input = '{\"n\": 7}'"));
    let host = site.start("serve");
    let position = host.send("a", "probe.increment")["position"].as_str().unwrap().to_owned();
    let stats = host.settled("acme");
    let counted = ["events", "published", "deliveries", "attempts", "dead_letters"].map(|name| stats[name].clone());
    assert_eq!(counted, [1, 1, 2, 2, 0].map(|n| json!(n)));
    assert_eq!(host.value("probe", "shared").as_deref(), Some("1"));
    let seen = events(&host);
    assert_eq!(seen.iter().map(|event| event["bus"].as_str().unwrap()).collect::<Vec<_>>(), ["default", "audit"]);
    let wanted = json!({
        "specversion": "1.0", "id": format!("{position}.0.1"), "source": "test", "type": "probe.increment",
        "correlationid": "a", "causationid": "a", "wharfhops": 1, "datacontenttype": "application/json", "data": {"n": 7},
    });
    assert_eq!(seen[1]["event"], wanted);
    let first = host.get(&format!("/v1/tenants/acme/events/{position}")).1;
    let delivery = &first["deliveries"][0];
    assert_eq!((&delivery["target"], &delivery["state"]), (&json!("bus/audit"), &json!("settled")));
    host.kill();
    let host = site.start("serve");
    assert_eq!((events(&host), host.stats("acme")["pending"].clone()), (seen, json!(0)));
    assert_eq!(host.stop(), Some(0));
    // Out of the log alone it is the same.
    std::fs::remove_file(site.folder.path().join("data/state.redb")).unwrap();
    let host = site.start("serve");
    assert_eq!(host.stats("acme")["deliveries"], 2);
    // For whoever sends it is said where the event went.
    let mut command = wharf();
    command.args(["--url", &host.url, "-t", "acme", "send", "probe.increment", "--id", "b"]);
    let said = String::from_utf8(command.output().unwrap().stdout).unwrap();
    assert!(said.contains("aside → bus/audit"), "{said}");
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn buses_that_lead_to_each_other_come_to_an_end() {
    let back = "[tenants.acme.rules.back]\nbus = \"audit\"\npattern = { type = [{ prefix = \"\" }] }\n\
                targets = [{ bus = \"default\", dead_letter = \"lost\" }]\n";
    let site = site(&format!("{}{back}", aside("bus = \"audit\", dead_letter = \"lost\"")));
    let host = site.start("serve");
    host.send("a", "round");
    let stats = host.settled("acme");
    assert_eq!((&stats["published"], &stats["dead_letters"]), (&json!(17), &json!(1)));
    let last = events(&host).pop().unwrap();
    assert_eq!((&last["event"]["wharfhops"], &last["event"]["correlationid"]), (&json!(17), &json!("a")));
    assert_eq!(host.dead("lost")[0]["code"], "hop-limit");
}

#[test]
fn a_bus_that_is_a_target_stays_and_one_that_there_is_not_is_none() {
    let site = site("");
    let host = site.start("serve");
    const BUSES: &str = "/v1/tenants/acme/buses";
    assert_eq!(host.put(&format!("{BUSES}/made"), None, "{}").0, 201);
    let rule = |bus: &str| json!({"pattern": {"type": ["t"]}, "targets": [{"bus": bus}]}).to_string();
    let at = format!("{BUSES}/default/rules/aside");
    let (status, _, refused) = host.put(&at, None, rule("nowhere"));
    assert_eq!(
        (status, &refused["code"], &refused["errors"][0]["pointer"]),
        (422, &json!("rule-invalid"), &json!("/targets/0/bus"))
    );
    let (status, _, put) = host.put(&at, None, rule("made"));
    assert_eq!(
        (status, &put["targets"][0]["bus"], &put["targets"][0]["dead_letter"]),
        (201, &json!("made"), &json!("made"))
    );
    assert_eq!(host.delete(&format!("{BUSES}/made")), 409);
    let event = json!({"specversion": "1.0", "id": "a", "source": "test", "type": "t"});
    let asked = host.post(&format!("{BUSES}/default/explain"), "application/cloudevents+json", event.to_string()).1;
    assert_eq!(asked[0]["buses"], json!(["made"]));
    assert_eq!(host.delete(&at), 204);
    assert_eq!(host.delete(&format!("{BUSES}/made")), 204);
    assert_eq!(host.put(&format!("{BUSES}/topic%2Fx"), None, "{}").0, 422);
}

#[test]
fn a_bus_bounds_what_waits_of_it_and_what_is_published_there_waits_for_room() {
    let site = Site::with_probe(
        "[tenants.acme.queues.jobs]\n[tenants.acme.buses.orders]\nbacklog = 2\n\
         [tenants.acme.rules.keep]\nbus = \"orders\"\npattern = { type = [{ prefix = \"\" }] }\ntargets = [{ queue = \"jobs\" }]\n\
         [tenants.acme.rules.aside]\npattern = { type = [\"t\"] }\ntargets = [{ bus = \"orders\" }]\n",
    );
    let host = site.start("serve");
    let sent = |host: &Host, id: &str| {
        let event = json!({"specversion": "1.0", "id": id, "source": "test", "type": "order"}).to_string();
        host.post("/v1/tenants/acme/buses/orders/events", "application/cloudevents+json", event)
    };
    let orders = |host: &Host| host.get("/v1/tenants/acme/buses/orders").1;
    assert_eq!((sent(&host, "a").0, sent(&host, "b").0), (202, 202));
    let (status, refused) = sent(&host, "c");
    assert_eq!((status, &refused["code"]), (429, &json!("quota-backlog")), "{refused}");
    assert_eq!(refused["detail"], "2 deliveries of bus `orders` wait, and 2 may");
    assert_eq!((&orders(&host)["waiting"], &orders(&host)["backlog"]), (&json!(2), &json!(2)));
    // Another bus is not bounded by that, and what it brings there waits, without an attempt.
    let position = host.send("d", "t")["position"].as_str().unwrap().to_owned();
    let aside = |host: &Host| host.get(&format!("/v1/tenants/acme/events/{position}")).1["deliveries"][0].clone();
    host.until("that it waits for room", || aside(&host)["held_by"] == "quota-backlog");
    assert_eq!(aside(&host)["attempts"], json!([]), "{}", aside(&host));
    host.kill();
    let host = site.start("serve");
    assert_eq!(orders(&host)["waiting"], 2);
    assert_eq!(sent(&host, "c").1["code"], "quota-backlog");
    assert_eq!(host.post("/v1/tenants/acme/queues/jobs/purge", "application/json", "").0, 200);
    host.until("that it has room", || aside(&host)["state"] == "settled");
    assert_eq!(aside(&host)["attempts"].as_array().unwrap().len(), 1, "{}", aside(&host));
    assert_eq!(orders(&host)["waiting"], 1);
    assert_eq!(host.stop(), Some(0));
    // Out of the log alone it is the same.
    std::fs::remove_file(site.folder.path().join("data/state.redb")).unwrap();
    let host = site.start("serve");
    assert_eq!(orders(&host)["waiting"], 1);
    let bus = wharf().args(["--url", &host.url, "-t", "acme", "bus", "ls"]).output().unwrap();
    let said = String::from_utf8(bus.stdout).unwrap();
    assert!(said.lines().any(|line| line.starts_with("orders") && line.trim_end().ends_with("1        2")), "{said}");
}
